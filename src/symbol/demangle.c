/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Demangling by libiberty, with bounds that it has not.
 * Input: a symbol name of a target: untrusted.
 * Output: the text, for native.c.
 */
#include "symbol/demangle.h"

#include <pthread.h>
#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

enum {
	/*
	 * libiberty recurses some 150 bytes of stack for each byte of a name (at
	 * most 1.4 MB were seen for 10,000) and by itself refuses names beyond
	 * 1,024 bytes.  Real templates have them, so they get a stack of their own.
	 */
	LONG_BYTES = 1000,
	LONG_STACK_BYTES = 16 << 20,
};

struct sink {
	struct pv_str *text;
	jmp_buf full;
};

/*
 * The callbacks cannot tell libiberty to stop, and a name of 100 bytes may ask
 * for a gigabyte of output: jumping out is the one way.  Its work space is on
 * the stack (cp-demangle.c CP_DYNAMIC_ARRAYS), so nothing is left behind.
 */
static void sink_put(const char *bytes, size_t n, void *ctx)
{
	struct sink *sink = ctx;

	if (n > PV_DEMANGLED_MAX - sink->text->n)
		longjmp(sink->full, 1);

	struct pv_err *err = pv_str_append(sink->text, bytes, n);

	if (err) {
		pv_err_destroy(err);
		longjmp(sink->full, 1);
	}
}

static bool demangle_with(const char *mangled, int options, struct pv_str *ret)
{
	struct sink sink = { .text = ret };

	pv_str_clear(ret);
	if (setjmp(sink.full))
		return false;
	/* Rust first: its older names look like C++ (binutils, cplus_demangle()). */
	if (rust_demangle_callback(mangled, options, sink_put, &sink))
		return ret->n > 0;
	pv_str_clear(ret);
	return cplus_demangle_v3_callback(mangled, options, sink_put, &sink) && ret->n > 0;
}

struct long_job {
	const char *mangled;
	struct pv_str *ret;
	bool done;
};

static void *long_run(void *arg)
{
	struct long_job *job = arg;

	job->done = demangle_with(job->mangled, DMGL_PARAMS | DMGL_ANSI | DMGL_NO_RECURSE_LIMIT,
				  job->ret);
	return NULL;
}

static bool demangle_long(const char *mangled, struct pv_str *ret)
{
	struct long_job job = { .mangled = mangled, .ret = ret };
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr))
		return false;

	bool started = pthread_attr_setstacksize(&attr, LONG_STACK_BYTES) == 0 &&
		       pthread_create(&thread, &attr, long_run, &job) == 0;

	pthread_attr_destroy(&attr);
	if (started)
		pthread_join(thread, NULL);
	return started && job.done;
}

bool pv_demangle(const char *mangled, struct pv_str *ret)
{
	size_t n = strnlen(mangled, PV_MANGLED_MAX + 1);

	if (n > PV_MANGLED_MAX ||
	    (strncmp(mangled, "_Z", 2) != 0 && strncmp(mangled, "_R", 2) != 0 &&
	     strncmp(mangled, "_GLOBAL_", 8) != 0))
		return false;
	return n > LONG_BYTES ? demangle_long(mangled, ret)
			      : demangle_with(mangled, DMGL_PARAMS | DMGL_ANSI, ret);
}
