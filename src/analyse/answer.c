/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer in sentences.
 * Input: numbers of the other files of analyse/.
 * Output: text for people, and which parts of it are of which layer.
 */
#include "analyse/answer.h"

#include "analyse/turn.h"
#include "analyse/load.h"
#include "analyse/wait.h"
#include "base/text.h"
#include "model/frame.h"
#include "model/limits.h"
#include "model/profile.h"
#include "model/strings.h"

/* An answer that grows; the first error stays, later additions do nothing. */
struct writer {
	const struct pv_profile *profile;
	struct pv_answer answer;
	struct pv_err *err;
};

#define SAY(w, ...)                                                                                \
	((w)->err = (w)->err ? (w)->err : pv_str_appendf(&(w)->answer.text, __VA_ARGS__))

static void span(struct writer *w, size_t start, uint32_t kind, bool own)
{
	struct pv_span span = { start, w->answer.text.n, kind, own };

	if (!w->err && start < w->answer.text.n)
		w->err = pv_vec_append(&w->answer.spans, &span, 1, NULL);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static void say_seconds(struct writer *w, uint64_t ns)
{
	double s = ns / 1e9;

	SAY(w, "%.*f s", s < 9.995 ? 2 : s < 99.95 ? 1 : 0, s);
}

/* Whole percents, but small ones not as nothing. */
static void say_percent(struct writer *w, double value)
{
	SAY(w, "%.*f %%", value > 0 && value < 0.95 ? 1 : 0, value);
}

static void say_layer(struct writer *w, uint64_t samples, uint64_t of, const char *name,
		      uint32_t kind)
{
	size_t start = w->answer.text.n;

	SAY(w, "%s %s", pv_text_percent(samples, of, 0).text, name);
	span(w, start, kind, false);
}

static void say_layers(struct writer *w, const struct pv_load *load)
{
	const struct pv_profile *profile = w->profile;
	const struct pv_layers *layers = &load->layers;

	if (profile->no_native) {
		say_layer(w, layers->python + layers->native, load->samples,
			  "Python and the C code it calls", PV_LOC_PYTHON);
	} else {
		if (profile->interpreter || layers->python) {
			say_layer(w, layers->python, load->samples, "Python", PV_LOC_PYTHON);
			SAY(w, ", ");
		}
		say_layer(w, layers->native, load->samples, "C", PV_LOC_NATIVE);
	}
	if (profile->no_kernel) {
		SAY(w, ", the kernel's time included");
	} else {
		SAY(w, ", ");
		say_layer(w, layers->kernel, load->samples, "kernel", PV_LOC_KERNEL);
	}
	if (layers->other)
		SAY(w, ", %s marked", pv_text_percent(layers->other, load->samples, 1).text);
}

/* Those that the time is of: how many more there are that slept through it is not known. */
static void say_tasks(struct writer *w, const struct pv_load *load)
{
	uint64_t gc = w->profile->quality.gc;

	SAY(w, ", in %u thread%s", load->n_threads, load->n_threads == 1 ? "" : "s");
	if (load->n_processes > 1)
		SAY(w, " of %u processes", load->n_processes);
	if (gc)
		SAY(w, "; GC %s", pv_text_percent(gc, load->samples, 1).text);
	SAY(w, ".");
}

/* "On CPU 28.4 s of 30.0 s (95 %)", "On CPU 96.1 s in 30.0 s (3.2 CPUs)" */
static void say_cpu(struct writer *w, const struct pv_load *load)
{
	bool several = load->cpus >= 1.05;

	SAY(w, "On CPU ");
	say_seconds(w, load->cpu_ns);
	SAY(w, several ? " in " : " of ");
	say_seconds(w, load->wall_ns);
	if (several)
		SAY(w, " (%.1f CPUs)", load->cpus);
	else
		SAY(w, " (%.0f %%)", 100 * load->cpus);
}

static void say_wait(struct writer *w, const struct pv_wait *wait)
{
	if (wait->stopped)
		SAY(w, "; stopped by a signal");
	else
		SAY(w, "; waiting in %s", pv_str_text(&wait->function));
	if (wait->place.n)
		SAY(w, " under %s", pv_str_text(&wait->place));
	if (wait->n_others && wait->main)
		SAY(w, " (main thread, %u more)", wait->n_others);
	else if (wait->n_others)
		SAY(w, " (thread %s, %u more)", pv_str_text(&wait->thread), wait->n_others);
	if (wait->n_processes > 1)
		SAY(w, " in process %u, one of %u", wait->pid, wait->n_processes);
}

/* The sentence of cli.md. */
static void say_idle(struct writer *w, const struct pv_load *load, const struct pv_wait *wait)
{
	SAY(w, "On CPU ");
	say_percent(w, 100 * load->cpus);
	SAY(w, " of ");
	say_seconds(w, load->wall_ns);
	if (wait && wait->found) {
		say_wait(w, wait);
		/* of a recording nobody knows whether it still runs */
		SAY(w,
		    wait->is_there ? "; try `pitviper stack %u`.\n"
				   : "; while it runs, `pitviper stack %u` shows more.\n",
		    wait->pid ? wait->pid : w->profile->pid);
	} else if (w->profile->ended && !load->samples) {
		SAY(w, ": it ended without using CPU time worth a sample.\n");
	} else {
		SAY(w, ": it was idle%s.\n", w->profile->ended ? ", and has ended" : "");
	}
	if (!load->samples)
		return;
	SAY(w, "Its ");
	say_seconds(w, load->cpu_ns);
	SAY(w, " on CPU: ");
	say_layers(w, load);
	say_tasks(w, load);
	SAY(w, "\n");
}

/* "report (app.py:52)" */
static void say_call(struct writer *w, const struct pv_call *call)
{
	const struct pv_loc *loc = pv_vec_at(&w->profile->locs, call->loc);
	struct pv_str *text = &w->answer.text;
	size_t start = text->n, at;

	if (!w->err)
		w->err = call->unnamed ? pv_str_appendf(text, "[unknown]")
				       : pv_frame_function(w->profile, loc, text);
	if (!w->err)
		w->err = pv_text_cut(text, start, PV_LIMIT_NAME_COLUMNS);
	SAY(w, " (");
	at = text->n;
	if (!w->err)
		w->err = pv_frame_place(w->profile, loc, call->lines.first, call->lines.last, text);
	if (!w->err)
		w->err = pv_text_cut(text, at, PV_LIMIT_NAME_COLUMNS);
	if (!w->err && text->n == at)
		text->data[text->n -= 2] = '\0'; /* it has no place */
	else
		SAY(w, ")");
	span(w, start, loc->kind, call->own);
}

static void say_share(struct writer *w, uint64_t part, uint64_t of)
{
	SAY(w, "%s", pv_text_percent(part, of, percent(part, of) < 10 ? 1 : 0).text);
}

/* "Most of it, 57 %, " */
static void say_part(struct writer *w, uint64_t part, uint64_t of)
{
	SAY(w, part == of         ? "All of it, "
	       : part > of - part ? "Most of it, "
				  : "The largest part, ");
	say_share(w, part, of);
	SAY(w, ", ");
}

static void say_gc(struct writer *w)
{
	size_t start = w->answer.text.n;

	SAY(w, "the garbage collector");
	span(w, start, PV_LOC_NATIVE, false);
}

static void say_where(struct writer *w, const struct pv_turn *turn)
{
	if (turn->in_gc)
		say_gc(w);
	else
		say_call(w, &turn->what);
	if (turn->has_under) {
		SAY(w, turn->in_gc ? ", started under " : " under ");
		say_call(w, &turn->under);
	}
}

/* What the samples do that run no own code, as far as one can know. */
static const char *foreign_words(const struct pv_turn *turn)
{
	if (turn->unreadable)
		return "is in stacks without Python frames";
	if (turn->incomplete)
		return "is in incomplete stacks";
	return turn->has_own ? "runs no code of your own" : "is in code that is not your own";
}

static void say_foreign(struct writer *w, const struct pv_load *load, const struct pv_turn *turn)
{
	say_part(w, turn->foreign, load->samples);
	SAY(w, "%s", foreign_words(turn));
	if (turn->found) {
		SAY(w, ": ");
		say_share(w, turn->what.total, load->samples);
		SAY(w, " in ");
		say_where(w, turn);
	}
	SAY(w, ".\n");
}

static void say_turn(struct writer *w, const struct pv_load *load, const struct pv_turn *turn)
{
	if (load->samples < PV_LIMIT_TURN_SAMPLES)
		return;
	if (turn->is_foreign) {
		say_foreign(w, load, turn);
		return;
	}
	if (turn->foreign > turn->own) {
		SAY(w, "The largest part of your own code's time, ");
		say_share(w, turn->what.total, load->samples);
		SAY(w, ", ");
	} else {
		say_part(w, turn->what.total, load->samples);
	}
	SAY(w, turn->what.own ? "is in " : "is ");
	say_where(w, turn);
	if (turn->foreign > turn->own) {
		SAY(w, "; ");
		say_share(w, turn->foreign, load->samples);
		SAY(w, " %s", foreign_words(turn));
	}
	SAY(w, ".\n");
}

struct pv_err *pv_answer_of(const struct pv_profile *profile, const struct pv_load *load,
			    const struct pv_turn *turn, const struct pv_wait *wait,
			    struct pv_answer *ret)
{
	struct writer w = { .profile = profile };

	w.answer.spans = (struct pv_vec)PV_VEC(struct pv_span);
	if (!profile->period_ns && load->samples) {
		SAY(&w, "On CPU for %s sample%s: ", pv_text_number(load->samples).text,
		    load->samples == 1 ? "" : "s");
		say_layers(&w, load);
		say_tasks(&w, load);
		SAY(&w, "\n");
	} else if (load->idle) {
		say_idle(&w, load, wait);
	} else {
		say_cpu(&w, load);
		SAY(&w, ": ");
		say_layers(&w, load);
		say_tasks(&w, load);
		SAY(&w, "\n");
	}
	say_turn(&w, load, turn);
	if (w.err) {
		pv_answer_deinit(&w.answer);
		return w.err;
	}
	*ret = w.answer;
	return NULL;
}

void pv_answer_deinit(struct pv_answer *answer)
{
	pv_str_deinit(&answer->text);
	pv_vec_deinit(&answer->spans);
}
