/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the data of all pages has, column by column, so that it compresses well and the
 * browser reads it at once.  docs/formats.md describes the sections.
 * Input: a profile: strings, functions, stacks, sources.
 * Output: sections for the shell of out/viewer.h.
 */
#include "out/sections.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "model/frame.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/viewer.h"
#include "recfile/bytes.h"

#define PUT PV_SECTIONS_PUT

struct pv_err *pv_sections_flush(struct pv_viewer *viewer, const char *tag, struct pv_vec *bytes)
{
	struct pv_err *err = pv_viewer_section(viewer, tag, bytes->data, bytes->n);

	bytes->n = 0;
	return err;
}

struct pv_err *pv_sections_put(struct pv_vec *bytes, const uint64_t *numbers, size_t n)
{
	struct pv_err *err = pv_vec_reserve(bytes, n * PV_VARINT_BYTES);

	for (size_t i = 0; i < n && !err; i++)
		pv_put_varint(bytes, numbers[i]);
	return err;
}

void pv_sections_string(struct pv_json *json, const struct pv_profile *profile, const char *key,
			uint32_t id)
{
	pv_json_bytes(json, key, pv_strings_get(profile->strings, id),
		      pv_strings_length(profile->strings, id));
}

void pv_sections_target(struct pv_json *json, const struct pv_profile *profile)
{
	pv_sections_string(json, profile, "name", profile->target_name);
	pv_sections_string(json, profile, "title", profile->title);
	pv_sections_string(json, profile, "interpreter", profile->interpreter);
	pv_sections_string(json, profile, "host", profile->host);
	pv_json_int(json, "pid", profile->pid);
	pv_json_int(json, "start_unix_ms", (int64_t)(profile->start_unix_ns / 1000000));
}

void pv_sections_causes(struct pv_json *json, const struct pv_losses *losses)
{
	pv_json_begin(json, "causes", '{');
	for (size_t i = 1; i < PV_LOSSES_MAX; i++) {
		if (losses->count[i])
			pv_json_string(json, pv_losses_name(losses, i).text,
				       pv_losses_text(losses, i));
	}
	pv_json_end(json, '}');
}

