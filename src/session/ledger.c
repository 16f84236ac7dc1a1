/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow of `refs`: find, load, attach, drain, finish.  Input: a process, an object, records of
 * the kernel's side.  Output: a struct pv_refs.
 */
#include "session/ledger.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/event.h"
#include "abi/loss.h"
#include "abi/refs.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "collect/probes.h"
#include "collect/watch.h"
#include "model/profile.h"
#include "model/strings.h"
#include "python/path.h"
#include "session/leads.h"
#include "session/lifetimes.h"
#include "session/losses.h"
#include "session/probed.h"
#include "session/refplaces.h"
#include "session/refword.h"
#include "session/returns.h"
#include "snap/merge.h"
#include "target/process.h"

enum {
	DRAIN_MS = 50,
	THREADS_OF_MANY = 256,
	WAIT_MIN_NS = 1000000000,
};

struct pv_ledger {
	struct pv_ledger_options options;
	struct pv_probed probed;
	struct pv_chosen chosen;
	struct pv_str type; /* its name, escaped */
	struct pv_count_constants counted;
	struct pv_count_object object;
	uint64_t bare_ns; /* of a trap */
	struct pv_watchpoint *watch;
	struct pv_probes *probes; /* of watch */
	struct pv_leads *leads;
	struct pv_refplaces *places;
	struct pv_refs *refs;
	struct pv_lifetimes *lifetimes;            /* from_birth, as far as that can be */
	size_t n_slots;                            /* the same: addresses at a time */
	struct pv_str note, told;                  /* what was not told yet, and what was */
	struct pv_vec frames;                      /* struct pv_lead_frame, of the change at hand */
	struct pv_vec own;                         /* struct pv_ref_frame: the same, of a life */
	uint32_t process;                          /* in the profile */
	struct pv_returns *returns;                /* --lines */
	const struct pv_native_function *function; /* the same: of places */
	struct pv_err *unusable; /* why debug registers are not used though they were wanted */
	bool attached, finished;
	bool fell_back; /* from births to one object */
	uint64_t start_ns;
};

/* The word as it is now. */
static struct pv_err *read_word(void *ctx, int64_t *ret)
{
	const struct pv_ledger *ledger = ctx;

	return pv_refword_read(&ledger->probed, &ledger->counted, ledger->object.address, ret);
}

/* ---- preparing */

/* What the ledger says of its target. */
static struct pv_err *describe(struct pv_ledger *ledger)
{
	struct pv_profile *profile = ledger->refs->profile;
	const char *type = ledger->chosen.type_name;
	struct pv_err *err =
		pv_strings_add(profile->strings, type, strlen(type), &ledger->refs->type);

	return err ? err : pv_probed_describe(&ledger->probed, profile, &ledger->process);
}

static struct pv_err *put_image(void *ctx, const struct pv_image *image,
				const struct pv_objects *objects)
{
	struct pv_ledger *ledger = ctx;

	return pv_watchpoint_put(ledger->watch, image, objects);
}

static struct pv_err *load(struct pv_ledger *ledger)
{
	const struct pv_leads_walkers walkers = { .ctx = ledger, .put = put_image };
	struct pv_watchpoint_options options = {
		.pid = ledger->options.pid,
		.counted = ledger->counted,
		.budget = ledger->options.budget,
		.python = &ledger->probed.image.python,
	};
	int64_t path[PV_NATIVE_PATH_MAX] = { 0 };
	struct pv_err *err;

	options.frame_path.n =
		pv_python_frame_path(ledger->probed.mem, &options.python->proc, path);
	memcpy(options.frame_path.offsets, path, sizeof(path));
	err = pv_watchpoint_create(&options, &ledger->watch);

	if (err)
		return err;
	ledger->probes = pv_watchpoint_probes(ledger->watch);
	err = pv_leads_create(&ledger->probed, &walkers, ledger->refs->profile, &ledger->leads);
	if (!err)
		err = pv_refplaces_create(&ledger->probed, ledger->leads, ledger->refs,
					  &ledger->places);
	return err;
}

static struct pv_err *tell_row(void *ctx, uint32_t index, uint64_t address)
{
	struct pv_ledger *ledger = ctx;

	return pv_watchpoint_row(ledger->watch, index, address);
}

