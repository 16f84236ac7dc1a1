/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the blocks of a heap are.
 * Input: blocks in use.  Output: objects by type, raw memory by size.
 *
 * Sources: CPython Objects/obmalloc.c (the debug hooks, _PyMem_DebugRawAlloc), Include/internal/
 * pycore_freelist.h (3.13, 3.14), Objects/intobject.c of 2.7 (PyIntBlock), Objects/dictobject.c.
 */
#include "heap/tally.h"

#include <stdlib.h>
#include <string.h>

#include "heap/object.h"
#include "heap/window.h"
#include "python/detect.h"
#include "target/maps.h"

enum {
	SMALL_CLASSES = 64, /* of 8 bytes each */
	SMALL_BYTES_MAX = 512,
	FIRST_OCTAVE = 9, /* 2 to the power of which is SMALL_BYTES_MAX */
	STEP_BITS = 3,
	STEPS = 1 << STEP_BITS,                               /* of each power of two above */
	OCTAVES = (PV_TALLY_CLASSES - SMALL_CLASSES) / STEPS, /* to 2^48 */
	DEBUG_BYTES = 16, /* size, kind and guard in front of a block; as much or more behind it */
	/* 2.7 Objects/intobject.c, floatobject.c: blocks of 1,000 bytes, a pointer first */
	CELLS_BYTES = 1000, /* as malloc() gives them */
	CELLS = 41,
	CELL_BYTES = 24,
	COUNT_SURE = 65536, /* no address is lower */
};

/* A block that belongs to an object elsewhere. */
struct part {
	uint64_t address;
	uint32_t type;
	bool inside; /* address is within the block, not its beginning */
};

static uint64_t word_at(const void *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)bytes + offset, sizeof(word));
	return word;
}

static unsigned int class_of(uint64_t bytes)
{
	unsigned int octave, step;

	if (bytes <= SMALL_BYTES_MAX)
		return bytes ? (unsigned int)((bytes - 1) / 8) : 0;
	/* 513 to 1024 is the first octave behind them, in STEPS steps */
	octave = 63 - (unsigned int)__builtin_clzll(bytes - 1);
	step = (unsigned int)((bytes - 1) >> (octave - STEP_BITS)) & (STEPS - 1);
	octave = octave - FIRST_OCTAVE < OCTAVES ? octave - FIRST_OCTAVE : OCTAVES - 1;
	return SMALL_CLASSES + octave * STEPS + step;
}

uint64_t pv_tally_class_bytes(unsigned int number)
{
	unsigned int octave, step;

	if (number < SMALL_CLASSES)
		return 8 * ((uint64_t)number + 1);
	octave = (number - SMALL_CLASSES) / STEPS + FIRST_OCTAVE;
	step = (number - SMALL_CLASSES) % STEPS;
	return (1ULL << octave) + ((step + 1ULL) << (octave - STEP_BITS));
}

uint64_t pv_tally_class_of(uint64_t bytes)
{
	return pv_tally_class_bytes(class_of(bytes));
}

uint64_t pv_tally_class_below(uint64_t class_bytes)
{
	unsigned int number = class_of(class_bytes);

	return number ? pv_tally_class_bytes(number - 1) : 0;
}

struct pv_err *pv_tally_init(struct pv_tally *tally, struct pv_heap *heap,
			     const struct pv_maps *maps)
{
	uint16_t head = pv_heap_layout(heap)->gc_head;
	uint32_t version = pv_heap_python(heap)->proc.py.version_hex;

	*tally = (struct pv_tally){
		.heap = heap,
		.maps = maps,
		.types = PV_VEC(struct pv_tally_type),
		.parts = PV_VEC(struct part),
		.pools = PV_VEC(struct pv_tally_pool),
		.ranges = PV_VEC(uint64_t),
		.cache = calloc(PV_TALLY_CACHE, sizeof(*tally->cache)),
	};
	if (!tally->cache)
		return &pv_enomem;
	tally->offsets[tally->n_offsets++] = 0;
	if (head)
		tally->offsets[tally->n_offsets++] = head;
	if (version >= 0x030b0000)
		tally->offsets[tally->n_offsets++] = head + 16;
	return NULL;
}

