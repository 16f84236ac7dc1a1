/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * find_holders PID held|lost [APART_MS [UNTIL_MS]] < ADDRESSES	a line of JSON for each object, one
 * for the whole
 * find_holders PID subject TEXT [UNTIL_MS]	a line for the subject, one for each holder
 *
 * What heap/holders.h finds in a process, for tests/live/test_holders.py and bench/holders.py.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/vec.h"
#include "heap/holders.h"
#include "heap/object.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/holding.h"

static void ok(struct pv_err *error)
{
	if (error)
		errx(1, "%s", error->message);
}

static void print_object(const struct pv_holders *found, const struct pv_held *held,
			 struct pv_heap *heap)
{
	static const char *const states[] = {
		"known", "no object", "immortal", "static", "changes", "many",
	};
	const struct pv_heap_type *type = held->type ? pv_heap_type(heap, held->type) : NULL;

	printf("{\"address\": %" PRIu64
	       ", \"type\": \"%s\", \"state\": \"%s\", \"refcount\": %" PRIu64
	       ", \"found\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"places\": [",
	       held->address, type ? type->name : "", states[held->state], held->refcount,
	       held->found, held->lost);
	for (uint32_t i = 0; i < held->n_places; i++)
		printf("%s%" PRIu64, i ? ", " : "", found->places[held->first + i].at);
	printf("]}\n");
}

static void print_text(const char *text)
{
	putchar('"');
	for (; *text; text++)
		printf(strchr("\"\\", *text) ? "\\%c" : "%c", *text);
	putchar('"');
}

static void print_subject(pid_t pid, const char *text, uint64_t until_ns)
{
	struct pv_holding *holding;
	struct pv_memory *memory;
	const struct pv_strings *strings;

	ok(pv_memory_create(&memory));
	ok(pv_holding_open(pid, &holding));
	if (until_ns)
		pv_holding_until(holding, pv_now_ns() + until_ns);
	ok(pv_holding_subject(holding, text, 100000, false, memory));
	strings = memory->profile->strings;
	for (size_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_vec_at(&memory->subjects, i);

		printf("{\"subject\": ");
		print_text(pv_strings_get(strings, one->text));
		printf(", \"objects\": %" PRIu64 ", \"of\": %" PRIu64 ", \"refcount\": %" PRId64
		       ", \"found\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"took_ns\": %" PRIu64
		       ", \"partial\": %s}\n",
		       one->objects, one->of, one->refcount, one->found, one->lost_objects,
		       one->took_ns, one->partial ? "true" : "false");
	}
	for (size_t i = 0; i < memory->holders.n; i++) {
		const struct pv_memory_holder *one = pv_vec_at(&memory->holders, i);

		printf("{\"kind\": \"%s\", \"text\": ", pv_holder_kind_name(one->kind));
		print_text(pv_strings_get(strings, one->text));
		printf(", \"references\": %" PRIu64 ", \"objects\": %" PRIu64 ", \"used\": %" PRIu64
		       ", \"limit\": %" PRIu64 "}\n",
		       one->references, one->objects, one->used, one->limit);
	}
	pv_holding_close(holding);
	pv_memory_destroy(memory);
}

int main(int argc, char **argv)
{
	struct pv_vec addresses = PV_VEC(uint64_t);
	struct pv_holders_options options = { 0 };
	struct pv_holding *holding;
	struct pv_holders found;
	uint64_t address;

	if (argc < 3)
		errx(2, "usage: find_holders PID held|lost [APART_MS [UNTIL_MS]] < ADDRESSES");
	if (!strcmp(argv[2], "subject") && argc > 3) {
		print_subject((pid_t)atoi(argv[1]), argv[3],
			      argc > 4 ? strtoull(argv[4], NULL, 0) * 1000000 : 0);
		return 0;
	}
	while (scanf("%" SCNu64, &address) == 1)
		ok(pv_vec_append(&addresses, &address, 1, NULL));
	options.lost = !strcmp(argv[2], "lost");
	options.apart_ns = argc > 3 ? strtoull(argv[3], NULL, 0) * 1000000 : 0;
	ok(pv_holding_open((pid_t)atoi(argv[1]), &holding));
	if (argc > 4)
		pv_holding_until(holding, pv_now_ns() + strtoull(argv[4], NULL, 0) * 1000000);
	ok(pv_holding_find(holding, addresses.data, addresses.n, &options, &found));
	for (size_t i = 0; i < found.n_objects; i++)
		print_object(&found, &found.objects[i], pv_holding_heap(holding));
	printf("{\"bytes\": %" PRIu64 ", \"unread\": %" PRIu64 ", \"took_ns\": %" PRIu64
	       ", \"all_ns\": %" PRIu64
	       ", \"threads\": %u, \"looks\": %u, \"quick\": %u, \"partial\": %s}\n",
	       found.bytes, found.unread, found.took_ns, found.all_ns, found.threads, found.looks,
	       found.quick, found.partial ? "true" : "false");
	pv_holders_deinit(&found);
	pv_holding_close(holding);
	pv_vec_deinit(&addresses);
	return 0;
}
