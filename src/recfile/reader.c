/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads recordings.
 * Input: a file of any content; see docs/recording.md for what it should hold.
 * Output: a profile of all that can be trusted in it, with a note on the rest.
 *
 * Two passes: the first finds where the file ends or breaks off and how long the
 * capture was, so that the second can put each sample into its slice.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/filter.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "recfile/format.h"
#include "recfile/reader.h"

enum { DEFAULT_SLICES = 4096 };

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + !!(a % b);
}

/* ---- the first pass ---- */

static void look_at_samples(struct pv_rec_overview *o, struct pv_cursor *cursor)
{
	uint64_t time_ns = 0;

	o->has_times = true;
	while (cursor->at < cursor->end) {
		time_ns += pv_unzigzag(pv_cursor_varint(cursor));
		pv_cursor_varint(cursor);
		if (pv_cursor_varint(cursor) & 1)
			pv_cursor_varint(cursor);
		if (!cursor->bad && time_ns < PV_REC_TIME_MAX && time_ns > o->last_ns)
			o->last_ns = time_ns;
	}
}

static void look_at_totals(struct pv_rec_overview *o, struct pv_cursor *cursor)
{
	o->duration_ns = o->slice_ns = o->n_slices = 0;
	while (cursor->at < cursor->end) {
		uint64_t field = pv_cursor_varint(cursor), value = pv_cursor_varint(cursor);

		if (field == PV_REC_DURATION_NS)
			o->duration_ns = min_u64(value, PV_REC_TIME_MAX);
		/* slices put together may reach that much further */
		else if (field == PV_REC_SLICE_NS && value <= 2 * PV_REC_TIME_MAX)
			o->slice_ns = value;
		else if (field == PV_REC_N_SLICES)
			o->n_slices = value;
	}
}

static struct pv_err *look(struct pv_rec_reader *r)
{
	struct pv_rec_overview *o = &r->overview;
	struct pv_err *err = pv_rec_scan_begin(&r->scan);
	struct pv_rec_chunk chunk;
	bool more = true;

	while (!err && !o->ended) {
		err = pv_rec_scan_next(&r->scan, &chunk, &more);
		if (err || !more)
			break;
		if (chunk.flags == PV_REC_COMPRESSED &&
		    (chunk.type == PV_REC_SAMPLES || chunk.type == PV_REC_TOTALS))
			err = pv_rec_scan_unpack(&r->scan, &chunk.payload);
		if (err || chunk.payload.bad || chunk.flags & ~PV_REC_COMPRESSED)
			continue;
		if (chunk.type == PV_REC_SAMPLES)
			look_at_samples(o, &chunk.payload);
		else if (chunk.type == PV_REC_TOTALS)
			look_at_totals(o, &chunk.payload);
		o->has_counts |= chunk.type == PV_REC_COUNTS;
		o->ended |= chunk.type == PV_REC_END;
	}
	o->end = r->scan.at;
	o->size = r->scan.size;
	o->broken = r->scan.broken;
	return err;
}

/* The length of a slice, now that the times are known. */
static void choose_slices(struct pv_rec_reader *r)
{
	const struct pv_rec_overview *o = &r->overview;
	struct pv_profile *profile = r->profile;
	uint64_t max = r->options->max_slices ? r->options->max_slices : DEFAULT_SLICES;
	uint64_t from = r->options->from_ns, to = r->options->to_ns, span;

	if (o->has_counts && !o->has_times)
		return;
	span = o->duration_ns > o->last_ns ? o->duration_ns : o->last_ns + 1;
	/* the last slice begins in time: so it does when slices were put together */
	if (o->slice_ns && o->n_slices > o->last_ns / o->slice_ns &&
	    o->n_slices - 1 <= (PV_REC_TIME_MAX - 1) / o->slice_ns)
		span = o->n_slices * o->slice_ns;
	if (to && to < span)
		span = to;
	span = span > from ? span - from : 1;
	/* times that are slices already keep them, or whole numbers of them */
	if (o->slice_ns)
		profile->slice_ns = o->slice_ns * divide_up(divide_up(span, o->slice_ns), max);
	else
		profile->slice_ns = divide_up(span, max);
	profile->n_slices = divide_up(span, profile->slice_ns);
}

