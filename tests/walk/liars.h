/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixture whose words are changed: for test_liars*.c.  Input: a directory of
 * tests/fixtures/walk, and lies.  Output: what the walk made of them.
 */
#ifndef PV_TESTS_WALK_LIARS_H
#define PV_TESTS_WALK_LIARS_H

#include "run.h"

enum {
	PATCHES = 24,
	/* every frame with a code object of its own, every native one, all that is copied */
	READS_MAX = PV_PYTHON_FRAMES_MAX * 3 / 2 * 8 + PV_NATIVE_FRAMES_MAX * 3 + 2048 * 4 + 100,
};

struct patch {
	uint64_t addr, value;
};

struct seen {
	uint64_t addr;
	size_t n;
};

/* A fixture with words changed; logs what is read. */
struct liar {
	struct pv_mem mem;
	struct pv_mem *inner;
	struct patch patches[PATCHES];
	size_t n_patches;
	bool fill; /* memory is everywhere, and holds the word `value` */
	uint64_t value;
	struct pv_vec log; /* struct seen */
	bool logging;
	unsigned int reads;
};

static inline int liar_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct liar *liar = (struct liar *)mem;
	struct seen seen = { addr, n };
	size_t i, k;
	int rc = pv_mem_read(liar->inner, dst, n, addr);

	liar->reads++;
	ck_assert_uint_le(liar->reads, READS_MAX);
	if (rc && !liar->fill)
		return rc;
	for (k = 0; rc && k < n; k++)
		((uint8_t *)dst)[k] = liar->value >> 8 * ((addr + k) & 7);
	for (i = 0; i < liar->n_patches; i++) {
		for (k = 0; k < 8; k++) {
			if (liar->patches[i].addr + k - addr < n)
				((uint8_t *)dst)[liar->patches[i].addr + k - addr] =
					liar->patches[i].value >> 8 * k;
		}
	}
	if (liar->logging)
		ok(pv_vec_append(&liar->log, &seen, 1, NULL));
	return 0;
}

struct world {
	struct fixture fixture;
	struct liar liar;
	struct run truth;                     /* without lies */
	struct pv_vec frames, codes, strings; /* uint64_t: where the walk found them, leaf first */
	uint64_t tstate;
};

static char **names;
static int n_names;

static inline uint64_t word(struct world *w, uint64_t addr)
{
	uint64_t value;

	ck_assert_int_eq(pv_mem_read_u64(w->liar.inner, addr, &value), 0);
	return value;
}

static inline void add(struct pv_vec *vec, uint64_t addr)
{
	size_t i;

	for (i = 0; i < vec->n; i++) {
		if (*(uint64_t *)pv_vec_at(vec, i) == addr)
			return;
	}
	ok(pv_vec_append(vec, &addr, 1, NULL));
}

static inline uint64_t at(const struct pv_vec *vec, size_t i)
{
	ck_assert_uint_lt(i, vec->n);
	return *(uint64_t *)pv_vec_at(vec, i);
}

static inline void walk(struct world *w, struct run *run)
{
	struct pv_snap_source source = fixture_source(&w->fixture, &w->liar.mem);

	w->liar.reads = 0;
	run_source(run, &source, &w->fixture);
}

/* Where things are is told by the sizes of the reads, not by the walkers' code. */
static inline void world_init(struct world *w, const char *name)
{
	const struct pv_pylayout *py = &w->fixture.proc.py;
	size_t i;

	*w = (struct world){ .frames = PV_VEC(uint64_t),
			     .codes = PV_VEC(uint64_t),
			     .strings = PV_VEC(uint64_t) };
	load(name, &w->fixture, &w->liar.inner);
	w->liar.mem.read = liar_read;
	w->liar.log = (struct pv_vec)PV_VEC(struct seen);
	w->liar.logging = true;
	walk(w, &w->truth);
	w->liar.logging = false;
	for (i = 0; i < w->liar.log.n; i++) {
		const struct seen *seen = pv_vec_at(&w->liar.log, i);

		if (seen->n == py->ts_len && !w->tstate)
			w->tstate = seen->addr;
		else if (seen->n == py->fr_len && w->tstate)
			add(&w->frames, seen->addr - py->fr_start);
		else if (seen->n == py->co_len)
			add(&w->codes, seen->addr);
		else if (seen->n == 32 && word(w, seen->addr) == w->fixture.proc.unicode_type)
			add(&w->strings, seen->addr - py->ob_type);
	}
	ck_assert_uint_ge(w->frames.n, 5);
	ck_assert_uint_ge(w->codes.n, 5);
	ck_assert_uint_ge(w->strings.n, 5);
}

static inline void world_deinit(struct world *w)
{
	run_deinit(&w->truth);
	pv_mem_destroy(w->liar.inner);
	pv_vec_deinit(&w->liar.log);
	pv_vec_deinit(&w->frames);
	pv_vec_deinit(&w->codes);
	pv_vec_deinit(&w->strings);
	fixture_deinit(&w->fixture);
}

static inline void lie(struct world *w, uint64_t addr, uint64_t value)
{
	ck_assert_uint_lt(w->liar.n_patches, PATCHES);
	w->liar.patches[w->liar.n_patches++] = (struct patch){ addr, value };
}

/* Walks with the lies told so far, which are then forgotten; the Python half must be marked. */
static inline void walk_marked(struct world *w, const char *what, uint8_t loss, uint8_t or_loss)
{
	struct run run;

	walk(w, &run);
	ck_assert_msg(run.merged.marked && !run.merged.python && !run.merged.complete, "%s: %s",
		      what, run.status);
	ck_assert_msg(run.merged.loss == loss || run.merged.loss == or_loss, "%s: %s", what,
		      run.status);
	run_deinit(&run);
	w->liar.n_patches = 0;
}

static inline bool is_cframe(const struct world *w)
{
	return w->fixture.proc.py.cf_previous != PV_OFF_NONE;
}

static inline bool is_boundary(struct world *w, size_t frame)
{
	const struct pv_pylayout *py = &w->fixture.proc.py;
	uint64_t owner_at = at(&w->frames, frame) + py->fr_owner;
	uint8_t owner;

	ck_assert_int_eq(pv_mem_read(w->liar.inner, &owner, 1, owner_at), 0);
	return owner >= py->owner_boundary;
}

#endif
