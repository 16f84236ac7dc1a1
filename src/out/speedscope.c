/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * speedscope's JSON format (https://www.speedscope.app/file-format-schema.json):
 * the frames once, then a "sampled" profile for each thread.
 * Input: a profile.
 * Output: JSON; in the order of time if that is known and not too long, else
 * one entry a stack, and then the profile's name says so.
 */
#include "out/speedscope.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/about.h"
#include "out/tree.h"

/* More entries than this make a file that the page is slow with. */
enum { TICKS_MAX = 100000 };

/* Samples of one stack that stand side by side. */
struct entry {
	uint32_t node;
	uint64_t count;
};

struct speedscope {
	const struct pv_profile *profile;
	struct pv_json json;
	const char *unit; /* of a sample; NULL: time, by the period */
	bool timed;
	struct entry *entries; /* thread by thread */
	size_t *first;         /* by thread: into entries; one more at the end */
	struct pv_vec stack;   /* uint32_t, scratch */
	struct pv_str text;    /* scratch */
};

static void speedscope_deinit(struct speedscope *s)
{
	free(s->entries);
	free(s->first);
	pv_vec_deinit(&s->stack);
	pv_str_deinit(&s->text);
}

/* Every sample has a time, and they are few enough. */
static bool is_timed(const struct pv_profile *profile)
{
	const struct pv_sample *samples = profile->samples.data;
	const struct pv_tick *ticks = profile->ticks.data;
	uint64_t all = 0, timed = 0;

	for (size_t i = 0; i < profile->samples.n; i++)
		all += samples[i].count;
	for (size_t i = 0; i < profile->ticks.n; i++)
		timed += ticks[i].count;
	return profile->ticks.n && profile->ticks.n <= TICKS_MAX && all == timed;
}

/* The i-th of what is written: a tick, or all samples of one stack. */
static struct entry nth_entry(const struct speedscope *s, size_t i, uint32_t *thread_ret)
{
	const struct pv_sample *sample;
	const struct pv_tick *tick = NULL;

	if (s->timed)
		tick = pv_vec_at(&s->profile->ticks, i);
	sample = pv_vec_at(&s->profile->samples, tick ? tick->sample : i);
	*thread_ret = sample->thread;
	return (struct entry){ sample->node, tick ? tick->count : sample->count };
}

/* Sorts by thread; what has the same thread keeps its order. */
static struct pv_err *sort_entries(struct speedscope *s)
{
	size_t n = s->timed ? s->profile->ticks.n : s->profile->samples.n;
	size_t n_threads = s->profile->threads.n;
	uint32_t thread;

	s->entries = calloc(n + 1, sizeof(*s->entries));
	s->first = calloc(n_threads + 2, sizeof(*s->first));
	if (!s->entries || !s->first)
		return &pv_enomem;
	/* counted two further on, so that after the sums first[t + 1] is where t begins */
	for (size_t i = 0; i < n; i++) {
		nth_entry(s, i, &thread);
		s->first[thread + 2]++;
	}
	for (size_t i = 2; i < n_threads + 2; i++)
		s->first[i] += s->first[i - 1];
	for (size_t i = 0; i < n; i++) {
		struct entry entry = nth_entry(s, i, &thread);

		s->entries[s->first[thread + 1]++] = entry;
	}
	return NULL;
}

static void put_text(struct speedscope *s, const char *key)
{
	pv_json_bytes(&s->json, key, pv_str_text(&s->text), s->text.n);
}

static struct pv_err *append_string(struct speedscope *s, uint32_t id)
{
	const struct pv_strings *strings = s->profile->strings;

	return pv_escape_text(&s->text, pv_strings_get(strings, id), pv_strings_length(strings, id),
			      PV_ESCAPE_TEXT);
}

/* The source file; for native code the object. */
static uint32_t loc_file(const struct pv_profile *profile, const struct pv_loc *loc)
{
	const struct pv_module *module = pv_profile_module_of(profile, loc);

	if (loc->file)
		return loc->file;
	return module ? module->path : loc->module;
}

static struct pv_err *put_frame(struct speedscope *s, const struct pv_loc *loc)
{
	/* without its place, which has fields of its own */
	const struct pv_loc bare = { .function = loc->function, .kind = loc->kind };
	uint32_t file = loc_file(s->profile, loc);
	struct pv_err *err;

	pv_json_begin(&s->json, NULL, '{');
	pv_str_clear(&s->text);
	err = pv_frame_text(s->profile->strings, &bare, PV_ESCAPE_TEXT, &s->text);
	put_text(s, "name");
	pv_str_clear(&s->text);
	if (!err && file) {
		err = append_string(s, file);
		put_text(s, "file");
	}
	if (loc->line > 0)
		pv_json_int(&s->json, "line", loc->line);
	pv_json_end(&s->json, '}');
	return err;
}

/* One a location; behind them the frame of samples that have none. */
static struct pv_err *put_frames(struct speedscope *s)
{
	struct pv_err *err = NULL;

	pv_json_begin(&s->json, "shared", '{');
	pv_json_begin(&s->json, "frames", '[');
	for (size_t i = 0; i < s->profile->locs.n && !err; i++)
		err = put_frame(s, pv_vec_at(&s->profile->locs, i));
	if (!err && pv_tree_any_without_stack(s->profile))
		err = put_frame(s, &(struct pv_loc){ .kind = PV_LOC_MARKER });
	pv_json_end(&s->json, ']');
	pv_json_end(&s->json, '}');
	return err;
}