/* Probes on the lines of a function in place of watchpoints. */
static struct pv_err *prepare_lines(struct pv_ledger *ledger)
{
	struct pv_err *err =
		pv_refplaces_named(ledger->places, ledger->options.lines, &ledger->function);

	if (!err)
		err = pv_refplaces_rows(ledger->places, ledger->function, ledger->probes, tell_row,
					ledger, &ledger->refs->n_rows);
	if (!err)
		err = pv_returns_create(pv_refplaces_natives(ledger->places), &ledger->returns);
	return err && ledger->unusable ? pv_err_wrap(err, "%s, and --or-lines cannot help",
						     ledger->unusable->message)
				       : err;
}

static struct pv_err *find_python(struct pv_ledger *ledger)
{
	const struct pv_ledger_options *options = &ledger->options;
	const struct pv_python *python = &ledger->probed.image.python;

	if (ledger->probed.image.python_error)
		return pv_err_create(PV_ERR_NOPROC, "%s", ledger->probed.image.python_error);
	if (!python->found)
		return pv_err_create(PV_ERR_NOPROC, "process %d runs no CPython",
				     (int)options->pid);
	snprintf(ledger->probed.interpreter, sizeof(ledger->probed.interpreter), "CPython %s",
		 python->version);
	ledger->counted = pv_refword_count(&python->proc.py, options);
	ledger->refs->field_size = ledger->counted.size;
	ledger->refs->field_at = options->field_at;
	ledger->refs->on_free = options->on_free;
	ledger->refs->by_lines = options->lines != NULL;
	ledger->refs->split = ledger->counted.format == PV_COUNT_SPLIT;
	ledger->refs->borrows = python->proc.py.version_hex >= 0x030e0000;
	return pv_refword_check(options);
}

/* Why it is not followed from its birth, whatever was asked for. */
static struct pv_err *note_late(struct pv_ledger *ledger, const char *why)
{
	return pv_str_appendf(&ledger->note,
			      "NOT FROM ITS BIRTH: %s; one that was born at `%s` is followed from "
			      "when it was seen instead: its first changes are over",
			      why, ledger->options.choice.text);
}

/* Objects of the kind of the one that was chosen, each from its birth. */
static struct pv_err *prepare_births(struct pv_ledger *ledger)
{
	struct pv_lifetimes_options options = {
		.probed = &ledger->probed,
		.watch = ledger->watch,
		.refs = ledger->refs,
		.pattern = ledger->options.choice.text,
		.type = ledger->chosen.type,
		.like = ledger->chosen.n_like ? ledger->chosen.like : &ledger->chosen.address,
		.n_like = ledger->chosen.n_like ? ledger->chosen.n_like : 1,
		.changes_max = ledger->options.changes_max,
		.budget = ledger->options.budget,
		.stop_fd = ledger->options.choice.stop_fd,
		.patience_ns = ledger->options.patience_ns,
	};
	size_t threads;
	const char *why = NULL;
	struct pv_err *err = NULL;

	if (ledger->counted.format == PV_COUNT_SPLIT)
		why = "a build without the GIL counts in two words, and has another allocator";
	else
		err = pv_watch_registers(ledger->options.pid, &ledger->counted, &options.n_slots,
					 &threads);
	if (!err && !why && !options.n_slots)
		why = "no debug register is free in all threads";
	/* each takes a descriptor a thread, and to move it takes time */
	if (!err && !why && threads > THREADS_OF_MANY)
		options.n_slots = 1;
	ledger->n_slots = options.n_slots;
	if (!err && !why)
		err = pv_lifetimes_create(&options, &ledger->lifetimes, &why);
	return err || !why ? err : note_late(ledger, why);
}

/* Not where there are no debug registers for it (--or-lines), nor after it came to nothing. */
static bool is_from_birth(const struct pv_ledger *ledger)
{
	return ledger->options.from_birth && !ledger->options.lines && !ledger->fell_back;
}

static void chosen_reset(struct pv_ledger *ledger)
{
	pv_chosen_deinit(&ledger->chosen);
	ledger->chosen = (struct pv_chosen){ 0 };
}

static struct pv_err *find_object(struct pv_ledger *ledger);

