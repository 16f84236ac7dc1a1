/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for recfile/recfile.h: whatever a file holds, a profile comes out whose numbers
 * all lead somewhere, and what is written of it is read as the same; memory stays small.  Of a hunt
 * there is a verdict, and the same one of what is written of it.  Input:
 * byte 0: 0 = the rest is a file; else it is chunks (type, flags, 2 bytes length, payload), to
 * which the right checksums are added, and max_slices.
 * Output: a crash where that does not hold.  Corpus: tests/fuzz/corpus/recfile.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "analyse/leak.h"
#include "model/filter.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "recfile/recfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool good)
{
	if (!good)
		abort();
}

static void must_not_fail(struct pv_err *err)
{
	must(!err);
}

static void put_chunk(FILE *file, const uint8_t *data, size_t n)
{
	uint8_t header[12] = { data[0], 0, data[1], 0, n, n >> 8 };
	uint32_t crc = crc32(crc32(0, NULL, 0), header, 8);

	if (n)
		crc = crc32(crc, data + 4, n);
	for (size_t i = 0; i < 4; i++)
		header[8 + i] = crc >> 8 * i;
	fwrite(header, 1, sizeof(header), file);
	if (n)
		fwrite(data + 4, 1, n, file);
}

static void put_chunks(FILE *file, const uint8_t *data, size_t n)
{
	fwrite("\x89PVR\r\n\x1a\n", 1, 8, file);
	while (n >= 4) {
		size_t length = data[2] | data[3] << 8;

		if (length > n - 4)
			length = n - 4;
		put_chunk(file, data, length);
		data += 4 + length;
		n -= 4 + length;
	}
}

static void check_tree(const struct pv_profile *profile, size_t n_strings)
{
	for (size_t i = 0; i < profile->locs.n; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, i);

		must(loc->function < n_strings && loc->file < n_strings &&
		     loc->module < n_strings && loc->kind <= PV_LOC_LABEL);
	}
	for (size_t i = 1; i < profile->nodes.n; i++) {
		const struct pv_stack_node *node = pv_vec_at(&profile->nodes, i);

		must(node->parent < i && node->loc < profile->locs.n && node->depth <= 16384);
	}
}

static void check_things(const struct pv_profile *profile, size_t n_strings)
{
	for (size_t i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		must(process->name < n_strings && process->title < n_strings &&
		     process->interpreter < n_strings && process->problem < n_strings);
	}
	for (size_t i = 0; i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		must(thread->process < profile->processes.n && thread->name < n_strings);
	}
	for (size_t i = 0; i < profile->modules.n; i++) {
		const struct pv_module *module = pv_vec_at(&profile->modules, i);

		must(module->name < n_strings && module->path < n_strings &&
		     module->build_id < n_strings);
	}
	for (size_t i = 0; i < profile->sources.n; i++) {
		const struct pv_source *source = pv_vec_at(&profile->sources, i);

		must(source->file < n_strings && !source->text[source->n]);
	}
	must(profile->target_name < n_strings && profile->title < n_strings &&
	     profile->interpreter < n_strings && profile->problem < n_strings &&
	     profile->engine < n_strings && profile->host < n_strings && profile->note < n_strings);
}

/* Returns the sum of all samples. */
static uint64_t check_samples(const struct pv_profile *profile, uint32_t max_slices)
{
	uint64_t sum = 0, ticks = 0;

	for (size_t i = 0; i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);

		must(sample->node < profile->nodes.n && sample->thread < profile->threads.n &&
		     sample->count);
		sum += sample->count;
	}
	for (size_t i = 0; i < profile->ticks.n; i++) {
		const struct pv_tick *tick = pv_vec_at(&profile->ticks, i);

		must(tick->slice < profile->n_slices && tick->sample < profile->samples.n &&
		     tick->count);
		ticks += tick->count;
	}
	must(ticks <= sum && sum <= (uint64_t)1 << 53);
	must(profile->n_slices <= (max_slices ? max_slices : 4096));
	must(profile->slice_ns || !profile->ticks.n);
	return sum;
}

