/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of changes.  Input: symbols, lines, unwind information of the objects.  Output: see
 * refplaces.h.
 */
#include "session/refplaces.h"

#include <stdlib.h>
#include <string.h>

#include "abi/native.h"
#include "abi/probe.h"
#include "abi/refs.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "collect/probes.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/refs.h"
#include "model/strings.h"
#include "probe/native.h"
#include "session/entries.h"
#include "session/inlined.h"
#include "session/leads.h"
#include "session/natives.h"
#include "session/probed.h"
#include "snap/merge.h"
#include "snap/objects.h"
#include "symbol/lines.h"

/* A function whose entry is, or will be, probed; its index is that of refs->functions. */
struct known {
	struct pv_native_function function; /* name owned */
};

struct pv_refplaces {
	struct pv_probed *probed;
	struct pv_leads *leads;
	struct pv_refs *refs;
	struct pv_natives *natives;
	struct pv_vec lines;     /* struct pv_lines *, by object id; NULL: not looked at yet */
	struct pv_vec functions; /* struct known */
	struct pv_map asked;     /* location -> index in functions + 1; 0: it is not probed */
	struct pv_map sites;     /* object and vaddr, or address -> index in refs->sites */
	struct pv_map whole;     /* location -> that without a line or a `.cold` */
	struct pv_entries entries;
	uint64_t modules; /* mappings of the image that natives knows */
};

static struct pv_entry entry_at(const void *ctx, size_t index)
{
	const struct pv_refplaces *places = ctx;
	const struct known *known = pv_vec_at(&places->functions, index);

	return (struct pv_entry){ .function = &known->function };
}

struct pv_err *pv_refplaces_create(struct pv_probed *probed, struct pv_leads *leads,
				   struct pv_refs *refs, struct pv_refplaces **ret)
{
	struct pv_refplaces *places = calloc(1, sizeof(*places));
	struct pv_err *err;

	if (!places)
		return &pv_enomem;
	places->probed = probed;
	places->leads = leads;
	places->refs = refs;
	places->lines = (struct pv_vec)PV_VEC(struct pv_lines *);
	places->functions = (struct pv_vec)PV_VEC(struct known);
	err = pv_natives_create(probed->pid, probed->objects, probed->mem, &places->natives);
	if (!err)
		err = pv_natives_update(places->natives, &probed->image);
	if (err) {
		pv_refplaces_destroy(places);
		return err;
	}
	places->entries = (struct pv_entries){
		.natives = places->natives,
		.at = entry_at,
		.ctx = places,
		.keep = PV_NATIVE_ARGUMENTS,
	};
	*ret = places;
	return NULL;
}

void pv_refplaces_destroy(struct pv_refplaces *places)
{
	if (!places)
		return;
	for (size_t i = 0; i < places->lines.n; i++)
		pv_lines_destroy(*(struct pv_lines **)pv_vec_at(&places->lines, i));
	for (size_t i = 0; i < places->functions.n; i++)
		free(((struct known *)pv_vec_at(&places->functions, i))->function.name);
	pv_natives_destroy(places->natives);
	pv_vec_deinit(&places->lines);
	pv_vec_deinit(&places->functions);
	pv_map_deinit(&places->asked);
	pv_map_deinit(&places->sites);
	pv_map_deinit(&places->whole);
	free(places);
}

/* ---- names */

/*
 * The part of a function that a compiler holds for unlikely is the same activation: `foo.cold` is
 * jumped to.  Of Python the line is left out.
 */
static struct pv_err *whole_function(struct pv_refplaces *places, uint32_t loc_index, uint32_t *ret)
{
	struct pv_profile *profile = places->refs->profile;
	struct pv_loc loc = *(const struct pv_loc *)pv_vec_at(&profile->locs, loc_index);
	const char *name = pv_strings_get(profile->strings, loc.function);
	const char *cold = loc.kind == PV_LOC_NATIVE ? strstr(name, ".cold") : NULL;
	uint64_t known;
	struct pv_err *err = NULL;

	if (pv_map_get(&places->whole, loc_index, &known)) {
		*ret = (uint32_t)known;
		return NULL;
	}
	if (cold && cold != name) {
		_pv_free_ char *copy = strndup(name, (size_t)(cold - name));

		err = copy ? pv_strings_add(profile->strings, copy, (size_t)(cold - name),
					    &loc.function)
			   : &pv_enomem;
	}
	loc.line = 0;
	if (!err)
		err = pv_profile_loc(profile, &loc, ret);
	return err ? err : pv_map_set(&places->whole, loc_index, *ret);
}

