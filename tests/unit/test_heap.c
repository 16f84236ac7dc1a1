/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap/object, heap/gclist: what is a type, what an object, and lists that lie.
 * Input: made-up memory.  Output: Check's report.
 */
#include "made_heap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap/copy.h"
#include "heap/gclist.h"
#include "heap/graph.h"
#include "target/populated.h"

static struct made_heap made;
#define HEAP 0x7f0000000000ULL

static void setup(void)
{
	made_start(&made);
	made_region(&made, HEAP, 0x100000, "");
}

static void teardown(void)
{
	made_end(&made);
}

START_TEST(test_types)
{
	uint64_t object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	uint64_t meta = made_type(&made, "Meta", made.type_type, made.type_type, 904, 40,
				  PV_TPFLAGS_TYPE_SUBCLASS | PV_TPFLAGS_HEAPTYPE);
	uint64_t list = made_type(&made, "list", made.type_type, object, 40, 0, PV_TPFLAGS_HAVE_GC);
	uint64_t mine =
		made_type(&made, "Mine", meta, list, 56, 0,
			  PV_TPFLAGS_HEAPTYPE | PV_TPFLAGS_HAVE_GC | PV_TPFLAGS_MANAGED_DICT);
	uint64_t named_so =
		made_type(&made, "list", made.type_type, object, 40, 0, PV_TPFLAGS_HEAPTYPE);
	const struct pv_heap_type *type = pv_heap_type(made.heap, mine);

	ck_assert_ptr_nonnull(type);
	ck_assert_str_eq(type->name, "Mine");
	ck_assert_uint_eq(type->type, meta);
	ck_assert_uint_eq(type->kind, PV_HEAP_LIST);
	ck_assert_uint_eq(type->before, 32);
	ck_assert(type->is_gc);
	ck_assert_uint_eq(pv_heap_type(made.heap, list)->before, 16);
	ck_assert_uint_eq(pv_heap_type(made.heap, object)->before, 0);
	/* a heap type may be called anything */
	ck_assert_uint_eq(pv_heap_type(made.heap, named_so)->kind, PV_HEAP_OTHER);
	/* numbers, and the same again */
	ck_assert_ptr_eq(pv_heap_type(made.heap, mine), type);
	ck_assert_ptr_eq(pv_heap_type_at(made.heap, type->number), type);
	ck_assert_ptr_eq(pv_heap_known_type(made.heap, mine), type);
	pv_heap_forget(made.heap, &made.mem);
	ck_assert_uint_eq(pv_heap_n_types(made.heap), 0);
	ck_assert_ptr_null(pv_heap_known_type(made.heap, mine));
}
END_TEST

START_TEST(test_names)
{
	struct pv_heap_type type = { .name = "numpy.ndarray" };

	ck_assert(pv_heap_is_called(&type, "numpy.ndarray"));
	ck_assert(pv_heap_is_called(&type, "ndarray"));
	ck_assert(!pv_heap_is_called(&type, "other.ndarray"));
	ck_assert(!pv_heap_is_called(&type, "numpy"));
	ck_assert(!pv_heap_is_called(&type, "array"));
	strcpy(type.name, "Session");
	ck_assert(pv_heap_is_called(&type, "Session"));
	ck_assert(pv_heap_is_called(&type, "app.models.Session"));
	ck_assert(!pv_heap_is_called(&type, "app.Session.models"));
	ck_assert(!pv_heap_is_called(&type, "models.session"));
}
END_TEST