static struct pv_err *choose_anew(struct pv_ledger *ledger)
{
	chosen_reset(ledger);
	pv_str_clear(&ledger->type);
	return find_object(ledger);
}

static struct pv_err *find_object(struct pv_ledger *ledger)
{
	const struct pv_ledger_options *options = &ledger->options;
	struct pv_choice choice = options->choice;
	struct pv_err *err;

	/* of a type that is known no allocation need be waited for */
	if (is_from_birth(ledger) && options->choice.type &&
	    ledger->counted.format != PV_COUNT_SPLIT)
		choice.kind = PV_CHOICE_LIKE;
	err = pv_choose(&ledger->probed, &choice, options->field, &ledger->chosen);
	if (err && err != &pv_enomem && choice.kind == PV_CHOICE_LIKE) {
		struct pv_err *why = err;

		err = note_late(ledger, why->message);
		pv_err_destroy(why);
		chosen_reset(ledger);
		ledger->fell_back = true;
		if (!err)
			err = pv_choose(&ledger->probed, &options->choice, options->field,
					&ledger->chosen);
		/* nobody will ask for the note of a ledger that does not come to be */
		if (err)
			err = pv_err_wrap(err, "%s", pv_str_text(&ledger->note));
	}
	if (!err)
		err = pv_text_append(&ledger->type, ledger->chosen.type_name,
				     strlen(ledger->chosen.type_name));
	if (err)
		return err;
	ledger->object = (struct pv_count_object){
		.address = ledger->chosen.address + (options->field ? options->field_at : 0),
		.object = ledger->chosen.address,
		.type = ledger->chosen.type,
	};
	ledger->refs->address = ledger->object.address;
	ledger->refs->object = ledger->chosen.address;
	pv_watchpoint_object(ledger->watch, &ledger->object);
	if (!is_from_birth(ledger) || ledger->lifetimes)
		return NULL;
	err = prepare_births(ledger);
	if (err || ledger->lifetimes)
		return err;
	ledger->fell_back = true;
	/* any of the type is not one of the place */
	return choice.kind == PV_CHOICE_LIKE ? choose_anew(ledger) : NULL;
}

static struct pv_err *use_lines(struct pv_ledger *ledger)
{
	struct pv_refs *refs = ledger->refs;
	const char *why = ledger->unusable->message;

	ledger->options.lines = ledger->options.or_lines;
	ledger->counted.lines = refs->by_lines = true;
	return pv_strings_add(refs->profile->strings, why, strlen(why), &refs->unusable);
}

/* The way of --or-lines where there are no debug registers for this, if it was given. */
static struct pv_err *choose_way(struct pv_ledger *ledger)
{
	const struct pv_ledger_options *options = &ledger->options;
	struct pv_err *err, *why;

	if (options->lines)
		return NULL;
	err = pv_watch_measure(&ledger->bare_ns, &ledger->unusable);
	if (!err && !ledger->unusable)
		err = pv_watch_room(options->pid, &ledger->counted, &ledger->unusable);
	ledger->counted.bare_ns = ledger->bare_ns;
	if (err || !ledger->unusable)
		return err;
	if (options->or_lines)
		return use_lines(ledger);
	why = ledger->unusable;
	ledger->unusable = NULL;
	if (options->field || options->on_free)
		return pv_err_add(why, "; --field and --on-free have no other way");
	return pv_err_add(why, "; `--or-lines FUNCTION` needs none: it probes the lines of the "
			       "native function that you suspect, as `pitviper memory` names it "
			       "for what leaks, or `pitviper record` what runs");
}

/* All that takes time comes before the object is chosen, which may not live for long. */
static struct pv_err *prepare(struct pv_ledger *ledger)
{
	struct pv_err *err = pv_refs_create(&ledger->refs);

	if (!err)
		err = pv_probed_open(ledger->options.pid, &ledger->probed);
	if (!err)
		err = find_python(ledger);
	if (!err)
		err = choose_way(ledger);
	if (!err)
		err = load(ledger);
	if (!err && ledger->options.lines)
		err = prepare_lines(ledger);
	if (!err)
		err = find_object(ledger);
	if (!err)
		err = describe(ledger);
	if (!err)
		ledger->refs->bare_ns = ledger->bare_ns;
	return err;
}