static void processes_and_threads(struct pv_json *json, const struct pv_profile *profile)
{
	pv_json_begin(json, "processes", '[');
	for (size_t i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "pid", process->pid);
		pv_json_int(json, "generation", process->generation);
		pv_sections_string(json, profile, "name", process->name);
		pv_sections_string(json, profile, "title", process->title);
		pv_sections_string(json, profile, "interpreter", process->interpreter);
		pv_sections_string(json, profile, "problem", process->problem);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
	pv_json_begin(json, "threads", '[');
	for (size_t i = 0; i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "process", thread->process);
		pv_json_int(json, "tid", thread->tid);
		pv_sections_string(json, profile, "name", thread->name);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

static void modules(struct pv_json *json, const struct pv_profile *profile)
{
	pv_json_begin(json, "modules", '[');
	for (size_t i = 0; i < profile->modules.n; i++) {
		const struct pv_module *module = pv_vec_at(&profile->modules, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "name", module->name);
		pv_sections_string(json, profile, "path", module->path);
		pv_sections_string(json, profile, "build_id", module->build_id);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

struct pv_err *pv_sections_meta(struct pv_viewer *viewer, const char *view,
				const struct pv_profile *profile,
				struct pv_err *(*fill)(void *ctx, struct pv_json *json), void *ctx)
{
	_pv_free_ char *text = NULL;
	size_t n = 0;
	_pv_fclose_ FILE *file = open_memstream(&text, &n);
	struct pv_json json = { .file = file };
	struct pv_err *err;

	if (!file)
		return &pv_enomem;
	pv_json_begin(&json, NULL, '{');
	pv_json_string(&json, "view", view);
	pv_json_string(&json, "pitviper", PV_VERSION);
	err = fill(ctx, &json);
	if (err)
		return err;
	processes_and_threads(&json, profile);
	modules(&json, profile);
	pv_json_end(&json, '}');
	if (fflush(file) || ferror(file))
		return &pv_enomem;
	return pv_viewer_section(viewer, "META", text, n);
}

/* Number of strings, their lengths, their bytes. */
struct pv_err *pv_sections_strings(struct pv_viewer *viewer, const struct pv_profile *profile,
				   struct pv_vec *bytes)
{
	const struct pv_strings *strings = profile->strings;
	size_t n = pv_strings_n(strings);
	struct pv_err *err = PUT(bytes, n);

	for (size_t i = 0; i < n && !err; i++)
		err = PUT(bytes, pv_strings_length(strings, i));
	for (size_t i = 0; i < n && !err; i++)
		err = pv_vec_append(bytes, pv_strings_get(strings, i),
				    pv_strings_length(strings, i), NULL);
	return err ? err : pv_sections_flush(viewer, "STRS", bytes);
}

/*
 * Name, file, module, kind (bit 3: the user's own code, bit 4: machinery of
 * calling, bit 5: of the interpreter), and how much of the file's path is not
 * shown.
 */
static struct pv_err *write_function(const struct pv_profile *profile, const struct pv_loc *loc,
				     struct pv_vec *bytes)
{
	const char *file = pv_strings_get(profile->strings, loc->file);
	size_t n = pv_strings_length(profile->strings, loc->file);

	return PUT(bytes, loc->function, loc->file, loc->module,
		   loc->kind | (uint64_t)pv_loc_is_own(profile, loc) << 3 |
			   (uint64_t)pv_frame_is_machinery(profile, loc) << 4 |
			   (uint64_t)pv_frame_is_interpreter(profile, loc) << 5,
		   n ? pv_path_skip(file, n) : 0);
}

/* Functions in the order of their first locations; function and line of each location. */
struct pv_err *pv_sections_locs(struct pv_viewer *viewer, const struct pv_profile *profile,
				struct pv_vec *bytes)
{
	size_t n = profile->locs.n, n_functions = 0;
	_pv_free_ uint32_t *first = NULL; /* by location: the first of the same function */
	struct pv_err *err = pv_profile_functions(profile, &first);

	for (size_t i = 0; i < n && !err; i++)
		n_functions += first[i] == i;
	if (!err)
		err = PUT(bytes, n_functions);
	for (size_t i = 0; i < n && !err; i++) {
		if (first[i] == i)
			err = write_function(profile, pv_vec_at(&profile->locs, i), bytes);
	}
	if (!err)
		err = pv_sections_flush(viewer, "FUNC", bytes);
	if (!err)
		err = PUT(bytes, n);
	n_functions = 0;
	for (size_t i = 0; i < n && !err; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, i);

		/* From here on: its function's place among the functions. */
		first[i] = first[i] == i ? n_functions++ : first[first[i]];
		err = PUT(bytes, first[i], loc->line > 0 ? loc->line : 0);
	}
	return err ? err : pv_sections_flush(viewer, "LOCS", bytes);
}

/*
 * Nodes depth first, children in the order of their making: for each but the
 * root how many levels its parent stands above the node before it, and its
 * location.
 */
struct pv_err *pv_sections_nodes(struct pv_viewer *viewer, const struct pv_profile *profile,
				 uint32_t **place_ret)
{
	const struct pv_stack_node *nodes = profile->nodes.data;
	size_t n = profile->nodes.n;
	_pv_free_ uint32_t *sibling = calloc(n, sizeof(*sibling));
	/* the first child until the node is written, its place from then on */
	_pv_free_ uint32_t *child = calloc(n, sizeof(*child));
	struct pv_vec ups PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint8_t);
	struct pv_vec locs PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint8_t);
	struct pv_err *err;
	uint32_t place = 0;

	if (!sibling || !child)
		return &pv_enomem;
	for (size_t i = n - 1; i; i--) {
		sibling[i] = child[nodes[i].parent];
		child[nodes[i].parent] = i;
	}
	err = PUT(&ups, n);
	for (uint32_t at = 0; !err;) {
		uint32_t next = child[at], up = 0;

		child[at] = place++;
		while (!next && at) {
			next = sibling[at];
			at = nodes[at].parent;
			up++;
		}
		if (!next)
			break;
		err = PUT(&ups, up);
		if (!err)
			err = PUT(&locs, nodes[next].loc);
		at = next;
	}
	if (!err)
		err = pv_sections_flush(viewer, "NUPS", &ups);
	if (!err)
		err = pv_sections_flush(viewer, "NLOC", &locs);
	if (!err)
		*place_ret = pv_steal(child);
	return err;
}

/* File, changed, length of each source, then the texts. */
struct pv_err *pv_sections_sources(struct pv_viewer *viewer, const struct pv_profile *profile,
				   struct pv_vec *bytes)
{
	const struct pv_source *sources = profile->sources.data;
	size_t n = profile->sources.n;
	struct pv_err *err = PUT(bytes, n);

	for (size_t i = 0; i < n && !err; i++)
		err = PUT(bytes, sources[i].file, sources[i].changed, sources[i].n);
	for (size_t i = 0; i < n && !err; i++)
		err = pv_vec_append(bytes, sources[i].text, sources[i].n, NULL);
	return err ? err : pv_sections_flush(viewer, "SRCS", bytes);
}