START_TEST(test_no_types)
{
	uint64_t object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	uint64_t one = made_type(&made, "one", made.type_type, object, 16, 0, 0);
	uint64_t wrong[] = { 0, 1, one + 4, 8, HEAP, HEAP - 8, ~0ULL, ~7ULL, 1ULL << 63 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_ptr_null(pv_heap_type(made.heap, wrong[i]));
	ck_assert_ptr_nonnull(pv_heap_type(made.heap, one));
	/* each fact that makes it one, away in turn */
	static const struct {
		unsigned int offset;
		uint64_t word;
	} facts[] = {
		{ 8, 0 },          /* no type */
		{ 8, HEAP },       /* one that is none */
		{ 24, 0 },         /* no name */
		{ 24, HEAP - 8 },  /* an unreadable one */
		{ 24, HEAP },      /* an empty one */
		{ 32, 8 },         /* smaller than an object */
		{ 32, 1 << 25 },   /* larger than any struct */
		{ 40, 1 << 21 },   /* the same of items */
		{ 168, 0 },        /* not ready */
		{ 256, 12 },       /* a base at an odd place */
		{ 256, HEAP + 8 }, /* a base that is none */
	};
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		uint64_t before;

		pv_heap_forget(made.heap, &made.mem);
		memcpy(&before, made_at(&made, one + facts[i].offset), 8);
		made_put(&made, one + facts[i].offset, facts[i].word);
		ck_assert_msg(!pv_heap_type(made.heap, one), "offset %u", facts[i].offset);
		made_put(&made, one + facts[i].offset, before);
	}
	ck_assert_ptr_nonnull(pv_heap_type(made.heap, one));
}
END_TEST

/* Bases and types of types that never end. */
START_TEST(test_circles)
{
	uint64_t a = made_type(&made, "a", made.type_type, 0, 16, 0, 0);
	uint64_t b = made_type(&made, "b", made.type_type, a, 16, 0, 0);
	uint64_t self = made_type(&made, "self", made.type_type, 0, 16, 0, 0);
	uint64_t meta =
		made_type(&made, "meta", made.type_type, 0, 904, 0, PV_TPFLAGS_TYPE_SUBCLASS);

	made_put(&made, a + 256, b);
	made_put(&made, self + 256, self);
	made_put(&made, meta + 8, meta);
	ck_assert_ptr_null(pv_heap_type(made.heap, a));
	ck_assert_ptr_null(pv_heap_type(made.heap, b));
	ck_assert_ptr_null(pv_heap_type(made.heap, self));
	ck_assert_ptr_null(pv_heap_type(made.heap, meta));
}
END_TEST

START_TEST(test_objects)
{
	uint64_t object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	uint64_t tuple =
		made_type(&made, "tuple", made.type_type, object, 24, 8, PV_TPFLAGS_HAVE_GC);
	uint64_t str = made_type(&made, "str", made.type_type, object, 80, 0, 0);
	uint64_t number = made_type(&made, "int", made.type_type, object, 24, 4, 0);
	struct pv_heap_object got;

	/* a tracked tuple of three */
	made_put(&made, HEAP + 0x100, HEAP + 0x5000);
	made_put(&made, HEAP + 0x110, 2);
	made_put(&made, HEAP + 0x118, tuple);
	made_put(&made, HEAP + 0x120, 3);
	ck_assert(pv_heap_object(made.heap, HEAP + 0x110, &got));
	ck_assert_uint_eq(got.start, HEAP + 0x100);
	ck_assert_uint_eq(got.size, 16 + 24 + 3 * 8);
	ck_assert_uint_eq(got.refcount, 2);
	ck_assert(got.tracked && !got.immortal);
	made_put(&made, HEAP + 0x100, 0);
	ck_assert(pv_heap_object(made.heap, HEAP + 0x110, &got) && !got.tracked);
	/* more items than there is memory in the world, fewer than none */
	made_put(&made, HEAP + 0x120, 1ULL << 50);
	ck_assert(!pv_heap_object(made.heap, HEAP + 0x110, &got));
	/* counts that are none */
	made_put(&made, HEAP + 0x120, 3);
	made_put(&made, HEAP + 0x110, 0);
	ck_assert(!pv_heap_object(made.heap, HEAP + 0x110, &got));
	made_put(&made, HEAP + 0x110, -1ULL);
	ck_assert(!pv_heap_object(made.heap, HEAP + 0x110, &got));
	/* a compact ascii str of 5, one of 16-bit characters, one that has them elsewhere */
	made_put(&made, HEAP + 0x200, 1);
	made_put(&made, HEAP + 0x208, str);
	made_put(&made, HEAP + 0x210, 5);
	made_put(&made, HEAP + 0x220, 1 << 2 | 3 << 5);
	ck_assert(pv_heap_object(made.heap, HEAP + 0x200, &got));
	ck_assert_uint_eq(got.size, 48 + 6);
	made_put(&made, HEAP + 0x220, 2 << 2 | 1 << 5);
	ck_assert(pv_heap_object(made.heap, HEAP + 0x200, &got));
	ck_assert_uint_eq(got.size, 72 + 2 * 6);
	made_put(&made, HEAP + 0x220, 2 << 2);
	ck_assert(pv_heap_object(made.heap, HEAP + 0x200, &got));
	ck_assert_uint_eq(got.size, 80);
	/* a negative int of two digits */
	made_put(&made, HEAP + 0x300, 1);
	made_put(&made, HEAP + 0x308, number);
	made_put(&made, HEAP + 0x310, -2ULL);
	ck_assert(pv_heap_object(made.heap, HEAP + 0x300, &got));
	ck_assert_uint_eq(got.size, 24 + 2 * 4);
	/* where its memory ends with the mapping's */
	ck_assert(!pv_heap_object(made.heap, HEAP + 0x100000 - 8, &got));
	/* a static type has no head in front of it */
	ck_assert(pv_heap_object(made.heap, tuple, &got));
	ck_assert_uint_eq(got.start, tuple);
	ck_assert_uint_eq(got.size, 408);
}
END_TEST

