/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ledger for machines: what was followed, every change, what calls left behind, the sums, the
 * verdict, what is missing.
 * Input: a struct pv_refs.
 * Output: one JSON object; docs/formats.md describes it.
 */
#include "analyse/lifenet.h"
#include "analyse/refnet.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/frame.h"
#include "model/loss.h"
#include "model/profile.h"
#include "model/refs.h"
#include "model/strings.h"
#include "out/refs.h"

#include <inttypes.h>
#include <string.h>

struct object {
	const struct pv_refs *refs;
	const struct pv_profile *profile;
	const struct pv_refnet *net;
	struct pv_json json;
};

static void cleanup_net(struct pv_refnet **net)
{
	pv_refnet_destroy(*net);
}

static void put_string(struct object *o, const char *key, uint32_t id)
{
	pv_json_bytes(&o->json, key, pv_strings_get(o->profile->strings, id),
		      pv_strings_length(o->profile->strings, id));
}

static void put_address(struct object *o, const char *key, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	pv_json_string(&o->json, key, text);
}

static void put_loc(struct object *o, uint32_t index)
{
	const struct pv_loc *loc = pv_vec_at(&o->profile->locs, index);

	put_string(o, "function", loc->function);
	pv_json_string(&o->json, "kind", pv_frame_kind(loc->kind));
	if (loc->file)
		put_string(o, "file", loc->file);
	if (loc->module)
		put_string(o, "module", loc->module);
	if (loc->line > 0)
		pv_json_int(&o->json, "line", loc->line);
}

static struct pv_err *put_site(struct object *o, const char *key, uint32_t index)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	const struct pv_ref_site *site;
	const struct pv_loc *loc;
	struct pv_err *err;

	if (index == PV_REFS_NONE)
		return NULL;
	site = pv_vec_at(&o->refs->sites, index);
	loc = pv_vec_at(&o->profile->locs, site->function);
	err = pv_ref_site_text(o->refs, site, &text);
	if (err)
		return err;
	pv_json_begin(&o->json, key, '{');
	pv_json_bytes(&o->json, "text", pv_str_text(&text), text.n);
	put_string(o, "function", loc->function);
	if (loc->module)
		put_string(o, "module", loc->module);
	if (site->source)
		put_string(o, "inlined", site->source);
	put_address(o, "vaddr", site->vaddr);
	if (site->offset != UINT64_MAX)
		pv_json_int(&o->json, "offset", (int64_t)site->offset);
	if (site->file)
		put_string(o, "file", site->file);
	if (site->line)
		pv_json_int(&o->json, "line", site->line);
	pv_json_end(&o->json, '}');
	return NULL;
}

static const char *end_name(enum pv_refs_end end)
{
	static const char *const ends[] = {
		[PV_REFS_STOPPED] = "stopped",   [PV_REFS_ENOUGH] = "changes",
		[PV_REFS_FREED] = "freed",       [PV_REFS_IMMORTAL] = "immortal",
		[PV_REFS_REPLACED] = "replaced", [PV_REFS_TARGET_ENDED] = "target",
		[PV_REFS_EXEC] = "exec",         [PV_REFS_BUDGET] = "budget",
		[PV_REFS_FOUND] = "lost",
	};

	return ends[end];
}

static void put_target(struct object *o)
{
	const struct pv_refs *refs = o->refs;
	struct pv_json *json = &o->json;

	pv_json_int(json, "pid", o->profile->pid);
	put_string(o, "process", o->profile->target_name);
	put_string(o, "title", o->profile->title);
	put_string(o, "interpreter", o->profile->interpreter);
	pv_json_int(json, "start_unix_ns", (int64_t)o->profile->start_unix_ns);
	pv_json_thousandths(json, "elapsed_s", o->profile->duration_ns / 1000000);
	pv_json_string(json, "ended", end_name(refs->end));
	put_address(o, "object", refs->object);
	put_string(o, "type", refs->type);
	if (refs->field_size) {
		pv_json_begin(json, "field", '{');
		pv_json_int(json, "offset", refs->field_at);
		pv_json_int(json, "size", refs->field_size);
		pv_json_end(json, '}');
	}
	pv_json_int(json, "first", refs->first);
	pv_json_int(json, "last", refs->last);
	pv_json_int(json, "sum", o->net->sum);
	pv_json_int(json, "threads", (int64_t)refs->n_threads);
	pv_json_string(json, "way", refs->by_lines ? "lines" : "watchpoint");
	if (refs->unusable)
		put_string(o, "no_watchpoint", refs->unusable);
}

