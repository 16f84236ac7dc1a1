/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pprof's protocol buffer, gzipped.
 * Input: a profile.
 * Output: messages one after the other, each a Profile with one of its parts: a
 * reader joins them into one (protobuf's rule for repeated fields), and no more
 * than one sample is in memory as a message.
 */
#include "out/pprof.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/about.h"
#include "out/gzip.h"
#include "out/pprof.pb-c.h"
#include "out/tree.h"

typedef Perftools__Profiles__Profile Profile;
typedef Perftools__Profiles__ValueType ValueType;
typedef Perftools__Profiles__Label Label;

static const Profile profile_init = PERFTOOLS__PROFILES__PROFILE__INIT;

enum { LABELS = 4 };

struct pprof {
	const struct pv_profile *profile;
	struct pv_gzip *gzip;
	struct pv_strings *strings; /* the string table: id = index, 0 = "" */
	struct pv_map mappings;     /* module's string id -> mapping id */
	struct pv_map functions;    /* name and file -> function id */
	uint64_t n_mappings;
	Label *labels; /* LABELS for each thread */
	struct pv_str text;
	const struct pv_pprof_values *values; /* NULL: samples and CPU time */
};

static void pprof_deinit(struct pprof *p)
{
	if (p->gzip)
		pv_gzip_deinit(p->gzip);
	free(p->gzip);
	pv_strings_destroy(p->strings);
	pv_map_deinit(&p->mappings);
	pv_map_deinit(&p->functions);
	free(p->labels);
	pv_str_deinit(&p->text);
}

static void put(struct pprof *p, const Profile *part)
{
	perftools__profiles__profile__pack_to_buffer(part, &p->gzip->base);
}

static struct pv_err *plain(struct pprof *p, const char *text, uint32_t *ret)
{
	return pv_strings_add(p->strings, text, strlen(text), ret);
}

/* The index of a string of the profile, escaped. */
static struct pv_err *string(struct pprof *p, uint32_t id, uint32_t *ret)
{
	struct pv_err *err;

	pv_str_clear(&p->text);
	err = pv_escape_text(&p->text, pv_strings_get(p->profile->strings, id),
			     pv_strings_length(p->profile->strings, id), PV_ESCAPE_TEXT);
	return err ? err : pv_strings_add(p->strings, pv_str_text(&p->text), p->text.n, ret);
}

static struct pv_err *value_type(struct pprof *p, const char *type, const char *unit,
				 ValueType *ret)
{
	uint32_t type_id, unit_id;
	struct pv_err *err = plain(p, type, &type_id);

	if (!err)
		err = plain(p, unit, &unit_id);
	if (err)
		return err;
	*ret = (ValueType)PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	ret->type = type_id;
	ret->unit = unit_id;
	return NULL;
}

static struct pv_err *put_comment(struct pprof *p, const struct pv_str *text)
{
	Profile part = profile_init;
	struct pv_err *err;
	int64_t index;
	uint32_t id;

	err = pv_strings_add(p->strings, pv_str_text(text), text->n, &id);
	if (err)
		return err;
	index = id;
	part.n_comment = 1;
	part.comment = &index;
	put(p, &part);
	return NULL;
}

static struct pv_err *put_comments(struct pprof *p)
{
	struct pv_about about;
	struct pv_err *err = pv_about_init(&about, p->profile);
	const struct pv_str *const lines[] = { &about.target, &about.time, &about.quality,
					       &about.origin };

	if (err)
		return err;
	/* what is said of samples is not said of other counts */
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines) && !err; i++) {
		if (!p->values || lines[i] == &about.target || lines[i] == &about.origin)
			err = put_comment(p, lines[i]);
	}
	for (size_t i = 0; i < about.notes.n && !err && !p->values; i++)
		err = put_comment(p, pv_vec_at(&about.notes, i));
	pv_about_deinit(&about);
	return err;
}

static struct pv_err *put_head(struct pprof *p)
{
	static const struct pv_pprof_values time = {
		.n = 2,
		.types = { "samples", "cpu" },
		.units = { "count", "nanoseconds" },
		.shown = 1,
	};
	const struct pv_pprof_values *values = p->values ? p->values : &time;
	ValueType types[PV_PPROF_VALUES_MAX], *list[PV_PPROF_VALUES_MAX];
	Profile part = profile_init;
	struct pv_err *err = NULL;

