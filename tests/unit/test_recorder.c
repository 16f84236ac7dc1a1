/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session/recorder: a capture goes through a file, its own or the user's, and
 * nothing that was flushed is lost.
 * Input: a scratch directory.  Output: Check's report.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/output.h"
#include "base/str.h"
#include "recordings.h"
#include "session/recorder.h"

#define SECOND 1000000000ULL

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/pv-test-recorder-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	setenv("TMPDIR", dir, 1);
}

static int count_entries(void)
{
	DIR *d = opendir(".");
	int n = -2;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void teardown(void)
{
	unlink("x.pvr");
	ck_assert_int_eq(count_entries(), 0);
	rmdir(dir);
}

static struct pv_profile *new_profile(void)
{
	struct pv_profile_process process = { .pid = 1, .generation = 1 };
	struct pv_profile *profile;
	uint32_t p, id;

	ok(pv_profile_create(&profile));
	ok(pv_profile_process(profile, &process, &p));
	ok(pv_profile_thread(profile, p, 1, "one", &id));
	profile->period_ns = 1000;
	return profile;
}

/* One of n stacks, two frames deep. */
static void sample(struct pv_recorder *recorder, struct pv_profile *profile, unsigned int i,
		   unsigned int n)
{
	char name[16];
	uint32_t node;

	snprintf(name, sizeof(name), "f%u", i % n);
	node = frame(profile, 0, PV_LOC_PYTHON, "main", "a.py", 1);
	node = frame(profile, node, PV_LOC_PYTHON, name, "a.py", 2);
	ok(pv_recorder_sample(recorder, i * 1000, node, 0));
}

static uint64_t total(const struct pv_profile *profile)
{
	uint64_t n = 0;

	for (size_t i = 0; i < profile->samples.n; i++)
		n += ((const struct pv_sample *)pv_vec_at(&profile->samples, i))->count;
	return n;
}

static struct pv_profile *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct pv_profile *profile;

	ck_assert_ptr_nonnull(file);
	ok(pv_recfile_read(file, path, 0, &profile));
	fclose(file);
	return profile;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

START_TEST(through_a_file_without_a_name)
{
	struct pv_profile *profile = new_profile(), *read;
	struct pv_recorder *recorder;

	ok(pv_recorder_create(NULL, false, profile, 0, &recorder));
	ok(pv_recorder_begin(recorder));
	for (unsigned int i = 0; i < 1000; i++) {
		sample(recorder, profile, i, 10);
		ok(pv_recorder_step(recorder, i * SECOND / 100));
	}
	ck_assert_int_eq(count_entries(), 0);
	profile->quality.samples = 1000;
	ok(pv_recorder_stop(recorder));
	ok(pv_recorder_read(recorder, &read));
	ck_assert(!read->cut);
	ck_assert_uint_eq(total(read), 1000);
	ck_assert_uint_eq(read->samples.n, 10);
	ck_assert_uint_eq(read->quality.samples, 1000);
	/* the capture's own profile has not grown by samples */
	ck_assert_uint_eq(profile->samples.n + profile->ticks.n, 0);
	pv_profile_destroy(read);
	pv_recorder_destroy(recorder);
	pv_profile_destroy(profile);
}
END_TEST

/* When the outputs that it is for cannot be written. */
START_TEST(kept_under_a_name)
{
	static const char *const names[] = { "stem.pvr", "stem-1.pvr", "stem-2.pvr" };
	struct pv_profile *profile = new_profile(), *read;
	struct pv_str path PV_CLEANUP(pv_str_deinit) = {};
	struct pv_recorder *recorder;
	char want[128];
	struct stat st;

	ok(pv_recorder_create(NULL, false, profile, 0, &recorder));
	ok(pv_recorder_begin(recorder));
	for (unsigned int i = 0; i < 1000; i++)
		sample(recorder, profile, i, 10);
	ok(pv_recorder_stop(recorder));
	ok(pv_recorder_read(recorder, &read));
	pv_profile_destroy(read);
	ck_assert_int_eq(count_entries(), 0);
	/* what is there already is nobody's to replace */
	fclose(fopen(names[0], "w"));
	ck_assert_int_eq(symlink("nowhere", names[1]), 0);
	ok(pv_recorder_keep(recorder, "stem", &path));
	snprintf(want, sizeof(want), "%s/%s", dir, names[2]);
	ck_assert_str_eq(pv_str_text(&path), want);
	pv_recorder_destroy(recorder);
	pv_profile_destroy(profile);
	ck_assert_uint_eq(size_of(names[0]), 0);
	ck_assert_int_eq(stat(names[2], &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	read = read_file(names[2]);
	ck_assert(!read->cut);
	ck_assert_uint_eq(total(read), 1000);
	pv_profile_destroy(read);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(unlink(names[i]), 0);
}
END_TEST

START_TEST(in_sight_from_the_start)
{
	struct pv_profile *profile = new_profile(), *read;
	struct pv_recorder *recorder;
	struct pv_output *output;
	struct stat st;

	umask(0);
	ok(pv_output_create("x.pvr", &output));
	ok(pv_recorder_create(output, false, profile, 0, &recorder));
	ck_assert_int_eq(count_entries(), 0);
	ok(pv_recorder_begin(recorder));
	ck_assert_int_eq(stat("x.pvr", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	/* what is known so far can be read already */
	read = read_file("x.pvr");
	ck_assert(read->cut);
	ck_assert_uint_eq(read->period_ns, 1000);
	pv_profile_destroy(read);
	sample(recorder, profile, 0, 1);
	ok(pv_recorder_stop(recorder));
	ok(pv_recorder_read(recorder, &read));
	ck_assert_uint_eq(total(read), 1);
	pv_profile_destroy(read);
	ok(pv_output_commit(output));
	pv_recorder_destroy(recorder);
	pv_output_destroy(output);
	read = read_file("x.pvr");
	ck_assert(!read->cut);
	ck_assert_uint_eq(total(read), 1);
	pv_profile_destroy(read);
	pv_profile_destroy(profile);
}
END_TEST

START_TEST(flushed_once_a_second)
{
	struct pv_profile *profile = new_profile(), *read;
	struct pv_recorder *recorder;
	struct pv_output *output;
	uint64_t before;

	ok(pv_output_create("x.pvr", &output));
	ok(pv_recorder_create(output, false, profile, 0, &recorder));
	ok(pv_recorder_begin(recorder));
	ok(pv_recorder_step(recorder, 5 * SECOND));
	sample(recorder, profile, 0, 1);
	ck_assert(!pv_recorder_due(recorder, 6 * SECOND - 1));
	ok(pv_recorder_step(recorder, 6 * SECOND - 1));
	read = read_file("x.pvr");
	ck_assert_uint_eq(total(read), 0);
	pv_profile_destroy(read);
	ck_assert(pv_recorder_due(recorder, 6 * SECOND));
	ok(pv_recorder_step(recorder, 6 * SECOND));
	read = read_file("x.pvr");
	ck_assert_uint_eq(total(read), 1);
	pv_profile_destroy(read);
	/* nothing sampled: nothing to hurry for */
	before = size_of("x.pvr");
	ok(pv_recorder_step(recorder, 8 * SECOND));
	ck_assert_uint_eq(size_of("x.pvr"), before);
	ok(pv_recorder_step(recorder, 16 * SECOND));
	ck_assert_uint_gt(size_of("x.pvr"), before);
	pv_recorder_destroy(recorder);
	pv_output_destroy(output);
	pv_profile_destroy(profile);
}
END_TEST

START_TEST(stacks_are_forgotten)
{
	enum { MAX_NODES = 100, SAMPLES = 5000, STACKS = 1000 };
	struct pv_profile *profile = new_profile(), *read;
	struct pv_recorder *recorder;

	ok(pv_recorder_create(NULL, false, profile, MAX_NODES, &recorder));
	ok(pv_recorder_begin(recorder));
	for (unsigned int i = 0; i < SAMPLES; i++) {
		sample(recorder, profile, i, STACKS);
		ok(pv_recorder_step(recorder, i));
		ck_assert_uint_le(profile->nodes.n, MAX_NODES + 2);
	}
	ok(pv_recorder_stop(recorder));
	ok(pv_recorder_read(recorder, &read));
	ck_assert(!read->cut);
	ck_assert_uint_eq(total(read), SAMPLES);
	ck_assert_uint_eq(read->samples.n, STACKS);
	pv_profile_destroy(read);
	pv_recorder_destroy(recorder);
	pv_profile_destroy(profile);
}
END_TEST

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	setrlimit(RLIMIT_FSIZE, &limit);
}

/*
 * A step (or the stop) on a disk that is full at bytes: a limit of the file's size
 * stands for it.  Not for longer, since Check writes to files, too.
 */
static struct pv_err *step_when_full(struct pv_recorder *recorder, rlim_t bytes, uint64_t now_ns)
{
	struct pv_err *err;

	limit_files(bytes);
	err = now_ns ? pv_recorder_step(recorder, now_ns) : pv_recorder_stop(recorder);
	limit_files(RLIM_INFINITY);
	return err;
}

static const char own[] = "the temporary recording in ";

/* told: in what the only error is. */
static void full(bool named, bool others, const char *told, const char *where)
{
	struct pv_profile *profile = new_profile(), *read;
	struct pv_output *output = NULL;
	struct pv_recorder *recorder;
	unsigned int i, errors = 0;
	struct pv_err *err;
	char expected[256];

	if (named)
		ok(pv_output_create("x.pvr", &output));
	snprintf(expected, sizeof(expected), "cannot write %s%s%s: File too large", told, where,
		 told == own ? " (TMPDIR names another place)" : "");
	ok(pv_recorder_create(output, others, profile, 0, &recorder));
	ok(pv_recorder_begin(recorder));
	for (i = 0; i < 2000; i++) {
		sample(recorder, profile, i, 100);
		err = step_when_full(recorder, 4000, (i + 1) * SECOND);
		if (!err)
			continue;
		/* once, and it is not the reading's trouble */
		ck_assert_uint_eq(++errors, 1);
		ck_assert_str_eq(err->message, expected);
		ck_assert_int_eq(err->errnum, EFBIG);
		pv_err_destroy(err);
	}
	ck_assert_uint_eq(errors, 1);
	ck_assert_int_eq(pv_recorder_broken(recorder), others && told == own ? EFBIG : 0);
	ok(pv_recorder_stop(recorder));
	ok(pv_recorder_read(recorder, &read));
	ck_assert(read->cut);
	ck_assert_uint_gt(total(read), 10);
	ck_assert_uint_lt(total(read), 2000);
	pv_profile_destroy(read);
	if (output)
		ok(pv_output_commit(output));
	pv_recorder_destroy(recorder);
	pv_output_destroy(output);
	pv_profile_destroy(profile);
}

START_TEST(a_full_disk)
{
	full(true, false, "x.pvr", "");
	full(false, false, own, dir);
	/* where it goes on there is no room either */
	full(true, true, own, dir);
	setenv("TMPDIR", "absent", 1);
	full(true, true, "x.pvr", "");
}
END_TEST

/* What the output writes to is from here on a file that cannot grow. */
static void end_growth(struct pv_output *output)
{
	int fd = fileno(pv_output_file(output)), full = memfd_create("full", MFD_ALLOW_SEALING);
	char bytes[4096];
	ssize_t n;
	off_t at;

	for (at = 0; (n = pread(fd, bytes, sizeof(bytes), at)) > 0; at += n)
		ck_assert_int_eq(write(full, bytes, n), n);
	ck_assert_int_eq(fcntl(full, F_ADD_SEALS, F_SEAL_GROW), 0);
	ck_assert_int_eq(dup2(full, fd), fd);
	close(full);
}

/* The user's recording breaks off; nothing is missing of what the others are made of. */
START_TEST(it_goes_on_elsewhere)
{
	struct pv_profile *profile = new_profile(), *read;
	struct pv_recorder *recorder;
	struct pv_output *output;
	unsigned int i;
	FILE *old;

	ok(pv_output_create("x.pvr", &output));
	ok(pv_recorder_create(output, true, profile, 50, &recorder));
	ok(pv_recorder_begin(recorder));
	for (i = 0; i < 100; i++) {
		sample(recorder, profile, i, 100);
		ok(pv_recorder_step(recorder, (i + 1) * SECOND));
	}
	ck_assert_int_eq(pv_recorder_broken(recorder), 0);
	end_growth(output);
	for (; i < 3000; i++) {
		sample(recorder, profile, i, 100);
		ok(pv_recorder_step(recorder, (i + 1) * SECOND));
	}
	ck_assert_int_eq(pv_recorder_broken(recorder), EPERM);
	ok(pv_recorder_stop(recorder));
	ok(pv_recorder_read(recorder, &read));
	ck_assert(!read->cut);
	ck_assert_uint_eq(total(read), 3000);
	pv_profile_destroy(read);
	old = fdopen(dup(fileno(pv_output_file(output))), "r");
	pv_recorder_destroy(recorder);
	pv_output_destroy(output);
	pv_profile_destroy(profile);
	ok(pv_recfile_read(old, "x.pvr", 0, &read));
	fclose(old);
	ck_assert(read->cut);
	ck_assert_uint_eq(total(read), 100);
	pv_profile_destroy(read);
	/* without a name, as one of its own */
	ck_assert_int_eq(unlink("x.pvr"), 0);
	ck_assert_int_eq(count_entries(), 0);
}
END_TEST

START_TEST(a_full_disk_at_the_end)
{
	struct pv_profile *profile = new_profile(), *read;
	struct pv_recorder *recorder;
	struct pv_output *output;
	struct pv_err *err;

	ok(pv_output_create("x.pvr", &output));
	ok(pv_recorder_create(output, false, profile, 0, &recorder));
	ok(pv_recorder_begin(recorder));
	sample(recorder, profile, 0, 1);
	ok(pv_recorder_step(recorder, SECOND));
	sample(recorder, profile, 1, 1);
	err = step_when_full(recorder, size_of("x.pvr"), 0);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->errnum, EFBIG);
	pv_err_destroy(err);
	ok(pv_recorder_stop(recorder));
	ok(pv_recorder_read(recorder, &read));
	ck_assert_uint_eq(total(read), 1);
	pv_profile_destroy(read);
	pv_recorder_destroy(recorder);
	pv_output_destroy(output);
	pv_profile_destroy(profile);
}
END_TEST

/* Records, tells after a flush, goes on, and never ends by itself. */
static void record_for_ever(int fd)
{
	struct pv_profile *profile = new_profile();
	struct pv_recorder *recorder;
	struct pv_output *output;

	ok(pv_output_create("x.pvr", &output));
	ok(pv_recorder_create(output, false, profile, 50, &recorder));
	ok(pv_recorder_begin(recorder));
	for (unsigned int i = 0;; i++) {
		sample(recorder, profile, i, 100);
		ok(pv_recorder_step(recorder, i * SECOND / 10));
		if (i == 1000 && write(fd, "x", 1) != 1)
			_exit(1);
	}
}

START_TEST(killed)
{
	struct pv_profile *read_back;
	int fds[2], status;
	pid_t child;
	char byte;

	ck_assert_int_eq(pipe(fds), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (!child)
		record_for_ever(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	read_back = read_file("x.pvr");
	ck_assert(read_back->cut);
	/* the last flush was at sample 1000, or later */
	ck_assert_uint_ge(total(read_back), 1001);
	ck_assert_uint_eq(read_back->samples.n, 100);
	pv_profile_destroy(read_back);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(no_place_for_it)
{
	struct pv_profile *profile = new_profile();
	struct pv_recorder *recorder = NULL;
	struct pv_err *err;

	setenv("TMPDIR", "absent", 1);
	err = pv_recorder_create(NULL, false, profile, 0, &recorder);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_null(recorder);
	ck_assert_str_eq(err->message, "cannot write the temporary recording in absent (TMPDIR "
				       "names another place): No such file or directory");
	pv_err_destroy(err);
	pv_recorder_destroy(NULL);
	pv_profile_destroy(profile);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recorder");
	TCase *tcase = tcase_create("recorder");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, through_a_file_without_a_name);
	tcase_add_test(tcase, kept_under_a_name);
	tcase_add_test(tcase, in_sight_from_the_start);
	tcase_add_test(tcase, flushed_once_a_second);
	tcase_add_test(tcase, stacks_are_forgotten);
	tcase_add_test(tcase, a_full_disk);
	tcase_add_test(tcase, it_goes_on_elsewhere);
	tcase_add_test(tcase, a_full_disk_at_the_end);
	tcase_add_test(tcase, killed);
	tcase_add_test(tcase, no_place_for_it);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
