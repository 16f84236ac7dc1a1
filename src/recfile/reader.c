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
#include "model/profile.h"
#include "model/strings.h"
#include "recfile/format.h"
#include "recfile/recfile.h"
#include "recfile/scan.h"

enum {
	DEFAULT_SLICES = 4096,
	UNKNOWN_MAX = 8, /* types that the note names */
};
#define TIME_MAX    ((uint64_t)1 << 62) /* 146 years */
#define SAMPLES_MAX ((uint64_t)1 << 53) /* what a double, and JSON, can hold */

/* What the first pass found. */
struct overview {
	uint64_t end;  /* of what is whole */
	uint64_t size; /* of the file */
	bool ended;    /* the chunk that says so was there */
	const char *broken;
	bool has_times, has_counts;
	uint64_t last_ns, duration_ns, slice_ns, n_slices;
};

struct reader {
	struct pv_rec_scan scan;
	struct overview overview;
	const struct pv_recfile_options *options;
	struct pv_profile *profile;
	const char *malformed; /* what is wrong with a chunk: reading stops before it */

	/* uint32_t: from an id in the file to the one in the profile */
	struct pv_vec strings, locs, nodes, processes, threads;
	size_t n_modules;

	uint64_t n_samples;  /* in the file */
	uint64_t n_kept;     /* of them in the profile */
	uint64_t n_timeless; /* left out, because it is not known when they were */
	uint64_t tail;       /* kept after the last TOTALS */
	uint64_t last_ns;
	uint64_t n_odd_locs, n_odd_losses;
	uint64_t n_unknown; /* chunks, of these types: */
	size_t n_unknown_types;
	uint16_t unknown[UNKNOWN_MAX];
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + !!(a % b);
}

/* ---- the first pass ---- */

static void look_at_samples(struct overview *o, struct pv_cursor *cursor)
{
	uint64_t time_ns = 0;

	o->has_times = true;
	while (cursor->at < cursor->end) {
		time_ns += pv_unzigzag(pv_cursor_varint(cursor));
		pv_cursor_varint(cursor);
		if (pv_cursor_varint(cursor) & 1)
			pv_cursor_varint(cursor);
		if (!cursor->bad && time_ns < TIME_MAX && time_ns > o->last_ns)
			o->last_ns = time_ns;
	}
}

static void look_at_totals(struct overview *o, struct pv_cursor *cursor)
{
	o->duration_ns = o->slice_ns = o->n_slices = 0;
	while (cursor->at < cursor->end) {
		uint64_t field = pv_cursor_varint(cursor), value = pv_cursor_varint(cursor);

		if (field == PV_REC_DURATION_NS)
			o->duration_ns = min_u64(value, TIME_MAX);
		else if (field == PV_REC_SLICE_NS && value < TIME_MAX)
			o->slice_ns = value;
		else if (field == PV_REC_N_SLICES)
			o->n_slices = value;
	}
}