	for (size_t i = 0; i < values->n && !err; i++) {
		err = value_type(p, values->types[i], values->units[i], &types[i]);
		list[i] = &types[i];
	}
	if (err)
		return err;
	part.n_sample_type = values->n;
	part.sample_type = list;
	part.default_sample_type = types[values->shown].type;
	part.period_type = &types[values->shown];
	part.period = p->values ? 1 : p->profile->period_ns;
	part.time_nanos = p->profile->start_unix_ns;
	part.duration_nanos = p->profile->duration_ns;
	put(p, &part);
	return put_comments(p);
}

static struct pv_err *put_mapping(struct pprof *p, uint32_t filename, uint32_t build_id,
				  uint64_t *ret)
{
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT, *list = &mapping;
	Profile part = profile_init;

	mapping.id = ++p->n_mappings;
	mapping.filename = filename;
	mapping.build_id = build_id;
	/* nothing is left to look up in the file */
	mapping.has_functions = true;
	part.n_mapping = 1;
	part.mapping = &list;
	put(p, &part);
	*ret = mapping.id;
	return NULL;
}

/* The mapping of native and kernel code, made at its first use; 0 for all else. */
static struct pv_err *find_mapping(struct pprof *p, const struct pv_loc *loc, uint64_t *ret)
{
	const struct pv_module *module = pv_profile_module_of(p->profile, loc);
	/* ids of strings are not that large */
	uint64_t key = loc->kind == PV_LOC_KERNEL ? UINT64_MAX : loc->module;
	uint32_t filename, build_id = 0;
	struct pv_err *err;

	*ret = 0;
	if ((!key && !module) || pv_map_get(&p->mappings, key, ret))
		return NULL;
	if (loc->kind == PV_LOC_KERNEL)
		err = plain(p, "[kernel.kallsyms]", &filename);
	else
		err = string(p, module ? module->path : loc->module, &filename);
	if (!err && module)
		err = string(p, module->build_id, &build_id);
	if (!err)
		err = put_mapping(p, filename, build_id, ret);
	return err ? err : pv_map_set(&p->mappings, key, *ret);
}

/* The function of a location, made at its first use: locations differ by line. */
static struct pv_err *find_function(struct pprof *p, const struct pv_loc *loc, uint64_t *ret)
{
	/* without its place, which has fields of its own */
	const struct pv_loc bare = { .function = loc->function, .kind = loc->kind };
	Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT,
				      *list = &function;
	uint32_t name, system_name, filename;
	Profile part = profile_init;
	struct pv_err *err = string(p, loc->function, &system_name);
	uint64_t key;

	if (!err)
		err = string(p, loc->file, &filename);
	pv_str_clear(&p->text);
	if (!err)
		err = pv_frame_text(p->profile->strings, &bare, PV_ESCAPE_TEXT, &p->text);
	if (!err)
		err = pv_strings_add(p->strings, pv_str_text(&p->text), p->text.n, &name);
	if (err)
		return err;
	key = (uint64_t)name << 32 | filename;
	if (pv_map_get(&p->functions, key, ret))
		return NULL;
	function.id = p->functions.n + 1;
	function.name = name;
	/*
	 * Left out where it says the same: Go's pprof takes such a name for one that
	 * is still to be demangled and cuts "<module>" out of it (symbolizer.go,
	 * demangleSingleFunction).
	 */
	function.system_name = system_name == name ? 0 : system_name;
	function.filename = filename;
	part.n_function = 1;
	part.function = &list;
	put(p, &part);
	*ret = function.id;
	return pv_map_set(&p->functions, key, function.id);
}

static struct pv_err *put_location(struct pprof *p, uint64_t id, const struct pv_loc *loc)
{
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT,
				      *list = &location;
	Perftools__Profiles__Line line = PERFTOOLS__PROFILES__LINE__INIT, *lines = &line;
	Profile part = profile_init;
	struct pv_err *err = find_mapping(p, loc, &location.mapping_id);

	if (!err)
		err = find_function(p, loc, &line.function_id);
	if (err)
		return err;
	location.id = id;
	line.line = loc->line > 0 ? loc->line : 0;
	location.n_line = 1;
	location.line = &lines;
	part.n_location = 1;
	part.location = &list;
	put(p, &part);
	return NULL;
}

/* The id is the index + 1; behind them that of samples without any frame. */
static struct pv_err *put_locations(struct pprof *p)
{
	size_t n = p->profile->locs.n;
	struct pv_err *err = NULL;

	for (size_t i = 0; i < n && !err; i++)
		err = put_location(p, i + 1, pv_vec_at(&p->profile->locs, i));
	if (!err && pv_tree_any_without_stack(p->profile))
		err = put_location(p, n + 1, &(struct pv_loc){ .kind = PV_LOC_MARKER });
	return err;
}

