/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes recordings.
 * Input: a profile as the dictionary, and samples as they come.
 * Output: chunks on a FILE, only ever appended.
 */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "model/profile.h"
#include "model/strings.h"
#include "recfile/bytes.h"
#include "recfile/format.h"
#include "recfile/recfile.h"
#include "recfile/writer.h"

enum {
	CHUNK_BYTES = 64 * 1024, /* a chunk is full at that size */
	COMPRESS_BYTES = 512,    /* a source shorter than this is not worth it */
};

struct pv_recwriter {
	FILE *file;
	const struct pv_profile *profile;
	bool failed;
	int errnum; /* of the first failure, which is the last attempt */
	bool whole; /* a finished profile: its times are slices */

	/* how much of the profile's vectors is in the file */
	size_t n_strings, n_modules, n_locs, n_nodes, n_sources;
	struct pv_vec processes, threads; /* as they were last written */
	bool causes[PV_LOSSES_MAX];

	uint64_t n_samples;    /* all that were taken */
	uint64_t last_ns;      /* of the last one in pending */
	struct pv_vec pending; /* samples whose chunk is not full yet */
	struct pv_vec chunk;   /* the payload that is being made */
	struct pv_vec packed;
};

static struct pv_err *write_error(const struct pv_recwriter *w)
{
	return pv_err_errno(w->errnum, "cannot write the recording");
}

/* The first failure is the last attempt; stdio forgets what it could not write. */
static struct pv_err *fail(struct pv_recwriter *w)
{
	w->errnum = errno ? errno : EIO;
	w->failed = true;
	return write_error(w);
}

static struct pv_err *write_bytes(struct pv_recwriter *w, const void *data, size_t n)
{
	if (w->failed)
		return write_error(w);
	errno = 0;
	if (n && fwrite(data, 1, n, w->file) != n)
		return fail(w);
	return NULL;
}

static struct pv_err *flush_file(struct pv_recwriter *w)
{
	errno = 0;
	return fflush(w->file) ? fail(w) : NULL;
}

static struct pv_err *write_chunk(struct pv_recwriter *w, enum pv_rec_type type, unsigned int flags,
				  const struct pv_vec *payload)
{
	uint8_t header[PV_REC_HEADER_BYTES];
	struct pv_err *err;
	uLong crc;

	if (payload->n > UINT32_MAX)
		return pv_err_create(PV_ERR_FAILED, "cannot record a text of more than 4 GB");
	pv_put_le(header, type, 2);
	pv_put_le(header + 2, flags, 2);
	pv_put_le(header + 4, payload->n, 4);
	crc = crc32(crc32(0, NULL, 0), header, 8);
	/* without a buffer crc32() starts anew */
	if (payload->n)
		crc = crc32(crc, payload->data, payload->n);
	pv_put_le(header + 8, crc, 4);
	err = write_bytes(w, header, sizeof(header));
	return err ? err : write_bytes(w, payload->data, payload->n);
}

/* Starts the payload of a dictionary, whose elements have ids that count up from first. */
static struct pv_err *begin_dictionary(struct pv_recwriter *w, size_t first)
{
	struct pv_err *err;

	w->chunk.n = 0;
	err = pv_vec_reserve(&w->chunk, PV_VARINT_BYTES);
	if (!err)
		pv_put_varint(&w->chunk, first);
	return err;
}

static struct pv_err *put_text(struct pv_vec *bytes, const char *text, size_t n)
{
	struct pv_err *err = pv_vec_reserve(bytes, PV_VARINT_BYTES);

	if (err)
		return err;
	pv_put_varint(bytes, n);
	return pv_vec_append(bytes, text, n, NULL);
}

struct pv_err *pv_rec_put_numbers(struct pv_vec *bytes, const uint64_t *numbers, size_t n)
{
	struct pv_err *err = pv_vec_reserve(bytes, n * PV_VARINT_BYTES);

