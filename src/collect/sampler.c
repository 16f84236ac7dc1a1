/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticks on every CPU.  Input: a BPF program.  Output: perf events.
 *
 * Not an event a thread: its timer begins with a whole period at the thread's
 * birth, so that threads and processes which live shorter than a period are
 * never seen, and of all others the last part of one is missing.  Ticks by the
 * clock meet all by their share, and need nothing to be attached to a new one.
 */
#include "collect/sampler.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/vec.h"

struct pv_sampler {
	struct pv_vec fds; /* int */
};

/* A CPU that is offline has no event and is no error. */
static struct pv_err *add_cpu(struct pv_sampler *sampler, int cpu, int prog_fd,
			      struct perf_event_attr *attr)
{
	int fd = syscall(SYS_perf_event_open, attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	struct pv_err *err;

	if (fd < 0 && errno == ENODEV)
		return NULL;
	if (fd < 0)
		return pv_err_errno(errno, "cannot sample CPU %d", cpu);
	err = pv_vec_append(&sampler->fds, &fd, 1, NULL);
	if (err)
		close(fd);
	else if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd))
		err = pv_err_errno(errno, "cannot run the sampler on CPU %d", cpu);
	return err;
}

static struct pv_err *create(int prog_fd, struct perf_event_attr *attr, struct pv_sampler **ret)
{
	struct pv_sampler *sampler = calloc(1, sizeof(*sampler));
	long cpu, n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct pv_err *err = NULL;
	size_t i;

	if (!sampler)
		return &pv_enomem;
	sampler->fds = (struct pv_vec)PV_VEC(int);
	for (cpu = 0; !err && cpu < n_cpus; cpu++)
		err = add_cpu(sampler, cpu, prog_fd, attr);
	if (!err && !sampler->fds.n)
		err = pv_err_create(PV_ERR_FAILED, "cannot sample: no CPU is online");
	for (i = 0; !err && i < sampler->fds.n; i++) {
		if (ioctl(*(int *)pv_vec_at(&sampler->fds, i), PERF_EVENT_IOC_ENABLE, 0))
			err = pv_err_errno(errno, "cannot start the sampler");
	}
	if (err) {
		pv_sampler_destroy(sampler);
		return err;
	}
	*ret = sampler;
	return NULL;
}

struct pv_err *pv_sampler_create(int prog_fd, unsigned int frequency, struct pv_sampler **ret)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000ULL / frequency,
		.exclude_idle = 1,
		.disabled = 1,
	};

	return create(prog_fd, &attr, ret);
}

struct pv_err *pv_sampler_faults(int prog_fd, struct pv_sampler **ret)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
		.sample_period = 1,
		.disabled = 1,
	};

	return create(prog_fd, &attr, ret);
}

void pv_sampler_destroy(struct pv_sampler *sampler)
{
	size_t i;

	if (!sampler)
		return;
	for (i = 0; i < sampler->fds.n; i++)
		close(*(int *)pv_vec_at(&sampler->fds, i));
	pv_vec_deinit(&sampler->fds);
	free(sampler);
}