/* 3.11: allocated as of variable size, but what stands where ob_size does is another field. */
START_TEST(test_generators)
{
	static const char *const names[] = { "generator", "coroutine", "async_generator" };
	uint64_t object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	struct pv_heap_object got;

	for (uint64_t i = 0; i < 3; i++) {
		uint64_t type = made_type(&made, names[i], made.type_type, object, 152, 8,
					  PV_TPFLAGS_HAVE_GC);
		uint64_t at = HEAP + 0x100 + i * 0x200;

		made_put(&made, at - 16, HEAP + 0x5000);
		made_put(&made, at, 1);
		made_put(&made, at + 8, type);
		made_put(&made, at + 16, HEAP + 0x4000); /* gi_code */
		ck_assert(pv_heap_object(made.heap, at, &got));
		ck_assert_uint_eq(got.start, at - 16);
		ck_assert_uint_eq(got.size, 16 + 152);
	}
}
END_TEST

/* A compact ASCII str. */
static uint64_t put_str(uint64_t address, const char *text)
{
	made_put(&made, address, 1);
	made_put(&made, address + 16, strlen(text));
	made_put(&made, address + 32, 1 << 2 | 3 << 5);
	strcpy(made_at(&made, address + 48), text);
	return address;
}

START_TEST(test_modules)
{
	const uint64_t dict = HEAP + 0x1000, keys = HEAP + 0x2000;
	uint64_t object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	uint64_t mine =
		made_type(&made, "Mine", made.type_type, object, 16, 0, PV_TPFLAGS_HEAPTYPE);
	uint64_t other = put_str(HEAP + 0x3000, "__doc__"), text = put_str(HEAP + 0x3100, "app.x");
	uint64_t name = put_str(HEAP + 0x3200, "__module__");
	const struct pv_heap_type *type;
	char module[16] = "?";

	made_put(&made, mine + 264, dict);
	made_put(&made, dict + 32, keys);
	/* 3.11: 8 indices of a byte, 2 entries of str keys: {key, value} */
	made_put(&made, keys + 8, 3 | 3 << 8 | 1 << 16);
	made_put(&made, keys + 24, 2);
	made_put(&made, keys + 40, other);
	made_put(&made, keys + 48, other);
	made_put(&made, keys + 56, name);
	made_put(&made, keys + 64, text);
	type = pv_heap_type(made.heap, mine);
	ck_assert(pv_heap_type_module(made.heap, type, module, sizeof(module)));
	ck_assert_str_eq(module, "app.x");
	/* no room for it, with its NUL */
	ck_assert(!pv_heap_type_module(made.heap, type, module, 5));
	ck_assert(pv_heap_type_module(made.heap, type, module, 6));
	/* any keys: {hash, key, value} */
	made_put(&made, keys + 8, 3 | 3 << 8);
	made_put(&made, keys + 24, 1);
	made_put(&made, keys + 48, name);
	made_put(&made, keys + 56, text);
	ck_assert(pv_heap_type_module(made.heap, type, module, sizeof(module)));
	/* numbers that cannot be, a text that is none, a value of control characters */
	made_put(&made, keys + 24, 1ULL << 40);
	ck_assert(!pv_heap_type_module(made.heap, type, module, sizeof(module)));
	made_put(&made, keys + 24, 1);
	made_put(&made, keys + 8, 3 | 200 << 8);
	ck_assert(!pv_heap_type_module(made.heap, type, module, sizeof(module)));
	made_put(&made, keys + 8, 3 | 3 << 8);
	made_put(&made, text + 48, '\n');
	ck_assert(!pv_heap_type_module(made.heap, type, module, sizeof(module)));
	put_str(text, "app.x");
	made_put(&made, text + 16, 1ULL << 50);
	ck_assert(!pv_heap_type_module(made.heap, type, module, sizeof(module)));
	made_put(&made, dict + 32, HEAP - 0x1000);
	ck_assert(!pv_heap_type_module(made.heap, type, module, sizeof(module)));
}
END_TEST