	for (size_t i = 0; !err && i < n; i++)
		pv_put_varint(bytes, numbers[i]);
	return err;
}
#define PUT_NUMBERS PV_REC_PUT_NUMBERS

static struct pv_err *put_string(struct pv_recwriter *w, size_t id)
{
	const struct pv_strings *strings = w->profile->strings;

	return put_text(&w->chunk, pv_strings_get(strings, id), pv_strings_length(strings, id));
}

static struct pv_err *put_module(struct pv_recwriter *w, size_t id)
{
	const struct pv_module *module = pv_vec_at(&w->profile->modules, id);

	return PUT_NUMBERS(&w->chunk, module->name, module->path, module->build_id);
}

static struct pv_err *put_loc(struct pv_recwriter *w, size_t id)
{
	const struct pv_loc *loc = pv_vec_at(&w->profile->locs, id);

	return PUT_NUMBERS(&w->chunk, loc->kind, loc->function, loc->file, loc->module,
			   pv_zigzag((uint64_t)(int64_t)loc->line));
}

static struct pv_err *put_node(struct pv_recwriter *w, size_t id)
{
	const struct pv_stack_node *node = pv_vec_at(&w->profile->nodes, id);

	return PUT_NUMBERS(&w->chunk, id - node->parent, node->loc);
}

/* Those of n elements that are not in the file yet; written counts up. */
static struct pv_err *write_dictionary(struct pv_recwriter *w, enum pv_rec_type type, size_t n,
				       size_t *written,
				       struct pv_err *(*put)(struct pv_recwriter *w, size_t id))
{
	while (*written < n) {
		size_t id = *written;
		struct pv_err *err = begin_dictionary(w, id);

		while (!err && id < n && w->chunk.n < CHUNK_BYTES)
			err = put(w, id++);
		if (!err)
			err = write_chunk(w, type, 0, &w->chunk);
		if (err)
			return err;
		*written = id;
	}
	return NULL;
}

static bool same_process(const void *a, const void *b)
{
	const struct pv_profile_process *x = a, *y = b;

	return x->pid == y->pid && x->parent_pid == y->parent_pid &&
	       x->generation == y->generation && x->name == y->name && x->title == y->title &&
	       x->interpreter == y->interpreter && x->problem == y->problem;
}

static struct pv_err *put_process(struct pv_recwriter *w, size_t id)
{
	const struct pv_profile_process *process = pv_vec_at(&w->profile->processes, id);

	return PUT_NUMBERS(&w->chunk, process->pid, process->parent_pid, process->generation,
			   process->name, process->title, process->interpreter, process->problem);
}

static bool same_thread(const void *a, const void *b)
{
	const struct pv_profile_thread *x = a, *y = b;

	return x->process == y->process && x->tid == y->tid && x->name == y->name;
}

static struct pv_err *put_thread(struct pv_recwriter *w, size_t id)
{
	const struct pv_profile_thread *thread = pv_vec_at(&w->profile->threads, id);

	return PUT_NUMBERS(&w->chunk, thread->process, thread->tid, thread->name);
}

/* Elements that may change after they were written: those that are new or not the same. */
static struct pv_err *write_changing(struct pv_recwriter *w, enum pv_rec_type type,
				     const struct pv_vec *now, struct pv_vec *written,
				     bool (*same)(const void *a, const void *b),
				     struct pv_err *(*put)(struct pv_recwriter *w, size_t id))
{
	size_t id = 0;

	while (id < now->n) {
		struct pv_err *err;

		if (id < written->n && same(pv_vec_at(now, id), pv_vec_at(written, id))) {
			id++;
			continue;
		}
		err = begin_dictionary(w, id);
		while (!err && id < now->n && w->chunk.n < CHUNK_BYTES &&
		       (id >= written->n || !same(pv_vec_at(now, id), pv_vec_at(written, id)))) {
			err = put(w, id);
			if (!err && id < written->n)
				memcpy(pv_vec_at(written, id), pv_vec_at(now, id),
				       now->element_size);
			else if (!err)
				err = pv_vec_append(written, pv_vec_at(now, id), 1, NULL);
			id++;
		}
		if (!err)
			err = write_chunk(w, type, 0, &w->chunk);
		if (err)
			return err;
	}
	return NULL;
}

