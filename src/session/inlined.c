/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the code of inlined functions is.  Input: symbol/search.h of each object.
 * Output: sentences.
 */
#include "session/inlined.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "session/natives.h"
#include "snap/objects.h"
#include "symbol/search.h"

enum {
	SECONDS = 2, /* that a user waits for a hint */
	NAMED_MAX = 8,
};

/* All objects that a word means. */
struct look {
	uint64_t deadline;
	struct pv_vec hosts; /* struct pv_native_function, at most NAMED_MAX */
	size_t n_hosts, n_places;
	size_t n_objects, n_none, n_part;
	struct pv_str none, part; /* the name of the first of these */
};

static void look_deinit(struct look *look)
{
	pv_native_functions_deinit(&look->hosts);
	pv_str_deinit(&look->none);
	pv_str_deinit(&look->part);
}

static struct look look_new(uint64_t deadline)
{
	return (struct look){
		.deadline = deadline,
		.hosts = PV_VEC(struct pv_native_function),
	};
}

static struct pv_err *add_host(struct look *look, struct pv_native_module *module, uint64_t vaddr)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str name = { 0 };
	struct pv_native_function one = {
		.object = module->object->id,
		.vaddr = vaddr,
		.library = module->object->name,
	};
	uint64_t start;
	struct pv_err *err;

	if (look->hosts.n >= NAMED_MAX)
		return NULL;
	err = pv_natives_name(module, vaddr, &name, &start);
	if (err)
		return err;
	one.name = strdup(pv_str_text(&name));
	err = one.name ? pv_vec_append(&look->hosts, &one, 1, NULL) : &pv_enomem;
	if (err)
		free(one.name);
	return err;
}

static struct pv_err *note_state(struct look *look, const struct pv_native_module *module,
				 enum pv_inlined_state state)
{
	const char *name = module->object->name;

	look->n_objects++;
	if (state == PV_INLINED_NONE && !look->n_none++)
		return pv_text_append(&look->none, name, strlen(name));
	if (state == PV_INLINED_PART && !look->n_part++)
		return pv_text_append(&look->part, name, strlen(name));
	return NULL;
}

static struct pv_err *look_into(void *ctx, struct pv_native_module *module, const char *symbol)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec hosts = PV_VEC(struct pv_search_host);
	struct look *look = ctx;
	enum pv_inlined_state state;
	struct pv_err *err =
		pv_search_inlined(module->search, symbol, look->deadline, &hosts, &state);

	look->n_hosts += hosts.n;
	for (size_t i = 0; !err && i < hosts.n; i++) {
		const struct pv_search_host *host = pv_vec_at(&hosts, i);

		look->n_places += host->n;
		err = add_host(look, module, host->vaddr);
	}
	return err ? err : note_state(look, module, state);
}

static struct pv_err *append_hosts(const struct look *look, struct pv_str *str)
{
	struct pv_err *err = pv_native_functions_list(&look->hosts, look->n_hosts, str);

	return err ? err
		   : pv_str_appendf(str, " (%s%zu place%s)", look->n_part ? "at least " : "",
				    look->n_places, look->n_places == 1 ? "" : "s");
}

/* "libfoo.so has", "libfoo.so and 3 more have" */
static struct pv_err *append_objects(const struct pv_str *first, size_t n, struct pv_str *str)
{
	if (n == 1)
		return pv_str_appendf(str, "%s has", pv_str_text(first));
	return pv_str_appendf(str, "%s and %zu more have", pv_str_text(first), n - 1);
}

/* What keeps us from knowing. */
static struct pv_err *append_doubt(const struct look *look, struct pv_str *str)
{
	struct pv_err *err = NULL;

	if (look->n_none) {
		err = pv_str_appendf(str, "; whether a compiler has inlined it is not known: ");
		if (!err)
			err = append_objects(&look->none, look->n_none, str);
		if (!err)
			err = pv_str_appendf(str,
					     " no debug information, which packages called "
					     "-dbg, -dbgsym or -debuginfo hold, or `cc -g` makes");
	}
	if (!err && look->n_part) {
		err = pv_str_appendf(str,
				     "; whether a compiler has inlined it was not found out: ");
		if (!err)
			err = append_objects(&look->part, look->n_part, str);
		if (!err)
			err = pv_str_appendf(str,
					     " debug information that is broken, in further "
					     "files, or too much for %d seconds",
					     SECONDS);
	}
	return err;
}

/* Functions have no dot in their names: of a Python one nobody asks this. */
static bool may_be_inlined(const char *word)
{
	return pv_native_form(word) != PV_NATIVE_PLAIN || !strchr(word, '.');
}

struct pv_err *pv_inlined_hint(struct pv_natives *natives, const char *word, struct pv_str *str)
{
	PV_CLEANUP(look_deinit) struct look look = look_new(pv_now_ns() + SECONDS * 1000000000ULL);
	struct pv_err *err = NULL;

	if (may_be_inlined(word) && pv_natives_mapped(natives, word))
		err = pv_natives_each(natives, word, look_into, &look);
	if (err)
		return err;
	if (!look.n_hosts) {
		err = pv_natives_hint(natives, word, str);
		return err ? err : append_doubt(&look, str);
	}
	err = pv_str_appendf(str, "; it was inlined by the compiler into ");
	if (!err)
		err = append_hosts(&look, str);
	return err ? err
		   : pv_str_appendf(str, " and cannot be watched: watch %s",
				    look.n_hosts == 1 ? "that" : "one of those");
}

struct pv_err *pv_inlined_note(struct pv_natives *natives,
			       const struct pv_native_function *function, uint64_t deadline,
			       struct pv_str *str)
{
	PV_CLEANUP(look_deinit) struct look look = look_new(deadline);
	struct pv_native_module *module = pv_natives_module(natives, function->object);
	struct pv_err *err = module ? look_into(&look, module, function->name) : NULL;

	if (err || !look.n_hosts)
		return err;
	err = pv_str_appendf(str, "calls of ");
	if (!err)
		err = pv_native_function_word(function, str);
	if (!err)
		err = pv_str_appendf(str, " that were inlined by the compiler are not seen: in ");
	return err ? err : append_hosts(&look, str);
}