static struct pv_err *lines_of(struct pv_refplaces *places, const struct pv_object *object,
			       struct pv_lines **ret)
{
	struct pv_lines **slot;
	struct pv_err *err = NULL;

	*ret = NULL;
	if (!object->elf)
		return NULL;
	if (places->lines.n <= object->id)
		err = pv_vec_append(&places->lines, NULL, object->id + 1 - places->lines.n, NULL);
	if (err)
		return err;
	slot = pv_vec_at(&places->lines, object->id);
	if (!*slot)
		err = pv_lines_create(object->elf, object->path, object->root, slot);
	*ret = *slot;
	return err;
}

static struct pv_err *add_text(struct pv_refplaces *places, const char *text, uint32_t *ret)
{
	*ret = 0;
	return text ? pv_strings_add(places->refs->profile->strings, text, strlen(text), ret)
		    : NULL;
}

/* ---- sites */

static struct pv_err *fill_line(struct pv_refplaces *places, const struct pv_object *object,
				uint64_t vaddr, struct pv_ref_site *site)
{
	const struct pv_loc *loc = pv_vec_at(&places->refs->profile->locs, site->function);
	const char *name = pv_strings_get(places->refs->profile->strings, loc->function);
	struct pv_lines *lines;
	struct pv_line line;
	bool found = false;
	struct pv_err *err = lines_of(places, object, &lines);

	if (!err && lines)
		err = pv_lines_at(lines, vaddr, &line, &found);
	if (err || !found)
		return err;
	site->line = line.line;
	err = add_text(places, line.file, &site->file);
	if (!err && line.function && strcmp(line.function, name) != 0)
		err = add_text(places, line.function, &site->source);
	return err;
}

/* A library that was mapped since is known to the walkers' image, and so must be here. */
static struct pv_err *find_module(struct pv_refplaces *places, uint64_t address,
				  struct pv_native_module **ret)
{
	struct pv_err *err = NULL;

	*ret = pv_natives_at(places->natives, address);
	if (*ret || places->modules == places->probed->image.n_mappings)
		return NULL;
	places->modules = places->probed->image.n_mappings;
	err = pv_natives_update(places->natives, &places->probed->image);
	if (!err)
		*ret = pv_natives_at(places->natives, address);
	return err;
}

static struct pv_err *make_site(struct pv_refplaces *places, struct pv_native_module *module,
				uint64_t address, struct pv_ref_site *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str name = { 0 };
	uint64_t start;
	uint32_t loc;
	struct pv_err *err;

	*ret = (struct pv_ref_site){ .vaddr = address - module->bias, .offset = UINT64_MAX };
	err = pv_leads_native(places->leads, module->object->id, ret->vaddr, &loc);
	if (!err)
		err = whole_function(places, loc, &ret->function);
	if (!err)
		err = pv_natives_name(module, ret->vaddr, &name, &start);
	if (err)
		return err;
	ret->offset = ret->vaddr - start;
	return fill_line(places, module->object, ret->vaddr, ret);
}

static bool is_helper(const struct pv_refplaces *places, uint32_t loc_index)
{
	const struct pv_loc *loc = pv_vec_at(&places->refs->profile->locs, loc_index);

	return loc->kind == PV_LOC_NATIVE &&
	       pv_lines_is_helper(pv_strings_get(places->refs->profile->strings, loc->function));
}

static struct pv_err *site_at(struct pv_refplaces *places, uint64_t address, uint32_t *ret)
{
	struct pv_native_module *module;
	struct pv_ref_site site;
	uint64_t known;
	struct pv_err *err = NULL;

	if (pv_map_get(&places->sites, address, &known)) {
		*ret = (uint32_t)known;
		return NULL;
	}
	err = find_module(places, address, &module);
	/* code of no file may be another a moment later */
	if (err || !module)
		return err;
	err = make_site(places, module, address, &site);
	if (!err)
		err = pv_map_set(&places->sites, address, places->refs->sites.n);
	if (!err)
		err = pv_vec_append(&places->refs->sites, &site, 1, NULL);
	if (!err)
		*ret = (uint32_t)(places->refs->sites.n - 1);
	return err;
}

struct pv_err *pv_refplaces_site(struct pv_refplaces *places, uint64_t ip,
				 const struct pv_vec *frames, uint32_t *ret)
{
	const struct pv_lead_frame *list = frames->data;
	/* the instruction that wrote ends there */
	uint64_t address = ip - 1;
	struct pv_native_module *module;

	*ret = PV_REFS_NONE;
	for (size_t i = frames->n;
	     i > 1 && list[i - 1].kind == PV_REF_NATIVE && list[i - 2].kind == PV_REF_NATIVE &&
	     is_helper(places, list[i - 1].loc);
	     i--) {
		module = pv_natives_module(places->natives, list[i - 2].object);
		/* of a call by ctypes the place in libffi tells nothing */
		if (!module || !strncmp(module->object->name, "libffi.", 7))
			break;
		address = module->bias + list[i - 2].address;
	}
	return site_at(places, address, ret);
}

