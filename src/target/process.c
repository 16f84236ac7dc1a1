/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of a process and its threads.
 * Input: /proc/PID/{stat,status,cmdline,exe,task}.
 * Output: struct pv_process, for the commands and the attaching code.
 */
#include "target/process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/vec.h"
#include "target/procfs.h"

/* include/linux/sched.h; the flags stand in field 9 of stat. */
enum {
	PF_EXITING_FLAG = 0x00000004,
	PF_FORKNOEXEC_FLAG = 0x00000040,
	PF_KTHREAD_FLAG = 0x00200000,
};
enum { ANCESTORS_MAX = 1000 };

struct stat_facts {
	char name[16];
	char state;
	pid_t parent;
	uint64_t flags, cpu_ns, waited_ns, n_threads, start_ticks;
};

static uint64_t ticks_ns(uint64_t ticks)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

	return ticks / hz * 1000000000 + ticks % hz * (1000000000 / hz);
}

/* A name is anything that prctl() was given; a terminal must not obey it. */
void pv_process_harmless(char *name)
{
	for (char *c = name; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

/*
 * proc(5), fields from 1: 2 comm, 3 state, 4 ppid, 9 flags, 14 utime, 15 stime,
 * 16 cutime, 17 cstime, 20 num_threads, 22 starttime.
 */
static bool stat_parse(const char *text, struct stat_facts *ret)
{
	/* comm is raw: it may hold blanks, newlines, parentheses; behind it stand numbers only. */
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	uint64_t field[23] = { 0 };

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return false;
	*ret = (struct stat_facts){ .state = close[2] };

	size_t n = (size_t)(close - open - 1);

	if (n > sizeof(ret->name) - 1)
		n = sizeof(ret->name) - 1;
	memcpy(ret->name, open + 1, n);
	pv_process_harmless(ret->name);

	const char *p = close + 3;

	for (int i = 4; i <= 22; i++) {
		char *end;

		field[i] = strtoull(p, &end, 10);
		if (end == p)
			return false;
		p = end;
	}
	ret->parent = (pid_t)field[4];
	ret->flags = field[9];
	ret->cpu_ns = ticks_ns(field[14] + field[15]);
	ret->waited_ns = ticks_ns(field[16] + field[17]);
	ret->n_threads = field[20];
	ret->start_ticks = field[22];
	return true;
}

static struct pv_err *stat_read(pid_t pid, const char *name, struct stat_facts *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(pid, name, &text);

	if (err)
		return err;
	if (!stat_parse(pv_str_text(&text), ret))
		return pv_err_create(PV_ERR_FAILED, "/proc/%d/%s: cannot understand \"%s\"",
				     (int)pid, name, pv_str_text(&text));
	return NULL;
}

/* The number behind a key at the start of a line of status; its Name is escaped by the kernel. */
static bool status_number(const char *text, const char *key, int column, uint64_t *ret)
{
	const char *p = strstr(text, key);

	if (!p)
		return false;
	p += strlen(key);
	for (int i = 0; i <= column; i++) {
		char *end;

		*ret = strtoull(p, &end, 10);
		if (end == p)
			return false;
		p = end;
	}
	return true;
}

static struct pv_err *status_read(struct pv_process *process)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(process->pid, "status", &text);
	uint64_t tgid, uid;

	if (err)
		return err;
	if (!status_number(pv_str_text(&text), "\nTgid:", 0, &tgid) ||
	    !status_number(pv_str_text(&text), "\nUid:", 1, &uid))
		return pv_err_create(PV_ERR_FAILED, "/proc/%d/status: has no Tgid or Uid",
				     (int)process->pid);
	/* /proc has a hidden directory for every thread id as well. */
	if (tgid != (uint64_t)process->pid)
		return pv_err_create(PV_ERR_NOPROC, "%d is a thread of process %" PRIu64,
				     (int)process->pid, tgid);
	process->uid = (unsigned int)uid;
	return NULL;
}

static struct pv_err *cmdline_read(struct pv_process *process)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(process->pid, "cmdline", &text);

	if (err)
		return err;
	/* A program that sets its title leaves NULs behind it. */
	while (text.n && text.data[text.n - 1] == '\0')
		text.n--;
	for (size_t i = 0; i < text.n; i++) {
		if (text.data[i] == '\0')
			text.data[i] = ' ';
	}
	process->cmdline = strndup(text.n ? text.data : "", text.n);
	return process->cmdline ? NULL : &pv_enomem;
}

static struct pv_err *exe_read(struct pv_process *process)
{
	static const char suffix[] = " (deleted)";
	const size_t suffix_n = sizeof(suffix) - 1;
	char path[64], text[PATH_MAX + sizeof(suffix)], root[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)process->pid);

	ssize_t got = readlink(path, text, sizeof(text) - 1);
	size_t n = got < 0 ? 0 : (size_t)got;

	text[n] = '\0';
	if (n > suffix_n && strcmp(text + n - suffix_n, suffix) == 0)
		text[n - suffix_n] = '\0';
	pv_procfs_root(process->pid, root, sizeof(root));
	pv_procfs_inner_path(text, root);
	process->exe = strdup(text);
	return process->exe ? NULL : &pv_enomem;
}