/* Compresses the chunk into packed; packed_ret: that it was worth it. */
static struct pv_err *compress_chunk(struct pv_recwriter *w, bool *packed_ret)
{
	const struct pv_vec *chunk = &w->chunk;
	uLongf n = compressBound(chunk->n);
	struct pv_err *err;

	*packed_ret = false;
	if (chunk->n < COMPRESS_BYTES || chunk->n > UINT32_MAX)
		return NULL;
	w->packed.n = 0;
	err = pv_vec_reserve(&w->packed, PV_REC_RAW_BYTES + n);
	if (err)
		return err;
	pv_put_le(w->packed.data, chunk->n, PV_REC_RAW_BYTES);
	if (compress2(w->packed.data + PV_REC_RAW_BYTES, &n, chunk->data, chunk->n, Z_BEST_SPEED))
		return &pv_enomem;
	w->packed.n = PV_REC_RAW_BYTES + n;
	/* readers refuse what would grow beyond all proportion */
	*packed_ret = w->packed.n < chunk->n && chunk->n / PV_REC_RATIO_MAX < n;
	return NULL;
}

static struct pv_err *write_source(struct pv_recwriter *w, const struct pv_source *source)
{
	bool packed = false;
	struct pv_err *err;

	w->chunk.n = 0;
	err = PUT_NUMBERS(&w->chunk, source->file, source->changed ? PV_REC_SOURCE_CHANGED : 0);
	if (!err)
		err = pv_vec_append(&w->chunk, source->text, source->n, NULL);
	if (!err)
		err = compress_chunk(w, &packed);
	if (err)
		return err;
	return packed ? write_chunk(w, PV_REC_SOURCE, PV_REC_COMPRESSED, &w->packed)
		      : write_chunk(w, PV_REC_SOURCE, 0, &w->chunk);
}

/* The names of the causes of loss, when they have come. */
static struct pv_err *write_causes(struct pv_recwriter *w)
{
	const struct pv_losses *losses = &w->profile->losses;
	struct pv_err *err = NULL;

	w->chunk.n = 0;
	for (size_t i = 0; !err && i < PV_LOSSES_MAX; i++) {
		const char *name = losses->name[i], *text = losses->text[i];

		if (w->causes[i] || !name || !text)
			continue;
		err = PUT_NUMBERS(&w->chunk, i);
		if (!err)
			err = put_text(&w->chunk, name, strlen(name));
		if (!err)
			err = put_text(&w->chunk, text, strlen(text));
		w->causes[i] = true;
	}
	if (!err && w->chunk.n)
		err = write_chunk(w, PV_REC_CAUSES, 0, &w->chunk);
	return err;
}

/* All that samples refer to stands before them. */
static struct pv_err *write_dictionaries(struct pv_recwriter *w)
{
	const struct pv_profile *profile = w->profile;
	struct pv_err *err;

	err = write_dictionary(w, PV_REC_STRINGS, pv_strings_n(profile->strings), &w->n_strings,
			       put_string);
	if (!err)
		err = write_causes(w);
	if (!err)
		err = write_dictionary(w, PV_REC_MODULES, profile->modules.n, &w->n_modules,
				       put_module);
	if (!err)
		err = write_changing(w, PV_REC_PROCESSES, &profile->processes, &w->processes,
				     same_process, put_process);
	if (!err)
		err = write_changing(w, PV_REC_THREADS, &profile->threads, &w->threads, same_thread,
				     put_thread);
	if (!err)
		err = write_dictionary(w, PV_REC_LOCS, profile->locs.n, &w->n_locs, put_loc);
	if (!err)
		err = write_dictionary(w, PV_REC_NODES, profile->nodes.n, &w->n_nodes, put_node);
	while (!err && w->n_sources < profile->sources.n) {
		err = write_source(w, pv_vec_at(&profile->sources, w->n_sources));
		w->n_sources++;
	}
	return err;
}

