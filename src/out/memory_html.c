/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of a hunt's page, column by column.  docs/formats.md describes the sections.
 * Input: a hunt and the verdict on it.  Output: sections for the shell of out/viewer.h.
 */
#include <math.h>
#include <stdlib.h>

#include "analyse/leak.h"
#include "analyse/sites.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "model/loss.h"
#include "model/memory.h"
#include "model/profile.h"
#include "out/memory.h"
#include "out/sections.h"
#include "out/viewer.h"

#define PUT PV_SECTIONS_PUT

struct html {
	const struct pv_memory *memory;
	const struct pv_profile *profile;
	const struct pv_leak *leak;
	struct pv_viewer *viewer;
	struct pv_vec bytes; /* of the section that is being made */
	uint32_t *place;     /* by node: its place in the order in which nodes are written */
};

static void html_deinit(struct html *html)
{
	pv_viewer_destroy(html->viewer);
	pv_vec_deinit(&html->bytes);
	free(html->place);
}

static void meta_capture(struct pv_json *json, const struct pv_memory *memory)
{
	const struct pv_profile *profile = memory->profile;

	pv_json_begin(json, "capture", '{');
	pv_sections_target(json, profile);
	pv_json_int(json, "duration_ns", (int64_t)profile->duration_ns);
	pv_json_int(json, "source", pv_suspects_source(memory));
	pv_json_end(json, '}');
	pv_json_begin(json, "classes", '[');
	for (int i = 0; i < PV_MEMORY_N_CLASSES; i++)
		pv_json_string(json, NULL, pv_memory_class_name((enum pv_memory_class)i));
	pv_json_end(json, ']');
}

static struct pv_err *fill_meta(void *ctx, struct pv_json *json)
{
	struct html *html = ctx;
	struct pv_err *err;

	meta_capture(json, html->memory);
	err = pv_memory_json_summary(html->memory, html->leak, json);
	pv_sections_causes(json, &html->profile->losses);
	return err;
}

static struct pv_err *flush(struct html *html, const char *tag)
{
	return pv_sections_flush(html->viewer, tag, &html->bytes);
}

/* Their number, that of classes; then of each its time, rss, and resident and mapped by class. */
static struct pv_err *write_points(struct html *html)
{
	const struct pv_vec *points = &html->memory->points;
	struct pv_err *err = PUT(&html->bytes, points->n, PV_MEMORY_N_CLASSES);

	for (size_t i = 0; i < points->n && !err; i++) {
		const struct pv_memory_point *point = pv_vec_at(points, i);

		err = PUT(&html->bytes, point->at_ns, point->rss_bytes);
		for (size_t k = 0; k < PV_MEMORY_N_CLASSES && !err; k++)
			err = PUT(&html->bytes, point->resident[k], point->mapped[k]);
	}
	return err ? err : flush(html, "POIN");
}

static struct pv_err *write_looks(struct html *html)
{
	const struct pv_vec *looks = &html->memory->looks;
	struct pv_err *err = PUT(&html->bytes, looks->n);

	for (size_t i = 0; i < looks->n && !err; i++) {
		const struct pv_memory_look *look = pv_vec_at(looks, i);

		err = PUT(&html->bytes, look->kind, look->source, look->at_ns, look->took_ns,
			  look->objects, look->bytes, look->partial);
	}
	return err ? err : flush(html, "LOOK");
}

static struct pv_err *write_types(struct html *html)
{
	const struct pv_vec *types = &html->memory->types;
	struct pv_err *err = PUT(&html->bytes, types->n);

	for (size_t i = 0; i < types->n && !err; i++) {
		const struct pv_memory_type *type = pv_vec_at(types, i);

		err = PUT(&html->bytes, type->kind, type->name, type->module, type->size);
	}
	return err ? err : flush(html, "TYPE");
}

static struct pv_err *write_sites(struct html *html)
{
	const struct pv_vec *sites = &html->memory->sites;
	struct pv_err *err = PUT(&html->bytes, sites->n);

