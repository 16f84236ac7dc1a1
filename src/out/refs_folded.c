/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ledger as folded stacks: "frame;frame;...;+1 methods.c:1274 COUNT" a line: how often that stack
 * changed the count so, there.
 * Input: a struct pv_refs.
 * Output: lines as out/folded.c has them; their sum is the number of changes.
 */
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/profile.h"
#include "model/refs.h"
#include "out/refs.h"

struct line {
	uint32_t node, site;
	int64_t delta;
	uint64_t n;
};

static struct pv_err *append_stack(const struct pv_profile *profile, uint32_t node,
				   struct pv_str *str)
{
	const struct pv_stack_node *nodes = profile->nodes.data;
	PV_CLEANUP(pv_vec_deinit) struct pv_vec path = PV_VEC(uint32_t);
	struct pv_err *err = NULL;

	for (; !err && node; node = nodes[node].parent)
		err = pv_vec_append(&path, &nodes[node].loc, 1, NULL);
	for (size_t i = path.n; !err && i; i--) {
		uint32_t loc = *(uint32_t *)pv_vec_at(&path, i - 1);

		err = pv_frame_text(profile->strings, pv_vec_at(&profile->locs, loc),
				    PV_ESCAPE_LINE, str);
		if (!err)
			err = pv_str_append(str, ";", 1);
	}
	return err;
}

static struct pv_err *write_line(const struct pv_refs *refs, const struct line *line, FILE *file)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str str = { 0 };
	PV_CLEANUP(pv_str_deinit) struct pv_str site = { 0 };
	struct pv_err *err = append_stack(refs->profile, line->node, &str);

	if (!err && !line->node)
		err = pv_str_appendf(&str, "[unknown];");
	if (!err && line->site != PV_REFS_NONE)
		err = pv_ref_site_text(refs, pv_vec_at(&refs->sites, line->site), &site);
	if (!err && refs->field_size)
		err = pv_str_appendf(&str, "write ");
	else if (!err)
		err = pv_str_appendf(&str, "%+" PRId64 " ", line->delta);
	/* names are as they are in frames: what separates is escaped */
	if (!err)
		err = pv_escape_text(&str, site.n ? pv_str_text(&site) : "[unknown]",
				     site.n ? site.n : 9, PV_ESCAPE_LINE);
	if (!err)
		fprintf(file, "%s %" PRIu64 "\n", pv_str_text(&str), line->n);
	return err;
}

static struct pv_err *folded_write(const struct pv_refs *refs, FILE *file)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec lines = PV_VEC(struct line);
	PV_CLEANUP(pv_map_deinit) struct pv_map index = { 0 };
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < refs->changes.n; i++) {
		const struct pv_change *change = pv_vec_at(&refs->changes, i);
		struct line added = { .node = change->node, .site = change->site };
		uint64_t key, at = lines.n;

		added.delta = refs->field_size ? 0 : pv_change_delta(change);
		key = pv_hash(pv_hash((uint64_t)added.node << 32 | added.site) ^
			      (uint64_t)added.delta);
		if (!pv_map_get(&index, key, &at)) {
			err = pv_map_set(&index, key, at);
			if (!err)
				err = pv_vec_append(&lines, &added, 1, NULL);
		}
		if (!err)
			((struct line *)pv_vec_at(&lines, at))->n++;
	}
	for (size_t i = 0; !err && i < lines.n; i++)
		err = write_line(refs, pv_vec_at(&lines, i), file);
	return err;
}

static const char *const folded_suffixes[] = { ".folded", NULL };

const struct pv_format pv_refs_format_folded = {
	.name = "folded",
	.suffixes = folded_suffixes,
	.help = "changes by stack and place, for flame graph tools and diff",
	.write_refs = folded_write,
};