static uint64_t check(const struct pv_profile *profile, uint32_t max_slices)
{
	size_t n_strings = pv_strings_n(profile->strings);

	check_tree(profile, n_strings);
	check_things(profile, n_strings);
	return check_samples(profile, max_slices);
}

/* What is written of it is whole, and says the same. */
static void check_copy(const struct pv_profile *profile, uint64_t sum, uint32_t max_slices)
{
	struct pv_profile *copy;
	char *memory = NULL;
	size_t n = 0;
	FILE *file = open_memstream(&memory, &n);

	must_not_fail(pv_recfile_write(profile, file));
	fclose(file);
	file = fmemopen(memory, n, "r");
	must_not_fail(pv_recfile_read(file, "copy", max_slices, &copy));
	must(check(copy, max_slices) == sum);
	must(copy->cut == profile->cut && copy->samples.n == profile->samples.n);
	must(copy->ticks.n == profile->ticks.n);
	must(!copy->ticks.n || copy->n_slices == profile->n_slices);
	must(!strcmp(pv_strings_get(copy->strings, copy->note),
		     pv_strings_get(profile->strings, profile->note)));
	pv_profile_destroy(copy);
	fclose(file);
	free(memory);
}

/* NULL: it is no hunt. */
static struct pv_memory *read_hunt(char *bytes, size_t n, uint32_t max_slices)
{
	const struct pv_recfile_options options = { .max_slices = max_slices };
	struct pv_profile *profile = NULL;
	struct pv_memory *hunt = NULL;
	FILE *file = fmemopen(bytes, n, "r");
	struct pv_err *err = pv_recfile_read_any(file, "hunt", &options, &profile, &hunt);

	if (!err)
		pv_profile_destroy(profile);
	pv_err_destroy(err);
	fclose(file);
	return hunt;
}

static void check_hunt(char *bytes, size_t size, uint32_t max_slices)
{
	struct pv_memory *hunt = read_hunt(bytes, size, max_slices), *copy;
	struct pv_leak leak, again;
	char *memory = NULL;
	size_t n = 0;
	FILE *file;

	if (!hunt)
		return;
	file = open_memstream(&memory, &n);
	must_not_fail(pv_leak_of(hunt, &leak));
	must_not_fail(pv_recfile_write_memory(hunt, file));
	fclose(file);
	copy = read_hunt(memory, n, max_slices);
	must(copy);
	must_not_fail(pv_leak_of(copy, &again));
	must(!strcmp(pv_str_text(&leak.text), pv_str_text(&again.text)));
	pv_leak_deinit(&again);
	pv_leak_deinit(&leak);
	pv_memory_destroy(copy);
	pv_memory_destroy(hunt);
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pv_profile *profile;
	char *memory = NULL;
	size_t size = 0;
	uint32_t max_slices;
	struct pv_err *err;
	FILE *file;

	if (n < 2)
		return 0;
	file = open_memstream(&memory, &size);
	max_slices = data[0] == 0 ? 0 : data[0] - 1;
	if (data[0] == 0)
		fwrite(data + 1, 1, n - 1, file);
	else
		put_chunks(file, data + 1, n - 1);
	fclose(file);
	file = fmemopen(memory, size, "r");
	err = pv_recfile_read(file, "input", max_slices, &profile);
	if (!err) {
		uint64_t sum = check(profile, max_slices);

		check_copy(profile, sum, max_slices);
		must_not_fail(pv_profile_count_quality(profile));
		must(profile->quality.samples == sum && profile->quality.complete <= sum);
		pv_profile_destroy(profile);
	}
	pv_err_destroy(err);
	fclose(file);
	check_hunt(memory, size, max_slices);
	free(memory);
	return 0;
}