/* Innermost first. */
static void put_stack(struct object *o, uint32_t node)
{
	const struct pv_stack_node *nodes = o->profile->nodes.data;

	pv_json_begin(&o->json, "stack", '[');
	for (; node; node = nodes[node].parent) {
		pv_json_begin(&o->json, NULL, '{');
		put_loc(o, nodes[node].loc);
		pv_json_end(&o->json, '}');
	}
	pv_json_end(&o->json, ']');
}

static struct pv_err *put_changes(struct object *o)
{
	struct pv_json *json = &o->json;
	struct pv_err *err = NULL;

	pv_json_begin(json, "changes", '[');
	for (size_t i = 0; !err && i < o->refs->changes.n; i++) {
		const struct pv_change *change = pv_vec_at(&o->refs->changes, i);
		const struct pv_profile_thread *thread =
			pv_vec_at(&o->profile->threads, change->thread);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "time_ns", (int64_t)change->time_ns);
		pv_json_int(json, "sequence", (int64_t)change->sequence);
		pv_json_int(json, "tid", thread->tid);
		pv_json_int(json, "delta", pv_change_delta(change));
		pv_json_int(json, "count", change->after);
		pv_json_bool(json, "whole", !(change->flags & (PV_REF_NO_STACK | PV_REF_PARTIAL)));
		if (change->flags & PV_REF_BY_KERNEL)
			pv_json_bool(json, "kernel", true);
		err = put_site(o, "site", change->site);
		put_stack(o, change->node);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
	return err;
}

static const char *verdict_name(enum pv_refnet_verdict verdict)
{
	static const char *const names[] = {
		[PV_REFNET_UNKNOWN] = "unknown", [PV_REFNET_BALANCED] = "balanced",
		[PV_REFNET_GIVES] = "gives",     [PV_REFNET_TAKES] = "takes",
		[PV_REFNET_VARIES] = "varies",
	};

	return names[verdict];
}

static struct pv_err *put_left(struct object *o, const struct pv_refnet_left *left)
{
	struct pv_err *err;

	pv_json_begin(&o->json, NULL, '{');
	pv_json_int(&o->json, "delta", left->sign);
	pv_json_int(&o->json, "times", (int64_t)left->n);
	err = put_site(o, "site", left->site);
	if (!err)
		err = put_site(o, "via", left->via);
	if (!err)
		err = put_site(o, "inner", left->inner);
	pv_json_end(&o->json, '}');
	return err;
}

/* In which way it is to blame. */
static const char *why_name(const struct pv_refnet_function *one)
{
	return one->by_hand.n ? "by_hand"
	       : one->stays.n ? "stays"
	       : one->keeps   ? "keeps"
	       : one->skips   ? "skips"
			      : "varies";
}

static struct pv_err *put_function(struct object *o, const struct pv_refnet_function *one)
{
	struct pv_json *json = &o->json;
	struct pv_err *err = NULL;

	pv_json_begin(json, NULL, '{');
	put_loc(o, one->function);
	pv_json_string(json, "verdict", verdict_name(one->verdict));
	pv_json_bool(json, "python_itself", one->interpreter);
	pv_json_bool(json, "numbered", one->probed);
	pv_json_bool(json, "keeps", one->keeps);
	pv_json_int(json, "calls", (int64_t)one->all);
	pv_json_int(json, "touched", (int64_t)one->touched);
	pv_json_int(json, "partial", (int64_t)one->partial);
	pv_json_int(json, "changes", (int64_t)one->changes);
	pv_json_int(json, "base", one->base);
	pv_json_int(json, "excess", one->excess);
	pv_json_begin(json, "nets", '[');
	for (size_t i = 0; i < one->n_nets; i++) {
		const struct pv_refnet_net *net = pv_vec_at(&o->net->nets, one->first_net + i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "net", net->net);
		pv_json_int(json, "calls", (int64_t)net->calls);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
	pv_json_begin(json, "left", '[');
	for (size_t i = 0; !err && i < one->n_left; i++)
		err = put_left(o, pv_vec_at(&o->net->left, one->first_left + i));
	pv_json_end(json, ']');
	pv_json_end(json, '}');
	return err;
}

static struct pv_err *put_nets(struct object *o)
{
	struct pv_json *json = &o->json;
	struct pv_err *err = NULL;

