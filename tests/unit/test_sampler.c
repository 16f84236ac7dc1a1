/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * collect/sampler: an event a CPU, all of them or none.
 * Input: a kernel of a few CPUs that refuses what it is told to.  Output: Check's report.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static long no_syscall(long number, ...);
static int no_ioctl(int fd, unsigned long request, ...);
static long no_sysconf(int name);

#define syscall no_syscall
#define ioctl   no_ioctl
#define sysconf no_sysconf
#include "collect/sampler.c"
#undef syscall
#undef ioctl
#undef sysconf

enum { CPUS = 4, PROG = 1234 };

static struct {
	int open_errno[CPUS], bpf_errno[CPUS], enable_errno[CPUS];
	int fd[CPUS]; /* 0: none */
	bool armed[CPUS], ticks[CPUS];
	struct perf_event_attr attr[CPUS];
} machine;

static long no_sysconf(int name)
{
	ck_assert_int_eq(name, _SC_NPROCESSORS_CONF);
	return CPUS;
}

static long no_syscall(long number, ...)
{
	const struct perf_event_attr *attr;
	int pid, cpu;
	va_list ap;

	va_start(ap, number);
	attr = va_arg(ap, const struct perf_event_attr *);
	pid = va_arg(ap, int);
	cpu = va_arg(ap, int);
	va_end(ap);
	ck_assert_int_eq(number, SYS_perf_event_open);
	/* everything that runs on that CPU */
	ck_assert_int_eq(pid, -1);
	errno = machine.open_errno[cpu];
	if (errno)
		return -1;
	machine.attr[cpu] = *attr;
	machine.fd[cpu] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return machine.fd[cpu];
}

static int cpu_of(int fd)
{
	int cpu;

	for (cpu = 0; cpu < CPUS && machine.fd[cpu] != fd; cpu++)
		;
	ck_assert_int_lt(cpu, CPUS);
	return cpu;
}

static int no_ioctl(int fd, unsigned long request, ...)
{
	int cpu = cpu_of(fd);

	if (request == PERF_EVENT_IOC_SET_BPF) {
		va_list ap;

		va_start(ap, request);
		ck_assert_int_eq(va_arg(ap, int), PROG);
		va_end(ap);
		errno = machine.bpf_errno[cpu];
		machine.armed[cpu] = !errno;
	} else {
		ck_assert_uint_eq(request, PERF_EVENT_IOC_ENABLE);
		errno = machine.enable_errno[cpu];
		machine.ticks[cpu] = !errno;
	}
	return errno ? -1 : 0;
}

static void setup(void)
{
	memset(&machine, 0, sizeof(machine));
}

static void expect_closed(void)
{
	for (int cpu = 0; cpu < CPUS; cpu++)
		ck_assert(!machine.fd[cpu] || fcntl(machine.fd[cpu], F_GETFD) < 0);
}

static void refused(const char *message)
{
	struct pv_sampler *sampler = NULL;
	struct pv_err *err = pv_sampler_create(PROG, 100, &sampler);

	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, message);
	ck_assert_ptr_null(sampler);
	pv_err_destroy(err);
	expect_closed();
}

START_TEST(one_a_cpu)
{
	struct pv_sampler *sampler;

	machine.open_errno[2] = ENODEV; /* offline */
	ck_assert_ptr_null(pv_sampler_create(PROG, 99, &sampler));
	for (int cpu = 0; cpu < CPUS; cpu++) {
		const struct perf_event_attr *attr = &machine.attr[cpu];

		ck_assert(machine.armed[cpu] == (cpu != 2) && machine.ticks[cpu] == (cpu != 2));
		if (cpu == 2)
			continue;
		ck_assert(attr->type == PERF_TYPE_SOFTWARE && attr->size == sizeof(*attr));
		ck_assert_uint_eq(attr->config, PERF_COUNT_SW_CPU_CLOCK);
		ck_assert_uint_eq(attr->sample_period, 10101010);
		ck_assert(!attr->freq && attr->exclude_idle && attr->disabled);
		ck_assert_int_ge(fcntl(machine.fd[cpu], F_GETFD), 0);
	}
	pv_sampler_destroy(sampler);
	expect_closed();
}
END_TEST

/* None of them ticks before all of them are there. */
START_TEST(all_or_none)
{
	machine.open_errno[3] = EACCES;
	refused("cannot sample CPU 3: Permission denied");
	ck_assert(machine.armed[0] && !machine.ticks[0]);
	setup();
	machine.bpf_errno[1] = EINVAL;
	refused("cannot run the sampler on CPU 1: Invalid argument");
	ck_assert(!machine.ticks[0]);
	setup();
	machine.enable_errno[1] = EBUSY;
	refused("cannot start the sampler: Device or resource busy");
	pv_sampler_destroy(NULL);
}
END_TEST

START_TEST(no_cpu_at_all)
{
	for (int cpu = 0; cpu < CPUS; cpu++)
		machine.open_errno[cpu] = ENODEV;
	refused("cannot sample: no CPU is online");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sampler");
	TCase *tcase = tcase_create("sampler");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, one_a_cpu);
	tcase_add_test(tcase, all_or_none);
	tcase_add_test(tcase, no_cpu_at_all);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