static int tid_compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Appends the numbers among the names of a directory to ids, pid_t; *errno_ret 0: all of them. */
static struct pv_err *numbers_read(const char *path, struct pv_vec *ids, int *errno_ret)
{
	PV_CLEANUP(cleanup_closedir) DIR *dir = opendir(path);

	*errno_ret = dir ? 0 : errno;
	while (dir) {
		errno = 0;

		const struct dirent *entry = readdir(dir);

		if (!entry) {
			*errno_ret = errno;
			break;
		}
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;

		pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
		struct pv_err *err = pv_vec_append(ids, &id, 1, NULL);

		if (err)
			return err;
	}
	if (ids->n)
		qsort(ids->data, ids->n, sizeof(pid_t), tid_compare);
	return NULL;
}

struct pv_err *pv_process_list(struct pv_vec *ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec pids = PV_VEC(pid_t);
	struct pv_vec lines = PV_VEC(struct pv_process_line);
	int error;
	struct pv_err *err = numbers_read("/proc", &pids, &error);

	if (!err && error)
		err = pv_err_errno(error, "cannot read /proc");
	for (size_t i = 0; !err && i < pids.n; i++) {
		struct pv_process_line line = { .pid = *(pid_t *)pv_vec_at(&pids, i) };
		struct stat_facts facts;

		err = stat_read(line.pid, "stat", &facts);
		if (err && err->kind == PV_ERR_NOPROC) {
			pv_err_destroy(err);
			err = NULL;
			continue;
		}
		if (err)
			break;
		line.parent = facts.parent;
		memcpy(line.name, facts.name, sizeof(line.name));
		line.state = facts.state;
		line.kernel_thread = facts.flags & PF_KTHREAD_FLAG;
		line.start_ticks = facts.start_ticks;
		err = pv_vec_append(&lines, &line, 1, NULL);
	}
	if (err) {
		pv_vec_deinit(&lines);
		return err;
	}
	*ret = lines;
	return NULL;
}

struct pv_err *pv_process_tids(pid_t pid, pid_t **ret, size_t *n_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec tids = PV_VEC(pid_t);
	char path[64];
	int error;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);

	struct pv_err *err = numbers_read(path, &tids, &error);

	if (err)
		return err;
	if (error)
		return pv_procfs_err(pid, "task", error);
	/* The directory of a process that ends while it is read is empty. */
	if (tids.n == 0)
		return pv_procfs_err(pid, "task", ESRCH);
	*ret = tids.data;
	*n_ret = tids.n;
	tids = (struct pv_vec)PV_VEC(pid_t);
	return NULL;
}

static struct pv_err *threads_read(struct pv_process *process)
{
	_pv_free_ pid_t *tids = NULL;
	size_t n = 0;
	struct pv_err *err = pv_process_tids(process->pid, &tids, &n);

	if (err)
		return err;
	process->threads = calloc(n, sizeof(*process->threads));
	if (!process->threads)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++) {
		char name[64];
		struct stat_facts facts;

		snprintf(name, sizeof(name), "task/%d/stat", (int)tids[i]);
		err = stat_read(process->pid, name, &facts);
		if (err && err->kind == PV_ERR_NOPROC) { /* the thread ended meanwhile */
			pv_err_destroy(err);
			continue;
		}
		if (err)
			return err;

		struct pv_thread *thread = &process->threads[process->n_threads++];

		thread->tid = tids[i];
		memcpy(thread->name, facts.name, sizeof(thread->name));
		thread->state = facts.state;
		thread->cpu_ns = facts.cpu_ns;
	}
	return NULL;
}

struct pv_err *pv_process_read(pid_t pid, struct pv_process *ret)
{
	struct pv_process process = { .pid = pid };
	struct stat_facts facts;

	/* /proc/-1 or /proc/0 would only look like a missing process by luck. */
	if (pid <= 0)
		return pv_err_create(PV_ERR_NOPROC, "no such process: %d", (int)pid);

	struct pv_err *err = stat_read(pid, "stat", &facts);

	if (err)
		return err;
	memcpy(process.name, facts.name, sizeof(process.name));
	process.parent = facts.parent;
	process.state = facts.state;
	process.kernel_thread = facts.flags & PF_KTHREAD_FLAG;
	process.start_ticks = facts.start_ticks;
	process.cpu_ns = facts.cpu_ns;
	err = status_read(&process);
	if (!err)
		err = cmdline_read(&process);
	if (!err)
		err = exe_read(&process);
	if (!err)
		err = threads_read(&process);
	if (err) {
		pv_process_deinit(&process);
		return err;
	}
	*ret = process;
	return NULL;
}

void pv_process_deinit(struct pv_process *process)
{
	free(process->cmdline);
	free(process->exe);
	free(process->threads);
	*process = (struct pv_process){ 0 };
}

struct pv_err *pv_process_check(const struct pv_process *process)
{
	int pid = (int)process->pid;