void pv_tally_deinit(struct pv_tally *tally)
{
	pv_vec_deinit(&tally->types);
	pv_map_deinit(&tally->sizes);
	pv_vec_deinit(&tally->parts);
	pv_vec_deinit(&tally->pools);
	pv_vec_deinit(&tally->ranges);
	free(tally->cache);
	*tally = (struct pv_tally){ 0 };
}

const struct pv_heap_type *pv_tally_type_at(struct pv_tally *tally, uint64_t address)
{
	struct pv_tally_slot *slot =
		&tally->cache[(address >> 3 ^ address >> 16) & (PV_TALLY_CACHE - 1)];

	if (slot->address != address) {
		slot->type = pv_heap_type(tally->heap, address);
		slot->address = address;
	}
	return slot->type;
}

static struct pv_err *type_slot(struct pv_tally *tally, uint32_t number, struct pv_tally_type **ret)
{
	if (number >= tally->types.n) {
		struct pv_err *err =
			pv_vec_append(&tally->types, NULL, number + 1 - tally->types.n, NULL);

		if (err)
			return err;
	}
	*ret = pv_vec_at(&tally->types, number);
	return NULL;
}

struct pv_err *pv_tally_stray(struct pv_tally *tally, const struct pv_heap_type *type,
			      uint64_t bytes, bool tracked)
{
	struct pv_tally_type *sum;
	struct pv_err *err = type_slot(tally, type->number, &sum);

	if (err)
		return err;
	sum->n++;
	sum->bytes += bytes;
	sum->n_tracked += tracked;
	tally->n_objects++;
	tally->object_bytes += bytes;
	return NULL;
}

/* Most types have one size alone. */
static struct pv_err *note_size(struct pv_tally *tally, const struct pv_heap_type *type,
				enum pv_tally_source source, uint64_t bytes)
{
	uint32_t size = pv_tally_size(source, class_of(bytes));
	struct pv_tally_type *sum = pv_vec_at(&tally->types, type->number);
	uint64_t key = (uint64_t)size << 32 | type->number, n = 0;

	if (!sum->n_first)
		sum->first_size = size;
	if (sum->first_size == size) {
		sum->n_first++;
		return NULL;
	}
	(void)pv_map_get(&tally->sizes, key, &n);
	return pv_map_set(&tally->sizes, key, n + 1);
}

static struct pv_err *add_part(struct pv_tally *tally, const struct pv_heap_type *type,
			       uint64_t address, bool inside)
{
	struct part part = { address, type->number, inside };

	return address && address % 8 == 0 ? pv_vec_append(&tally->parts, &part, 1, NULL) : NULL;
}

/*
 * The values of attributes stand apart in 3.11 and 3.12 (Include/internal/pycore_object.h): a
 * pointer to them, behind what keeps their order, or in 3.12 one with its lowest bit set.
 */
static struct pv_err *add_values(struct pv_tally *tally, const struct pv_heap_type *type,
				 const char *content, uint64_t offset)
{
	uint32_t minor = pv_heap_python(tally->heap)->proc.py.version_hex >> 16;
	uint64_t values;

	if (minor == 0x030b) {
		values = word_at(content, offset - 32);
	} else {
		values = word_at(content, offset - 24);
		values = values & 1 ? values + 1 : 0;
	}
	return add_part(tally, type, values, true);
}