struct pv_err *pv_recwriter_chunk(struct pv_recwriter *w, enum pv_rec_type type,
				  struct pv_vec *payload)
{
	struct pv_err *err = write_dictionaries(w);

	if (!err && payload->n)
		err = write_chunk(w, type, 0, payload);
	payload->n = 0;
	return err;
}

static struct pv_err *write_pending(struct pv_recwriter *w)
{
	struct pv_err *err = write_dictionaries(w);

	if (err || !w->pending.n)
		return err;
	err = write_chunk(w, PV_REC_SAMPLES, 0, &w->pending);
	w->pending.n = 0;
	w->last_ns = 0;
	return err;
}

static uint64_t field_value(const struct pv_profile *profile, const struct pv_rec_field_info *field)
{
	const void *at = (const char *)profile + field->offset;

	switch (field->kind) {
	case PV_REC_FIELD_U64:
		return *(const uint64_t *)at;
	case PV_REC_FIELD_BOOL:
		return *(const bool *)at;
	default:
		return *(const uint32_t *)at;
	}
}

static struct pv_err *write_totals(struct pv_recwriter *w)
{
	const struct pv_profile *profile = w->profile;
	struct pv_err *err = NULL;

	w->chunk.n = 0;
	for (size_t i = 0; !err && i < pv_rec_n_fields; i++) {
		uint64_t value = field_value(profile, &pv_rec_fields[i]);

		if (value)
			err = PUT_NUMBERS(&w->chunk, pv_rec_fields[i].number, value);
	}
	if (!err && w->whole && profile->slice_ns)
		err = PUT_NUMBERS(&w->chunk, PV_REC_SLICE_NS, profile->slice_ns, PV_REC_N_SLICES,
				  profile->n_slices);
	for (size_t i = 0; !err && i < PV_LOSSES_MAX; i++) {
		if (profile->losses.count[i])
			err = PUT_NUMBERS(&w->chunk, PV_REC_LOST + i, profile->losses.count[i]);
	}
	return err ? err : write_chunk(w, PV_REC_TOTALS, 0, &w->chunk);
}

struct pv_err *pv_recwriter_create(FILE *file, const struct pv_profile *profile,
				   struct pv_recwriter **ret)
{
	struct pv_recwriter *w = calloc(1, sizeof(*w));
	struct pv_err *err;

	if (!w)
		return &pv_enomem;
	w->file = file;
	w->profile = profile;
	w->processes = (struct pv_vec)PV_VEC(struct pv_profile_process);
	w->threads = (struct pv_vec)PV_VEC(struct pv_profile_thread);
	w->pending = w->chunk = w->packed = (struct pv_vec)PV_VEC(uint8_t);
	w->n_strings = w->n_nodes = 1; /* "" and the root need no saying */
	err = write_bytes(w, PV_REC_MAGIC, PV_REC_MAGIC_BYTES);
	if (err) {
		pv_recwriter_destroy(w);
		return err;
	}
	*ret = w;
	return NULL;
}

void pv_recwriter_destroy(struct pv_recwriter *w)
{
	if (!w)
		return;
	pv_vec_deinit(&w->processes);
	pv_vec_deinit(&w->threads);
	pv_vec_deinit(&w->pending);
	pv_vec_deinit(&w->chunk);
	pv_vec_deinit(&w->packed);
	free(w);
}

