/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes the chunks of a recording into a profile.
 * Input: payloads of any content whose checksum is right.
 * Output: strings, locations, stacks, samples, totals; numbers of the file become
 * numbers of the profile, and each is checked.
 */
#include "model/profile.h"
#include "model/strings.h"
#include "recfile/format.h"
#include "recfile/reader.h"

/* cursor->bad needs no words of its own: pv_rec_take_chunk() has them. */
bool pv_rec_malformed(struct pv_rec_reader *r, const char *what)
{
	if (!r->malformed)
		r->malformed = what;
	return false;
}

static uint32_t mapped(const struct pv_vec *map, uint32_t id)
{
	return *(const uint32_t *)pv_vec_at(map, id);
}

bool pv_rec_take_id(struct pv_rec_reader *r, struct pv_cursor *cursor, const struct pv_vec *map,
		    const char *what, uint32_t *ret)
{
	uint32_t id = pv_cursor_u32(cursor);

	if (cursor->bad)
		return false;
	if (id >= map->n)
		return pv_rec_malformed(r, what);
	*ret = mapped(map, id);
	return true;
}

bool pv_rec_take_string(struct pv_rec_reader *r, struct pv_cursor *cursor, uint32_t *ret)
{
	return pv_rec_take_id(r, cursor, &r->strings, "it names a string that is not there", ret);
}

/* The ids of a dictionary count up through the file. */
static bool take_first(struct pv_rec_reader *r, struct pv_cursor *cursor, size_t n)
{
	uint64_t first = pv_cursor_varint(cursor);

	if (cursor->bad)
		return false;
	if (first != n)
		return pv_rec_malformed(r, "the ids of a dictionary do not count up");
	return true;
}

static struct pv_err *read_strings(struct pv_rec_reader *r, struct pv_cursor *cursor)
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

static struct pv_err *read_modules(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_err *err = NULL;

	if (!take_first(r, cursor, r->n_modules))
		return NULL;
	while (!err && cursor->at < cursor->end) {
		struct pv_module module;
		uint32_t id;

		if (!pv_rec_take_string(r, cursor, &module.name) ||
		    !pv_rec_take_string(r, cursor, &module.path) ||
		    !pv_rec_take_string(r, cursor, &module.build_id))
			return NULL;
		err = pv_profile_module(r->profile, &module, &id);
		r->n_modules++;
	}
	return err;
}

