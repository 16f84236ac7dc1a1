/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rights, and the reasons of failed loads.  Input: errnos of libbpf, where we are.
 * Output: errors that say what to do.
 */
#include "collect/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

#include "collect/features.h"
#include "target/place.h"

/* What matters of libbpf's words is in our errors. */
static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

void pv_load_quiet(void)
{
	libbpf_set_print(quiet);
}

struct pv_err *pv_load_permission(void)
{
	if (pv_place_own_users())
		return pv_err_create(PV_ERR_PERMISSION,
				     "cannot load BPF programs from inside a user namespace (a "
				     "rootless container): its root has no rights over the kernel; "
				     "run pitviper on the host");
	if (!geteuid())
		return pv_err_create(
			PV_ERR_PERMISSION,
			"cannot load BPF programs: this root lacks %s, as in a container "
			"that was started without (docker run --cap-add)",
			pv_features_lacking());
	return pv_err_create(PV_ERR_PERMISSION,
			     "cannot load BPF programs: lacks %s; needs root, or CAP_BPF and "
			     "CAP_PERFMON (and CAP_SYS_PTRACE for other users' processes)",
			     pv_features_lacking());
}

/*
 * Not a lack of the kernel's: libbpf may have made another error, or an answer, of it.  A load
 * holds a descriptor for each map and program, and what failed has closed them again.
 */
static bool lacks_descriptors(int error)
{
	enum { NEEDED = 48 };
	int fds[NEEDED], n = 0;
	bool lacks = error == -EMFILE || error == -ENFILE;

	while (!lacks && n < NEEDED) {
		fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		lacks = fds[n] < 0 && (errno == EMFILE || errno == ENFILE);
		if (fds[n] < 0)
			break;
		n++;
	}
	while (n)
		close(fds[--n]);
	return lacks;
}

struct pv_err *pv_load_error(int error)
{
	struct pv_err *err;

	if (!pv_features_privileged() || (error == -EPERM && pv_place_own_users()))
		return pv_load_permission();
	if (lacks_descriptors(error))
		return pv_err_errno(EMFILE, "cannot load the BPF programs");
	err = pv_features_check();
	if (err)
		return err;
	if (error == -EACCES || error == -EINVAL)
		return pv_err_create(
			PV_ERR_FAILED,
			"this kernel's verifier refuses the BPF program; please report "
			"it with the output of `pitviper doctor`");
	return pv_err_errno(-error, "cannot load the BPF programs");
}

struct pv_err *pv_load_namespace(int program_fd)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int error = bpf_prog_test_run_opts(program_fd, &opts);

	if (error)
		return pv_err_errno(-error, "cannot ask the kernel for our PID namespace");
	if (opts.retval)
		return pv_err_create(PV_ERR_FAILED, "the kernel does not tell our PID namespace");
	return NULL;
}
