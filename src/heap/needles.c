/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many addresses in much memory.  Input: bytes.  Output: hits.
 *
 * A block of words is first tested as a whole: is any between the lowest and the highest
 * address?  Then a word asks a bitmap of hashes, and only then a sorted list.
 */
#include "heap/needles.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum {
	BLOCK = 16,      /* words that are tested at once */
	BITS_MIN = 15,   /* log2 of the bitmap's bits: 4 KB, which stays in the first cache */
	BITS_MAX = 24,   /* 2 MB */
	BITS_EACH = 16,  /* of the bitmap for each thing that is in it */
	GRANULE = 6,     /* wide: log2 of the bytes that share a bit */
	GRANULES = 1024, /* of one object; what points beyond 64 KB into it is not seen */
};
#define MARKS    7ULL
#define POINTER  0x0000ffffffffffffULL
#define EVERYONE (POINTER & ~MARKS)

/* A needle as it is looked up. */
struct target {
	uint64_t start, end; /* of what points to it: header and object */
	uint64_t address;
	uint32_t gc, id;
};

struct pv_needles {
	struct target *targets; /* sorted by start */
	size_t n;
	uint64_t longest; /* end - start of the longest */
	uint64_t lo, span;
	uint64_t *bitmap;
	unsigned int shift; /* 64 - log2 of its bits */
	bool wide;
	struct pv_map exact; /* quick: from address, and that of a header, to index + 1 */
};

static uint64_t bit_of(const struct pv_needles *s, uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ULL >> s->shift;
}

static void mark(struct pv_needles *s, uint64_t key)
{
	uint64_t bit = bit_of(s, key);

	s->bitmap[bit / 64] |= 1ULL << bit % 64;
}

static bool is_marked(const struct pv_needles *s, uint64_t key)
{
	uint64_t bit = bit_of(s, key);

	return s->bitmap[bit / 64] >> bit % 64 & 1;
}

static int compare(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static uint64_t granules(const struct target *target)
{
	uint64_t n = ((target->end - 1) >> GRANULE) - (target->start >> GRANULE) + 1;

	return n < GRANULES ? n : GRANULES;
}

static struct pv_err *make_bitmap(struct pv_needles *s)
{
	unsigned int bits = BITS_MIN;
	uint64_t marks = 0;

	for (size_t i = 0; i < s->n; i++)
		marks += s->wide ? granules(&s->targets[i]) : 2;
	while (bits < BITS_MAX && (1ULL << bits) < BITS_EACH * marks)
		bits++;
	s->shift = 64 - bits;
	s->bitmap = calloc(1ULL << (bits - 6), sizeof(uint64_t));
	if (!s->bitmap)
		return &pv_enomem;
	for (size_t i = 0; i < s->n; i++) {
		const struct target *target = &s->targets[i];

		if (!s->wide) {
			mark(s, target->address);
			mark(s, target->address - target->gc);
			continue;
		}
		for (uint64_t j = 0; j < granules(target); j++)
			mark(s, (target->start >> GRANULE) + j);
	}
	return NULL;
}

/* The last one of equal addresses counts; nobody asks for one twice. */
static struct pv_err *make_exact(struct pv_needles *s)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < s->n; i++)
		err = pv_map_set(&s->exact, s->targets[i].address, i + 1);
	for (size_t i = 0; !err && i < s->n; i++) {
		uint64_t address = s->targets[i].address - s->targets[i].gc, other;

		if (s->targets[i].gc && !pv_map_get(&s->exact, address, &other))
			err = pv_map_set(&s->exact, address, i + 1);
	}
	return err;
}

static struct pv_err *prepare(struct pv_needles *s, const struct pv_needle *needles)
{
	uint64_t lo = UINT64_MAX, hi = 0;
	struct pv_err *err;

	for (size_t i = 0; i < s->n; i++) {
		const struct pv_needle *needle = &needles[i];
		struct target *target = &s->targets[i];

		if (needle->address < needle->header || needle->address > POINTER ||
		    !needle->size || needle->size > POINTER || needle->gc > needle->header)
			return pv_err_create(PV_ERR_FAILED,
					     "cannot look for 0x%llx: not an address of an object",
					     (unsigned long long)needle->address);
		target->start = (needle->address - needle->header) & ~MARKS;
		target->end = needle->address + needle->size;
		target->address = needle->address;
		target->gc = needle->gc;
		target->id = needle->id;
		lo = target->start < lo ? target->start : lo;
		hi = target->end > hi ? target->end : hi;
		if (target->end - target->start > s->longest)
			s->longest = target->end - target->start;
	}
	qsort(s->targets, s->n, sizeof(*s->targets), compare);
	s->lo = lo;
	s->span = s->n ? hi - 1 - lo : 0;
	err = make_bitmap(s);
	return err || s->wide ? err : make_exact(s);
}

void pv_needles_destroy(struct pv_needles *needles)
{
	if (!needles)
		return;
	free(needles->targets);
	free(needles->bitmap);
	pv_map_deinit(&needles->exact);
	free(needles);
}