struct pv_err *pv_ledger_create(const struct pv_ledger_options *options, struct pv_ledger **ret)
{
	struct pv_ledger *ledger = calloc(1, sizeof(*ledger));
	struct pv_err *err;

	if (!ledger)
		return &pv_enomem;
	ledger->options = *options;
	ledger->probed.pid_fd = -1;
	ledger->frames = (struct pv_vec)PV_VEC(struct pv_lead_frame);
	ledger->own = (struct pv_vec)PV_VEC(struct pv_ref_frame);
	err = prepare(ledger);
	if (err) {
		pv_ledger_destroy(ledger);
		return err;
	}
	*ret = ledger;
	return NULL;
}

void pv_ledger_destroy(struct pv_ledger *ledger)
{
	if (!ledger)
		return;
	pv_lifetimes_destroy(ledger->lifetimes);
	pv_returns_destroy(ledger->returns);
	pv_refplaces_destroy(ledger->places);
	pv_leads_destroy(ledger->leads);
	pv_watchpoint_destroy(ledger->watch);
	pv_refs_destroy(ledger->refs);
	pv_chosen_deinit(&ledger->chosen);
	pv_probed_deinit(&ledger->probed);
	pv_err_destroy(ledger->unusable);
	pv_vec_deinit(&ledger->frames);
	pv_vec_deinit(&ledger->own);
	pv_str_deinit(&ledger->type);
	pv_str_deinit(&ledger->note);
	pv_str_deinit(&ledger->told);
	free(ledger);
}

struct pv_ledger_facts pv_ledger_facts(const struct pv_ledger *ledger)
{
	return (struct pv_ledger_facts){
		.interpreter = ledger->probed.interpreter,
		.name = ledger->probed.process.name,
		.type = pv_str_text(&ledger->type),
		.object = ledger->chosen.address,
		.address = ledger->object.address,
		.count = ledger->chosen.count,
		.bare_ns = ledger->bare_ns,
		.note = ledger->chosen.note,
		.lines = ledger->options.lines,
		.unusable = ledger->unusable ? ledger->unusable->message : "",
		.waited_ns = ledger->chosen.waited_ns,
		.n_births = ledger->lifetimes ? ledger->n_slots : 0,
		.block_bytes = ledger->lifetimes ? pv_lifetimes_block_bytes(ledger->lifetimes) : 0,
	};
}

const char *pv_ledger_note(struct pv_ledger *ledger)
{
	pv_str_clear(&ledger->told);
	if (ledger->note.n && pv_str_append(&ledger->told, ledger->note.data, ledger->note.n))
		return "";
	pv_str_clear(&ledger->note);
	return pv_str_text(&ledger->told);
}

static struct pv_err *tell(void *ctx, uint64_t address, enum pv_native_return place)
{
	struct pv_ledger *ledger = ctx;

	return pv_watchpoint_returns(ledger->watch, address, place);
}

static void forget(void *ctx, uint64_t address)
{
	struct pv_ledger *ledger = ctx;

	pv_watchpoint_forget_return(ledger->watch, address);
}

/* Entries of functions that were seen for the first time. */
static struct pv_err *probe_more(struct pv_ledger *ledger)
{
	const struct pv_returns_side side = { .tell = tell, .forget = forget, .ctx = ledger };
	bool more;
	struct pv_err *err = pv_refplaces_probe(ledger->places, ledger->probes,
						pv_now_ns() - ledger->start_ns, &more);

	if (!err && more)
		pv_watchpoint_resolve(ledger->watch);
	if (!err && ledger->returns)
		err = pv_returns_take(ledger->returns, &ledger->probed, ledger->probes, &side);
	return err;
}

/* The one that was chosen, and no other that was born in its place before it is watched. */
static struct pv_err *attach_object(struct pv_ledger *ledger)
{
	const struct pv_choice *choice = &ledger->options.choice;
	struct pv_err *err =
		pv_watchpoint_attach(ledger->watch, read_word, ledger, &ledger->refs->first);

	if (!err)
		err = pv_refword_is_there(&ledger->probed, &ledger->counted, ledger->chosen.address,
					  ledger->chosen.type);
	if (!err)
		err = pv_chosen_check(&ledger->probed, choice, &ledger->chosen);
	ledger->refs->last = ledger->refs->first;
	pv_chosen_settle(&ledger->chosen);
	return err;
}