	if (process->kernel_thread)
		return pv_err_create(PV_ERR_NOPROC,
				     "%d (%s) is a kernel thread: it has no program to look into",
				     pid, process->name);
	if (process->state == 'X' || process->state == 'x')
		return pv_err_create(PV_ERR_NOPROC, "no such process: %d", pid);
	if (process->state == 'Z' && process->n_threads > 1)
		return pv_err_create(PV_ERR_NOPROC,
				     "%d (%s): its main thread has ended, and with it the way to "
				     "the memory of the others",
				     pid, process->name);
	if (process->state == 'Z')
		return pv_err_create(PV_ERR_NOPROC,
				     "%d (%s) is a zombie: it has ended and waits for its parent",
				     pid, process->name);
	return NULL;
}

/*
 * An orphan's parent is a reaper: an ancestor, too, and therefore no later than the one
 * that is looked for.
 */
bool pv_process_program_ns(pid_t pid, uint64_t *ret)
{
	uint64_t child_ticks = UINT64_MAX;
	struct stat_facts facts;

	for (int i = 0;; i++) {
		struct pv_err *err = stat_read(pid, "stat", &facts);

		if (err) {
			pv_err_destroy(err);
			return false;
		}
		/* the number of one that ended meanwhile is another's */
		if (facts.start_ticks > child_ticks || i == ANCESTORS_MAX)
			return false;
		if (!(facts.flags & PF_FORKNOEXEC_FLAG))
			break;
		child_ticks = facts.start_ticks;
		pid = facts.parent;
	}
	*ret = pv_clock_ns(CLOCK_REALTIME) - pv_clock_ns(CLOCK_BOOTTIME) +
	       ticks_ns(facts.start_ticks + 1);
	return true;
}

/* False also for one that is gone. */
static bool task_runs(pid_t pid, const char *name, struct stat_facts *ret)
{
	struct pv_err *err = stat_read(pid, name, ret);

	if (err) {
		pv_err_destroy(err);
		*ret = (struct stat_facts){ 0 };
		return false;
	}
	return ret->state != 'Z' && ret->state != 'X' && !(ret->flags & PF_EXITING_FLAG);
}

bool pv_process_alive(pid_t pid)
{
	_pv_free_ pid_t *tids = NULL;
	struct stat_facts facts;
	size_t n = 0;

	if (task_runs(pid, "stat", &facts))
		return true;
	if (facts.n_threads <= 1)
		return false;
	/* its first thread has ended, which need not be the end */
	pv_err_destroy(pv_process_tids(pid, &tids, &n));
	for (size_t i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "task/%d/stat", (int)tids[i]);
		if (task_runs(pid, name, &facts))
			return true;
	}
	return false;
}

bool pv_process_inner_pid(pid_t pid, pid_t *ret)
{
	static const char key[] = "\nNSpid:";
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(pid, "status", &text);
	const char *line = err ? NULL : strstr(pv_str_text(&text), key);
	long number, last = 0;
	char *end;

	pv_err_destroy(err);
	if (!line)
		return false;
	/* one for each namespace, ours first, its own last */
	for (line += strlen(key); *line != '\n'; line = end) {
		number = strtol(line, &end, 10);
		if (end == line)
			break;
		last = number;
		end += strspn(end, " \t");
	}
	*ret = (pid_t)last;
	return last > 0;
}

bool pv_process_over(pid_t pid)
{
	struct stat_facts facts;
	struct pv_err *err = stat_read(pid, "stat", &facts);

	if (err) {
		pv_err_destroy(err);
		return true;
	}
	return (facts.state == 'Z' || facts.state == 'X') && facts.n_threads <= 1;
}

bool pv_process_cpu_ns(pid_t pid, uint64_t *ret)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return false;
	*ret = time.tv_sec * 1000000000ULL + time.tv_nsec;
	return true;
}

bool pv_process_waited_ns(pid_t pid, uint64_t start_ticks, uint64_t *ret)
{
	struct stat_facts facts;
	struct pv_err *err = stat_read(pid, "stat", &facts);

	if (err || facts.start_ticks != start_ticks) {
		pv_err_destroy(err);
		return false;
	}
	*ret = facts.waited_ns;
	return true;
}

bool pv_process_exit_code(pid_t pid, int *ret)
{
	enum { EXIT_CODE = 52, STATE = 3 }; /* fields of stat: proc_pid_stat(5) */
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(pid, "stat", &text);
	const char *at = err ? NULL : strrchr(pv_str_text(&text), ')');

	pv_err_destroy(err);
	if (!at || at[1] != ' ' || at[2] != 'Z')
		return false;
	for (int field = STATE; at && field <= EXIT_CODE; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return false;
	*ret = atoi(at);
	return true;
}

bool pv_process_stack_start(pid_t pid, uint64_t *ret)
{
	enum { START_STACK = 28, STATE = 3 }; /* fields of stat: proc_pid_stat(5) */
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(pid, "stat", &text);
	const char *at = err ? NULL : strrchr(pv_str_text(&text), ')');

	pv_err_destroy(err);
	for (int field = STATE; at && field <= START_STACK; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return false;
	*ret = strtoull(at, NULL, 10);
	return *ret != 0;
}