/* The collector's state of one interpreter at HEAP, whose young generation has the objects. */
enum { RUNTIME = 0x10000, INTERP = 0x20000, OBJECTS = 0x40000 };

static uint64_t list_head(unsigned int generation)
{
	const struct pv_heaplayout *at = pv_heap_layout(made.heap);

	return HEAP + INTERP + made.python.proc.py.is_gc + 24 + generation * at->gc_stride;
}

static void link_after(uint64_t head, uint64_t next)
{
	made_put(&made, head, next);
	made_put(&made, next + 8, head);
}

/* n tuples in the young generation, one behind the other. */
static void make_lists(unsigned int n)
{
	const struct pv_pylayout *py = &made.python.proc.py;
	const struct pv_heaplayout *at = pv_heap_layout(made.heap);
	uint64_t object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	uint64_t tuple =
		made_type(&made, "tuple", made.type_type, object, 24, 8, PV_TPFLAGS_HAVE_GC);
	uint64_t gc = HEAP + INTERP + py->is_gc, last = list_head(0);

	made.python.proc.runtime = HEAP + RUNTIME;
	made_put(&made, HEAP + RUNTIME + py->rt_interpreters_head, HEAP + INTERP);
	made_put(&made, HEAP + INTERP + py->is_next, 0);
	made_put(&made, gc + at->gc_generation0, list_head(0));
	for (unsigned int i = 0; i < 3; i++)
		link_after(list_head(i), list_head(i));
	link_after(gc + at->gc_permanent, gc + at->gc_permanent);
	for (unsigned int i = 0; i < n; i++) {
		uint64_t head = HEAP + OBJECTS + 64 * i;

		link_after(last, head);
		made_put(&made, head + 16, 1);
		made_put(&made, head + 24, tuple);
		last = head;
	}
	link_after(last, list_head(0));
}

static struct pv_err *count_object(void *ctx, unsigned int list, uint64_t object)
{
	uint64_t *sum = ctx;

	ck_assert_uint_eq(list, 0);
	ck_assert_uint_eq(object % 64, 16);
	++*sum;
	return NULL;
}

static struct pv_gclist_counts walk(uint64_t *seen)
{
	struct pv_gclist_counts counts;