/* Notes what belongs to an object that begins at content + offset. */
static struct pv_err *add_parts(struct pv_tally *tally, const struct pv_heap_type *type,
				uint64_t memory, const char *content, size_t n, uint64_t offset)
{
	const struct pv_heaplayout *at = pv_heap_layout(tally->heap);
	const struct pv_pylayout *py = &pv_heap_python(tally->heap)->proc.py;
	uint16_t first = PV_OFF_NONE, second = PV_OFF_NONE, small = PV_OFF_NONE;
	uint64_t parts[2] = { 0 };
	struct pv_err *err = NULL;

	switch (type->kind) {
	case PV_HEAP_LIST:
		first = at->list_items;
		break;
	case PV_HEAP_DICT:
		first = at->dict_keys == PV_OFF_NONE ? at->dict_table : at->dict_keys;
		small = at->dict_smalltable;
		second = at->dict_values;
		break;
	case PV_HEAP_SET:
		first = at->set_table;
		small = at->set_smalltable;
		break;
	case PV_HEAP_BYTEARRAY:
		first = at->bytearray_bytes;
		break;
	case PV_HEAP_STR:
		/* compact is the bit above kind; 2.7: always apart */
		if (py->str_state == PV_OFF_NONE ||
		    (offset + py->str_state + 4 <= n &&
		     !(word_at(content, offset + py->str_state) >> (py->str_kind_shift + 3) & 1)))
			first = at->unicode_data;
		break;
	default:
		break;
	}
	if (first != PV_OFF_NONE && offset + first + 8 <= n)
		parts[0] = word_at(content, offset + first);
	if (small != PV_OFF_NONE && parts[0] == memory + offset + small)
		parts[0] = 0; /* a small table is within the object */
	if (second != PV_OFF_NONE && offset + second + 8 <= n)
		parts[1] = word_at(content, offset + second);
	/* 3.13 Objects/listobject.c: _PyListArray has its length before the items */
	if (type->kind == PV_HEAP_LIST && py->free_threaded && parts[0])
		parts[0] -= sizeof(uint64_t);
	for (int i = 0; !err && i < 2; i++)
		err = add_part(tally, type, parts[i], false);
	if (!err && type->flags & PV_TPFLAGS_MANAGED_DICT && offset >= 32 &&
	    py->version_hex >> 16 >= 0x030b && py->version_hex >> 16 <= 0x030c)
		err = add_values(tally, type, content, offset);
	return err;
}

/* Is what stands before an object at content + offset that of one that is tracked? */
static bool is_tracked(const struct pv_tally *tally, const struct pv_heap_type *type,
		       const char *content, uint64_t offset)
{
	const struct pv_pylayout *py = &pv_heap_python(tally->heap)->proc.py;
	uint16_t head = pv_heap_layout(tally->heap)->gc_head;
	int64_t refs;

	/* 3.13 Include/object.h: uint8_t ob_gc_bits stands before ob_ref_local */
	if (py->free_threaded)
		return type->is_gc && content[offset + py->ob_ref_local - 1] & 1;
	if (!type->is_gc || !head)
		return false;
	if (py->version_hex >= 0x03080000)
		return word_at(content, offset - head);
	/* _PyGC_REFS_UNTRACKED; from 3.4 on shifted by one bit */
	refs = (int64_t)word_at(content, offset - head + 16);
	return py->version_hex < 0x03000000 ? refs != -2 : refs >> 1 != -2;
}

enum found { FOUND_NONE, FOUND_OBJECT, FOUND_KEPT };

/*
 * 3.14: a free object's first word is the next one of its list
 * (Include/internal/pycore_freelist.h); before, its reference count is 0.
 */
static bool is_kept(const struct pv_tally *tally, uint64_t word)
{
	return !word || (pv_heap_python(tally->heap)->proc.py.version_hex >= 0x030e0000 &&
			 word % 8 == 0 && word >> 16 && !(word >> 56));
}

/*
 * In an executable at a fixed address what is static is so low that a pointer to it is a
 * possible count.  What has so many references is static itself, and in no block.
 */
static bool is_count(const struct pv_tally *tally, uint64_t word)
{
	/* there the first word is the thread that it belongs to */
	if (pv_heap_python(tally->heap)->proc.py.free_threaded)
		return true;
	return word < COUNT_SURE || word % 8 || !pv_maps_find(tally->maps, word);
}

/* A block is no object of a type that it is too small for.  Most str are less than basicsize. */
static bool fits(const struct pv_tally *tally, const struct pv_heap_type *type, uint64_t bytes)
{
	const struct pv_pylayout *py = &pv_heap_python(tally->heap)->proc.py;
	uint64_t least = type->basicsize;

	if (type->kind == PV_HEAP_STR && py->str_state != PV_OFF_NONE &&
	    !(type->flags & PV_TPFLAGS_HEAPTYPE))
		least = py->str_ascii_data + 1;
	return type->before + least <= bytes;
}

