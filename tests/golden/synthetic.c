/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes the synthetic profile.
 * Input: how many samples and distinct stacks.
 * Output: a profile with 4 threads in 2 processes, 60 seconds, Python, native
 * and kernel frames, sources of the own files.
 */
#include "synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/profile.h"
#include "model/strings.h"

enum {
	FILES = 120,
	OWN_FILES = 12,
	FUNCTIONS = 6000,
	NATIVES = 1500,
	KERNELS = 400,
	SLICES = 4096,
	SECONDS = 60,
};

struct maker {
	struct pv_profile *profile;
	uint64_t state;  /* of the random numbers */
	uint32_t *nodes; /* leaf of each stack */
	uint32_t *threads;
};

static void must(struct pv_err *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

/* Numerical Recipes' 64-bit LCG, upper half. */
static uint32_t pick(struct maker *m, uint32_t n)
{
	m->state = m->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (m->state >> 33) % n;
}

static uint32_t text(struct maker *m, const char *format, uint32_t a, uint32_t b)
{
	char bytes[128];
	uint32_t id;
	int n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = snprintf(bytes, sizeof(bytes), format, a, b);
#pragma GCC diagnostic pop
	must(pv_strings_add(m->profile->strings, bytes, n, &id));
	return id;
}

static uint32_t python_loc(struct maker *m, uint32_t function)
{
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = 10 + pick(m, 8) };
	uint32_t file = function % FILES, id;

	loc.function = text(m, "Class%u.method_%u", function % 97, function);
	loc.file = file < OWN_FILES
			   ? text(m, "/srv/app/module_%u.py", file, 0)
			   : text(m, "/usr/lib/python3/dist-packages/package_%u/part_%u.py",
				  file / 8, file);
	must(pv_profile_loc(m->profile, &loc, &id));
	return id;
}

static uint32_t native_loc(struct maker *m, uint32_t function)
{
	struct pv_loc loc = { .kind = PV_LOC_NATIVE };
	uint32_t id;

	loc.function = text(m, "library_%u_function_%u", function % 30, function);
	loc.module = text(m, "library_%u.so", function % 30, 0);
	must(pv_profile_loc(m->profile, &loc, &id));
	return id;
}

static uint32_t kernel_loc(struct maker *m, uint32_t function)
{
	struct pv_loc loc = { .kind = PV_LOC_KERNEL };
	uint32_t id;

	loc.function = text(m, "kernel_function_%u", function, 0);
	must(pv_profile_loc(m->profile, &loc, &id));
	return id;
}

static uint32_t push(struct maker *m, uint32_t parent, uint32_t loc)
{
	uint32_t id;

	must(pv_profile_node(m->profile, parent, loc, &id));
	return id;
}

/* 12 to 40 frames deep; stacks share the frames near the root, as real ones do. */
static uint32_t make_stack(struct maker *m, uint32_t index)
{
	uint32_t i, node = 0, depth = 8 + pick(m, 20), spread = 1;

	node = push(m, node, native_loc(m, 0));
	for (i = 0; i < depth; i++) {
		node = push(m, node, python_loc(m, (i * 131 + pick(m, spread)) % FUNCTIONS));
		spread = spread * 3 / 2 + 1;
	}
	for (i = pick(m, 6); i; i--)
		node = push(m, node, native_loc(m, pick(m, NATIVES)));
	for (i = pick(m, 4) ? 0 : 2 + pick(m, 5); i; i--)
		node = push(m, node, kernel_loc(m, pick(m, KERNELS)));
	/* makes it distinct whatever was drawn */
	return push(m, node, native_loc(m, NATIVES + index % 1000 + 1000 * (index / 1000 % 100)));
}

static void add_threads(struct maker *m)
{
	uint32_t i, process;

	m->threads = calloc(4, sizeof(*m->threads));
	for (i = 0; i < 4; i++) {
		struct pv_profile_process of = { .pid = 4000 + i / 2, .generation = 1 };
		char name[16];

		of.name = text(m, "gunicorn", 0, 0);
		of.title = text(m, "gunicorn: worker %u [app:app]", i / 2, 0);
		of.interpreter = text(m, "CPython 3.11.2", 0, 0);
		must(pv_profile_process(m->profile, &of, &process));
		snprintf(name, sizeof(name), i % 2 ? "pool-%u" : "MainThread", i);
		must(pv_profile_thread(m->profile, process, of.pid + 10 * (i % 2), name,
				       &m->threads[i]));
	}
}

static void add_sources(struct maker *m)
{
	char *bytes = malloc(64 * 200);
	uint32_t file, line;

	for (file = 0; file < OWN_FILES; file++) {
		size_t n = 0;

		for (line = 1; line <= 200; line++)
			n += snprintf(bytes + n, 64, "    value_%u = compute(%u, row[%u])\n", line,
				      file, line % 7);
		must(pv_profile_add_source(m->profile, text(m, "/srv/app/module_%u.py", file, 0),
					   bytes, n, file == 3));
	}
	free(bytes);
}

static void add_modules(struct maker *m)
{
	uint32_t i, id;

	for (i = 0; i < 30; i++) {
		struct pv_module module = { .name = text(m, "library_%u.so", i, 0) };

		module.path = i < 3 ? text(m, "/srv/app/library_%u.so", i, 0)
				    : text(m, "/usr/lib/x86_64-linux-gnu/library_%u.so", i, 0);
		module.build_id = text(m, "00112233445566778899aabbccddee%02x%02x", i, i);
		must(pv_profile_module(m->profile, &module, &id));
	}
}

struct pv_profile *synthetic_profile(uint32_t n_samples, uint32_t n_stacks)
{
	struct maker m = { .state = 42 };
	struct pv_profile *profile;
	uint32_t i;

	must(pv_profile_create(&m.profile));
	profile = m.profile;
	add_threads(&m);
	add_sources(&m);
	add_modules(&m);
	m.nodes = calloc(n_stacks + 1, sizeof(*m.nodes));
	for (i = 0; i < n_stacks; i++)
		m.nodes[i] = make_stack(&m, i);
	for (i = 0; i < n_samples; i++) {
		/* every stack once, then few of them most of the time */
		uint32_t stack = i < n_stacks ? i : pick(&m, 1 + pick(&m, 1 + pick(&m, n_stacks)));

		must(pv_profile_add_at(profile, m.nodes[stack], m.threads[stack % 4],
				       (uint64_t)i * SLICES / n_samples, 1));
	}
	pv_profile_sort_ticks(profile);
	profile->target_name = text(&m, "gunicorn", 0, 0);
	profile->title = text(&m, "gunicorn: master [app:app]", 0, 0);
	profile->interpreter = text(&m, "CPython 3.11.2", 0, 0);
	profile->engine = text(&m, "bpf", 0, 0);
	profile->host = text(&m, "synthetic", 0, 0);
	profile->pid = 4000;
	profile->start_unix_ns = 1795687500ULL * 1000000000;
	profile->duration_ns = SECONDS * 1000000000ULL;
	profile->slice_ns = profile->duration_ns / SLICES;
	profile->n_slices = SLICES;
	profile->period_ns = 4 * profile->duration_ns / n_samples;
	profile->target_cpu_ns = n_samples * profile->period_ns;
	profile->own_cpu_ns = 400000000;
	profile->probe_ns = 120000000;
	profile->quality.samples = n_samples;
	profile->quality.complete = n_samples - n_samples / 2000;
	profile->quality.truncated = n_samples / 2000;
	profile->quality.with_python = n_samples;
	free(m.nodes);
	free(m.threads);
	return profile;
}