	*seen = 0;
	ck_assert_ptr_null(pv_gclist_walk(made.heap, &made.mem, count_object, seen, &counts));
	return counts;
}

START_TEST(test_lists)
{
	struct pv_gclist_counts counts;
	uint64_t seen;

	make_lists(1000);
	counts = walk(&seen);
	ck_assert_uint_eq(counts.n[0], 1000);
	ck_assert_uint_eq(counts.n[1] + counts.n[2] + counts.n[3], 0);
	ck_assert_uint_eq(seen, 1000);
	ck_assert_uint_eq(counts.n_broken, 0);
	ck_assert_uint_eq(counts.n_interpreters, 1);
	/* the flags of links are no part of the address */
	made_put(&made, HEAP + OBJECTS, (HEAP + OBJECTS + 64) | 1);
	ck_assert_uint_eq(walk(&seen).n[0], 1000);
}
END_TEST

START_TEST(test_broken_lists)
{
	struct pv_gclist_counts counts;
	uint64_t seen;

	make_lists(1000);
	/* a link to nowhere: the rest is found from the other end */
	made_put(&made, HEAP + OBJECTS + 64 * 299, 0x1234567890000);
	counts = walk(&seen);
	ck_assert_uint_eq(counts.n_broken, 1);
	ck_assert_uint_eq(counts.n[0], 1000);
	/* to what is no object */
	made_put(&made, HEAP + OBJECTS + 64 * 299, HEAP + 0x90000);
	ck_assert_uint_eq(walk(&seen).n[0], 1000);
	/* a circle that leaves the head out, both ways */
	made_put(&made, HEAP + OBJECTS + 64 * 299, HEAP + OBJECTS + 64 * 100);
	made_put(&made, HEAP + OBJECTS + 64 * 500 + 8, HEAP + OBJECTS + 64 * 900);
	counts = walk(&seen);
	ck_assert_uint_eq(counts.n_broken, 1);
	ck_assert_uint_ge(counts.n[0], 300);
	ck_assert_uint_le(counts.n[0], 4000);
	/* onto itself */
	made_put(&made, HEAP + OBJECTS, HEAP + OBJECTS);
	ck_assert_uint_eq(walk(&seen).n_broken, 1);
}
END_TEST

START_TEST(test_no_lists)
{
	struct pv_gclist_counts counts;
	struct pv_err *err;

	make_lists(3);
	made_put(&made, list_head(0), HEAP + 0x77770);
	err = pv_gclist_walk(made.heap, &made.mem, NULL, NULL, &counts);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	pv_err_destroy(err);
	made_put(&made, HEAP + RUNTIME + made.python.proc.py.rt_interpreters_head, 0);
	err = pv_gclist_walk(made.heap, &made.mem, NULL, NULL, &counts);
	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
}
END_TEST

/* Interpreters in a circle are as many as there may be. */
START_TEST(test_interpreters)
{
	struct pv_gclist_counts counts;
	uint64_t seen;

	make_lists(2);
	made_put(&made, HEAP + INTERP + made.python.proc.py.is_next, HEAP + INTERP);
	counts = walk(&seen);
	ck_assert_uint_eq(counts.n_interpreters, PV_INTERPRETERS_MAX);
}
END_TEST