	for (size_t i = 0; i < sites->n && !err; i++) {
		const struct pv_memory_site *site = pv_vec_at(sites, i);
		double weight = isfinite(site->weight) && site->weight > 0 && site->weight < 1e9
					? site->weight
					: 1;

		err = PUT(&html->bytes, site->source, site->domain, html->place[site->node],
			  site->type == PV_MEMORY_NONE ? 0 : (uint64_t)site->type + 1,
			  site->seen_count, site->seen_bytes, site->bursts, site->bursts_survived,
			  (uint64_t)(weight * 1000 + 0.5));
	}
	return err ? err : flush(html, "SITE");
}

/* Look, type or site, count, bytes: what is not zero. */
static struct pv_err *write_counts(struct html *html, const char *tag, enum pv_look_kind kind,
				   size_t n,
				   struct pv_memory_count (*at)(const struct pv_memory *memory,
								uint32_t look, uint32_t what))
{
	const struct pv_memory *memory = html->memory;
	struct pv_err *err = NULL;

	for (uint32_t look = 0; look < memory->looks.n; look++) {
		if (((struct pv_memory_look *)pv_vec_at(&memory->looks, look))->kind != kind)
			continue;
		for (uint32_t i = 0; i < n && !err; i++) {
			struct pv_memory_count count = at(memory, look, i);

			if (count.count || count.bytes)
				err = PUT(&html->bytes, look, i, count.count, count.bytes);
		}
	}
	return err ? err : flush(html, tag);
}

static struct pv_err *write_events(struct html *html)
{
	const struct pv_vec *events = &html->memory->events;
	struct pv_err *err = PUT(&html->bytes, events->n);

	for (size_t i = 0; i < events->n && !err; i++) {
		const struct pv_memory_event *event = pv_vec_at(events, i);

		err = PUT(&html->bytes, event->kind, html->place[event->node], event->thread,
			  event->count, event->bytes);
	}
	return err ? err : flush(html, "EVNT");
}

static struct pv_err *write_sections(struct html *html)
{
	const struct pv_memory *memory = html->memory;
	struct pv_err *err =
		pv_sections_meta(html->viewer, "memory", html->profile, fill_meta, html);

	if (!err)
		err = pv_sections_strings(html->viewer, html->profile, &html->bytes);
	if (!err)
		err = pv_sections_locs(html->viewer, html->profile, &html->bytes);
	if (!err)
		err = pv_sections_nodes(html->viewer, html->profile, &html->place);
	if (!err)
		err = write_points(html);
	if (!err)
		err = write_looks(html);
	if (!err)
		err = write_types(html);
	if (!err)
		err = write_counts(html, "TCNT", PV_LOOK_CENSUS, memory->types.n,
				   pv_memory_type_at);
	if (!err)
		err = write_sites(html);
	if (!err)
		err = write_counts(html, "SCNT", PV_LOOK_SITES, memory->sites.n, pv_memory_site_at);
	if (!err)
		err = write_events(html);
	if (!err)
		err = pv_sections_sources(html->viewer, html->profile, &html->bytes);
	return err ? err : pv_viewer_end(html->viewer);
}

static struct pv_err *html_write(const struct pv_memory *memory, FILE *file)
{
	struct html html PV_CLEANUP(html_deinit) = {
		.memory = memory,
		.profile = memory->profile,
		.bytes = PV_VEC(uint8_t),
	};
	struct pv_leak leak;
	struct pv_err *err = pv_leak_of(memory, &leak);

	if (err)
		return err;
	html.leak = &leak;
	err = pv_viewer_create(&pv_viewer_memory, file, &html.viewer);
	if (!err)
		err = write_sections(&html);
	pv_leak_deinit(&leak);
	return err;
}

static const char *const html_suffixes[] = { ".html", NULL };

const struct pv_format pv_memory_format_html = {
	.name = "html",
	.suffixes = html_suffixes,
	.help = "one page to look at in a browser: what stays over time, by stack and by type",
	.write_memory = html_write,
};