struct pv_err *pv_ledger_attach(struct pv_ledger *ledger)
{
	struct pv_err *err;

	ledger->attached = true;
	ledger->start_ns = pv_now_ns();
	ledger->refs->profile->start_unix_ns = pv_clock_ns(CLOCK_REALTIME);
	if (ledger->lifetimes) {
		err = pv_probes_attach(ledger->probes);
		if (!err)
			err = pv_lifetimes_begin(ledger->lifetimes, ledger->start_ns);
		pv_chosen_settle(&ledger->chosen);
	} else {
		err = attach_object(ledger);
	}
	if (!err && ledger->options.lines)
		err = probe_more(ledger);
	ledger->refs->n_threads = pv_watchpoint_threads(ledger->watch);
	return err;
}

/* ---- records */

static struct pv_err *add_thread(struct pv_ledger *ledger, uint32_t tid, uint32_t *ret)
{
	_pv_fclose_ FILE *file = NULL;
	char path[64], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", (int)ledger->options.pid, tid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	pv_process_harmless(name);
	/* it has ended meanwhile */
	if (!*name)
		strcpy(name, "?");
	return pv_profile_thread(ledger->refs->profile, ledger->process, tid, name, ret);
}

/* The frames of a change; the functions between Python and the leaf are those to be told apart. */
static struct pv_err *add_frames(struct pv_ledger *ledger, const struct pv_event_change *event,
				 struct pv_vec *to, struct pv_change *change)
{
	struct pv_vec *frames = &ledger->frames;
	struct pv_err *err = NULL;

	change->first = to->n;
	change->n = frames->n;
	change->python = PV_REFS_NONE;
	for (size_t i = 0; !err && i < frames->n; i++) {
		struct pv_lead_frame *lead = pv_vec_at(frames, i);
		struct pv_ref_frame frame;

		if (lead->kind == PV_REF_PYTHON)
			change->python = (uint32_t)to->n;
		err = pv_refplaces_frame(ledger->places, lead, event, &frame);
		if (!err)
			err = pv_vec_append(to, &frame, 1, NULL);
	}
	/* lives are told apart by themselves: no entry is probed for that */
	if (ledger->lifetimes)
		return err;
	for (size_t i = frames->n; !err && i; i--) {
		struct pv_lead_frame *lead = pv_vec_at(frames, i - 1);

		if (lead->kind == PV_REF_PYTHON)
			break;
		if (!ledger->options.field && !ledger->options.lines)
			err = pv_refplaces_touch(ledger->places, lead);
	}
	return err;
}

static struct pv_err *take_change(struct pv_ledger *ledger, const struct pv_event_change *event)
{
	struct pv_change change = {
		.time_ns = event->time_ns - ledger->start_ns,
		.sequence = event->sequence,
		.before = event->before,
		.after = event->after,
		.site = PV_REFS_NONE,
		.flags = event->flags & PV_CHANGE_KERNEL ? PV_REF_BY_KERNEL : 0,
	};
	struct pv_vec *to = ledger->lifetimes ? &ledger->own : &ledger->refs->frames;
	bool found = false, whole = false;
	struct pv_err *err = add_thread(ledger, event->tid, &change.thread);

	ledger->frames.n = ledger->own.n = 0;
	if (!err && !(event->flags & PV_CHANGE_NO_STACK))
		err = pv_leads_frames(ledger->leads, event->tid, event->time_ns, &ledger->frames,
				      &change.node, &found, &whole);
	if (!err && !(event->flags & PV_CHANGE_KERNEL))
		err = pv_refplaces_site(ledger->places, event->ip, &ledger->frames, &change.site);
	if (!err)
		err = add_frames(ledger, event, to, &change);
	if (!found)
		change.flags |= PV_REF_NO_STACK;
	else if (!whole)
		change.flags |= PV_REF_PARTIAL;
	if (!err && ledger->lifetimes)
		return pv_lifetimes_take(ledger->lifetimes, event, &change, &ledger->own);
	/* of births, after it was fallen back */
	if (err || (event->life && !ledger->lifetimes))
		return err;
	return pv_vec_append(&ledger->refs->changes, &change, 1, NULL);
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_ledger *ledger = ctx;
	const struct pv_event_change *change = (const struct pv_event_change *)event;