	pv_json_begin(json, "functions", '[');
	for (size_t i = 0; !err && i < o->net->functions.n; i++)
		err = put_function(o, pv_vec_at(&o->net->functions, i));
	pv_json_end(json, ']');
	pv_json_begin(json, "unmatched", '[');
	for (size_t i = 0; !err && i < o->net->unmatched.n; i++)
		err = put_left(o, pv_vec_at(&o->net->unmatched, i));
	pv_json_end(json, ']');
	pv_json_begin(json, "pairs", '[');
	for (size_t i = 0; !err && i < o->net->pairs.n; i++) {
		const struct pv_refnet_pair *pair = pv_vec_at(&o->net->pairs, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "times", (int64_t)pair->n);
		err = put_site(o, "plus", pair->plus);
		if (!err)
			err = put_site(o, "minus", pair->minus);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
	return err;
}

static struct pv_err *put_sums(struct object *o, const char *key, const struct pv_vec *sums,
			       bool sites)
{
	struct pv_json *json = &o->json;
	struct pv_err *err = NULL;

	pv_json_begin(json, key, '[');
	for (size_t i = 0; !err && i < sums->n; i++) {
		const struct pv_refnet_sum *sum = pv_vec_at(sums, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "plus", (int64_t)sum->plus);
		pv_json_int(json, "minus", (int64_t)sum->minus);
		pv_json_int(json, "changes", (int64_t)sum->n);
		if (sites)
			err = put_site(o, "site", sum->key);
		else
			put_loc(o, sum->key);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
	return err;
}

static struct pv_err *put_verdict(struct object *o)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_json *json = &o->json;
	struct pv_err *err = pv_refnet_sentence(o->refs, o->net, &text);

	if (err)
		return err;
	pv_json_begin(json, "verdict", '{');
	pv_json_bytes(json, "text", pv_str_text(&text), text.n);
	pv_json_bool(json, "suspect", o->net->suspect != PV_REFNET_NONE);
	if (o->net->suspect != PV_REFNET_NONE) {
		const struct pv_refnet_function *one =
			pv_vec_at(&o->net->functions, o->net->suspect);
		const struct pv_refnet_left *left = pv_refnet_left_of(o->net, one);

		put_loc(o, one->function);
		pv_json_int(json, "calls", (int64_t)one->all);
		pv_json_int(json, "off", (int64_t)pv_refnet_off(o->net, one));
		pv_json_string(json, "why", why_name(one));
		if (left)
			err = put_site(o, "site", left->site);
		if (!err && left)
			err = put_site(o, "via", left->via);
		if (!err && left)
			err = put_site(o, "inner", left->inner);
	}
	pv_json_end(json, '}');
	return err;
}

/* ---- lives */

static struct pv_err *put_place(struct object *o, const char *key, const struct pv_lifenet *lives,
				uint32_t index)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	const struct pv_lifenet_place *place;
	const struct pv_lifenet_owner *owner;
	struct pv_err *err;