/* ---- frames */

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* Python, its standard library, and what the C library does for it. */
static bool is_interpreter(const struct pv_refplaces *places, const struct pv_object *object)
{
	const char *python = places->probed->image.python.module_path;

	return (python && !strcmp(object->path, python)) || pv_path_is_interpreter(object->name) ||
	       strstr(object->path, "/lib-dynload/") || has_prefix(object->name, "libc.so") ||
	       has_prefix(object->name, "libc-") || has_prefix(object->name, "libpthread") ||
	       has_prefix(object->name, "ld-linux");
}

/* The number of the call that the frame is of; 0: it has none. */
static uint64_t number_of(const struct pv_refplaces *places, const struct pv_lead_frame *lead,
			  const struct pv_event_change *change, uint32_t function)
{
	const uint64_t mask = (1ULL << PV_CHANGE_FUNCTION_SHIFT) - 1;
	uint64_t number = lead->at < PV_CHANGE_NUMBERS ? change->numbers[lead->at] : 0;
	uint64_t index = number >> PV_CHANGE_FUNCTION_SHIFT;
	const struct pv_ref_function *known;

	/* an older call of another function stood in the same place */
	if (!index || index > places->refs->functions.n)
		return 0;
	known = pv_vec_at(&places->refs->functions, index - 1);
	return known->function == function ? number & mask : 0;
}

struct pv_err *pv_refplaces_frame(struct pv_refplaces *places, const struct pv_lead_frame *lead,
				  const struct pv_event_change *change, struct pv_ref_frame *ret)
{
	const uint64_t *python = (const uint64_t *)(change + 1);
	const uint64_t *native = python + change->n_python;
	const struct pv_object *object;
	struct pv_native_module *module;
	struct pv_err *err;

	*ret = (struct pv_ref_frame){ .loc = lead->loc, .site = PV_REFS_NONE };
	ret->kind =
		(uint8_t)((const struct pv_loc *)pv_vec_at(&places->refs->profile->locs, lead->loc))
			->kind;
	err = whole_function(places, lead->loc, &ret->function);
	if (err)
		return err;
	if (lead->kind == PV_REF_PYTHON) {
		ret->pc = lead->lasti;
		ret->place = lead->at < change->n_python ? python[lead->at] : 0;
	} else if (lead->kind == PV_REF_NATIVE || lead->kind == PV_REF_RAW) {
		object = pv_objects_get(places->probed->objects, lead->object);
		ret->interpreter =
			(object && is_interpreter(places, object)) || is_helper(places, lead->loc);
		ret->pc = lead->address;
		ret->place = lead->at < change->n_native ? native[lead->at] : 0;
		ret->number = number_of(places, lead, change, ret->function);
		module = ret->interpreter || lead->kind != PV_REF_NATIVE
				 ? NULL
				 : pv_natives_module(places->natives, lead->object);
		if (module)
			err = site_at(places, module->bias + lead->address, &ret->site);
	} else {
		/* marks and labels stand for nothing that is called */
		ret->place = 1;
	}
	return err;
}

/* ---- functions to probe */

/* The function itself, of which the code at vaddr may be the unlikely part. */
static struct pv_err *find_function(struct pv_refplaces *places, struct pv_native_module *module,
				    uint64_t vaddr, struct pv_native_function *ret, bool *found_ret)
{
	PV_CLEANUP(pv_native_functions_deinit)
	struct pv_vec functions = PV_VEC(struct pv_native_function);
	PV_CLEANUP(pv_str_deinit) struct pv_str name = { 0 };
	PV_CLEANUP(pv_str_deinit) struct pv_str word = { 0 };
	uint64_t start;
	const char *cold;
	struct pv_err *err = pv_natives_name(module, vaddr, &name, &start);

	*found_ret = false;
	if (err)
		return err;
	*ret = (struct pv_native_function){
		.object = module->object->id,
		.vaddr = start,
		.library = module->object->name,
	};
	cold = strstr(pv_str_text(&name), ".cold");
	if (cold) {
		err = pv_str_appendf(&word, "%s:%.*s", module->object->path,
				     (int)(cold - pv_str_text(&name)), pv_str_text(&name));
		if (!err)
			err = pv_natives_find(places->natives, pv_str_text(&word), 1, &functions);
		/* several of that name: it is not told apart by name alone */
		if (err && err != &pv_enomem) {
			pv_err_destroy(err);
			return NULL;
		}
		if (err || functions.n != 1)
			return err;
		ret->vaddr = ((struct pv_native_function *)pv_vec_at(&functions, 0))->vaddr;
	}
	ret->name = strdup(pv_str_text(&name));
	*found_ret = ret->name;
	return ret->name ? NULL : &pv_enomem;
}

