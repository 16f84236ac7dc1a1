/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object allocator's places.  Input: code and .eh_frame of the interpreter, untrusted.
 * Output: struct pv_allocators.
 */
#include "python/allocators.h"

#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/pool.h"
#include "python/detect.h"

enum {
	SITES_MAX = 4096, /* of one kind */
	FUNCTION_BYTES_MAX = 1 << 20,
	SLOW_BYTES = 96,
	TARGETS = 64,
	/* Objects/obmalloc.c: POOL_SIZE; from 3.10 on with radix trees */
	POOL_BYTES = 4096,
	LARGE_POOL_BYTES = 16384,
};

/* A function that is called where there is no pool, and how often. */
struct target {
	uint64_t vaddr;
	size_t n;
};

struct finder {
	const struct pv_elf *elf;
	struct pv_allocators *ret;
	struct pv_vec after; /* uint64_t: for each take, where its jump leads */
	struct pv_err *err;
};

static struct pv_err *add_site(struct pv_vec *list, const struct pv_insn_pool_site *site)
{
	struct pv_pool_site one = { .vaddr = site->vaddr, .pool = (uint8_t)site->pool };

	return list->n < SITES_MAX ? pv_vec_append(list, &one, 1, NULL) : NULL;
}

static bool on_take(void *ctx, const struct pv_insn_pool_site *site)
{
	struct finder *f = ctx;

	f->err = add_site(&f->ret->takes, site);
	if (!f->err && f->after.n < f->ret->takes.n)
		f->err = pv_vec_append(&f->after, &site->taken_next, 1, NULL);
	return !f->err;
}

static bool on_give(void *ctx, const struct pv_insn_pool_site *site)
{
	struct finder *f = ctx;

	f->err = add_site(&f->ret->gives, site);
	return !f->err;
}

static void scan(struct finder *f, const struct pv_fde_range *fdes, size_t n)
{
	for (size_t i = 0; !f->err && i < n; i++) {
		size_t size = fdes[i].end - fdes[i].start;
		const uint8_t *code = size <= FUNCTION_BYTES_MAX
					      ? pv_elf_data(f->elf, fdes[i].start, size)
					      : NULL;

		if (!code || !pv_insn_may_pool(code, size))
			continue;
		pv_insn_each_pool_take(code, size, fdes[i].start, on_take, f);
		if (!f->err)
			pv_insn_each_pool_give(code, size, fdes[i].start, on_give, f);
	}
}

static bool slow_call(const struct pv_elf *elf, uint64_t vaddr, uint64_t *ret)
{
	for (size_t n = SLOW_BYTES; n >= 8; n /= 2) {
		const uint8_t *code = pv_elf_data(elf, vaddr, n);

		if (code)
			return pv_insn_first_call(code, n, vaddr, ret);
	}
	return false;
}

/*
 * What most of them call where there is no pool.  Up to 3.8 pymalloc_alloc() does all by itself,
 * and what it calls there, new_arena(), stands behind a jump.
 */
static uint64_t vote(const struct finder *f)
{
	struct target targets[TARGETS] = { 0 }, *best = &targets[0];
	size_t n = 0;

	for (size_t i = 0; i < f->after.n; i++) {
		uint64_t to;
		size_t k;

		if (!slow_call(f->elf, *(const uint64_t *)pv_vec_at(&f->after, i), &to))
			continue;
		for (k = 0; k < n && targets[k].vaddr != to; k++)
			;
		if (k == TARGETS)
			continue;
		n += k == n;
		targets[k].vaddr = to;
		if (++targets[k].n > best->n)
			best = &targets[k];
	}
	return 2 * best->n > f->after.n ? best->vaddr : 0;
}

/* The calls of a function, by their bytes. */
static size_t count_calls(const struct pv_elf *elf, uint64_t target)
{
	size_t found = 0;

	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);
		const uint8_t *code =
			load->executable ? pv_elf_data(elf, load->vaddr, load->file_size) : NULL;

		for (uint64_t at = 0; code && at + 5 <= load->file_size; at++) {
			int32_t value;

			if (code[at] != 0xe8)
				continue;
			memcpy(&value, code + at + 1, sizeof(value));
			found += load->vaddr + at + 5 + (uint64_t)(int64_t)value == target;
		}
	}
	return found;
}

static struct pv_err *find_slow(struct finder *f)
{
	f->ret->new_pool = vote(f);
	if (!f->ret->new_pool)
		return pv_vec_append(&f->ret->slow, f->after.data, f->after.n, NULL);
	f->ret->n_copies = count_calls(f->elf, f->ret->new_pool);
	if (f->ret->n_copies > f->ret->takes.n)
		f->ret->n_missed = f->ret->n_copies - f->ret->takes.n;
	return NULL;
}

struct pv_err *pv_allocators_find(const struct pv_elf *elf, const struct pv_python *python,
				  struct pv_allocators *ret)
{
	struct pv_allocators found = {
		.takes = PV_VEC(struct pv_pool_site),
		.gives = PV_VEC(struct pv_pool_site),
		.slow = PV_VEC(uint64_t),
		.pool_bytes =
			python->proc.py.version_hex >= 0x030a0000 ? LARGE_POOL_BYTES : POOL_BYTES,
	};
	struct finder finder = { .elf = elf, .ret = &found, .after = PV_VEC(uint64_t) };
	_pv_free_ struct pv_fde_range *fdes = NULL;
	size_t n_fdes = 0;

	if (!python->proc.py.free_threaded)
		finder.err = pv_elf_fde_ranges(elf, &fdes, &n_fdes);
	if (!finder.err)
		scan(&finder, fdes, n_fdes);
	if (!finder.err && found.takes.n)
		finder.err = find_slow(&finder);
	pv_vec_deinit(&finder.after);
	if (finder.err)
		pv_allocators_deinit(&found);
	else
		*ret = found;
	return finder.err;
}

void pv_allocators_deinit(struct pv_allocators *allocators)
{
	pv_vec_deinit(&allocators->takes);
	pv_vec_deinit(&allocators->gives);
	pv_vec_deinit(&allocators->slow);
}