static struct pv_err *read_all(struct pv_rec_reader *r)
{
	struct pv_err *err = pv_rec_scan_begin(&r->scan);
	struct pv_rec_chunk chunk;
	bool more = true;

	while (!err && !r->malformed && r->scan.at < r->overview.end) {
		err = pv_rec_scan_next(&r->scan, &chunk, &more);
		if (err || !more)
			break;
		err = pv_rec_take_chunk(r, &chunk);
		if (r->malformed)
			r->overview.end = chunk.at;
	}
	return err;
}

/* ---- what there is to say of it ---- */

static struct pv_err *note_cut(struct pv_rec_reader *r)
{
	const struct pv_rec_overview *o = &r->overview;
	const char *why = r->malformed ? r->malformed : o->broken;
	double after_s = (double)r->profile->duration_ns / 1e9;
	struct pv_err *err;

	if (why)
		err = pv_profile_add_note(r->profile,
					  "the recording breaks off after %.2f s, at byte %" PRIu64
					  " of %" PRIu64 " (%s); what came before is shown",
					  after_s, o->end, o->size, why);
	else
		err = pv_profile_add_note(r->profile,
					  "the recording breaks off after %.2f s: it has no end, "
					  "because pitviper was "
					  "killed or is still recording; what came before is shown",
					  after_s);
	if (!err && r->tail && r->has_totals)
		err = pv_profile_add_note(r->profile,
					  "of its last %" PRIu64
					  " samples it is not known how many are complete",
					  r->tail);
	return err;
}

static struct pv_err *note_unknown(struct pv_rec_reader *r)
{
	struct pv_str types PV_CLEANUP(pv_str_deinit) = { 0 };
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < r->n_unknown_types; i++)
		err = pv_str_appendf(&types, "%s%u", i ? ", " : "", r->unknown[i]);
	if (err)
		return err;
	return pv_profile_add_note(r->profile,
				   "%" PRIu64
				   " parts of the recording (chunks of type %s) are left "
				   "out, because this version of pitviper does not know them",
				   r->n_unknown, pv_str_text(&types));
}

static struct pv_err *note_rest(struct pv_rec_reader *r)
{
	const struct pv_rec_overview *o = &r->overview;
	struct pv_err *err = NULL;

	if (r->n_unknown)
		err = note_unknown(r);
	if (!err && r->n_odd_locs)
		err = pv_profile_add_note(r->profile,
					  "%" PRIu64
					  " locations are of a kind that this version of pitviper "
					  "does not know, and shown as markers",
					  r->n_odd_locs);
	if (!err && r->n_odd_losses)
		err = pv_profile_add_note(r->profile,
					  "%" PRIu64 " more losses have causes that this version "
					  "of pitviper does not know",
					  r->n_odd_losses);
	if (!err && r->n_timeless)
		err = pv_profile_add_note(r->profile,
					  "%" PRIu64
					  " samples are left out, because their time is not known",
					  r->n_timeless);
	if (!err && o->ended && !r->malformed && o->end < o->size)
		err = pv_profile_add_note(r->profile,
					  "%" PRIu64 " bytes behind its end are not read",
					  o->size - o->end);
	return err;
}

/* What is said of the capture's time, for the part that was asked for. */
static struct pv_err *take_part(struct pv_rec_reader *r)
{
	const struct pv_recfile_options *options = r->options;
	struct pv_profile *profile = r->profile;
	uint64_t to = profile->duration_ns, from = options->from_ns;

	if (options->to_ns && options->to_ns < to)
		to = options->to_ns;
	if (from >= to)
		return pv_err_create(PV_ERR_FAILED, "%s ends after %.2f s", r->scan.name,
				     (double)profile->duration_ns / 1e9);
	profile->duration_ns = to - from;
	if (profile->start_unix_ns)
		profile->start_unix_ns += from;
	pv_profile_forget_totals(profile);
	return NULL;
}

