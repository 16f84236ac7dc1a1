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

/* The mappings of the file that holds pc, at exec: the dynamic loader, or a static program. */
static struct pv_err *file_range(pid_t pid, uint64_t pc, uint64_t *start_ret, uint64_t *end_ret)
{
	const struct pv_map_entry *entry;
	struct pv_maps maps;
	struct pv_err *err = pv_maps_read(pid, &maps);
	size_t i;

	if (err)
		return err;
	*start_ret = *end_ret = 0;
	entry = pv_maps_find(&maps, pc);
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

/* Where the program itself begins; 0: not known, or there is no loader before it. */
static uint64_t entry_after_loader(pid_t pid, uint64_t start, uint64_t end)
{
	char path[64];
	_pv_fclose_ FILE *file = NULL;
	uint64_t pair[2];

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	file = fopen(path, "re");
	while (file && fread(pair, sizeof(pair), 1, file) == 1) {
		if (pair[0] == AT_ENTRY)
			return pair[1] < start || pair[1] >= end ? pair[1] : 0;
	}
	return 0;
}

/*
 * A breakpoint in a debug register, so that the program's memory stays as it is (Intel SDM 3B
 * 17.2.4: L0, execution, one byte); at = 0 takes it away.
 */
static bool set_breakpoint(pid_t pid, uint64_t at)
{
	const size_t registers = offsetof(struct user, u_debugreg);

	if (!at)
		return !ptrace(PTRACE_POKEUSER, pid, registers + 7 * sizeof(long), 0);
	return !ptrace(PTRACE_POKEUSER, pid, registers, at) &&
	       !ptrace(PTRACE_POKEUSER, pid, registers + 7 * sizeof(long), 1);
}

struct pv_err *pv_launch_load(pid_t pid)
{
	struct user_regs_struct regs;
	uint64_t start, end, entry;
	int status, signal_number = 0;
	bool loading = true;
	struct pv_err *err;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return pv_err_errno(errno, "cannot read the registers of process %d", pid);
	err = file_range(pid, regs.rip, &start, &end);
	if (err)
		return err;
	entry = entry_after_loader(pid, start, end);
	/* musl's loader is its C library: its system calls would not end with the loading */
	if (!entry || !set_breakpoint(pid, entry))
		return NULL;
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
		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
			return pv_err_errno(errno, "cannot read the registers of process %d", pid);
		/* a signal is passed on; TRACESYSGOOD tells system calls by bit 7 */
		signal_number = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		/* nor is an event's stop one, such as SIGSTOP's after it was passed on */
		if (status >> 16)
			signal_number = 0;
		if (signal_number == SIGTRAP && regs.rip == entry)
			loading = false;
		else if (!signal_number)
			loading = regs.rip >= start && regs.rip < end;
	} while (loading);
	if (!set_breakpoint(pid, 0))
		return pv_err_errno(errno, "cannot let process %d go on", pid);
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