START_TEST(test_copy)
{
	struct pv_mem *copy;
	uint64_t word, reads;

	made_put(&made, HEAP + 0x100, 7);
	made_put(&made, HEAP + 0xfffc, 0x1122334455667788);
	ck_assert_ptr_null(pv_copy_create(&made.mem, 3 << 16, &copy));
	ck_assert_int_eq(pv_mem_read_u64(copy, HEAP + 0x100, &word), 0);
	ck_assert_uint_eq(word, 7);
	/* kept as it was, without another read; over the border of two blocks */
	made_put(&made, HEAP + 0x100, 8);
	reads = made.reads;
	ck_assert_int_eq(pv_mem_read_u64(copy, HEAP + 0x100, &word), 0);
	ck_assert_uint_eq(word, 7);
	ck_assert_uint_eq(made.reads, reads);
	ck_assert_int_eq(pv_mem_read_u64(copy, HEAP + 0xfffc, &word), 0);
	ck_assert_uint_eq(word, 0x1122334455667788);
	/* outside, at the very end of what there can be */
	ck_assert_int_eq(pv_mem_read_u64(copy, HEAP - 8, &word), -EFAULT);
	ck_assert_int_eq(pv_mem_read_u64(copy, UINT64_MAX - 3, &word), -EFAULT);
	/* what is oldest goes: three blocks fit */
	for (uint64_t i = 0; i < 16; i++)
		ck_assert_int_eq(pv_mem_read_u64(copy, HEAP + 0x10000 * i, &word), 0);
	ck_assert_int_eq(pv_mem_read_u64(copy, HEAP + 0x100, &word), 0);
	ck_assert_uint_eq(word, 8);
	pv_mem_destroy(copy);
}
END_TEST

/* A region that ends within a block: its pages are there, the others are not. */
START_TEST(test_copy_of_a_part)
{
	struct pv_mem *copy;
	uint64_t word;

	made_region(&made, 0x7f1000003000ULL, 0x2000, "");
	made_put(&made, 0x7f1000004ff8ULL, 9);
	ck_assert_ptr_null(pv_copy_create(&made.mem, 1 << 20, &copy));
	ck_assert_int_eq(pv_mem_read_u64(copy, 0x7f1000004ff8ULL, &word), 0);
	ck_assert_uint_eq(word, 9);
	ck_assert_int_eq(pv_mem_read_u64(copy, 0x7f1000005000ULL, &word), -EFAULT);
	ck_assert_int_eq(pv_mem_read_u64(copy, 0x7f1000004ffcULL, &word), -EFAULT);
	pv_mem_destroy(copy);
}
END_TEST

static size_t pages_there(const char *area, size_t n)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t at = (uintptr_t)area, end = at + n;
	struct pv_page_run runs[64];
	size_t pages = 0, n_runs;

	ck_assert_int_ge(fd, 0);
	while (at < end) {
		pv_page_runs_read(fd, at, end, 64, runs, 64, &n_runs, &at);
		for (size_t i = 0; i < n_runs; i++)
			pages += (runs[i].end - runs[i].start) / 4096;
	}
	close(fd);
	return pages;
}

