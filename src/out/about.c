/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a file should say of its capture.
 * Input: a profile's totals, quality and losses.
 * Output: lines of text; names in them are escaped.
 */
#include "out/about.h"

#include <time.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "model/doubts.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"

struct pv_err *pv_about_count(struct pv_str *str, uint64_t n)
{
	return pv_str_appendf(str, "%s", pv_text_number(n).text);
}

struct pv_err *pv_about_seconds(struct pv_str *str, const struct pv_profile *profile,
				uint64_t samples)
{
	enum { COARSE_NS = 5000000 };
	double seconds = samples * (profile->period_ns / 1e9);

	if (!profile->period_ns)
		return NULL;
	return pv_str_appendf(str, "%.*f s", profile->period_ns < COARSE_NS && seconds < 1 ? 4 : 2,
			      seconds);
}

static struct pv_err *append_name(struct pv_str *str, const struct pv_profile *profile, uint32_t id)
{
	return pv_escape_text(str, pv_strings_get(profile->strings, id),
			      pv_strings_length(profile->strings, id), PV_ESCAPE_TEXT);
}

static struct pv_err *append_target(struct pv_str *str, const struct pv_profile *profile)
{
	struct pv_err *err =
		append_name(str, profile, profile->title ? profile->title : profile->target_name);

	if (!err && !str->n)
		err = pv_str_appendf(str, "process");
	if (!err && profile->pid)
		err = pv_str_appendf(str, " (%u)", profile->pid);
	if (!err && profile->children)
		err = pv_str_appendf(str, " and children");
	if (!err && profile->interpreter)
		err = pv_str_append(str, ", ", 2);
	return err ? err : append_name(str, profile, profile->interpreter);
}

/* "3 threads" */
static struct pv_err *append_plural(struct pv_str *str, uint64_t n, const char *noun,
				    const char *plural)
{
	struct pv_err *err = pv_about_count(str, n);

	return err ? err : pv_str_appendf(str, " %s%s", noun, n == 1 ? "" : plural);
}

static struct pv_err *append_time(struct pv_str *str, const struct pv_profile *profile,
				  uint64_t samples)
{
	struct pv_missing missing = pv_missing_of(profile);
	struct pv_tasks tasks = {};
	struct pv_err *err = NULL;

	if (profile->period_ns) {
		err = pv_str_appendf(str, "on CPU ");
		/* where samples are missing, what the kernel says */
		if (!err && missing.cpu_ns > samples * profile->period_ns)
			err = pv_str_appendf(str, "%.2f s", missing.cpu_ns / 1e9);
		else if (!err)
			err = pv_about_seconds(str, profile, samples);
		if (!err && profile->duration_ns)
			err = pv_str_appendf(str, " of %.2f s", profile->duration_ns / 1e9);
		if (!err)
			err = pv_str_append(str, ", ", 2);
	}
	if (!err)
		err = append_plural(str, samples, "sample", "s");
	if (!err && profile->period_ns)
		err = pv_str_appendf(str, " at %.0f Hz", 1e9 / profile->period_ns);
	if (!err)
		err = pv_str_append(str, ", in ", 5);
	if (!err)
		err = pv_profile_tasks(profile, &tasks);
	if (!err)
		err = append_plural(str, tasks.threads, "thread", "s");
	if (!err && tasks.processes > 1) {
		err = pv_str_appendf(str, " of ");
		if (!err)
			err = append_plural(str, tasks.processes, "process", "es");
	}
	return err;
}

static struct pv_err *append_quality(struct pv_str *str, const struct pv_profile *profile)
{
	const struct pv_quality *quality = &profile->quality;
	const struct {
		const char *text;
		uint64_t n;
	} parts[] = { { "; ", quality->bridged },
		      { " bridged, ", quality->truncated },
		      { " truncated, ", quality->marked } };
	struct pv_err *err;

	if (!quality->samples)
		return pv_str_appendf(str, "%s",
				      profile->samples.n ? "quality not known" : "no samples");
	err = pv_complete_text(quality, str);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && !err; i++) {
		err = pv_str_appendf(str, "%s", parts[i].text);
		if (!err)
			err = pv_about_count(str, parts[i].n);
	}
	return err ? err : pv_str_appendf(str, " marked");
}

