/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks a fixture and makes text of what comes out; shared by the walk tests.
 * Input: a directory of tests/fixtures/walk.  Output: lines, and the counts of
 * what was read and lost.
 */
#ifndef PV_TESTS_WALK_RUN_H
#define PV_TESTS_WALK_RUN_H

#include <dirent.h>

#include "../quiet_check.h"
#include "fixture.h"
#include "target/mem.h"

enum { RUN_LINES = 8192, RUN_LOSSES = 64 };

/* What one walk gave. */
struct run {
	char *status;
	char **lines; /* merged frames, root first */
	size_t n_lines;
	struct pv_event_sample *sample; /* a copy */
	struct pv_merged merged;
	unsigned int losses[RUN_LOSSES];
	unsigned int n_codes, n_pieces;
	struct pv_codes *codes;
	struct pv_proc proc; /* with what was learned */
};

static inline void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static inline const char *fixtures_path(const char *name, const char *file)
{
	static char path[4096];
	const char *fixtures = getenv("PV_FIXTURES");

	snprintf(path, sizeof(path), "%s/walk/%s/%s", fixtures ? fixtures : ".", name, file);
	return path;
}

static inline int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The fixtures whose names end in suffix, sorted; for the life of the process. */
static inline char **fixture_names(const char *suffix, int *n_ret)
{
	static char *names[256];
	const struct dirent *entry;
	DIR *dir = opendir(fixtures_path("", ""));
	int n = 0;

	while (dir && (entry = readdir(dir)) && n < 256) {
		size_t length = strlen(entry->d_name), tail = strlen(suffix);

		if (entry->d_name[0] == '.' || length < tail ||
		    strcmp(entry->d_name + length - tail, suffix) != 0)
			continue;
		names[n++] = strdup(entry->d_name);
	}
	if (dir)
		closedir(dir);
	qsort(names, n, sizeof(*names), compare_names);
	*n_ret = n;
	return names;
}

static inline void load(const char *name, struct fixture *fixture, struct pv_mem **mem)
{
	fixture_init(fixture);
	ok(fixture_read(fixtures_path(name, "thread"), fixture));
	ok(pv_mem_fixture_create(fixtures_path(name, "memory"), mem));
}

static inline struct pv_err *run_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct run *run = ctx;

	ck_assert_uint_eq(event->size, size);
	if (event->type == PV_EVENT_CODE) {
		run->n_codes++;
		ck_assert_uint_eq(size, sizeof(struct pv_event_code));
		return pv_codes_add(run->codes, (const struct pv_event_code *)event);
	}
	ck_assert_uint_eq(event->type, PV_EVENT_PIECE);
	ck_assert_uint_eq(size, sizeof(struct pv_event_piece) +
					((const struct pv_event_piece *)event)->n);
	run->n_pieces++;
	return pv_codes_add_piece(run->codes, (const struct pv_event_piece *)event);
}

static inline void run_lost(void *ctx, enum pv_loss loss)
{
	struct run *run = ctx;

	ck_assert_uint_lt(loss, RUN_LOSSES);
	run->losses[loss]++;
}

/* Whatever was read, a sample is within its caps, and its size is that of its parts. */
static inline void check_form(const struct pv_event_sample *sample)
{
	const struct pv_pyframe *python = (const struct pv_pyframe *)(sample + 1);
	uint32_t runs = 0, i;
	bool skipped = false;

	ck_assert_uint_eq(sample->hdr.type, PV_EVENT_SAMPLE);
	ck_assert_uint_le(sample->n_python, PV_PYTHON_FRAMES_MAX);
	ck_assert_uint_le(sample->n_native, PV_NATIVE_FRAMES_MAX);
	ck_assert_uint_eq(sample->n_kernel, 0);
	ck_assert_uint_eq(sample->hdr.size,
			  sizeof(*sample) + 16U * sample->n_python + 8U * sample->n_native);
	for (i = 0; i < sample->n_python; i++) {
		skipped |= !!(python[i].flags & PV_PYFRAME_SKIP);
		runs += python[i].flags & PV_PYFRAME_RUN_END && !skipped;
		skipped &= !(python[i].flags & PV_PYFRAME_RUN_END);
	}
	ck_assert_uint_eq(sample->n_runs, runs);
	/* an end and a reason for not reaching it exclude each other, but for bridges */
	if (sample->flags & PV_SAMPLE_NAT_END && !(sample->flags & PV_SAMPLE_REANCHORED))
		ck_assert_uint_eq(sample->nat_loss, 0);
	if (!(sample->flags & (PV_SAMPLE_PY_END | PV_SAMPLE_NO_TSTATE)))
		ck_assert_uint_ne(sample->py_loss, 0);
	if (!(sample->flags & PV_SAMPLE_NAT_END))
		ck_assert_uint_ne(sample->nat_loss, 0);
}

static inline void run_lines(struct run *run, const struct fixture *fixture)
{
	struct pv_str text = {};
	size_t i;

	run->lines = calloc(run->merged.frames.n + 1, sizeof(*run->lines));
	ck_assert_ptr_nonnull(run->lines);
	for (i = 0; i < run->merged.frames.n; i++) {
		pv_str_clear(&text);
		ok(frame_text(fixture, run->codes, pv_vec_at(&run->merged.frames, i), &text));
		run->lines[run->n_lines++] = strdup(pv_str_text(&text));
	}
	pv_str_clear(&text);
	ok(status_text(run->sample, &run->merged, &text));
	run->status = strdup(pv_str_text(&text));
	pv_str_deinit(&text);
}

/* Walks once with a walker that knows nothing yet. */
static inline void run_source(struct run *run, const struct pv_snap_source *source,
			      const struct fixture *fixture)
{
	struct pv_merge_options options = {
		.counted = source->proc.py.anchor_kind == PV_ANCHOR_NONE,
		.from_root = source->proc.py.anchor_kind == PV_ANCHOR_CFRAME,
		/* no object of the fixtures */
		.greenlet = source->proc.py.foreign_cframes ? (1 << PV_NAT_OBJECT_BITS) - 1 : 0,
	};
	struct pv_snap_handlers handlers = { .ctx = run, .event = run_event, .lost = run_lost };
	const struct pv_event_sample *sample;
	struct pv_snap *snap;

	*run = (struct run){ .merged.frames = PV_VEC(struct pv_frame_ref) };
	ok(pv_codes_create(&run->codes));
	ok(pv_snap_create(source, &handlers, &snap));
	ok(pv_snap_walk(snap, &fixture->thread, &sample));
	check_form(sample);
	run->sample = malloc(sample->hdr.size);
	ck_assert_ptr_nonnull(run->sample);
	memcpy(run->sample, sample, sample->hdr.size);
	ok(pv_merge(run->sample, run->sample->hdr.size, &options, &run->merged));
	run_lines(run, fixture);
	run->proc = *pv_snap_proc(snap);
	pv_snap_destroy(snap);
}

static inline void run_deinit(struct run *run)
{
	size_t i;

	for (i = 0; i < run->n_lines; i++)
		free(run->lines[i]);
	free(run->lines);
	free(run->status);
	free(run->sample);
	pv_vec_deinit(&run->merged.frames);
	pv_codes_destroy(run->codes);
}

#endif