/* Equal for all samples of a thread. */
static struct pv_err *make_labels(struct pprof *p)
{
	uint32_t thread_key, tid_key, pid_key, process_key, name, process_name;
	struct pv_err *err = plain(p, "thread", &thread_key);

	if (!err)
		err = plain(p, "tid", &tid_key);
	if (!err)
		err = plain(p, "pid", &pid_key);
	if (!err)
		err = plain(p, "process", &process_key);
	p->labels = calloc(LABELS * p->profile->threads.n + 1, sizeof(*p->labels));
	if (!err && !p->labels)
		err = &pv_enomem;
	for (size_t i = 0; i < p->profile->threads.n && !err; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&p->profile->threads, i);
		const struct pv_profile_process *process =
			pv_vec_at(&p->profile->processes, thread->process);
		Label *label = p->labels + LABELS * i;

		err = string(p, thread->name, &name);
		if (!err)
			err = string(p, process->title ? process->title : process->name,
				     &process_name);
		if (err)
			break;
		for (size_t k = 0; k < LABELS; k++)
			label[k] = (Label)PERFTOOLS__PROFILES__LABEL__INIT;
		label[0].key = thread_key;
		label[0].str = name;
		label[1].key = tid_key;
		label[1].num = thread->tid;
		label[2].key = pid_key;
		label[2].num = thread->pid;
		label[3].key = process_key;
		label[3].str = process_name;
	}
	return err;
}

static struct pv_err *put_samples(struct pprof *p)
{
	struct pv_vec ids PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint64_t);
	const struct pv_stack_node *nodes = p->profile->nodes.data;
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT, *list = &sample;
	int64_t values[PV_PPROF_VALUES_MAX];
	Label *labels[LABELS];
	Profile part = profile_init;
	struct pv_err *err = NULL;

	part.n_sample = 1;
	part.sample = &list;
	sample.n_value = p->values ? p->values->n : 2;
	sample.value = values;
	sample.n_label = LABELS;
	sample.label = labels;
	for (size_t i = 0; i < p->profile->samples.n && !err; i++) {
		const struct pv_sample *of = pv_vec_at(&p->profile->samples, i);
		uint64_t id = p->profile->locs.n + 1;

		ids.n = 0;
		if (!of->node)
			err = pv_vec_append(&ids, &id, 1, NULL);
		for (uint32_t at = of->node; at && !err; at = nodes[at].parent) {
			id = nodes[at].loc + 1;
			err = pv_vec_append(&ids, &id, 1, NULL);
		}
		values[0] = of->count;
		values[1] = of->count * p->profile->period_ns;
		if (p->values)
			memcpy(values, p->values->values + i * p->values->n,
			       p->values->n * sizeof(*values));
		for (size_t k = 0; k < LABELS; k++)
			labels[k] = p->labels + LABELS * of->thread + k;
		sample.n_location_id = ids.n;
		sample.location_id = ids.data;
		if (!err)
			put(p, &part);
	}
	return err;
}

static void put_strings(struct pprof *p)
{
	Profile part = profile_init;
	char *text;

	part.n_string_table = 1;
	part.string_table = &text;
	for (size_t i = 0; i < pv_strings_n(p->strings); i++) {
		text = (char *)pv_strings_get(p->strings, i);
		put(p, &part);
	}
}

static struct pv_err *put_all(struct pprof *p)
{
	struct pv_err *err = pv_strings_create(&p->strings);

	if (!err)
		err = put_head(p);
	if (!err)
		err = put_locations(p);
	if (!err)
		err = make_labels(p);
	if (!err)
		err = put_samples(p);
	if (err)
		return err;
	put_strings(p);
	return pv_gzip_end(p->gzip);
}

struct pv_err *pv_pprof_write(const struct pv_profile *profile,
			      const struct pv_pprof_values *values, FILE *file)
{
	struct pprof p = { .profile = profile, .gzip = malloc(sizeof(*p.gzip)), .values = values };
	struct pv_err *err = p.gzip ? pv_gzip_init(p.gzip, file) : &pv_enomem;

	if (err) {
		free(p.gzip);
		return err;
	}
	err = put_all(&p);
	pprof_deinit(&p);
	return err;
}

static struct pv_err *pprof_write(const struct pv_profile *profile, FILE *file)
{
	return pv_pprof_write(profile, NULL, file);
}

static const char *const pprof_suffixes[] = { ".pb.gz", NULL };

const struct pv_format pv_format_pprof = {
	.name = "pprof",
	.suffixes = pprof_suffixes,
	.help = "for pprof and what reads it (Go, Pyroscope, Parca)",
	.binary = true,
	.write = pprof_write,
};