	if (index == PV_LIFENET_NONE)
		return NULL;
	place = pv_vec_at(&lives->places, index);
	owner = pv_vec_at(&lives->owners, place->owner);
	err = pv_lifenet_place_text(o->refs, place, &text);
	if (err)
		return err;
	pv_json_begin(&o->json, key, '{');
	pv_json_bytes(&o->json, "text", pv_str_text(&text), text.n);
	pv_json_begin(&o->json, "owner", '{');
	put_loc(o, owner->function);
	pv_json_end(&o->json, '}');
	pv_json_int(&o->json, "delta", place->sign);
	pv_json_int(&o->json, "times", (int64_t)place->n);
	pv_json_int(&o->json, "times_ended", (int64_t)place->n_ended);
	pv_json_int(&o->json, "lives_ended", (int64_t)place->lives);
	err = put_site(o, "site", place->site);
	if (!err && place->site == PV_REFS_NONE) {
		const struct pv_loc *loc = pv_vec_at(&o->profile->locs, place->loc);

		if (loc->line > 0)
			pv_json_int(&o->json, "line", loc->line);
	}
	pv_json_end(&o->json, '}');
	return err;
}

static void put_owner(struct object *o, const struct pv_lifenet_owner *owner)
{
	struct pv_json *json = &o->json;

	pv_json_begin(json, NULL, '{');
	put_loc(o, owner->function);
	pv_json_bool(json, "python_itself", owner->interpreter);
	pv_json_bool(json, "touched", owner->shown);
	pv_json_int(json, "net", owner->net);
	pv_json_int(json, "lives_ended", (int64_t)owner->lives);
	pv_json_int(json, "less", (int64_t)owner->less);
	pv_json_int(json, "same", (int64_t)owner->same);
	pv_json_int(json, "more", (int64_t)owner->more);
	pv_json_end(json, '}');
}

static const char *fate_name(enum pv_life_fate fate)
{
	static const char *const names[] = {
		[PV_LIFE_ENDED] = "ended",
		[PV_LIFE_GOES_ON] = "goes on",
		[PV_LIFE_HELD] = "held",
		[PV_LIFE_LOST] = "lost",
	};

	return names[fate];
}

static const char *why_life(enum pv_lifenet_why why)
{
	static const char *const names[] = {
		[PV_LIFENET_NOTHING] = "nothing",       [PV_LIFENET_NOT_GIVEN] = "not_given_back",
		[PV_LIFENET_TAKEN] = "taken",           [PV_LIFENET_NOT_HANDED] = "not_handed_on",
		[PV_LIFENET_NOT_LET_GO] = "not_let_go", [PV_LIFENET_ALONE] = "none_has_ended",
	};

	return names[why];
}

static struct pv_err *put_lives(struct object *o, const struct pv_lifenet *net)
{
	const struct pv_lives *lives = &o->refs->lives;
	struct pv_json *json = &o->json;
	struct pv_err *err = NULL;

	pv_json_begin(json, "lives", '{');
	put_string(o, "place", lives->place);
	pv_json_string(json, "fate", fate_name(lives->fate));
	pv_json_int(json, "lost", (int64_t)lives->lost);
	pv_json_thousandths(json, "idle_s", lives->idle_ns / 1000000);
	pv_json_int(json, "ended", (int64_t)lives->n_ended);
	pv_json_int(json, "compared", (int64_t)net->n_ended);
	pv_json_thousandths(json, "longest_s", lives->life_ns / 1000000);
	pv_json_thousandths(json, "longest_rest_s", lives->rest_ns / 1000000);
	pv_json_int(json, "held", (int64_t)lives->n_held);
	pv_json_int(json, "broken", (int64_t)lives->n_broken);
	pv_json_int(json, "end_not_seen", (int64_t)lives->n_gone);
	pv_json_int(json, "births", (int64_t)lives->n_births);
	pv_json_int(json, "births_elsewhere", (int64_t)lives->n_other);
	pv_json_int(json, "births_passed", (int64_t)lives->n_passed);
	pv_json_int(json, "addresses", (int64_t)lives->n_aims);
	pv_json_int(json, "addresses_at_once", (int64_t)lives->n_slots);
	pv_json_int(json, "pauses", (int64_t)lives->n_pauses);
	pv_json_begin(json, "owners", '[');
	for (size_t i = 0; i < net->owners.n; i++)
		put_owner(o, pv_vec_at(&net->owners, i));
	pv_json_end(json, ']');
	pv_json_begin(json, "places", '[');
	for (uint32_t i = 0; !err && i < net->places.n; i++)
		err = put_place(o, NULL, net, i);
	pv_json_end(json, ']');
	pv_json_end(json, '}');
	return err;
}

static struct pv_err *put_life_verdict(struct object *o, const struct pv_lifenet *net)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_json *json = &o->json;
	struct pv_err *err = pv_lifenet_sentence(o->refs, net, &text);