	if (event->type != PV_EVENT_CHANGE)
		return pv_leads_take(ledger->leads, event, size);
	if (size < sizeof(*change) ||
	    size - sizeof(*change) < 8UL * change->n_python + 8UL * change->n_native)
		return NULL;
	return take_change(ledger, change);
}

static struct pv_err *drain(struct pv_ledger *ledger)
{
	return pv_watchpoint_drain(ledger->watch, on_event, ledger);
}

static bool is_over(const struct pv_count_state *state, const struct pv_probes_news *news,
		    bool gone, enum pv_refs_end *ret)
{
	static const enum pv_refs_end ends[] = {
		[PV_COUNT_FREED] = PV_REFS_FREED,       [PV_COUNT_IMMORTAL] = PV_REFS_IMMORTAL,
		[PV_COUNT_REPLACED] = PV_REFS_REPLACED, [PV_COUNT_ENOUGH] = PV_REFS_ENOUGH,
		[PV_COUNT_BUDGET] = PV_REFS_BUDGET,
	};

	if (state->end && state->end < sizeof(ends) / sizeof(*ends))
		*ret = ends[state->end];
	else if (gone)
		*ret = PV_REFS_TARGET_ENDED;
	else if (news->replaced)
		*ret = PV_REFS_EXEC;
	else if (news->over_budget)
		*ret = PV_REFS_BUDGET;
	else
		return false;
	return true;
}

/* No birth came to where it was looked for: one object, from when it is seen, as a last resort. */
static struct pv_err *fall_back(struct pv_ledger *ledger)
{
	uint64_t *wait_ns = &ledger->options.choice.wait_ns, waited_ns;
	char seen[128], why[256];
	struct pv_err *err;

	pv_lifetimes_say(ledger->lifetimes, seen, sizeof(seen));
	snprintf(why, sizeof(why), "%s in %.0f s", seen, (double)ledger->options.patience_ns / 1e9);
	pv_watchpoint_lives(ledger->watch)->on = 0;
	for (size_t i = 0; i < ledger->n_slots; i++) {
		err = pv_watchpoint_aim(ledger->watch, i, 0);
		if (err)
			return err;
	}
	/* it is attached anew with what is watched then */
	pv_probes_detach(ledger->probes);
	err = drain(ledger);
	pv_lifetimes_destroy(ledger->lifetimes);
	ledger->lifetimes = NULL;
	ledger->fell_back = true;
	ledger->refs->lives = (struct pv_lives){ 0 };
	if (!err)
		err = note_late(ledger, why);
	/* the wait is a part of what was waited already */
	waited_ns = pv_now_ns() - ledger->start_ns;
	*wait_ns = *wait_ns > waited_ns + WAIT_MIN_NS ? *wait_ns - waited_ns : WAIT_MIN_NS;
	if (!err)
		err = choose_anew(ledger);
	if (!err)
		err = describe(ledger);
	return err ? err : attach_object(ledger);
}

static struct pv_err *step_lives(struct pv_ledger *ledger, bool *found_ret)
{
	enum pv_lifetimes_news news;
	struct pv_err *err = pv_lifetimes_step(ledger->lifetimes, &news);

	*found_ret = !err && news == PV_LIFETIMES_FOUND;
	return err || news != PV_LIFETIMES_NONE ? err : fall_back(ledger);
}