static struct pv_err *add_function(struct pv_refplaces *places, struct pv_native_module *module,
				   uint64_t vaddr, uint32_t function, uint64_t *index_ret)
{
	struct known known = { 0 };
	struct pv_ref_function added = { .function = function };
	const struct pv_native_code *code;
	struct pv_native_site site;
	const char *why;
	bool found;
	struct pv_err *err = find_function(places, module, vaddr, &known.function, &found);

	if (err || !found)
		return err;
	err = pv_natives_code(module, &code);
	/* one that cannot be probed is known by its stacks alone */
	if (err || !pv_native_entry(code, known.function.vaddr, 0,
				    PV_NATIVE_SAVED | PV_NATIVE_ARGUMENTS, &site, &why)) {
		free(known.function.name);
		return err;
	}
	err = pv_vec_append(&places->functions, &known, 1, NULL);
	if (err) {
		free(known.function.name);
		return err;
	}
	*index_ret = places->functions.n;
	return pv_vec_append(&places->refs->functions, &added, 1, NULL);
}

struct pv_err *pv_refplaces_touch(struct pv_refplaces *places, const struct pv_lead_frame *lead)
{
	const struct pv_object *object =
		lead->kind == PV_REF_NATIVE ? pv_objects_get(places->probed->objects, lead->object)
					    : NULL;
	struct pv_native_module *module;
	uint64_t index = 0;
	uint32_t function;
	struct pv_err *err;

	if (!object || is_interpreter(places, object) || is_helper(places, lead->loc) ||
	    places->functions.n >= PV_CHANGE_FUNCTIONS_MAX)
		return NULL;
	err = whole_function(places, lead->loc, &function);
	if (err || pv_map_get(&places->asked, function, &index))
		return err;
	module = pv_natives_module(places->natives, lead->object);
	if (!module && places->modules != places->probed->image.n_mappings) {
		places->modules = places->probed->image.n_mappings;
		err = pv_natives_update(places->natives, &places->probed->image);
		module = pv_natives_module(places->natives, lead->object);
	}
	if (!err && module)
		err = add_function(places, module, lead->address, function, &index);
	return err ? err : pv_map_set(&places->asked, function, index);
}

struct pv_natives *pv_refplaces_natives(const struct pv_refplaces *places)
{
	return places->natives;
}

static struct pv_err *no_function(struct pv_refplaces *places, const char *word)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str hint = { 0 };
	struct pv_err *err = pv_inlined_hint(places->natives, word, &hint);

	return err ? err
		   : pv_err_create(PV_ERR_USAGE, "there is no native function `%s`%s", word,
				   pv_str_text(&hint));
}

struct pv_err *pv_refplaces_named(struct pv_refplaces *places, const char *word,
				  const struct pv_native_function **ret)
{
	PV_CLEANUP(pv_native_functions_deinit)
	struct pv_vec functions = PV_VEC(struct pv_native_function);
	const struct pv_native_function *one;
	struct pv_native_module *module;
	uint32_t loc, function;
	uint64_t index = 0;
	struct pv_err *err = pv_natives_find(places->natives, word, 1, &functions);

	if (!err && !functions.n)
		err = no_function(places, word);
	if (err)
		return err;
	one = pv_vec_at(&functions, 0);
	module = pv_natives_module(places->natives, one->object);
	if (!module)
		return pv_err_create(PV_ERR_USAGE, "the library of `%s` is not mapped", word);
	err = pv_leads_native(places->leads, one->object, one->vaddr, &loc);
	if (!err)
		err = whole_function(places, loc, &function);
	if (!err)
		err = add_function(places, module, one->vaddr, function, &index);
	if (!err && !index)
		err = pv_err_create(PV_ERR_FAILED, "no probe can be at the beginning of `%s`",
				    word);
	if (!err)
		err = pv_map_set(&places->asked, function, index);
	if (!err)
		*ret = &((struct known *)pv_vec_at(&places->functions, index - 1))->function;
	return err;
}

/* Where lines begin, as they come. */
struct row_list {
	struct pv_vec vaddrs; /* uint64_t */
	struct pv_err *err;
};