struct pv_err *pv_needles_create(const struct pv_needle *needles, size_t n, bool wide,
				 struct pv_needles **ret)
{
	struct pv_needles *s = calloc(1, sizeof(*s));
	struct pv_err *err;

	if (!s)
		return &pv_enomem;
	s->wide = wide;
	s->n = n;
	s->targets = calloc(n + 1, sizeof(*s->targets));
	err = s->targets ? prepare(s, needles) : &pv_enomem;
	if (err) {
		pv_needles_destroy(s);
		return err;
	}
	*ret = s;
	return NULL;
}

struct scan {
	const struct pv_needles *needles;
	struct pv_err *(*found)(void *ctx, const struct pv_hit *hit);
	void *ctx;
};

static struct pv_err *tell(const struct scan *scan, const struct target *target, uint64_t word,
			   uint64_t whole, uint64_t at)
{
	struct pv_hit hit = {
		.at = at,
		.id = target->id,
		.kind = PV_HIT_INTERIOR,
		.aligned = at % 8 == 0,
		.plain = word == whole,
	};

	if (word == (target->address & ~MARKS))
		hit.kind = PV_HIT_OBJECT;
	else if (target->gc && word == ((target->address - target->gc) & ~MARKS))
		hit.kind = PV_HIT_GC;
	return scan->found(scan->ctx, &hit);
}

/* All whose memory a word points into: they are among those that begin before it. */
static struct pv_err *look_wide(const struct scan *scan, uint64_t whole, uint64_t at)
{
	const struct pv_needles *s = scan->needles;
	uint64_t word = whole & EVERYONE;
	size_t lo = 0, hi = s->n;

	if (!is_marked(s, word >> GRANULE))
		return NULL;
	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (s->targets[middle].start <= word)
			lo = middle + 1;
		else
			hi = middle;
	}
	while (lo-- && word - s->targets[lo].start < s->longest) {
		struct pv_err *err;

		if (word >= s->targets[lo].end)
			continue;
		err = tell(scan, &s->targets[lo], word, whole, at);
		if (err)
			return err;
	}
	return NULL;
}

static struct pv_err *look_exact(const struct scan *scan, uint64_t whole, uint64_t at)
{
	const struct pv_needles *s = scan->needles;
	uint64_t word = whole & ~MARKS, place;

	if (!is_marked(s, word) || !pv_map_get(&s->exact, word, &place))
		return NULL;
	return tell(scan, &s->targets[place - 1], word, whole, at);
}

static inline uint64_t load(const unsigned char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static struct pv_err *scan_words(const struct scan *scan, const unsigned char *bytes, size_t n,
				 uint64_t addr)
{
	const struct pv_needles *s = scan->needles;
	uint64_t lo = s->lo, span = s->span;

	for (size_t i = 0; i < n; i += BLOCK * 8) {
		size_t end = n - i < BLOCK * 8 ? n : i + BLOCK * 8;
		unsigned int any = 0;

		for (size_t j = i; j < end; j += 8)
			any |= (load(bytes + j) & ~MARKS) - lo <= span;
		for (size_t j = i; any && j < end; j += 8) {
			uint64_t word = load(bytes + j);
			struct pv_err *err = (word & ~MARKS) - lo <= span
						     ? look_exact(scan, word, addr + j)
						     : NULL;

			if (err)
				return err;
		}
	}
	return NULL;
}

static struct pv_err *scan_bytes(const struct scan *scan, const unsigned char *bytes, size_t n,
				 uint64_t addr)
{
	const struct pv_needles *s = scan->needles;
	uint64_t lo = s->lo, span = s->span;

	for (size_t i = 0; i < n; i += BLOCK) {
		size_t end = n - i < BLOCK ? n : i + BLOCK;
		unsigned int any = 0;

		for (size_t j = i; j < end; j++)
			any |= (load(bytes + j) & EVERYONE) - lo <= span;
		for (size_t j = i; any && j < end; j++) {
			uint64_t word = load(bytes + j);
			struct pv_err *err = (word & EVERYONE) - lo <= span
						     ? look_wide(scan, word, addr + j)
						     : NULL;

			if (err)
				return err;
		}
	}
	return NULL;
}

struct pv_err *pv_needles_scan(const struct pv_needles *needles, const void *bytes, size_t n,
			       uint64_t addr,
			       struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
			       void *ctx)
{
	struct scan scan = { needles, found, ctx };

	if (!needles->n)
		return NULL;
	return needles->wide ? scan_bytes(&scan, bytes, n, addr)
			     : scan_words(&scan, bytes, n, addr);
}

struct pv_err *pv_needles_word(const struct pv_needles *needles, uint64_t word, uint64_t addr,
			       struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
			       void *ctx)
{
	uint64_t words[2] = { word };

	return pv_needles_scan(needles, words, sizeof(word), addr, found, ctx);
}
