/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors.  Every function that can fail returns struct pv_err *, NULL = fine;
 * results leave by a last parameter named ret or x_ret, untouched on failure.
 * The caller owns the error.  A message is one sentence without a full stop:
 * what was tried, on what, why it failed, and what to do.
 */
#ifndef PV_BASE_ERR_H
#define PV_BASE_ERR_H

/* What the error means to the user; the values are the exit statuses. */
enum pv_err_kind {
	PV_ERR_FAILED = 1,
	PV_ERR_USAGE = 2,
	PV_ERR_PERMISSION = 3, /* needs a privilege */
	PV_ERR_NOPROC = 4,     /* no such process, or not one that we can read */
};

struct pv_err {
	enum pv_err_kind kind;
	int errnum; /* the errno behind it, 0 = none */
	char *message;
};

/* Out of memory: static, so that reporting it needs none. */
extern struct pv_err pv_enomem;

struct pv_err *pv_err_create(enum pv_err_kind kind, const char *format, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull));

/*
 * The same with ": strerror(errnum)" appended; EPERM and EACCES make it
 * PV_ERR_PERMISSION, ESRCH PV_ERR_NOPROC, ENOMEM &pv_enomem, all else FAILED.
 */
struct pv_err *pv_err_errno(int errnum, const char *format, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull));

/* "format: message of err"; keeps kind and errnum, takes ownership of err. */
struct pv_err *pv_err_wrap(struct pv_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull));

/* The same error with more at the end of its message. */
struct pv_err *pv_err_add(struct pv_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull));

/* NULL and &pv_enomem are fine. */
void pv_err_destroy(struct pv_err *err);

#endif