	if (err)
		return err;
	pv_json_begin(json, "verdict", '{');
	pv_json_bytes(json, "text", pv_str_text(&text), text.n);
	pv_json_bool(json, "suspect", net->accused != PV_LIFENET_NONE);
	pv_json_string(json, "why", why_life(net->why));
	if (net->accused != PV_LIFENET_NONE) {
		const struct pv_lifenet_owner *owner = pv_vec_at(&net->owners, net->accused);

		put_loc(o, owner->function);
		if (net->taken != PV_LIFENET_NONE)
			err = put_site(
				o, "site",
				((struct pv_lifenet_place *)pv_vec_at(&net->places, net->taken))
					->site);
		if (!err)
			err = put_place(o, "given", net, net->given);
	}
	pv_json_end(json, '}');
	return err;
}

static struct pv_err *put_all_lives(struct object *o)
{
	struct pv_lifenet *net;
	struct pv_err *err = pv_lifenet_create(o->refs, &net);

	if (err)
		return err;
	err = pv_lifenet_is_less(net, o->net) ? put_verdict(o) : put_life_verdict(o, net);
	if (!err)
		err = put_lives(o, net);
	pv_lifenet_destroy(net);
	return err;
}

static struct pv_err *put_quality(struct object *o)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str doubts = { 0 };
	const struct pv_refs *refs = o->refs;
	struct pv_json *json = &o->json;
	struct pv_err *err = pv_refs_doubts(refs, &doubts);
	char *rest = doubts.data;

	pv_json_begin(json, "quality", '{');
	pv_json_int(json, "lost", (int64_t)refs->lost);
	pv_json_int(json, "unseen", (int64_t)refs->unseen);
	pv_json_int(json, "unchanged", (int64_t)refs->unchanged);
	pv_json_int(json, "broken_stacks", (int64_t)o->net->broken);
	pv_json_begin(json, "doubts", '[');
	while (!err && rest && *rest) {
		char *line = strsep(&rest, "\n");

		if (*line)
			pv_json_string(json, NULL, line);
	}
	pv_json_end(json, ']');
	pv_json_end(json, '}');
	pv_json_begin(json, "cost", '{');
	pv_json_double(json, "cpus", refs->cost_cpus);
	pv_json_int(json, "trap_ns", (int64_t)refs->bare_ns);
	pv_json_int(json, "program_ns", (int64_t)refs->spent_ns);
	pv_json_int(json, "entry_hits", (int64_t)(refs->hits[0] + refs->hits[1]));
	pv_json_end(json, '}');
	return err;
}

struct pv_err *pv_refs_json(const struct pv_refs *refs, FILE *file)
{
	PV_CLEANUP(cleanup_net) struct pv_refnet *net = NULL;
	struct object o = { .refs = refs, .profile = refs->profile, .json = { .file = file } };
	struct pv_err *err = pv_refnet_create(refs, &net);

	if (err)
		return err;
	o.net = net;
	pv_json_begin(&o.json, NULL, '{');
	put_target(&o);
	err = refs->lives.on ? put_all_lives(&o) : put_verdict(&o);
	if (!err)
		err = put_nets(&o);
	if (!err)
		err = put_sums(&o, "by_site", &net->by_site, true);
	if (!err)
		err = put_sums(&o, "by_line", &net->by_line, false);
	if (!err)
		err = put_sums(&o, "by_function", &net->by_function, false);
	if (!err)
		err = put_quality(&o);
	if (!err)
		err = put_changes(&o);
	pv_json_end(&o.json, '}');
	fputc('\n', file);
	return err;
}

static const char *const json_suffixes[] = { ".json", NULL };

const struct pv_format pv_refs_format_json = {
	.name = "json",
	.suffixes = json_suffixes,
	.help = "all of it, for machines",
	.write_refs = pv_refs_json,
};
