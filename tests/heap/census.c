/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap_census PID object ADDRESS...	each object as a line of JSON, or null
 * heap_census PID census [N]	a census, N times (1), each as a line of JSON
 * heap_census PID garbage	how many objects of each type are garbage, and what the collector
 * says
 *
 * What src/heap sees of a process, for tests/live/test_census.py and bench/census.py.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "heap/census.h"
#include "heap/collecting.h"
#include "heap/garbage.h"
#include "heap/object.h"
#include "model/memory.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "target/maps.h"
#include "target/mem.h"

static void ok(struct pv_err *error)
{
	if (error)
		errx(1, "%s", error->message);
}

static void print_object(struct pv_heap *heap, uint64_t address)
{
	struct pv_heap_object object;

	if (!pv_heap_object(heap, address, &object)) {
		printf("null\n");
		return;
	}
	printf("{\"type\": \"%s\", \"address\": %" PRIu64 ", \"start\": %" PRIu64
	       ", \"refcount\": %" PRIu64 ", \"immortal\": %s, \"tracked\": %s, \"size\": %" PRIu64
	       "}\n",
	       object.type->name, object.address, object.start, object.refcount,
	       object.immortal ? "true" : "false", object.tracked ? "true" : "false", object.size);
}

/* Names of types have no control characters; what is left to escape are these two. */
static void print_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void print_census(const struct pv_census *c, uint64_t cpu_ns)
{
	printf("{\"ms\": %.3f, \"cpu_ms\": %.3f, \"types\": [",
	       (double)(c->end_ns - c->start_ns) / 1e6, (double)cpu_ns / 1e6);
	for (size_t i = 0; i < c->types.n; i++) {
		const struct pv_census_type *type = pv_vec_at(&c->types, i);

		printf("%s{\"name\": ", i ? ", " : "");
		print_text(type->name);
		printf(", \"module\": ");
		print_text(type->module);
		printf(", \"type\": %" PRIu64 ", \"n\": %" PRIu64 ", \"bytes\": %" PRIu64
		       ", \"part_bytes\": %" PRIu64 ", \"tracked\": %" PRIu64 "}",
		       type->type, type->n, type->bytes, type->part_bytes, type->n_tracked);
	}
	printf("], \"raw\": [");
	for (size_t i = 0; i < c->raw.n; i++) {
		const struct pv_census_raw *raw = pv_vec_at(&c->raw, i);

		printf("%s{\"max\": %" PRIu64 ", \"pymalloc\": %s, \"n\": %" PRIu64
		       ", \"bytes\": %" PRIu64 "}",
		       i ? ", " : "", raw->bytes_max, raw->pymalloc ? "true" : "false", raw->n,
		       raw->bytes);
	}
	printf("], \"others\": ");
	print_text(c->others);
#define NUMBER(field) printf(", \"" #field "\": %" PRIu64, (uint64_t)c->field)
	NUMBER(n_objects);
	NUMBER(object_bytes);
	NUMBER(n_raw);
	NUMBER(raw_bytes);
	NUMBER(n_kept);
	NUMBER(kept_bytes);
	NUMBER(n_arenas);
	NUMBER(n_pools);
	NUMBER(n_segments);
	NUMBER(pool_bytes);
	NUMBER(pool_free_bytes);
	NUMBER(chunk_bytes);
	NUMBER(chunk_free_bytes);
	NUMBER(chunk_top_bytes);
	NUMBER(n_cached);
	NUMBER(cached_bytes);
	NUMBER(n_thread_heaps);
	NUMBER(n_mapped);
	NUMBER(mapped_bytes);
	NUMBER(other_bytes);
	NUMBER(skipped_bytes);
	NUMBER(read_bytes);
	NUMBER(n_stray);
	NUMBER(n_torn_pools);
	NUMBER(n_breaks);
	NUMBER(broken_bytes);
	NUMBER(fast_bins_unknown);
	NUMBER(lists_followed);
	NUMBER(lists.n_interpreters);
	NUMBER(lists.n_broken);
	NUMBER(lists.n_collecting);
#undef NUMBER
	printf(", \"lists\": [");
	for (int i = 0; i < PV_GC_LISTS; i++)
		printf("%s%" PRIu64, i ? ", " : "", c->lists.n[i]);
	printf("]}\n");
	fflush(stdout);
}

static void take(struct pv_heap *heap, pid_t pid, int n)
{
	for (int i = 0; i < n; i++) {
		struct pv_census census;
		struct pv_maps maps;

		ok(pv_maps_read(pid, &maps));

		struct pv_census_options options = { .maps = &maps, .pid = pid };

		uint64_t cpu_ns = pv_clock_ns(CLOCK_PROCESS_CPUTIME_ID);

		ok(pv_census_take(heap, &options, &census));
		print_census(&census, pv_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns);
		pv_census_deinit(&census);
		pv_maps_deinit(&maps);
	}
}

static void print_garbage(struct pv_heap *heap, pid_t pid)
{
	struct pv_memory_collector says;
	struct pv_garbage garbage;
	struct pv_maps maps;
	uint64_t start_ns = pv_clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	ok(pv_maps_read(pid, &maps));
	ok(pv_garbage_find(heap, pid, &maps, &garbage));
	pv_heap_collector_read(heap, pid, &says);
	printf("{\"cpu_ms\": %.3f, \"types\": {",
	       (double)(pv_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns) / 1e6);
	for (size_t i = 0; i < garbage.types.n; i++) {
		const struct pv_garbage_type *one = pv_vec_at(&garbage.types, i);
		const struct pv_heap_type *type = pv_heap_type(heap, one->type);

		printf("%s", i ? ", " : "");
		print_text(type ? type->name : "?");
		printf(": %" PRIu64, one->n);
	}
	printf("}, \"disabled\": %s, \"counted\": %s, \"full\": %" PRIu64
	       ", \"collected\": %" PRIu64 ", \"aged\": %s, \"old\": %" PRIu64
	       ", \"pending\": %" PRIu64 "}\n",
	       says.disabled ? "true" : "false", says.counted ? "true" : "false", says.full,
	       says.collected, says.aged ? "true" : "false", says.old, says.pending);
	pv_garbage_deinit(&garbage);
	pv_maps_deinit(&maps);
}

int main(int argc, char **argv)
{
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_heap *heap;
	struct pv_mem *mem;

	if (argc < 3)
		errx(2, "usage: heap_census PID object ADDRESS... | census [N] | garbage");

	pid_t pid = (pid_t)atoi(argv[1]);

	ok(pv_mem_live_create(pid, &mem));
	ok(pv_objects_create(NULL, &objects));
	ok(pv_image_build(pid, objects, mem, NULL, &image));
	if (!image.python.found)
		errx(1, "%s", image.python_error ? image.python_error : "no CPython there");
	ok(pv_heap_create(mem, &image.python, &heap));
	if (strcmp(argv[2], "object") == 0) {
		for (int i = 3; i < argc; i++)
			print_object(heap, strtoull(argv[i], NULL, 0));
	} else if (strcmp(argv[2], "census") == 0) {
		take(heap, pid, argc > 3 ? atoi(argv[3]) : 1);
	} else if (strcmp(argv[2], "garbage") == 0) {
		print_garbage(heap, pid);
	} else {
		errx(2, "unknown word: %s", argv[2]);
	}
	pv_heap_destroy(heap);
	pv_image_deinit(&image);
	pv_objects_destroy(objects);
	pv_mem_destroy(mem);
	return 0;
}
