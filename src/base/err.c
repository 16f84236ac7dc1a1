/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors as objects: a kind, an errno and one sentence.
 * Input: printf formats of all folders.
 * Output: struct pv_err, owned by the caller; printed by cmd/ only.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static char enomem_message[] = "out of memory";

struct pv_err pv_enomem = {
	.kind = PV_ERR_FAILED,
	.errnum = ENOMEM,
	.message = enomem_message,
};

/* Takes ownership of message, which may be NULL (out of memory). */
__attribute__((returns_nonnull)) static struct pv_err *err_take(enum pv_err_kind kind, int errnum,
								char *message)
{
	struct pv_err *err = message ? malloc(sizeof(*err)) : NULL;

	if (!err) {
		free(message);
		return &pv_enomem;
	}
	*err = (struct pv_err){ .kind = kind, .errnum = errnum, .message = message };
	return err;
}

__attribute__((format(printf, 1, 0))) static char *format_message(const char *format, va_list ap)
{
	char *message;

	return vasprintf(&message, format, ap) < 0 ? NULL : message;
}

static enum pv_err_kind kind_of_errno(int errnum)
{
	switch (errnum) {
	case EPERM:
	case EACCES:
		return PV_ERR_PERMISSION;
	case ESRCH:
		return PV_ERR_NOPROC;
	default:
		return PV_ERR_FAILED;
	}
}

/* "head: tail"; frees head. */
static char *join_message(char *head, const char *tail)
{
	char *message;

	if (!head || asprintf(&message, "%s: %s", head, tail) < 0)
		message = NULL;
	free(head);
	return message;
}

struct pv_err *pv_err_create(enum pv_err_kind kind, const char *format, ...)
{
	va_list ap;
	char *message;

	va_start(ap, format);
	message = format_message(format, ap);
	va_end(ap);
	return err_take(kind, 0, message);
}

struct pv_err *pv_err_errno(int errnum, const char *format, ...)
{
	char reason[128];
	va_list ap;
	char *message;

	if (errnum == ENOMEM)
		return &pv_enomem;
	va_start(ap, format);
	message = format_message(format, ap);
	va_end(ap);
	/* GNU strerror_r may return a static text instead of filling the buffer. */
	message = join_message(message, strerror_r(errnum, reason, sizeof(reason)));
	return err_take(kind_of_errno(errnum), errnum, message);
}

struct pv_err *pv_err_wrap(struct pv_err *err, const char *format, ...)
{
	va_list ap;
	char *message;
	enum pv_err_kind kind = err->kind;
	int errnum = err->errnum;

	if (err == &pv_enomem)
		return err;
	va_start(ap, format);
	message = format_message(format, ap);
	va_end(ap);
	message = join_message(message, err->message);
	pv_err_destroy(err);
	return err_take(kind, errnum, message);
}

struct pv_err *pv_err_add(struct pv_err *err, const char *format, ...)
{
	char *more, *message;
	va_list ap;

	if (err == &pv_enomem)
		return err;
	va_start(ap, format);
	more = format_message(format, ap);
	va_end(ap);
	/* the message as it is says more than that memory is short */
	if (more && asprintf(&message, "%s%s", err->message, more) >= 0) {
		free(err->message);
		err->message = message;
	}
	free(more);
	return err;
}

void pv_err_destroy(struct pv_err *err)
{
	if (!err || err == &pv_enomem)
		return;
	free(err->message);
	free(err);
}