static enum found find_object(struct pv_tally *tally, uint64_t bytes, const char *content, size_t n,
			      const struct pv_heap_type **type_ret, uint64_t *offset_ret)
{
	const struct pv_pylayout *py = &pv_heap_python(tally->heap)->proc.py;
	enum found found = FOUND_NONE;

	for (unsigned int i = 0; i < tally->n_offsets; i++) {
		uint64_t offset = tally->offsets[i], count, address;
		const struct pv_heap_type *type;
		bool immortal, alive;

		if (offset + py->ob_type + 8 > n)
			break;
		alive = pv_heap_refcount(tally->heap, content + offset, &count, &immortal) &&
			is_count(tally, word_at(content, offset));
		/* most of what is no object has a pointer there */
		if (!alive && !is_kept(tally, word_at(content, offset)))
			continue;
		address = word_at(content, offset + py->ob_type);
		type = alive ? pv_tally_type_at(tally, address)
			     : pv_heap_known_type(tally->heap, address);
		if (!type || type->before != offset || !fits(tally, type, bytes))
			continue;
		*type_ret = type;
		*offset_ret = offset;
		if (alive)
			return FOUND_OBJECT;
		/* what has a list of free ones is CPython's own */
		if (!word_at(content, offset) || !(type->flags & PV_TPFLAGS_HEAPTYPE))
			found = FOUND_KEPT;
	}
	return found;
}

/* The marks of the debug hooks: what asked for it and seven guard bytes, 0xfb up to 3.7. */
static bool is_debug(const void *content, size_t n)
{
	uint64_t word;

	if (n < DEBUG_BYTES)
		return false;
	word = word_at(content, 8);
	return word >> 8 == 0xfdfdfdfdfdfdfd || word >> 8 == 0xfbfbfbfbfbfbfb;
}

/* 2.7: are these ints or floats, one beside the other?  Those that are free form a list. */
static bool is_cells(struct pv_tally *tally, uint64_t bytes, const char *content, size_t n)
{
	const struct pv_value_types *types = &pv_heap_python(tally->heap)->types;
	uint64_t type = 0;

	if (bytes != CELLS_BYTES || n < 8 + CELLS * CELL_BYTES || !types->int_type)
		return false;
	for (int i = 0; i < CELLS; i++) {
		uint64_t word = word_at(content, 8 + CELL_BYTES * i + 8);

		if (word == types->int_type || word == types->float_type) {
			if (type && word != type)
				return false;
			type = word;
		} else if (word % 8) {
			return false;
		}
	}
	return type;
}

static struct pv_err *add_cells(struct pv_tally *tally, const char *content)
{
	const struct pv_value_types *types = &pv_heap_python(tally->heap)->types;
	struct pv_err *err = NULL;

	for (int i = 0; !err && i < CELLS; i++) {
		uint64_t count = word_at(content, 8 + CELL_BYTES * i);
		uint64_t address = word_at(content, 8 + CELL_BYTES * i + 8);
		const struct pv_heap_type *type;

		if (!count || (address != types->int_type && address != types->float_type))
			continue;
		type = pv_tally_type_at(tally, address);
		if (type)
			err = pv_tally_stray(tally, type, CELL_BYTES, false);
		tally->old_cells++;
	}
	return err;
}

struct pv_err *pv_tally_block(struct pv_tally *tally, enum pv_tally_source source, uint64_t memory,
			      uint64_t bytes, uint64_t overhead, const void *content,
			      size_t n_content)
{
	const struct pv_heap_type *type = NULL;
	const char *start = content;
	uint64_t offset = 0, all = bytes + overhead;
	struct pv_tally_raw *raw;
	enum found found;
	struct pv_err *err;

	/* twice where pymalloc hands a large one on to malloc(), which has hooks of its own */
	for (int i = 0; i < 2 && is_debug(start, n_content); i++) {
		tally->n_debug += !i;
		start += DEBUG_BYTES;
		n_content -= DEBUG_BYTES;
		memory += DEBUG_BYTES;
		bytes -= DEBUG_BYTES;
	}
	found = n_content ? find_object(tally, bytes, start, n_content, &type, &offset)
			  : FOUND_NONE;
	if (found == FOUND_OBJECT) {
		err = pv_tally_stray(tally, type, all, is_tracked(tally, type, start, offset));
		if (!err)
			err = note_size(tally, type, source, all);
		return err ? err : add_parts(tally, type, memory, start, n_content, offset);
	}
	if (found == FOUND_KEPT) {
		tally->n_kept++;
		tally->kept_bytes += all;
		return NULL;
	}
	if (is_cells(tally, bytes, start, n_content))
		return add_cells(tally, start);
	raw = &tally->raw[source][class_of(all)];
	raw->n++;
	raw->bytes += all;
	return NULL;
}