static bool on_row(void *ctx, uint64_t vaddr, const char *file, uint32_t line)
{
	struct row_list *list = ctx;

	(void)file;
	(void)line;
	list->err = pv_vec_append(&list->vaddrs, &vaddr, 1, NULL);
	return !list->err && list->vaddrs.n < PV_COUNT_ROWS_MAX;
}

static int by_vaddr(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Those that begin an instruction, each once, but for the function's first: its entry is that. */
static struct pv_err *add_rows(struct pv_refplaces *places, struct pv_native_module *module,
			       uint64_t start, struct row_list *list, struct pv_probes *probes,
			       struct pv_err *(*tell)(void *ctx, uint32_t index, uint64_t address),
			       void *ctx, size_t *n_ret)
{
	_pv_free_ uint64_t *offsets = malloc(8 * (list->vaddrs.n + 1));
	_pv_free_ uint64_t *cookies = malloc(8 * (list->vaddrs.n + 1));
	const uint64_t *vaddrs = list->vaddrs.data;
	const struct pv_native_code *code;
	struct pv_err *err = offsets && cookies ? pv_natives_code(module, &code) : &pv_enomem;
	size_t n = 0;
	int fd;

	for (size_t i = 0; !err && i < list->vaddrs.n; i++) {
		struct pv_native_site site;
		const char *why;

		if (vaddrs[i] == start || (i && vaddrs[i] == vaddrs[i - 1]) ||
		    !pv_native_exact(code, vaddrs[i], &site, &why))
			continue;
		offsets[n] = site.offset;
		cookies[n] = PV_PROBE_ENTER | (site.emulated ? 0 : PV_PROBE_STEPPED) |
			     (uint64_t)n << PV_NATIVE_FUNCTION_SHIFT;
		err = tell(ctx, (uint32_t)n, vaddrs[i] + module->bias);
		n++;
	}
	*n_ret = n;
	if (err || !n)
		return err;
	err = pv_natives_open(places->natives, module, &fd);
	return err ? err : pv_probes_add(probes, fd, offsets, cookies, n);
}

static struct pv_err *no_lines(const struct pv_native_module *module, const char *name)
{
	const char *id = module->object->build_id;

	return pv_err_create(
		PV_ERR_FAILED,
		"%s has no debug information, so that the lines of `%s` are not known: packages "
		"called -dbg, -dbgsym or -debuginfo hold it, `debuginfod-find debuginfo %s` "
		"fetches "
		"it, or `cc -g` makes it",
		module->object->name, name, *id ? id : "BUILD-ID");
}

struct pv_err *pv_refplaces_rows(struct pv_refplaces *places, const struct pv_native_function *of,
				 struct pv_probes *probes,
				 struct pv_err *(*tell)(void *ctx, uint32_t index,
							uint64_t address),
				 void *ctx, size_t *n_ret)
{
	struct pv_native_module *module = pv_natives_module(places->natives, of->object);
	struct row_list list = { .vaddrs = PV_VEC(uint64_t) };
	const struct pv_native_code *code;
	struct pv_lines *lines;
	uint64_t start = of->vaddr, size = of->size;
	bool known = false;
	struct pv_err *err = lines_of(places, module->object, &lines);

	if (!err && lines)
		err = pv_lines_known(lines, &known);
	if (!err && !known)
		err = no_lines(module, of->name);
	if (!err)
		err = pv_natives_code(module, &code);
	if (!err && !pv_native_function(code, of->vaddr, &start, &size))
		size = of->size;
	if (!err)
		err = pv_lines_rows(lines, of->vaddr, start + size, on_row, &list);
	if (!err)
		err = list.err;
	if (!err && list.vaddrs.n)
		qsort(list.vaddrs.data, list.vaddrs.n, 8, by_vaddr);
	if (!err)
		err = add_rows(places, module, of->vaddr, &list, probes, tell, ctx, n_ret);
	if (!err && !*n_ret)
		err = no_lines(module, of->name);
	pv_vec_deinit(&list.vaddrs);
	return err;
}

struct pv_err *pv_refplaces_probe(struct pv_refplaces *places, struct pv_probes *probes,
				  uint64_t now_ns, bool *more_ret)
{
	size_t first = places->entries.n_added;
	struct pv_err *err = NULL;

	*more_ret = first < places->functions.n;
	if (!*more_ret)
		return NULL;
	while (!err && places->entries.n_added < places->functions.n)
		err = pv_entries_add(&places->entries, places->functions.n, probes);
	if (!err)
		err = pv_probes_attach_more(probes);
	for (size_t i = first; !err && i < places->entries.n_added; i++)
		((struct pv_ref_function *)pv_vec_at(&places->refs->functions, i))->since_ns =
			now_ns;
	return err;
}
