/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts programs.  Input: an argument vector.  Output: a stopped process.
 */
#include "session/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/auxvec.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "target/maps.h"

/*
 * In the child, which is to stop at its exec.  Not by PTRACE_TRACEME: that stop is a SIGTRAP, and
 * if we die before we have taken it by waitpid() it is delivered, and kills the program.
 */
static void run_child(char *const *argv, int go_fd, int report_fd)
{
	sigset_t none;
	char byte;
	ssize_t n;
	int error;

	do {
		n = read(go_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	/* we are dead, or cannot hold it */
	if (n != 1)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	error = errno;
	while (write(report_fd, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* A child that waits for a byte on *go_ret, and reports on *report_ret why it could not exec. */
static struct pv_err *fork_child(char *const *argv, int *go_ret, int *report_ret, pid_t *ret)
{
	int go[2], report[2], error;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC))
		return pv_err_errno(errno, "cannot start %s", argv[0]);
	if (pipe2(report, O_CLOEXEC)) {
		error = errno;
		close(go[0]);
		close(go[1]);
		return pv_err_errno(error, "cannot start %s", argv[0]);
	}
	pid = fork();
	error = errno;
	if (!pid) {
		close(go[1]);
		run_child(argv, go[0], report[1]);
	}
	close(go[0]);
	close(report[1]);
	*go_ret = go[1];
	*report_ret = report[0];
	*ret = pid;
	return pid < 0 ? pv_err_errno(error, "cannot start %s", argv[0]) : NULL;
}

struct pv_err *pv_launch(char *const *argv, pid_t *ret)
{
	_pv_close_ int go = -1, report = -1;
	int status, error = 0;
	ssize_t n;
	pid_t pid;
	struct pv_err *err = fork_child(argv, &go, &report, &pid);

	if (err)
		return err;
	/* an event's stop is no signal; when we die the program runs on */
	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXEC) || write(go, "x", 1) != 1) {
		err = pv_err_errno(errno, "cannot hold process %d (%s)", pid, argv[0]);
		close(go);
		go = -1;
		waitpid(pid, &status, 0);
		return err;
	}
	/* the write end closes at a successful exec, before the stop is reported */
	do {
		n = read(report, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == sizeof(error)) {
		err = pv_err_errno(error, "cannot start %s", argv[0]);
		/* whatever the errno, the program did not start: the user's command is wrong */
		if (err != &pv_enomem)
			err->kind = PV_ERR_FAILED;
		return err;
	}
	if (!WIFSTOPPED(status))
		return pv_err_create(PV_ERR_FAILED, "%s ended before it started", argv[0]);
	*ret = pid;
	return NULL;
}

/*
 * The C library's own loader ends with a system call of another file, the first of the program
 * or its libraries.  musl's is its C library: no call would ever come from elsewhere.
 */
static bool is_glibc_loader(const char *path)
{
	const char *name = strrchr(path, '/');

	/* Debian's real file was ld-2.31.so until glibc 2.34 */
	return name && (!strncmp(name, "/ld-linux", 9) || !strncmp(name, "/ld-2.", 6));
}

/* The mappings of glibc's loader, which holds pc at exec; 0, 0: another one, or a static program.
 */
static struct pv_err *loader_range(pid_t pid, uint64_t pc, uint64_t *start_ret, uint64_t *end_ret)
{
	const struct pv_map_entry *entry;
	struct pv_maps maps;
	struct pv_err *err = pv_maps_read(pid, &maps);
	size_t i;

	if (err)
		return err;
	*start_ret = *end_ret = 0;
	entry = pv_maps_find(&maps, pc);
	if (entry && !is_glibc_loader(entry->path))
		entry = NULL;
	for (i = 0; entry && i < maps.n; i++) {
		if (maps.entries[i].inode != entry->inode ||
		    maps.entries[i].device != entry->device)
			continue;
		if (!*end_ret)
			*start_ret = maps.entries[i].start;
		*end_ret = maps.entries[i].end;
	}
	pv_maps_deinit(&maps);
	return NULL;
}

static bool is_dynamic(pid_t pid, uint64_t start, uint64_t end)
{
	char path[64];
	_pv_fclose_ FILE *file = NULL;
	uint64_t pair[2];

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	file = fopen(path, "re");
	while (file && fread(pair, sizeof(pair), 1, file) == 1) {
		if (pair[0] == AT_ENTRY)
			return pair[1] < start || pair[1] >= end;
	}
	return false;
}

/* No breakpoint ends it: the kernel would leave that in the program if we die, which is its end. */
struct pv_err *pv_launch_load(pid_t pid)
{
	struct user_regs_struct regs;
	uint64_t start, end;
	int status, signal_number = 0;
	struct pv_err *err;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return pv_err_errno(errno, "cannot read the registers of process %d", pid);
	err = loader_range(pid, regs.rip, &start, &end);
	if (err || !end || !is_dynamic(pid, start, end))
		return err;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD))
		return pv_err_errno(errno, "cannot hold process %d", pid);
	do {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, signal_number) ||
		    waitpid(pid, &status, 0) < 0)
			return pv_err_errno(errno, "cannot hold process %d", pid);
		if (!WIFSTOPPED(status)) {
			err = pv_err_create(PV_ERR_FAILED,
					    "the program ended while its libraries were loaded");
			err->errnum = ECHILD;
			return err;
		}
		/* a signal is passed on; TRACESYSGOOD tells system calls by bit 7 */
		signal_number = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		/* nor is an event's stop one, such as SIGSTOP's after it was passed on */
		if (status >> 16)
			signal_number = 0;
		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
			return pv_err_errno(errno, "cannot read the registers of process %d", pid);
	} while (signal_number || (regs.rip >= start && regs.rip < end));
	return NULL;
}

struct pv_err *pv_launch_release(pid_t pid)
{
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL))
		return pv_err_errno(errno, "cannot let process %d run", pid);
	return NULL;
}

struct pv_err *pv_launch_wait(pid_t pid, int *status_ret, int *signal_ret)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return pv_err_errno(errno, "cannot wait for process %d", pid);
	}
	*signal_ret = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	*status_ret = *signal_ret ? 128 + *signal_ret : WEXITSTATUS(status);
	return NULL;
}
