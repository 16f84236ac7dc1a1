/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a profile can be trusted.
 * Input: the totals of a profile.
 * Output: numbers and texts, none if all is as it should be.
 */
#include "model/doubts.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "model/profile.h"
#include "model/strings.h"

enum {
	MISSING_PERCENT = 1, /* of the expected samples */
	MISSING_ERRORS = 4,  /* standard errors of a count: ticks are by the clock, not by thread */
	/* CPU time of children that is worth a word, and as a share of the wall time */
	UNWATCHED_NS = 20000000,
	UNWATCHED_PERCENT = 1,
	COMPLETE_PERCENT = 99, /* of the samples, that is enough */
	MARKED_PERCENT = 1,    /* of the samples, and no more */
	COST_PERCENT = 2,      /* of one CPU, the same */
	SOURCES_MAX = 3,       /* to be named */
	PROBLEMS_MAX = 3,
};

bool pv_totals_known(const struct pv_profile *profile)
{
	/* pitviper's own time is never nothing */
	return profile->own_cpu_ns || profile->target_cpu_ns || profile->probe_ns;
}

/* Of the samples that the CPU time is worth those that are neither there nor lost, if that is no
 * chance. */
static uint64_t missing_of(uint64_t expected, uint64_t have)
{
	uint64_t missing = expected > have ? expected - have : 0;

	/* of the standard error follows that a handful is never missing: it is more than 16 */
	if (missing * 100 > expected * MISSING_PERCENT &&
	    missing * missing > MISSING_ERRORS * MISSING_ERRORS * expected)
		return missing;
	return 0;
}

struct pv_missing pv_missing_of(const struct pv_profile *profile)
{
	struct pv_missing ret = { .lost = pv_losses_samples(&profile->losses) };

	for (size_t i = 0; i < profile->samples.n; i++)
		ret.samples += ((struct pv_sample *)pv_vec_at(&profile->samples, i))->count;
	if (!profile->period_ns)
		return ret;
	ret.expected = profile->target_cpu_ns / profile->period_ns;
	ret.missing = missing_of(ret.expected, ret.samples + ret.lost);
	ret.cpu_ns = ret.samples * profile->period_ns;
	if ((ret.missing || ret.lost) && ret.cpu_ns < profile->target_cpu_ns)
		ret.cpu_ns = profile->target_cpu_ns;
	return ret;
}

struct pv_err *pv_unwatched_text(const struct pv_profile *profile, struct pv_str *str)
{
	double s = profile->unwatched_cpu_ns / 1e9;
	struct pv_err *err;

	if (profile->unwatched_cpu_ns < UNWATCHED_NS ||
	    profile->unwatched_cpu_ns * 100 < profile->duration_ns * UNWATCHED_PERCENT)
		return NULL;
	if (profile->n_unwatched && !profile->unwatched_least)
		err = pv_str_appendf(str, "%u child process%s used ", profile->n_unwatched,
				     profile->n_unwatched == 1 ? "" : "es");
	else
		err = pv_str_appendf(str, "Child processes used %s",
				     profile->unwatched_least ? "at least " : "");
	return err ? err : pv_str_appendf(str, "%.*f s of CPU meanwhile", s < 0.95 ? 2 : 1, s);
}

struct pv_err *pv_complete_text(const struct pv_quality *quality, struct pv_str *str)
{
	uint64_t share = (double)quality->complete / quality->samples * 10000;

	if (quality->complete == quality->samples)
		return pv_str_appendf(str, "all complete");
	return pv_str_appendf(str, "%llu.%02llu %% complete", (unsigned long long)share / 100,
			      (unsigned long long)share % 100);
}

/* Doubts that grow; the first error stays, later additions do nothing. */
struct doubter {
	const struct pv_profile *profile;
	struct pv_missing missing;
	struct pv_vec list; /* struct pv_doubt */
	struct pv_err *err;
};

/* The text of a new one, NULL after an error. */
static struct pv_str *begin(struct doubter *d, enum pv_doubt_kind kind)
{
	struct pv_doubt *doubt = NULL;

	if (!d->err)
		d->err = pv_vec_append(&d->list, NULL, 1, &doubt);
	if (d->err)
		return NULL;
	doubt->kind = kind;
	return &doubt->text;
}