void pv_tally_unused(struct pv_tally *tally, uint64_t bytes, uint64_t overhead)
{
	struct pv_tally_raw *raw = &tally->raw[PV_TALLY_MALLOC][class_of(bytes + overhead)];

	if (!raw->n || raw->bytes < bytes + overhead)
		return;
	raw->n--;
	raw->bytes -= bytes + overhead;
}

static int compare_parts(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static struct pv_err *give(struct pv_tally *tally, const struct part *part,
			   enum pv_tally_source source, uint64_t all)
{
	struct pv_tally_raw *raw = &tally->raw[source][class_of(all)];
	struct pv_tally_type *sum;
	struct pv_err *err = type_slot(tally, part->type, &sum);

	if (err)
		return err;
	/* what the target frees and takes meanwhile may have been none at its time */
	if (!raw->n || raw->bytes < all)
		return NULL;
	raw->n--;
	raw->bytes -= all;
	sum->bytes += all;
	sum->part_bytes += all;
	tally->object_bytes += all;
	return NULL;
}

/* The block of a part that is in no pool: by the head of its chunk. */
static struct pv_err *give_chunk(struct pv_tally *tally, const struct part *part,
				 struct pv_window *window, uint64_t *previous)
{
	const void *head = pv_window_at(window, part->address - 16, 16);
	uint64_t bytes;

	for (int i = 1; i <= 2 && head && is_debug(head, DEBUG_BYTES); i++)
		head = pv_window_at(window, part->address - i * DEBUG_BYTES - 16, 16);
	if (!head || part->inside)
		return NULL;
	bytes = word_at(head, 8) & ~7ULL;
	if (bytes % PV_PAGE_BYTES == PV_PAGE_BYTES - 16 && word_at(head, 8) & 2)
		bytes += 16; /* see pv_glibc_mapped() */
	if (bytes < 32 || bytes % 16 || part->address == *previous)
		return NULL;
	*previous = part->address;
	return give(tally, part, PV_TALLY_MALLOC, bytes);
}

static bool in_ranges(const struct pv_tally *tally, size_t *at, uint64_t address)
{
	const uint64_t *ranges = tally->ranges.data;

	while (*at + 1 < tally->ranges.n && ranges[*at + 1] <= address)
		*at += 2;
	return *at + 1 < tally->ranges.n && address >= ranges[*at] + 16;
}

struct pv_err *pv_tally_settle(struct pv_tally *tally, struct pv_window *window)
{
	const struct pv_tally_pool *pools = tally->pools.data;
	uint64_t previous = 0, block;
	size_t pool = 0, range = 0;
	struct pv_err *err = NULL;

	if (tally->parts.n)
		qsort(tally->parts.data, tally->parts.n, sizeof(struct part), compare_parts);
	pv_window_limit(window, UINT64_MAX);
	for (size_t i = 0; !err && i < tally->parts.n; i++) {
		const struct part *part = pv_vec_at(&tally->parts, i);

		/* with the debug hooks a part's block begins before it */
		while (pool < tally->pools.n &&
		       pools[pool].address + pools[pool].pool_bytes <= part->address)
			pool++;
		if (pool == tally->pools.n ||
		    part->address < pools[pool].address + pools[pool].head_bytes) {
			if (in_ranges(tally, &range, part->address))
				err = give_chunk(tally, part, window, &previous);
			continue;
		}
		block = part->address - pools[pool].address - pools[pool].head_bytes;
		if (block % pools[pool].block_bytes && !part->inside &&
		    !(tally->n_debug && block % pools[pool].block_bytes == DEBUG_BYTES))
			continue;
		block = part->address - block % pools[pool].block_bytes;
		/* keys that several dicts share */
		if (block == previous)
			continue;
		previous = block;
		err = give(tally, part, PV_TALLY_PYMALLOC, pools[pool].block_bytes);
	}
	return err;
}
