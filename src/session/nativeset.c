/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native functions to record.  Input: words, the symbols of a process.  Output: probes.
 */
#include "session/nativeset.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "collect/inside.h"
#include "model/path.h"
#include "probe/native.h"
#include "python/path.h"
#include "session/entries.h"
#include "session/natives.h"
#include "session/probed.h"
#include "session/returns.h"
#include "session/signature.h"
#include "symbol/search.h"
#include "target/mem.h"

struct pv_native_set {
	struct pv_native_set_options options;
	struct pv_returns *returns;
	struct pv_vec list;       /* struct pv_native_function, names owned */
	struct pv_map known;      /* of object and vaddr: index in the list, plus one */
	struct pv_vec signatures; /* struct pv_signature, as list; without letters all 0 */
	struct pv_entries entries;
};

bool pv_native_set_matches(const struct pv_vec *patterns, const char *name, const char *file)
{
	for (size_t i = 0; patterns && i < patterns->n; i++) {
		const char *pattern = *(const char **)pv_vec_at(patterns, i);

		if (!fnmatch(pattern, name, 0) || !fnmatch(pattern, file, 0))
			return true;
	}
	return false;
}

/* Objects are few, and files smaller than 2^40. */
static uint64_t known_key(const struct pv_native_function *function)
{
	return (uint64_t)function->object << 40 | (function->vaddr & ((1ULL << 40) - 1));
}

/* letters: NULL if none were given. */
static struct pv_err *add(struct pv_native_set *set, const struct pv_native_function *function,
			  const struct pv_signature *letters)
{
	const struct pv_signature none = { .n = 0 };
	struct pv_native_function copy = *function;
	uint64_t known;
	struct pv_err *err;

	if (pv_map_get(&set->known, known_key(function), &known)) {
		if (letters)
			*(struct pv_signature *)pv_vec_at(&set->signatures, known - 1) = *letters;
		return NULL;
	}
	if (set->list.n >= PV_NATIVE_SET_MAX)
		return pv_err_create(PV_ERR_USAGE, "more than %d native functions are too many",
				     PV_NATIVE_SET_MAX);
	copy.name = strdup(function->name);
	err = copy.name ? pv_vec_append(&set->list, &copy, 1, NULL) : &pv_enomem;
	if (err) {
		free(copy.name);
		return err;
	}
	err = pv_vec_append(&set->signatures, letters ? letters : &none, 1, NULL);
	return err ? err : pv_map_set(&set->known, known_key(function), set->list.n);
}

static bool is_shown(const struct pv_native_set *set, const struct pv_native_function *function)
{
	const struct pv_native_set_options *options = &set->options;

	return !pv_native_set_matches(options->skip, function->name, function->library) &&
	       (!options->only || !options->only->n ||
		pv_native_set_matches(options->only, function->name, function->library));
}

/* A word that is a library means all of its functions. */
static struct pv_err *widen(const struct pv_native_set *set, const char *word, struct pv_str *ret)
{
	bool plain = pv_native_form(word) != PV_NATIVE_QUALIFIED || strchr(word, '/');
	struct pv_err *err = pv_str_appendf(ret, "%s:*", word);

	if (err || (plain && !strchr(word, ':') &&
		    pv_natives_mapped(set->options.natives, pv_str_text(ret))))
		return err;
	pv_str_clear(ret);
	return pv_str_appendf(ret, "%s", word);
}

static struct pv_err *add_functions(struct pv_native_set *set, const char *word,
				    const struct pv_signature *letters)
{
	PV_CLEANUP(pv_native_functions_deinit)
	struct pv_vec functions = PV_VEC(struct pv_native_function);
	PV_CLEANUP(pv_str_deinit) struct pv_str wide = { 0 };
	PV_CLEANUP(pv_str_deinit) struct pv_str hint = { 0 };
	struct pv_natives *natives = set->options.natives;
	struct pv_err *err = widen(set, word, &wide);

	if (!err)
		err = pv_natives_find(natives, pv_str_text(&wide), PV_NATIVE_SET_MAX, &functions);
	if (!err && !functions.n) {
		err = pv_natives_hint(natives, word, &hint);
		if (!err)
			err = pv_err_create(PV_ERR_USAGE,
					    "there is no native function or library `%s`%s", word,
					    pv_str_text(&hint));
	}
	for (size_t i = 0; !err && i < functions.n; i++) {
		const struct pv_native_function *one = pv_vec_at(&functions, i);

		if (is_shown(set, one))
			err = add(set, one, letters);
	}
	return err;
}

/* Behind a word there may be letters. */
static struct pv_err *add_word(struct pv_native_set *set, const char *word)
{
	struct pv_signature letters = { .n = 0 };
	_pv_free_ char *name = NULL;
	size_t n = 0;
	struct pv_err *err = pv_signature_split(word, &n, &letters);

	if (err)
		return err;
	name = strndup(word, n);
	if (!name)
		return &pv_enomem;
	return add_functions(set, name, word[n] ? &letters : NULL);
}

static struct pv_err *add_library(struct pv_native_set *set,
				  const struct pv_native_function *trigger)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str word = { 0 };
	struct pv_err *err = pv_str_appendf(&word, "%s:*", trigger->library);

	return err ? err : add_functions(set, pv_str_text(&word), NULL);
}

