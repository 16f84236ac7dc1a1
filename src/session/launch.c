/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts programs.  Input: an argument vector.  Output: a stopped process.
 */
#include "session/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/cleanup.h"

/* In the child: PTRACE_TRACEME makes execve() stop with SIGTRAP. */
static void run_child(char *const *argv, int report_fd)
{
	sigset_t none;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (!ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		execvp(argv[0], argv);
	error = errno;
	while (write(report_fd, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

struct pv_err *pv_launch(char *const *argv, pid_t *ret)
{
	int fds[2], status, error = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return pv_err_errno(errno, "cannot start %s", argv[0]);
	pid = fork();
	if (pid < 0) {
		error = errno;
		close(fds[0]);
		close(fds[1]);
		return pv_err_errno(error, "cannot start %s", argv[0]);
	}
	if (!pid)
		run_child(argv, fds[1]);
	close(fds[1]);
	/* the write end closes at a successful exec, before the stop is reported */
	do {
		n = read(fds[0], &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == sizeof(error)) {
		struct pv_err *err = pv_err_errno(error, "cannot start %s", argv[0]);

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

struct pv_err *pv_launch_release(pid_t pid)
{
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL))
		return pv_err_errno(errno, "cannot let process %d run", pid);
	return NULL;
}

struct pv_err *pv_launch_wait(pid_t pid, int *status_ret)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return pv_err_errno(errno, "cannot wait for process %d", pid);
	}
	*status_ret = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return NULL;
}