#define SAY(d, text, ...)                                                                          \
	do {                                                                                       \
		if (!(d)->err)                                                                     \
			(d)->err = pv_str_appendf(text, __VA_ARGS__);                              \
	} while (0)

static void say_string(struct doubter *d, struct pv_str *text, uint32_t id)
{
	const struct pv_strings *strings = d->profile->strings;

	if (!d->err)
		d->err = pv_str_append(text, pv_strings_get(strings, id),
				       pv_strings_length(strings, id));
}

static void doubt_recording(struct doubter *d)
{
	struct pv_str *text;

	if (d->profile->cut) {
		text = begin(d, PV_DOUBT_CUT);
		SAY(d, text,
		    "The recording breaks off: all that is shown is of the part that is there");
	}
	if (d->profile->note) {
		text = begin(d, PV_DOUBT_NOTE);
		SAY(d, text, "Of the recording: ");
		say_string(d, text, d->profile->note);
	}
}

static void doubt_losses(struct doubter *d)
{
	const struct pv_losses *losses = &d->profile->losses;
	struct pv_str *text = NULL;

	if (d->missing.lost) {
		text = begin(d, PV_DOUBT_LOST);
		SAY(d, text, "%s sample%s lost", pv_text_number(d->missing.lost).text,
		    d->missing.lost == 1 ? " was" : "s were");
		text = NULL;
	}
	for (size_t i = 1; i < PV_LOSSES_MAX && !d->err; i++) {
		if (!pv_losses_is_gap(losses, i))
			continue;
		if (text) {
			SAY(d, text, ", ");
		} else {
			text = begin(d, PV_DOUBT_GAPS);
			SAY(d, text, "Some of what happened was not taken in: ");
		}
		SAY(d, text, "%s %s", pv_text_number(losses->count[i]).text,
		    pv_losses_text(losses, i));
	}
}

/* Each reason once: the capture's is one of its processes'. */
static void doubt_python(struct doubter *d)
{
	const struct pv_profile *profile = d->profile;
	const struct pv_profile_process *processes = profile->processes.data;
	uint32_t said[PROBLEMS_MAX];
	struct pv_str *text = NULL;
	size_t n = 0;

	for (size_t i = 0; i <= profile->processes.n && !d->err; i++) {
		uint32_t problem = i ? processes[i - 1].problem : profile->problem;
		size_t k = 0;

		while (k < n && said[k] != problem)
			k++;
		if (!problem || k < n)
			continue;
		if (n == PROBLEMS_MAX) {
			SAY(d, text, "; and for other reasons");
			return;
		}
		said[n++] = problem;
		if (text) {
			SAY(d, text, "; ");
		} else {
			text = begin(d, PV_DOUBT_PYTHON);
			SAY(d, text, "Python frames are not shown: ");
		}
		say_string(d, text, problem);
	}
}

static void doubt_stacks(struct doubter *d)
{
	const struct pv_quality *quality = &d->profile->quality;
	double samples = quality->samples;
	struct pv_str *text;

	if (!quality->samples) {
		if (!d->missing.samples)
			return;
		text = begin(d, PV_DOUBT_UNKNOWN);
		SAY(d, text, "It is not known how many of the stacks are complete");
		return;
	}
	if (quality->complete * 100. < samples * COMPLETE_PERCENT) {
		text = begin(d, PV_DOUBT_INCOMPLETE);
		SAY(d, text, "%s of the stacks are not complete",
		    pv_text_percent(quality->samples - quality->complete, quality->samples, 2)
			    .text);
	}
	if (quality->marked * 100. > samples * MARKED_PERCENT) {
		text = begin(d, PV_DOUBT_MARKED);
		SAY(d, text,
		    "%s of the stacks are marked: their Python half could be wrong, so it is not "
		    "shown",
		    pv_text_percent(quality->marked, quality->samples, 2).text);
	}
}