static struct pv_err *append_origin(struct pv_str *str, const struct pv_profile *profile)
{
	time_t seconds = profile->start_unix_ns / 1000000000;
	struct pv_err *err = NULL;
	char text[64];
	struct tm tm;

	if (profile->start_unix_ns && gmtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		err = pv_str_appendf(str, "recorded %s ", text);
	if (!err && profile->host)
		err = pv_str_append(str, "on ", 3);
	if (!err && profile->host)
		err = append_name(str, profile, profile->host);
	if (!err && profile->host)
		err = pv_str_append(str, " ", 1);
	return err ? err : pv_str_appendf(str, "by pitviper " PV_VERSION);
}

/* Where the next note goes. */
static struct pv_err *add_note(struct pv_about *about, struct pv_str **ret)
{
	return pv_vec_append(&about->notes, NULL, 1, ret);
}

static struct pv_err *add_losses(struct pv_about *about, const struct pv_losses *losses)
{
	struct pv_err *err = NULL;
	struct pv_str *note;

	for (size_t i = 1; i < PV_LOSSES_MAX && !err; i++) {
		if (!losses->count[i])
			continue;
		err = add_note(about, &note);
		if (!err)
			err = pv_about_count(note, losses->count[i]);
		if (!err)
			err = pv_str_appendf(note, " %s", pv_losses_text(losses, i));
	}
	return err;
}

static struct pv_err *add_limits(struct pv_about *about, const struct pv_profile *profile)
{
	const struct {
		bool is;
		const char *text;
	} limits[] = {
		{ profile->no_native,
		  "no native frames: time in C is counted as its Python caller's" },
		{ profile->no_kernel,
		  "no kernel frames: time in the kernel is counted as its caller's" },
	};
	struct pv_err *err = NULL;
	struct pv_str *note;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits) && !err; i++) {
		if (!limits[i].is)
			continue;
		err = add_note(about, &note);
		if (!err)
			err = pv_str_appendf(note, "%s", limits[i].text);
	}
	return err;
}

/* But what the line of quality and the losses say. */
static bool is_said(enum pv_doubt_kind kind)
{
	return kind == PV_DOUBT_LOST || kind == PV_DOUBT_GAPS || kind == PV_DOUBT_UNKNOWN ||
	       kind == PV_DOUBT_INCOMPLETE || kind == PV_DOUBT_MARKED;
}

static struct pv_err *add_doubts(struct pv_about *about, const struct pv_profile *profile)
{
	struct pv_vec doubts PV_CLEANUP(pv_doubts_deinit) = PV_VEC(struct pv_doubt);
	struct pv_err *err = pv_doubts_of(profile, &doubts);
	struct pv_str *note;

	about->well = !doubts.n;
	for (size_t i = 0; i < doubts.n && !err; i++) {
		const struct pv_doubt *doubt = pv_vec_at(&doubts, i);

		if (is_said(doubt->kind))
			continue;
		err = add_note(about, &note);
		if (!err)
			err = pv_escape_text(note, pv_str_text(&doubt->text), doubt->text.n,
					     PV_ESCAPE_TEXT);
	}
	return err;
}

struct pv_err *pv_about_init(struct pv_about *about, const struct pv_profile *profile)
{
	const struct pv_sample *samples = profile->samples.data;
	struct pv_err *err;
	uint64_t n = 0;

	*about = (struct pv_about){ .notes = PV_VEC(struct pv_str) };
	for (size_t i = 0; i < profile->samples.n; i++)
		n += samples[i].count;
	err = append_target(&about->target, profile);
	if (!err)
		err = append_time(&about->time, profile, n);
	if (!err)
		err = append_quality(&about->quality, profile);
	if (!err)
		err = append_origin(&about->origin, profile);
	if (!err)
		err = add_losses(about, &profile->losses);
	if (!err)
		err = add_limits(about, profile);
	if (!err)
		err = add_doubts(about, profile);
	if (err)
		pv_about_deinit(about);
	return err;
}

void pv_about_deinit(struct pv_about *about)
{
	for (size_t i = 0; i < about->notes.n; i++)
		pv_str_deinit(pv_vec_at(&about->notes, i));
	pv_vec_deinit(&about->notes);
	pv_str_deinit(&about->target);
	pv_str_deinit(&about->time);
	pv_str_deinit(&about->quality);
	pv_str_deinit(&about->origin);
}