/* The names that CPython keeps for it: Py and a capital letter (PEP 7). */
static struct pv_err *add_c_api(struct pv_native_set *set)
{
	const char *path = set->options.probed->image.python.module_path;
	PV_CLEANUP(pv_str_deinit) struct pv_str word = { 0 };
	struct pv_err *err =
		pv_str_appendf(&word, "%s:Py[A-Z]*", path + pv_path_skip(path, strlen(path)));

	return err ? err : add_functions(set, pv_str_text(&word), NULL);
}

static struct pv_entry entry_at(const void *ctx, size_t index)
{
	const struct pv_native_set *set = ctx;

	return (struct pv_entry){
		.function = pv_native_set_function(set, index),
		.wanted = !index && set->options.trigger,
		.keep = pv_native_set_signature(set, index) || (!index && set->options.arguments)
				? PV_NATIVE_ARGUMENTS
				: 0,
	};
}

static struct pv_err *fill(struct pv_native_set *set)
{
	const struct pv_native_set_options *options = &set->options;
	struct pv_err *err =
		options->trigger ? add(set, options->trigger, options->signature) : NULL;

	if (!err && options->trigger && (options->usual || !options->words->n))
		err = add_library(set, options->trigger);
	if (!err && options->usual && options->probed->image.python.found)
		err = add_c_api(set);
	for (size_t i = 0; !err && i < options->words->n; i++)
		err = add_word(set, *(const char **)pv_vec_at(options->words, i));
	return err;
}

struct pv_err *pv_native_set_create(const struct pv_native_set_options *options,
				    struct pv_native_set **ret)
{
	struct pv_native_set *set = calloc(1, sizeof(*set));
	struct pv_err *err;

	if (!set)
		return &pv_enomem;
	set->options = *options;
	set->list = (struct pv_vec)PV_VEC(struct pv_native_function);
	set->entries = (struct pv_entries){
		.natives = options->natives,
		.at = entry_at,
		.ctx = set,
	};
	set->signatures = (struct pv_vec)PV_VEC(struct pv_signature);
	err = pv_returns_create(options->natives, &set->returns);
	if (!err)
		err = fill(set);
	if (!err && pv_native_set_letters(set, true))
		pv_returns_keep_results(set->returns);
	if (err) {
		pv_native_set_destroy(set);
		return err;
	}
	*ret = set;
	return NULL;
}

void pv_native_set_destroy(struct pv_native_set *set)
{
	if (!set)
		return;
	pv_returns_destroy(set->returns);
	pv_native_functions_deinit(&set->list);
	pv_vec_deinit(&set->signatures);
	pv_map_deinit(&set->known);
	free(set);
}

struct pv_err *pv_native_set_path(const struct pv_probed *probed, bool python,
				  struct pv_native_path *ret)
{
	int64_t offsets[PV_NATIVE_PATH_MAX] = { 0 };

	*ret = (struct pv_native_path){ 0 };
	if (probed->image.python.found)
		ret->n = pv_python_frame_path(probed->mem, &probed->image.python.proc, offsets);
	memcpy(ret->offsets, offsets, sizeof(offsets));
	if (!ret->n && python)
		return pv_err_create(PV_ERR_FAILED,
				     "cannot tell which Python function calls a native one: the "
				     "way from a thread to its Python frame is not known here");
	if (!ret->n && pv_probed_stacks_move(probed))
		return pv_err_create(
			PV_ERR_FAILED,
			"cannot tell the native calls of greenlets apart: the way from "
			"a thread to its Python frame is not known here");
	return NULL;
}

/* ---- probes */

struct pv_err *pv_native_set_add(struct pv_native_set *set, struct pv_probes *probes)
{
	return pv_entries_add(&set->entries, set->list.n, probes);
}

struct pv_err *pv_native_set_add_first(struct pv_native_set *set, struct pv_probes *probes)
{
	return pv_entries_add(&set->entries, 1, probes);
}

void pv_native_set_limit(const struct pv_native_set *set, struct pv_probes *probes)
{
	pv_entries_limit(&set->entries, set->list.n, probes);
}

bool pv_native_set_grows(const struct pv_native_set *set)
{
	return set->entries.n_added < set->list.n;
}

static struct pv_err *tell(void *ctx, uint64_t address, enum pv_native_return place)
{
	return pv_inside_returns(ctx, address, place);
}

static void forget(void *ctx, uint64_t address)
{
	pv_inside_forget_return(ctx, address);
}

struct pv_err *pv_native_set_returns(struct pv_native_set *set, struct pv_probes *probes,
				     struct pv_inside *inside)
{
	const struct pv_returns_side side = { .tell = tell, .forget = forget, .ctx = inside };

	return pv_returns_take(set->returns, set->options.probed, probes, &side);
}

size_t pv_native_set_count(const struct pv_native_set *set)
{
	return set->list.n;
}

const struct pv_native_function *pv_native_set_function(const struct pv_native_set *set,
							size_t index)
{
	return pv_vec_at(&set->list, index);
}

const struct pv_signature *pv_native_set_signature(const struct pv_native_set *set, size_t index)
{
	const struct pv_signature *one =
		index < set->signatures.n ? pv_vec_at(&set->signatures, index) : NULL;

	return one && (one->n || one->result) ? one : NULL;
}

bool pv_native_set_letters(const struct pv_native_set *set, bool results)
{
	for (size_t i = 0; i < set->signatures.n; i++) {
		const struct pv_signature *one = pv_vec_at(&set->signatures, i);

		if (one->result || (!results && one->n))
			return true;
	}
	return false;
}
