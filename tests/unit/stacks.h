/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Profiles made by hand for the tests of analyse/ and cmd/summary: a stack is one
 * line of text.  Frames stand root first, separated by "|", each of them
 *   KIND FUNCTION PLACE LINE
 * kind: p python, n native, i inlined, k kernel, m marker, t thread, P process;
 * place: the file of p, the module of n and i, "-" none; "~" is a blank, \xNN a byte.
 */
#ifndef STACKS_H
#define STACKS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/profile.h"
#include "model/strings.h"

/* Used outside of Check's tests, too. */
static inline void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "stacks.h: %s\n", what);
	abort();
}

static inline void ok(struct pv_err *err)
{
	require(!err, err ? err->message : "");
}

static inline uint32_t string_of(struct pv_profile *profile, const char *text)
{
	char bytes[512];
	size_t n = 0;
	uint32_t id;

	for (; strcmp(text, "-") && *text; text++) {
		unsigned int byte = *text == '~' ? ' ' : (unsigned char)*text;

		if (sscanf(text, "\\x%2x", &byte) == 1)
			text += 3;
		require(n < sizeof(bytes), text);
		bytes[n++] = byte;
	}
	ok(pv_strings_add(profile->strings, bytes, n, &id));
	return id;
}

/* A profile of 100 Hz and so many seconds. */
static inline struct pv_profile *profile_of(double seconds)
{
	struct pv_profile *profile;

	ok(pv_profile_create(&profile));
	profile->period_ns = 10000000;
	profile->duration_ns = seconds * 1e9;
	profile->pid = 11;
	profile->interpreter = string_of(profile, "CPython~3.11.2");
	profile->target_name = string_of(profile, "python3");
	profile->engine = string_of(profile, "bpf");
	return profile;
}

static inline uint32_t frame_of(struct pv_profile *profile, uint32_t parent, const char *text)
{
	static const char kinds[] = "pnikmtP"; /* in the order of enum pv_loc_kind */
	char kind, function[256], place[256];
	struct pv_loc loc = { 0 };
	uint32_t id, node;

	require(sscanf(text, " %c %255s %255s %d", &kind, function, place, &loc.line) == 4, text);
	require(strchr(kinds, kind), text);
	loc.kind = strchr(kinds, kind) - kinds;
	loc.function = string_of(profile, function);
	if (kind == 'p')
		loc.file = string_of(profile, place);
	else
		loc.module = string_of(profile, place);
	ok(pv_profile_loc(profile, &loc, &id));
	ok(pv_profile_node(profile, parent, id, &node));
	return node;
}

static inline uint32_t node_of(struct pv_profile *profile, const char *stack)
{
	char copy[4096], *save, *part;
	uint32_t node = 0;

	require(strlen(stack) < sizeof(copy), stack);
	strcpy(copy, stack);
	for (part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save))
		node = frame_of(profile, node, part);
	return node;
}

/* count samples of a thread of a process, generation 1. */
static inline void add_of(struct pv_profile *profile, uint32_t pid, uint32_t tid, uint64_t count,
			  const char *stack)
{
	struct pv_profile_process process = { .pid = pid, .generation = 1 };
	uint32_t of, thread;

	ok(pv_profile_process(profile, &process, &of));
	ok(pv_profile_thread(profile, of, tid, "main", &thread));
	ok(pv_profile_add(profile, node_of(profile, stack), thread, count));
	profile->quality.samples += count;
	profile->quality.complete += count;
}

static inline void add(struct pv_profile *profile, uint64_t count, const char *stack)
{
	add_of(profile, 11, 11, count, stack);
}

/* A native module's file, by which it is own code or not. */
static inline void module_of(struct pv_profile *profile, const char *name, const char *path)
{
	struct pv_module module = { .name = string_of(profile, name),
				    .path = string_of(profile, path) };
	uint32_t id;

	ok(pv_profile_module(profile, &module, &id));
}

/* The profile of design's screens: 2,812 samples in 30 s, a report out of a database. */
#define SCREENS_TOP                                                                                \
	"n _start python3.12 0|p <module> /usr/bin/gunicorn 8|"                                    \
	"p run /v/lib/python3.12/site-packages/gunicorn/app/wsgiapp.py 67|"                        \
	"p handle /v/lib/python3.12/site-packages/gunicorn/workers/sync.py 135|"                   \
	"p wsgi_app /v/lib/python3.12/site-packages/flask/app.py 1478|"
#define SCREENS_REPORT SCREENS_TOP "p report /srv/app/app.py 52|"
#define SCREENS_FETCH                                                                              \
	SCREENS_REPORT                                                                             \
	"p fetchall /v/lib/python3.12/site-packages/MySQLdb/cursors.py 331|"                       \
	"n cfunction_vectorcall_FASTCALL python3.12 0|"
#define MYSQL "_mysql.cpython-312-x86_64-linux-gnu.so"

static inline struct pv_profile *screens_profile(void)
{
	struct pv_profile *p = profile_of(30);

	p->period_ns = 10101010;
	p->pid = 4127;
	p->title = string_of(p, "gunicorn:~worker~[app:app]");
	p->target_name = string_of(p, "gunicorn");
	p->interpreter = string_of(p, "CPython~3.12.1");
	add_of(p, 4127, 4127, 594,
	       SCREENS_FETCH "n _mysql_ResultObject_fetch_row " MYSQL " 0|"
			     "n _mysql_field_to_python " MYSQL " 0");
	add_of(p, 4127, 4127, 556, SCREENS_FETCH "n _mysql_ResultObject_fetch_row " MYSQL " 0");
	add_of(p, 4127, 4127, 225, SCREENS_FETCH "k copy_to_user - 0");
	add_of(p, 4127, 4127, 250, SCREENS_REPORT);
	add_of(p, 4127, 4131, 600,
	       SCREENS_TOP "p index /srv/app/app.py 31|"
			   "p render /v/lib/python3.12/site-packages/jinja2/environment.py 1301");
	add_of(p, 4127, 4131, 400,
	       SCREENS_TOP "p index /srv/app/app.py 31|"
			   "p root /srv/app/templates/index.html 12");
	add_of(p, 4127, 4133, 100, SCREENS_TOP "p health /srv/app/app.py 70|k schedule - 0");
	add_of(p, 4127, 4133, 87, "m [truncated] - 0|p health /srv/app/app.py 71");
	p->quality.complete -= 1;
	p->quality.truncated = 1;
	p->quality.gc = 22;
	p->target_cpu_ns = 2820 * p->period_ns;
	p->probe_ns = 90000000;
	p->own_cpu_ns = 410000000;
	return p;
}

#endif
