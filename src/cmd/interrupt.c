/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals that end a capture.
 * Input: signals.  Output: a descriptor; or our end.
 *
 * A thread waits for them, and lets the next one through when it has the first: all
 * others have them blocked, so that no system call of theirs is ever interrupted, and
 * need not come to any place to be ended.
 */
#include "cmd/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct pv_interrupt {
	sigset_t set;
	int fds[2]; /* a pipe: siginfo_t */
	pthread_t thread;
	bool waits;
};

static void *wait_for_first(void *arg)
{
	struct pv_interrupt *interrupt = arg;
	siginfo_t info;

	while (sigwaitinfo(&interrupt->set, &info) < 0)
		;
	/* the pipe is empty and has room for it */
	while (write(interrupt->fds[1], &info, sizeof(info)) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_UNBLOCK, &interrupt->set, NULL);
	for (;;)
		pause();
	return NULL;
}

struct pv_err *pv_interrupt_create(struct pv_interrupt **ret)
{
	struct pv_interrupt *interrupt = malloc(sizeof(*interrupt));
	struct pv_err *err = NULL;
	int error;

	if (!interrupt)
		return &pv_enomem;
	*interrupt = (struct pv_interrupt){ .fds = { -1, -1 } };
	sigemptyset(&interrupt->set);
	sigaddset(&interrupt->set, SIGINT);
	sigaddset(&interrupt->set, SIGTERM);
	sigaddset(&interrupt->set, SIGHUP);
	error = pthread_sigmask(SIG_BLOCK, &interrupt->set, NULL);
	if (!error && pipe2(interrupt->fds, O_CLOEXEC | O_NONBLOCK))
		error = errno;
	if (!error)
		error = pthread_create(&interrupt->thread, NULL, wait_for_first, interrupt);
	interrupt->waits = !error;
	if (error) {
		err = pv_err_errno(error, "cannot watch signals");
		pv_interrupt_destroy(interrupt);
		return err;
	}
	*ret = interrupt;
	return NULL;
}

void pv_interrupt_destroy(struct pv_interrupt *interrupt)
{
	if (!interrupt)
		return;
	if (interrupt->waits) {
		pthread_cancel(interrupt->thread);
		pthread_join(interrupt->thread, NULL);
	}
	if (interrupt->fds[0] >= 0) {
		close(interrupt->fds[0]);
		close(interrupt->fds[1]);
	}
	free(interrupt);
}

int pv_interrupt_fd(const struct pv_interrupt *interrupt)
{
	return interrupt->fds[0];
}

bool pv_interrupt_take(struct pv_interrupt *interrupt, siginfo_t *ret)
{
	return read(interrupt->fds[0], ret, sizeof(*ret)) == sizeof(*ret);
}