struct pv_err *pv_ledger_step(struct pv_ledger *ledger, int timeout_ms, int fd, bool *ended_ret)
{
	struct pollfd fds[] = {
		{ .fd = pv_probes_fd(ledger->probes), .events = POLLIN },
		{ .fd = pv_watchpoint_fd(ledger->watch), .events = POLLIN },
		{ .fd = ledger->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	struct pv_probes_news news = { 0 };
	struct pv_count_state state;
	struct pv_err *err;
	bool gone, found = false;

	timeout_ms = timeout_ms < DRAIN_MS ? timeout_ms : DRAIN_MS;
	timeout_ms = pv_probes_patience(ledger->probes, timeout_ms);
	if (poll(fds, 4, timeout_ms) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	gone = fds[2].revents;
	state = pv_watchpoint_state(ledger->watch);
	err = drain(ledger);
	if (!err)
		err = pv_probed_unless_ended(&ledger->probed, pv_probes_news(ledger->probes, &news),
					     &gone);
	if (!err && !gone && !state.end && !news.over_budget && !news.replaced)
		err = pv_probed_unless_ended(&ledger->probed, probe_more(ledger), &gone);
	if (!err && ledger->lifetimes && !gone && !news.replaced)
		err = pv_probed_unless_ended(&ledger->probed, step_lives(ledger, &found), &gone);
	if (!err)
		*ended_ret = is_over(&state, &news, gone, &ledger->refs->end);
	if (!err && found) {
		ledger->refs->end = PV_REFS_FOUND;
		*ended_ret = true;
	}
	return err;
}

/* ---- the end */

static int by_sequence(const void *a, const void *b)
{
	const struct pv_change *x = a, *y = b;

	return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* What it cost, and what is missing. */
static struct pv_err *fill_totals(struct pv_ledger *ledger, uint64_t end_ns)
{
	struct pv_count_state state = pv_watchpoint_state(ledger->watch);
	struct pv_probe_state probes = pv_watchpoint_probe_state(ledger->watch);
	struct pv_refs *refs = ledger->refs;
	struct pv_losses *losses = &refs->profile->losses;
	uint64_t hits = pv_watchpoint_hits(ledger->watch), cost_ns;
	struct pv_err *err;

	for (size_t i = 0; i < refs->functions.n; i++) {
		struct pv_ref_function *function = pv_vec_at(&refs->functions, i);
		struct pv_count_calls calls = pv_watchpoint_calls(ledger->watch, i);

		function->calls = calls.all;
		function->given = calls.given;
	}
	if (refs->changes.n)
		qsort(refs->changes.data, refs->changes.n, sizeof(struct pv_change), by_sequence);
	if (state.writes > state.late && refs->changes.n && !refs->lives.on)
		refs->last =
			((struct pv_change *)pv_vec_at(&refs->changes, refs->changes.n - 1))->after;
	/* what others have changed is not seen */
	if (refs->by_lines && refs->end != PV_REFS_FREED && refs->end != PV_REFS_TARGET_ENDED)
		pv_err_destroy(read_word(ledger, &refs->last));
	refs->unchanged = state.unchanged;
	refs->lost = state.changes > refs->changes.n ? state.changes - refs->changes.n : 0;
	/* a life of which anything is missing is not shown, and counted */
	if (refs->lives.on)
		refs->lost = 0;
	else if (state.changes > ledger->options.changes_max && refs->lost)
		refs->lost -= state.changes - ledger->options.changes_max;
	refs->unseen = hits > state.writes ? hits - state.writes : 0;
	refs->no_stack = state.no_scratch;
	refs->spent_ns = state.spent_ns;
	pv_probes_prices(ledger->probes, refs->prices_ns);
	refs->unseen = refs->by_lines ? 0 : refs->unseen;
	cost_ns = state.spent_ns + hits * refs->bare_ns;
	for (int i = 0; i < 2; i++) {
		refs->hits[i] = probes.hits[i];
		cost_ns += probes.hits[i] * refs->prices_ns[i];
	}
	refs->profile->duration_ns = end_ns - ledger->start_ns;
	if (refs->profile->duration_ns)
		refs->cost_cpus = (double)cost_ns / (double)refs->profile->duration_ns;
	err = pv_watchpoint_losses(ledger->watch, losses->count);
	losses->count[PV_LOSS_PROBE_SCRATCH] += state.no_scratch;
	pv_losses_describe(losses);
	return err;
}

struct pv_err *pv_ledger_finish(struct pv_ledger *ledger, const struct pv_refs **ret)
{
	struct pv_err *err = NULL;
	uint64_t end_ns;

	if (ledger->attached && !ledger->finished) {
		ledger->finished = true;
		pv_watchpoint_detach(ledger->watch);
		end_ns = pv_now_ns();
		err = drain(ledger);
		if (!err && ledger->lifetimes)
			err = pv_lifetimes_end(ledger->lifetimes);
		if (!err)
			err = fill_totals(ledger, end_ns);
	}
	if (!err)
		*ret = ledger->refs;
	return err;
}