static struct pv_err *look(struct reader *r)
{
	struct overview *o = &r->overview;
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
static void choose_slices(struct reader *r)
{
	const struct overview *o = &r->overview;
	struct pv_profile *profile = r->profile;
	uint64_t max = r->options->max_slices ? r->options->max_slices : DEFAULT_SLICES;
	uint64_t from = r->options->from_ns, to = r->options->to_ns, span;

	if (o->has_counts && !o->has_times)
		return;
	span = o->duration_ns > o->last_ns ? o->duration_ns : o->last_ns + 1;
	if (o->slice_ns && o->n_slices > o->last_ns / o->slice_ns &&
	    o->n_slices < TIME_MAX / o->slice_ns)
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

/* ---- the chunks ---- */

/* cursor->bad needs no words of its own: read_chunk() has them. */
static bool malformed(struct reader *r, const char *what)
{
	if (!r->malformed)
		r->malformed = what;
	return false;
}

static uint32_t mapped(const struct pv_vec *map, uint32_t id)
{
	return *(const uint32_t *)pv_vec_at(map, id);
}

/* An id of the file, as the profile has it. */
static bool take_id(struct reader *r, struct pv_cursor *cursor, const struct pv_vec *map,
		    const char *what, uint32_t *ret)
{
	uint32_t id = pv_cursor_u32(cursor);

	if (cursor->bad)
		return false;
	if (id >= map->n)
		return malformed(r, what);
	*ret = mapped(map, id);
	return true;
}

static bool take_string(struct reader *r, struct pv_cursor *cursor, uint32_t *ret)
{
	return take_id(r, cursor, &r->strings, "it names a string that is not there", ret);
}

/* The ids of a dictionary count up through the file. */
static bool take_first(struct reader *r, struct pv_cursor *cursor, size_t n)
{
	uint64_t first = pv_cursor_varint(cursor);

	if (cursor->bad)
		return false;
	if (first != n)
		return malformed(r, "the ids of a dictionary do not count up");
	return true;
}

static struct pv_err *read_strings(struct reader *r, struct pv_cursor *cursor)
{
	struct pv_err *err = NULL;

	if (!take_first(r, cursor, r->strings.n))
		return NULL;
	while (!err && cursor->at < cursor->end) {
		size_t n;
		const char *text = pv_cursor_text(cursor, &n);
		uint32_t id;

		if (cursor->bad)
			return NULL;
		err = pv_strings_add(r->profile->strings, text, n, &id);
		if (!err)
			err = pv_vec_append(&r->strings, &id, 1, NULL);
	}
	return err;
}

static struct pv_err *read_modules(struct reader *r, struct pv_cursor *cursor)
{
	struct pv_err *err = NULL;

	if (!take_first(r, cursor, r->n_modules))
		return NULL;
	while (!err && cursor->at < cursor->end) {
		struct pv_module module;
		uint32_t id;

		if (!take_string(r, cursor, &module.name) ||
		    !take_string(r, cursor, &module.path) ||
		    !take_string(r, cursor, &module.build_id))
			return NULL;
		err = pv_profile_module(r->profile, &module, &id);
		r->n_modules++;
	}
	return err;
}

static struct pv_err *read_locs(struct reader *r, struct pv_cursor *cursor)
{
	struct pv_err *err = NULL;

	if (!take_first(r, cursor, r->locs.n))
		return NULL;
	while (!err && cursor->at < cursor->end) {
		struct pv_loc loc = { .kind = pv_cursor_u32(cursor) };
		uint32_t id;

		if (!take_string(r, cursor, &loc.function) || !take_string(r, cursor, &loc.file) ||
		    !take_string(r, cursor, &loc.module))
			return NULL;
		loc.line = (int32_t)pv_unzigzag(pv_cursor_varint(cursor));
		/* shown by its text, which is all that we know of it */
		if (loc.kind > PV_LOC_PROCESS) {
			loc.kind = PV_LOC_MARKER;
			r->n_odd_locs++;
		}
		if (cursor->bad)
			return NULL;
		err = pv_profile_loc(r->profile, &loc, &id);
		if (!err)
			err = pv_vec_append(&r->locs, &id, 1, NULL);
	}
	return err;
}

static struct pv_err *read_nodes(struct reader *r, struct pv_cursor *cursor)
{
	struct pv_profile *profile = r->profile;
	struct pv_err *err = NULL;

	if (!take_first(r, cursor, r->nodes.n))
		return NULL;
	while (!err && cursor->at < cursor->end) {
		uint32_t up = pv_cursor_u32(cursor), parent, loc, id;
		const struct pv_stack_node *above;

		if (!take_id(r, cursor, &r->locs, "a frame names a location that is not there",
			     &loc))
			return NULL;
		if (!up || up > r->nodes.n) {
			malformed(r, "a frame names a caller that is not there");
			return NULL;
		}
		parent = mapped(&r->nodes, r->nodes.n - up);
		above = pv_vec_at(&profile->nodes, parent);
		if (above->depth >= PV_REC_DEPTH_MAX) {
			malformed(r, "a stack is deeper than any can be");
			return NULL;
		}
		err = pv_profile_node(profile, parent, loc, &id);
		if (!err)
			err = pv_vec_append(&r->nodes, &id, 1, NULL);
	}
	return err;
}

/* Elements that may be told again, when they have changed: id is where, or the next one. */
static struct pv_err *set_mapped(struct pv_vec *map, uint64_t at, uint32_t id)
{
	if (at == map->n)
		return pv_vec_append(map, &id, 1, NULL);
	*(uint32_t *)pv_vec_at(map, at) = id;
	return NULL;
}

static struct pv_err *read_processes(struct reader *r, struct pv_cursor *cursor)
{
	uint64_t at = pv_cursor_varint(cursor);
	struct pv_err *err = NULL;

	for (; !err && cursor->at < cursor->end; at++) {
		struct pv_profile_process process = { .pid = pv_cursor_u32(cursor) };
		uint32_t id;

		process.parent_pid = pv_cursor_u32(cursor);
		process.generation = pv_cursor_u32(cursor);
		if (!take_string(r, cursor, &process.name) ||
		    !take_string(r, cursor, &process.title) ||
		    !take_string(r, cursor, &process.interpreter) ||
		    !take_string(r, cursor, &process.problem))
			return NULL;
		err = pv_profile_process(r->profile, &process, &id);
		if (!err && (at > r->processes.n ||
			     (at < r->processes.n && mapped(&r->processes, at) != id)))
			malformed(r, "the ids of processes do not count up");
		if (r->malformed)
			return err;
		if (!err)
			err = set_mapped(&r->processes, at, id);
	}
	return err;
}

static struct pv_err *read_threads(struct reader *r, struct pv_cursor *cursor)
{
	uint64_t at = pv_cursor_varint(cursor);
	struct pv_err *err = NULL;

	for (; !err && cursor->at < cursor->end; at++) {
		uint32_t process, tid, name, id;

		if (!take_id(r, cursor, &r->processes, "a thread names a process that is not there",
			     &process))
			return NULL;
		tid = pv_cursor_u32(cursor);
		if (!take_string(r, cursor, &name))
			return NULL;
		err = pv_profile_thread(r->profile, process, tid, "", &id);
		if (err)
			return err;
		if (at > r->threads.n || (at < r->threads.n && mapped(&r->threads, at) != id)) {
			malformed(r, "the ids of threads do not count up");
			return NULL;
		}
		/* not by pv_profile_thread(): names may hold NULs */
		((struct pv_profile_thread *)pv_vec_at(&r->profile->threads, id))->name = name;
		err = set_mapped(&r->threads, at, id);
	}
	return err;
}

static struct pv_err *read_source(struct reader *r, struct pv_cursor *cursor)
{
	uint64_t flags;
	uint32_t file;

	if (r->options->no_source || !take_string(r, cursor, &file))
		return NULL;
	flags = pv_cursor_varint(cursor);
	if (cursor->bad)
		return NULL;
	return pv_profile_add_source(r->profile, file, (const char *)cursor->at,
				     cursor->end - cursor->at, flags & PV_REC_SOURCE_CHANGED);
}

static struct pv_err *read_causes(struct reader *r, struct pv_cursor *cursor)
{
	struct pv_strings *strings = r->profile->strings;
	struct pv_losses *losses = &r->profile->losses;
	struct pv_err *err = NULL;

	while (!err && cursor->at < cursor->end) {
		uint64_t cause = pv_cursor_varint(cursor);
		size_t n_name, n_text;
		const char *name = pv_cursor_text(cursor, &n_name);
		const char *text = pv_cursor_text(cursor, &n_text);
		uint32_t name_id, text_id;

		if (cursor->bad)
			return NULL;
		if (cause >= PV_LOSSES_MAX)
			continue;
		err = pv_strings_add(strings, name, n_name, &name_id);
		if (!err)
			err = pv_strings_add(strings, text, n_text, &text_id);
		if (err)
			return err;
		/* a string never moves */
		losses->name[cause] = pv_strings_get(strings, name_id);
		losses->text[cause] = pv_strings_get(strings, text_id);
	}
	return err;
}

/* ---- samples ---- */

static bool count_samples(struct reader *r, uint64_t count)
{
	if (!count || count > SAMPLES_MAX - r->n_samples)
		return malformed(r, "a number of samples is not possible");
	r->n_samples += count;
	return true;
}

static bool take_place(struct reader *r, struct pv_cursor *cursor, uint32_t *node_ret)
{
	return take_id(r, cursor, &r->nodes, "a sample names a stack that is not there", node_ret);
}

static struct pv_err *keep_sample(struct reader *r, uint64_t time_ns, uint32_t node,
				  uint32_t thread, uint32_t count)
{
	const struct pv_recfile_options *options = r->options;
	struct pv_profile *profile = r->profile;
	uint64_t slice;

	if (time_ns > r->last_ns)
		r->last_ns = time_ns;
	if (time_ns < options->from_ns || (options->to_ns && time_ns >= options->to_ns))
		return NULL;
	r->n_kept += count;
	r->tail += count;
	slice = (time_ns - options->from_ns) / profile->slice_ns;
	return pv_profile_add_at(profile, node, thread,
				 slice < profile->n_slices ? slice : profile->n_slices - 1, count);
}

static struct pv_err *read_samples(struct reader *r, struct pv_cursor *cursor)
{
	struct pv_err *err = NULL;
	uint64_t time_ns = 0;

	while (!err && cursor->at < cursor->end) {
		uint32_t node, count = 1;
		uint64_t thread;

		time_ns += pv_unzigzag(pv_cursor_varint(cursor));
		if (!take_place(r, cursor, &node))
			return NULL;
		thread = pv_cursor_varint(cursor);
		if (thread & 1)
			count = pv_cursor_u32(cursor);
		if (cursor->bad)
			return NULL;
		if (thread >> 1 >= r->threads.n || time_ns >= TIME_MAX) {
			malformed(r, "a sample names a thread or a time that is not there");
			return NULL;
		}
		if (!count_samples(r, count))
			return NULL;
		if (!r->profile->slice_ns) {
			malformed(r, "it changes while it is read");
			return NULL;
		}
		err = keep_sample(r, time_ns, node, mapped(&r->threads, thread >> 1), count);
	}
	return err;
}

static struct pv_err *read_counts(struct reader *r, struct pv_cursor *cursor)
{
	bool timed = r->options->from_ns || r->options->to_ns;
	struct pv_err *err = NULL;

	while (!err && cursor->at < cursor->end) {
		uint32_t node, thread;
		uint64_t count;

		if (!take_place(r, cursor, &node) ||
		    !take_id(r, cursor, &r->threads, "a sample names a thread that is not there",
			     &thread))
			return NULL;
		count = pv_cursor_varint(cursor);
		if (cursor->bad || !count_samples(r, count))
			return NULL;
		if (timed) {
			r->n_timeless += count;
			continue;
		}
		r->n_kept += count;
		r->tail += count;
		err = pv_profile_add(r->profile, node, thread, count);
	}
	return err;
}

/* ---- totals ---- */

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

static bool set_field(struct reader *r, const struct pv_rec_field_info *field, uint64_t value)
{
	void *at = (char *)r->profile + field->offset;

	switch (field->kind) {
	case PV_REC_FIELD_U64:
		*(uint64_t *)at = value;
		return true;
	case PV_REC_FIELD_BOOL:
		*(bool *)at = value;
		return true;
	case PV_REC_FIELD_STRING:
		if (value >= r->strings.n)
			return malformed(r, "it names a string that is not there");
		value = mapped(&r->strings, value);
		break;
	default:
		break;
	}
	*(uint32_t *)at = value;
	return true;
}

static void set_number(struct reader *r, uint64_t number, uint64_t value)
{
	if (number >= PV_REC_LOST + PV_LOSSES_MAX) {
		/* fields beyond the causes are of later times; so are causes beyond ours */
		if (number < PV_REC_LOST_END)
			r->n_odd_losses += value;
		return;
	}
	if (number >= PV_REC_LOST) {
		r->profile->losses.count[number - PV_REC_LOST] = value;
		return;
	}
	for (size_t i = 0; i < pv_rec_n_fields; i++) {
		if (pv_rec_fields[i].number == number) {
			set_field(r, &pv_rec_fields[i], value);
			return;
		}
	}
}

/* All of what was said before is replaced; a field that is not there is 0. */
static void read_totals(struct reader *r, struct pv_cursor *cursor)
{
	struct pv_losses *losses = &r->profile->losses;

	for (size_t i = 0; i < pv_rec_n_fields; i++)
		set_field(r, &pv_rec_fields[i], 0);
	for (size_t i = 0; i < PV_LOSSES_MAX; i++)
		losses->count[i] = 0;
	r->n_odd_losses = 0;
	r->tail = 0;
	while (cursor->at < cursor->end && !r->malformed) {
		uint64_t number = pv_cursor_varint(cursor), value = pv_cursor_varint(cursor);

		if (!cursor->bad)
			set_number(r, number, value);
	}
}

static void read_end(struct reader *r, struct pv_cursor *cursor)
{
	if (pv_cursor_varint(cursor) != r->n_samples && !cursor->bad)
		malformed(r, "its end tells of more or fewer samples than there are");
}

static void skip_unknown(struct reader *r, const struct pv_rec_chunk *chunk)
{
	size_t i = 0;

	r->n_unknown++;
	while (i < r->n_unknown_types && r->unknown[i] != chunk->type)
		i++;
	if (i == r->n_unknown_types && i < UNKNOWN_MAX)
		r->unknown[r->n_unknown_types++] = chunk->type;
}

/* The payload of a chunk of a known type; false: it is not known. */
static bool read_payload(struct reader *r, unsigned int type, struct pv_cursor *cursor,
			 struct pv_err **err_ret)
{
	switch (type) {
	case PV_REC_STRINGS:
		*err_ret = read_strings(r, cursor);
		return true;
	case PV_REC_MODULES:
		*err_ret = read_modules(r, cursor);
		return true;
	case PV_REC_LOCS:
		*err_ret = read_locs(r, cursor);
		return true;
	case PV_REC_PROCESSES:
		*err_ret = read_processes(r, cursor);
		return true;
	case PV_REC_THREADS:
		*err_ret = read_threads(r, cursor);
		return true;
	case PV_REC_SOURCE:
		*err_ret = read_source(r, cursor);
		return true;
	case PV_REC_NODES:
		*err_ret = read_nodes(r, cursor);
		return true;
	case PV_REC_CAUSES:
		*err_ret = read_causes(r, cursor);
		return true;
	case PV_REC_SAMPLES:
		*err_ret = read_samples(r, cursor);
		return true;
	case PV_REC_COUNTS:
		*err_ret = read_counts(r, cursor);
		return true;
	case PV_REC_FORGET:
		r->nodes.n = 1;
		return true;
	case PV_REC_TOTALS:
		read_totals(r, cursor);
		return true;
	case PV_REC_END:
		read_end(r, cursor);
		return true;
	default:
		return false;
	}
}

static struct pv_err *read_chunk(struct reader *r, struct pv_rec_chunk *chunk)
{
	struct pv_cursor *cursor = &chunk->payload;
	struct pv_err *err = NULL;

	if (chunk->flags & ~PV_REC_COMPRESSED) {
		skip_unknown(r, chunk);
		return NULL;
	}
	if (chunk->flags)
		err = pv_rec_scan_unpack(&r->scan, cursor);
	if (err)
		return err;
	/* what cannot be unpacked is of a type that is known: that of its compression */
	if (!cursor->bad && !read_payload(r, chunk->type, cursor, &err))
		skip_unknown(r, chunk);
	if (cursor->bad)
		malformed(r, "a chunk does not hold what its type says");
	return err;
}

static struct pv_err *read_all(struct reader *r)
{
	struct pv_err *err = pv_rec_scan_begin(&r->scan);
	struct pv_rec_chunk chunk;
	bool more = true;

	while (!err && !r->malformed && r->scan.at < r->overview.end) {
		err = pv_rec_scan_next(&r->scan, &chunk, &more);
		if (err || !more)
			break;
		err = read_chunk(r, &chunk);
		if (r->malformed)
			r->overview.end = chunk.at;
	}
	return err;
}

/* ---- what there is to say of it ---- */

static struct pv_err *note_cut(struct reader *r)
{
	const struct overview *o = &r->overview;
	const char *why = r->malformed ? r->malformed : o->broken;
	struct pv_err *err;

	if (!why)
		why = "it has no end, as if pitviper had been killed or were still at it";
	err = pv_profile_add_note(r->profile,
				  "the recording breaks off after %.2f s, at byte %" PRIu64
				  " of %" PRIu64 " (%s); what came before is shown",
				  (double)r->profile->duration_ns / 1e9, o->end, o->size, why);
	if (!err && r->tail)
		err = pv_profile_add_note(r->profile,
					  "of its last %" PRIu64
					  " samples it is not known how many are complete",
					  r->tail);
	return err;
}

static struct pv_err *note_unknown(struct reader *r)
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

static struct pv_err *note_rest(struct reader *r)
{
	const struct overview *o = &r->overview;
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
static struct pv_err *take_part(struct reader *r)
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
	/* known of the whole only */
	profile->target_cpu_ns = profile->own_cpu_ns = profile->probe_ns = 0;
	return pv_profile_add_note(profile, "only %.2f to %.2f s of it are shown",
				   (double)from / 1e9, (double)to / 1e9);
}

/* Totals of what there is, if the last ones are not of all of it. */
static struct pv_err *finish(struct reader *r)
{
	struct pv_profile *profile = r->profile;
	struct pv_err *err = NULL;
	bool cut = !r->overview.ended || r->malformed;

	if (profile->duration_ns > TIME_MAX)
		profile->duration_ns = TIME_MAX;
	if (profile->note)
		err = clean_note(profile);
	if (!err && cut) {
		profile->cut = true;
		profile->quality.samples = r->n_kept;
		if (r->last_ns > profile->duration_ns)
			profile->duration_ns = r->last_ns;
		err = note_cut(r);
	}
	if (!err)
		err = note_rest(r);
	if (!err && (r->options->from_ns || r->options->to_ns))
		err = take_part(r);
	pv_profile_sort_ticks(profile);
	return err;
}

static struct pv_err *reader_init(struct reader *r)
{
	static const uint32_t none = 0;
	struct pv_err *err;

	r->strings = (struct pv_vec)PV_VEC(uint32_t);
	r->locs = r->nodes = r->processes = r->threads = r->strings;
	err = pv_vec_append(&r->strings, &none, 1, NULL);
	if (!err)
		err = pv_vec_append(&r->nodes, &none, 1, NULL);
	if (!err)
		err = pv_profile_create(&r->profile);
	return err;
}

static void reader_deinit(struct reader *r)
{
	pv_rec_scan_deinit(&r->scan);
	pv_vec_deinit(&r->strings);
	pv_vec_deinit(&r->locs);
	pv_vec_deinit(&r->nodes);
	pv_vec_deinit(&r->processes);
	pv_vec_deinit(&r->threads);
	pv_profile_destroy(r->profile);
}

struct pv_err *pv_recfile_read_part(FILE *file, const char *name,
				    const struct pv_recfile_options *options,
				    struct pv_profile **ret)
{
	struct reader r = { .scan = { .file = file, .name = name }, .options = options };
	struct pv_err *err = reader_init(&r);

	if (!err)
		err = look(&r);
	if (!err) {
		choose_slices(&r);
		err = read_all(&r);
	}
	if (!err)
		err = finish(&r);
	if (!err)
		*ret = pv_steal(r.profile);
	reader_deinit(&r);
	return err;
}

struct pv_err *pv_recfile_read(FILE *file, const char *name, uint32_t max_slices,
			       struct pv_profile **ret)
{
	struct pv_recfile_options options = { .max_slices = max_slices };

	return pv_recfile_read_part(file, name, &options, ret);
}