/* A note is shown as it is, on terminals too; the one in a file may be anybody's. */
static struct pv_err *clean_note(struct pv_profile *profile)
{
	size_t n = pv_strings_length(profile->strings, profile->note);
	_pv_free_ char *text = malloc(n + 1);

	if (!text)
		return &pv_enomem;
	memcpy(text, pv_strings_get(profile->strings, profile->note), n);
	for (size_t i = 0; i < n; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[i] = '?';
	}
	return pv_strings_add(profile->strings, text, n, &profile->note);
}

/* Totals of what there is, if the last ones are not of all of it. */
static struct pv_err *finish(struct pv_rec_reader *r)
{
	struct pv_profile *profile = r->profile;
	struct pv_err *err = NULL;
	bool cut = !r->overview.ended || r->malformed;

	if (profile->duration_ns > PV_REC_TIME_MAX)
		profile->duration_ns = PV_REC_TIME_MAX;
	if (profile->note)
		err = clean_note(profile);
	if (!err && cut) {
		profile->cut = true;
		profile->quality.samples = r->n_kept;
		if (!r->has_totals)
			err = pv_profile_count_quality(profile);
		if (r->last_ns > profile->duration_ns)
			profile->duration_ns = r->last_ns;
		if (!err)
			err = note_cut(r);
	}
	if (!err)
		err = note_rest(r);
	if (!err && (r->options->from_ns || r->options->to_ns))
		err = take_part(r);
	pv_profile_sort_ticks(profile);
	return err;
}

static struct pv_err *reader_init(struct pv_rec_reader *r)
{
	static const uint32_t none = 0;
	struct pv_err *err;

	r->strings = (struct pv_vec)PV_VEC(uint32_t);
	r->locs = r->nodes = r->processes = r->threads = r->strings;
	r->looks = r->types = r->sites = r->strings;
	err = pv_vec_append(&r->strings, &none, 1, NULL);
	if (!err)
		err = pv_vec_append(&r->nodes, &none, 1, NULL);
	if (!err)
		err = pv_profile_create(&r->profile);
	return err;
}

static void reader_deinit(struct pv_rec_reader *r)
{
	pv_rec_scan_deinit(&r->scan);
	pv_vec_deinit(&r->strings);
	pv_vec_deinit(&r->locs);
	pv_vec_deinit(&r->nodes);
	pv_vec_deinit(&r->processes);
	pv_vec_deinit(&r->threads);
	pv_vec_deinit(&r->looks);
	pv_vec_deinit(&r->types);
	pv_vec_deinit(&r->sites);
	if (!r->memory)
		pv_profile_destroy(r->profile);
	pv_memory_destroy(r->memory);
}

struct pv_err *pv_recfile_read_any(FILE *file, const char *name,
				   const struct pv_recfile_options *options,
				   struct pv_profile **profile_ret, struct pv_memory **memory_ret)
{
	struct pv_rec_reader r = { .scan = pv_rec_scan_of(file, name), .options = options };
	struct pv_err *err = reader_init(&r);

	if (!err)
		err = look(&r);
	if (!err) {
		choose_slices(&r);
		err = read_all(&r);
	}
	if (!err)
		err = finish(&r);
	if (!err && r.memory && !memory_ret)
		err = pv_err_create(PV_ERR_FAILED,
				    "%s is a recording of `pitviper memory`, not of `record`",
				    name);
	if (!err && memory_ret)
		*memory_ret = pv_steal(r.memory);
	if (!err)
		*profile_ret = memory_ret && *memory_ret ? NULL : r.profile;
	/* it is the caller's now, by itself or with the hunt */
	if (!err)
		r.profile = NULL;
	reader_deinit(&r);
	return err;
}

struct pv_err *pv_recfile_read_part(FILE *file, const char *name,
				    const struct pv_recfile_options *options,
				    struct pv_profile **ret)
{
	return pv_recfile_read_any(file, name, options, ret, NULL);
}

struct pv_err *pv_recfile_read(FILE *file, const char *name, uint32_t max_slices,
			       struct pv_profile **ret)
{
	struct pv_recfile_options options = { .max_slices = max_slices };

	return pv_recfile_read_part(file, name, &options, ret);
}