static struct pv_err *add_sample(struct pv_recwriter *w, uint64_t time_ns, uint32_t node,
				 uint32_t thread, uint32_t count)
{
	struct pv_vec *pending = &w->pending;
	struct pv_err *err;

	if (w->failed)
		return write_error(w);
	err = pv_vec_reserve(pending, 4 * PV_VARINT_BYTES);
	if (err)
		return err;
	pv_put_varint(pending, pv_zigzag(time_ns - w->last_ns));
	pv_put_varint(pending, node);
	pv_put_varint(pending, (uint64_t)thread << 1 | (count != 1));
	if (count != 1)
		pv_put_varint(pending, count);
	w->last_ns = time_ns;
	w->n_samples += count;
	return pending->n < CHUNK_BYTES ? NULL : write_pending(w);
}

struct pv_err *pv_recwriter_sample(struct pv_recwriter *w, uint64_t time_ns, uint32_t node,
				   uint32_t thread)
{
	return add_sample(w, time_ns, node, thread, 1);
}

struct pv_err *pv_recwriter_flush(struct pv_recwriter *w)
{
	struct pv_err *err = write_pending(w);

	if (!err)
		err = write_totals(w);
	return err ? err : flush_file(w);
}

struct pv_err *pv_recwriter_forget_stacks(struct pv_recwriter *w)
{
	struct pv_err *err = write_pending(w);

	if (!err)
		err = write_chunk(w, PV_REC_FORGET, 0, &(struct pv_vec){ 0 });
	if (!err)
		w->n_nodes = 1;
	return err;
}

struct pv_err *pv_recwriter_end(struct pv_recwriter *w)
{
	struct pv_err *err = write_pending(w);

	if (!err)
		err = write_totals(w);
	w->chunk.n = 0;
	if (!err)
		err = PUT_NUMBERS(&w->chunk, w->n_samples);
	if (!err)
		err = write_chunk(w, PV_REC_END, 0, &w->chunk);
	return err ? err : flush_file(w);
}

/* The samples of a whole profile that have a time; left: of each stack, those that have none. */
static struct pv_err *write_ticks(struct pv_recwriter *w, uint64_t *left)
{
	const struct pv_profile *profile = w->profile;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < profile->ticks.n; i++) {
		const struct pv_tick *tick = pv_vec_at(&profile->ticks, i);
		const struct pv_sample *sample = pv_vec_at(&profile->samples, tick->sample);

		left[tick->sample] -= tick->count;
		err = add_sample(w, tick->slice * profile->slice_ns, sample->node, sample->thread,
				 tick->count);
	}
	return err ? err : write_pending(w);
}

static struct pv_err *write_counts(struct pv_recwriter *w, const uint64_t *left)
{
	const struct pv_profile *profile = w->profile;
	struct pv_vec *counts = &w->pending;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);

		if (!left[i])
			continue;
		err = PUT_NUMBERS(counts, sample->node, sample->thread, left[i]);
		w->n_samples += left[i];
		if (err || counts->n < CHUNK_BYTES)
			continue;
		err = write_chunk(w, PV_REC_COUNTS, 0, counts);
		counts->n = 0;
	}
	if (!err && counts->n)
		err = write_chunk(w, PV_REC_COUNTS, 0, counts);
	counts->n = 0;
	return err;
}

struct pv_err *pv_recfile_write(const struct pv_profile *profile, FILE *file)
{
	_pv_free_ uint64_t *left = calloc(profile->samples.n + 1, sizeof(*left));
	struct pv_recwriter *w = NULL;
	struct pv_err *err;

	if (!left)
		return &pv_enomem;
	for (size_t i = 0; i < profile->samples.n; i++)
		left[i] = ((const struct pv_sample *)pv_vec_at(&profile->samples, i))->count;
	err = pv_recwriter_create(file, profile, &w);
	if (err)
		return err;
	w->whole = true;
	err = write_ticks(w, left);
	if (!err)
		err = write_counts(w, left);
	if (!err)
		err = pv_recwriter_end(w);
	pv_recwriter_destroy(w);
	return err;
}