/* Of this process: what it never touched is not there after the look, either. */
START_TEST(test_copy_of_what_was_touched)
{
	size_t n = 64 << 20;
	char *area = mmap(NULL, n, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int fd = open("/proc/self/exe", O_RDONLY);
	char *file = mmap(NULL, 1 << 16, PROT_READ, MAP_PRIVATE, fd, 0);
	struct pv_mem *live, *copy;
	struct pv_maps maps;
	uint64_t word, at = (uintptr_t)area;

	ck_assert_ptr_ne(area, MAP_FAILED);
	ck_assert_ptr_ne(file, MAP_FAILED);
	madvise(area, n, MADV_NOHUGEPAGE);
	memcpy(area + 5 * 4096 + 8, &(uint64_t){ 7 }, 8);
	ck_assert_ptr_null(pv_maps_read(getpid(), &maps));
	ck_assert_ptr_null(pv_mem_live_create(getpid(), &live));
	ck_assert_ptr_null(pv_copy_create_touched(live, 16 << 20, getpid(), &maps, &copy));
	ck_assert_int_eq(pv_mem_read_u64(copy, at + 5 * 4096 + 8, &word), 0);
	ck_assert_uint_eq(word, 7);
	ck_assert_int_eq(pv_mem_read_u64(copy, at + 6 * 4096, &word), -EFAULT);
	ck_assert_int_eq(pv_mem_read_u64(copy, at + 6 * 4096 - 4, &word), -EFAULT);
	for (uint64_t i = 1 << 20; i < n; i += 4096)
		ck_assert_int_eq(pv_mem_read_u64(copy, at + i, &word), -EFAULT);
	ck_assert_uint_eq(pages_there(area, n), 1);
	ck_assert_uint_le(pv_copy_bytes_read(copy), 4096);
	/* nothing is known by what was not there: pages come */
	area[n - 4096] = 1;
	ck_assert_int_eq(pv_mem_read_u64(copy, at + (1 << 20), &word), -EFAULT);
	ck_assert_int_eq(pv_mem_read_u64(copy, at + n - 4096, &word), 0);
	/* a file's are read, also if the kernel has them no more in the process's tables */
	ck_assert_int_eq(pv_mem_read(copy, &word, 4, (uintptr_t)file), 0);
	ck_assert(!memcmp(&word,
			  "\x7f"
			  "ELF",
			  4));
	/* addresses that nothing can be at */
	ck_assert_int_eq(pv_mem_read_u64(copy, UINT64_MAX - 15, &word), -EFAULT);
	ck_assert_int_eq(pv_mem_read_u64(copy, 1ULL << 50, &word), -EFAULT);
	pv_mem_destroy(copy);
	pv_mem_destroy(live);
	pv_maps_deinit(&maps);
	munmap(area, n);
	munmap(file, 1 << 16);
	close(fd);
}
END_TEST

static struct pv_err *count_edge(void *ctx, const struct pv_edge *edge)
{
	ck_assert_uint_eq(edge->kind, PV_EDGE_INDEX);
	++*(uint64_t *)ctx;
	return NULL;
}

static uint64_t edges_of(uint64_t list, uint64_t n, uint64_t allocated, uint64_t until_ns)
{
	uint64_t found = 0;

	made_put(&made, list + 16, n);
	made_put(&made, list + 32, allocated);
	ck_assert_ptr_null(pv_graph_edges(made.heap, list, pv_graph_type(made.heap, list), false,
					  until_ns, count_edge, &found));
	return found;
}

/* Lists whose size is not true, and those for which there is no time. */
START_TEST(test_lists_that_lie)
{
	uint64_t object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	uint64_t type = made_type(&made, "list", made.type_type, object, 40, 0, PV_TPFLAGS_HAVE_GC);
	uint64_t list = HEAP + 0x1000, items = HEAP + 0x2010, there = (0x100000 - 0x2010) / 8;

	made_put(&made, list, 1);
	made_put(&made, list + 8, type);
	made_put(&made, list + 24, items);
	for (uint64_t i = 0; i < there; i++)
		made_put(&made, items + 8 * i, list);
	ck_assert_uint_eq(edges_of(list, 3, 4, 0), 3);
	ck_assert_uint_eq(edges_of(list, there, there, 0), there);
	ck_assert_uint_eq(edges_of(list, 1ULL << 32, 4, 0), 4);
	/* to the last one that is there */
	ck_assert_uint_eq(edges_of(list, 1ULL << 32, 1ULL << 32, 0), there);
	ck_assert_uint_eq(edges_of(list, 1ULL << 33, 1ULL << 33, 0), 0);
	/* no later than that */
	ck_assert_uint_eq(edges_of(list, there, there, 1), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("heap");
	TCase *cases = tcase_create("objects");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_types);
	tcase_add_test(cases, test_names);
	tcase_add_test(cases, test_no_types);
	tcase_add_test(cases, test_circles);
	tcase_add_test(cases, test_objects);
	tcase_add_test(cases, test_generators);
	tcase_add_test(cases, test_modules);
	tcase_add_test(cases, test_lists);
	tcase_add_test(cases, test_broken_lists);
	tcase_add_test(cases, test_no_lists);
	tcase_add_test(cases, test_interpreters);
	tcase_add_test(cases, test_copy);
	tcase_add_test(cases, test_copy_of_a_part);
	tcase_add_test(cases, test_copy_of_what_was_touched);
	tcase_add_test(cases, test_lists_that_lie);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