static void doubt_time(struct doubter *d)
{
	const struct pv_profile *profile = d->profile;
	struct pv_str children PV_CLEANUP(pv_str_deinit) = {};
	struct pv_str *text;

	if (profile->probe_ns * 100. > profile->duration_ns * (double)COST_PERCENT) {
		text = begin(d, PV_DOUBT_COST);
		SAY(d, text, "Watching cost the target %s of one CPU",
		    pv_text_percent(profile->probe_ns, profile->duration_ns, 1).text);
	}
	if (d->missing.missing) {
		text = begin(d, PV_DOUBT_MISSING);
		SAY(d, text,
		    "%s sample%s (%s) fewer than the CPU time that the kernel counted is worth",
		    pv_text_number(d->missing.missing).text, d->missing.missing == 1 ? "" : "s",
		    pv_text_percent(d->missing.missing, d->missing.expected, 1).text);
	}
	if (!d->err)
		d->err = pv_unwatched_text(profile, &children);
	if (d->err || !children.n)
		return;
	text = begin(d, PV_DOUBT_CHILDREN);
	SAY(d, text, "%s, not recorded: --children takes them along", pv_str_text(&children));
}

/* /proc/kallsyms tells addresses only to who has CAP_SYSLOG, under kptr_restrict=2 to nobody. */
static void doubt_kernel(struct doubter *d)
{
	const struct pv_loc *locs = d->profile->locs.data;
	size_t n = 0;

	for (size_t i = 0; i < d->profile->locs.n; i++) {
		if (locs[i].kind != PV_LOC_KERNEL)
			continue;
		n++;
		if (strcmp(pv_strings_get(d->profile->strings, locs[i].function),
			   PV_KERNEL_UNNAMED) != 0)
			return;
	}
	if (n && !d->err) {
		struct pv_str *text = begin(d, PV_DOUBT_KERNEL);

		SAY(d, text,
		    "Kernel functions have no names: that needs root or CAP_SYSLOG, and "
		    "kernel.kptr_restrict below 2");
	}
}

static void doubt_sources(struct doubter *d)
{
	const struct pv_source *sources = d->profile->sources.data;
	struct pv_str *text = NULL;
	size_t changed = 0;

	for (size_t i = 0; i < d->profile->sources.n && !d->err; i++) {
		if (!sources[i].changed || ++changed > SOURCES_MAX)
			continue;
		if (text) {
			SAY(d, text, ", ");
		} else {
			text = begin(d, PV_DOUBT_SOURCES);
			SAY(d, text,
			    "Sources that may be newer than what the process read, so lines may "
			    "not be those that ran: ");
		}
		say_string(d, text, sources[i].file);
	}
	if (changed > SOURCES_MAX)
		SAY(d, text, " and %zu more", changed - SOURCES_MAX);
}

struct pv_err *pv_doubts_of(const struct pv_profile *profile, struct pv_vec *ret)
{
	struct doubter d = {
		.profile = profile,
		.missing = pv_missing_of(profile),
		.list = PV_VEC(struct pv_doubt),
	};

	doubt_recording(&d);
	doubt_losses(&d);
	doubt_python(&d);
	doubt_kernel(&d);
	doubt_stacks(&d);
	doubt_time(&d);
	doubt_sources(&d);
	if (d.err) {
		pv_doubts_deinit(&d.list);
		return d.err;
	}
	*ret = d.list;
	return NULL;
}

void pv_doubts_deinit(struct pv_vec *doubts)
{
	for (size_t i = 0; i < doubts->n; i++)
		pv_str_deinit(&((struct pv_doubt *)pv_vec_at(doubts, i))->text);
	pv_vec_deinit(doubts);
}

struct pv_err *pv_doubts_json(const struct pv_profile *profile, struct pv_json *json)
{
	struct pv_vec doubts PV_CLEANUP(pv_doubts_deinit) = PV_VEC(struct pv_doubt);
	struct pv_err *err = pv_doubts_of(profile, &doubts);

	if (err)
		return err;
	pv_json_begin(json, "doubts", '[');
	for (size_t i = 0; i < doubts.n; i++) {
		const struct pv_doubt *doubt = pv_vec_at(&doubts, i);

		pv_json_bytes(json, NULL, pv_str_text(&doubt->text), doubt->text.n);
	}
	pv_json_end(json, ']');
	return NULL;
}