/* Root first. */
static struct pv_err *put_stack(struct speedscope *s, uint32_t node)
{
	const struct pv_stack_node *nodes = s->profile->nodes.data;
	struct pv_err *err = NULL;

	s->stack.n = 0;
	for (; node && !err; node = nodes[node].parent)
		err = pv_vec_append(&s->stack, &nodes[node].loc, 1, NULL);
	pv_json_begin(&s->json, NULL, '[');
	if (!s->stack.n)
		pv_json_int(&s->json, NULL, s->profile->locs.n);
	for (size_t i = s->stack.n; i > 0; i--)
		pv_json_int(&s->json, NULL, *(uint32_t *)pv_vec_at(&s->stack, i - 1));
	pv_json_end(&s->json, ']');
	return err;
}

/* Joins neighbours with the same stack. */
static size_t join_entries(struct entry *entries, size_t n)
{
	size_t joined = 0;

	for (size_t i = 0; i < n; i++) {
		if (joined && entries[joined - 1].node == entries[i].node)
			entries[joined - 1].count += entries[i].count;
		else
			entries[joined++] = entries[i];
	}
	return joined;
}

static struct pv_err *append_thread_name(struct speedscope *s,
					 const struct pv_profile_thread *thread)
{
	const struct pv_profile_process *process =
		pv_vec_at(&s->profile->processes, thread->process);
	struct pv_err *err = NULL;

	pv_str_clear(&s->text);
	if (s->profile->processes.n > 1) {
		err = append_string(s, process->title ? process->title : process->name);
		if (!err)
			err = pv_str_appendf(&s->text, " (%u): ", process->pid);
	}
	if (!err)
		err = append_string(s, thread->name);
	if (!err)
		err = pv_str_appendf(&s->text, " (%u)", thread->tid);
	if (!err && !s->timed && !s->unit)
		err = pv_str_appendf(&s->text, ", joined by stack, not in the order of time");
	return err;
}

static struct pv_err *put_thread(struct speedscope *s, size_t index)
{
	const struct pv_profile_thread *thread = pv_vec_at(&s->profile->threads, index);
	struct entry *entries = s->entries + s->first[index];
	size_t n = join_entries(entries, s->first[index + 1] - s->first[index]);
	/* without a period there is no time, only a count */
	bool time = s->profile->period_ns && !s->unit;
	double weight = time ? s->profile->period_ns / 1e9 : 1;
	struct pv_err *err = append_thread_name(s, thread);

	pv_json_begin(&s->json, NULL, '{');
	pv_json_string(&s->json, "type", "sampled");
	put_text(s, "name");
	pv_json_string(&s->json, "unit", time ? "seconds" : s->unit ? s->unit : "none");
	pv_json_int(&s->json, "startValue", 0);
	pv_json_double(&s->json, "endValue", thread->samples * weight);
	pv_json_begin(&s->json, "samples", '[');
	for (size_t i = 0; i < n && !err; i++)
		err = put_stack(s, entries[i].node);
	pv_json_end(&s->json, ']');
	pv_json_begin(&s->json, "weights", '[');
	for (size_t i = 0; i < n; i++)
		pv_json_double(&s->json, NULL, entries[i].count * weight);
	pv_json_end(&s->json, ']');
	pv_json_end(&s->json, '}');
	return err;
}

/* The thread that speedscope shows first. */
static size_t heaviest_thread(const struct pv_profile *profile)
{
	const struct pv_profile_thread *threads = profile->threads.data;
	size_t heaviest = 0;

	for (size_t i = 1; i < profile->threads.n; i++) {
		if (threads[i].samples > threads[heaviest].samples)
			heaviest = i;
	}
	return heaviest;
}

static struct pv_err *put_all(struct speedscope *s)
{
	struct pv_about about;
	struct pv_err *err = pv_about_init(&about, s->profile);

	if (err)
		return err;
	pv_json_begin(&s->json, NULL, '{');
	pv_json_string(&s->json, "$schema", "https://www.speedscope.app/file-format-schema.json");
	pv_json_string(&s->json, "exporter", "pitviper@" PV_VERSION);
	pv_json_string(&s->json, "name", pv_str_text(&about.target));
	pv_about_deinit(&about);
	if (s->profile->threads.n)
		pv_json_int(&s->json, "activeProfileIndex", heaviest_thread(s->profile));
	err = put_frames(s);
	pv_json_begin(&s->json, "profiles", '[');
	for (size_t i = 0; i < s->profile->threads.n && !err; i++)
		err = put_thread(s, i);
	pv_json_end(&s->json, ']');
	pv_json_end(&s->json, '}');
	fputc('\n', s->json.file);
	return err;
}

struct pv_err *pv_speedscope_write(const struct pv_profile *profile, const char *unit, FILE *file)
{
	struct speedscope s = { .profile = profile,
				.json = { .file = file },
				.unit = unit,
				.timed = is_timed(profile),
				.stack = PV_VEC(uint32_t) };
	struct pv_err *err = sort_entries(&s);

	if (!err)
		err = put_all(&s);
	speedscope_deinit(&s);
	return err;
}

static struct pv_err *speedscope_write(const struct pv_profile *profile, FILE *file)
{
	return pv_speedscope_write(profile, NULL, file);
}

static const char *const speedscope_suffixes[] = { ".speedscope.json", NULL };

const struct pv_format pv_format_speedscope = {
	.name = "speedscope",
	.suffixes = speedscope_suffixes,
	.help = "for https://www.speedscope.app, one profile a thread",
	.write = speedscope_write,
};