static struct pv_err *read_locs(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_err *err = NULL;

	if (!take_first(r, cursor, r->locs.n))
		return NULL;
	while (!err && cursor->at < cursor->end) {
		struct pv_loc loc = { .kind = pv_cursor_u32(cursor) };
		uint32_t id;

		if (!pv_rec_take_string(r, cursor, &loc.function) ||
		    !pv_rec_take_string(r, cursor, &loc.file) ||
		    !pv_rec_take_string(r, cursor, &loc.module))
			return NULL;
		loc.line = (int32_t)pv_unzigzag(pv_cursor_varint(cursor));
		/* shown by its text, which is all that we know of it */
		if (loc.kind > PV_LOC_LABEL) {
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

static struct pv_err *read_nodes(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_profile *profile = r->profile;
	struct pv_err *err = NULL;

	if (!take_first(r, cursor, r->nodes.n))
		return NULL;
	while (!err && cursor->at < cursor->end) {
		uint32_t up = pv_cursor_u32(cursor), parent, loc, id;
		const struct pv_stack_node *above;

		if (!pv_rec_take_id(r, cursor, &r->locs,
				    "a frame names a location that is not there", &loc))
			return NULL;
		if (!up || up > r->nodes.n) {
			pv_rec_malformed(r, "a frame names a caller that is not there");
			return NULL;
		}
		parent = mapped(&r->nodes, r->nodes.n - up);
		above = pv_vec_at(&profile->nodes, parent);
		if (above->depth >= PV_REC_DEPTH_MAX) {
			pv_rec_malformed(r, "a stack is deeper than any can be");
			return NULL;
		}
		/* a capture tells each once, until it has forgotten them */
		if (r->forgot)
			err = pv_profile_node(profile, parent, loc, &id);
		else
			err = pv_profile_new_node(profile, parent, loc, &id);
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

static struct pv_err *read_processes(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	uint64_t at = pv_cursor_varint(cursor);
	struct pv_err *err = NULL;

	for (; !err && cursor->at < cursor->end; at++) {
		struct pv_profile_process process = { .pid = pv_cursor_u32(cursor) };
		uint32_t id;

		process.parent_pid = pv_cursor_u32(cursor);
		process.generation = pv_cursor_u32(cursor);
		if (!pv_rec_take_string(r, cursor, &process.name) ||
		    !pv_rec_take_string(r, cursor, &process.title) ||
		    !pv_rec_take_string(r, cursor, &process.interpreter) ||
		    !pv_rec_take_string(r, cursor, &process.problem))
			return NULL;
		err = pv_profile_process(r->profile, &process, &id);
		if (!err && (at > r->processes.n ||
			     (at < r->processes.n && mapped(&r->processes, at) != id)))
			pv_rec_malformed(r, "the ids of processes do not count up");
		if (r->malformed)
			return err;
		if (!err)
			err = set_mapped(&r->processes, at, id);
	}
	return err;
}

static struct pv_err *read_threads(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	uint64_t at = pv_cursor_varint(cursor);
	struct pv_err *err = NULL;

	for (; !err && cursor->at < cursor->end; at++) {
		uint32_t process, tid, name, id;

		if (!pv_rec_take_id(r, cursor, &r->processes,
				    "a thread names a process that is not there", &process))
			return NULL;
		tid = pv_cursor_u32(cursor);
		if (!pv_rec_take_string(r, cursor, &name))
			return NULL;
		err = pv_profile_thread(r->profile, process, tid, "", &id);
		if (err)
			return err;
		if (at > r->threads.n || (at < r->threads.n && mapped(&r->threads, at) != id)) {
			pv_rec_malformed(r, "the ids of threads do not count up");
			return NULL;
		}
		/* not by pv_profile_thread(): names may hold NULs */
		((struct pv_profile_thread *)pv_vec_at(&r->profile->threads, id))->name = name;
		err = set_mapped(&r->threads, at, id);
	}
	return err;
}

static struct pv_err *read_source(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	uint64_t flags;
	uint32_t file;

	if (r->options->no_source || !pv_rec_take_string(r, cursor, &file))
		return NULL;
	flags = pv_cursor_varint(cursor);
	if (cursor->bad)
		return NULL;
	return pv_profile_add_source(r->profile, file, (const char *)cursor->at,
				     cursor->end - cursor->at, flags & PV_REC_SOURCE_CHANGED);
}

static struct pv_err *read_causes(struct pv_rec_reader *r, struct pv_cursor *cursor)
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

static bool count_samples(struct pv_rec_reader *r, uint64_t count)
{
	if (!count || count > PV_REC_SAMPLES_MAX - r->n_samples)
		return pv_rec_malformed(r, "a number of samples is not possible");
	r->n_samples += count;
	return true;
}

static bool take_place(struct pv_rec_reader *r, struct pv_cursor *cursor, uint32_t *node_ret)
{
	return pv_rec_take_id(r, cursor, &r->nodes, "a sample names a stack that is not there",
			      node_ret);
}

static struct pv_err *keep_sample(struct pv_rec_reader *r, uint64_t time_ns, uint32_t node,
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

static struct pv_err *read_samples(struct pv_rec_reader *r, struct pv_cursor *cursor)
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
		if (thread >> 1 >= r->threads.n || time_ns >= PV_REC_TIME_MAX) {
			pv_rec_malformed(r, "a sample names a thread or a time that is not there");
			return NULL;
		}
		if (!count_samples(r, count))
			return NULL;
		if (!r->profile->slice_ns) {
			pv_rec_malformed(r, "it changes while it is read");
			return NULL;
		}
		err = keep_sample(r, time_ns, node, mapped(&r->threads, thread >> 1), count);
	}
	return err;
}

static struct pv_err *read_counts(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	bool timed = r->options->from_ns || r->options->to_ns;
	struct pv_err *err = NULL;

	while (!err && cursor->at < cursor->end) {
		uint32_t node, thread;
		uint64_t count;

		if (!take_place(r, cursor, &node) ||
		    !pv_rec_take_id(r, cursor, &r->threads,
				    "a sample names a thread that is not there", &thread))
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

static bool set_field(struct pv_rec_reader *r, const struct pv_rec_field_info *field,
		      uint64_t value)
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
			return pv_rec_malformed(r, "it names a string that is not there");
		value = mapped(&r->strings, value);
		break;
	default:
		break;
	}
	*(uint32_t *)at = value;
	return true;
}

static void set_number(struct pv_rec_reader *r, uint64_t number, uint64_t value)
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
static void read_totals(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_losses *losses = &r->profile->losses;

	for (size_t i = 0; i < pv_rec_n_fields; i++)
		set_field(r, &pv_rec_fields[i], 0);
	for (size_t i = 0; i < PV_LOSSES_MAX; i++)
		losses->count[i] = 0;
	r->n_odd_losses = 0;
	r->tail = 0;
	r->has_totals = true;
	while (cursor->at < cursor->end && !r->malformed) {
		uint64_t number = pv_cursor_varint(cursor), value = pv_cursor_varint(cursor);

		if (!cursor->bad)
			set_number(r, number, value);
	}
}

static void read_end(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	if (pv_cursor_varint(cursor) != r->n_samples && !cursor->bad)
		pv_rec_malformed(r, "its end tells of more or fewer samples than there are");
}

static void skip_unknown(struct pv_rec_reader *r, const struct pv_rec_chunk *chunk)
{
	size_t i = 0;

	r->n_unknown++;
	while (i < r->n_unknown_types && r->unknown[i] != chunk->type)
		i++;
	if (i == r->n_unknown_types && i < PV_REC_UNKNOWN_MAX)
		r->unknown[r->n_unknown_types++] = chunk->type;
}

/* The payload of a chunk of a known type; false: it is not known. */
static bool read_payload(struct pv_rec_reader *r, unsigned int type, struct pv_cursor *cursor,
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
		r->forgot = true;
		return true;
	case PV_REC_TOTALS:
		read_totals(r, cursor);
		return true;
	case PV_REC_END:
		read_end(r, cursor);
		return true;
	default:
		return pv_rec_take_hunt(r, type, cursor, err_ret);
	}
}

struct pv_err *pv_rec_take_chunk(struct pv_rec_reader *r, struct pv_rec_chunk *chunk)
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
		pv_rec_malformed(r, "a chunk does not hold what its type says");
	return err;
}
