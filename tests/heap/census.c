/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap_census PID object ADDRESS...	each object as a line of JSON, or null
 *
 * What src/heap sees of a process, for tests/live/test_census.py and bench/census.py.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/object.h"
#include "snap/image.h"
#include "snap/objects.h"
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

int main(int argc, char **argv)
{
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_heap *heap;
	struct pv_mem *mem;

	if (argc < 3)
		errx(2, "usage: heap_census PID object ADDRESS...");

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
	} else {
		errx(2, "unknown word: %s", argv[2]);
	}
	pv_heap_destroy(heap);
	pv_image_deinit(&image);
	pv_objects_destroy(objects);
	pv_mem_destroy(mem);
	return 0;
}
