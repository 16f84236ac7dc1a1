/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words to functions.  Input: the Python functions and the native ones of a process.
 * Output: struct pv_wanted_set.
 */
#include "session/wanted.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "python/functions.h"
#include "session/inlined.h"
#include "session/pick.h"
#include "session/probed.h"
#include "symbol/search.h"

/* What finding goes on with. */
struct finder {
	struct pv_probed *probed;
	struct pv_natives *natives;
	struct pv_wanted_set *set;
};

void pv_wanted_deinit(struct pv_wanted_set *set)
{
	for (size_t i = 0; i < set->list.n; i++)
		free(((struct pv_wanted *)pv_vec_at(&set->list, i))->native.name);
	pv_vec_deinit(&set->list);
	pv_vec_deinit(&set->waiting);
	pv_err_destroy(set->python);
	set->python = NULL;
}

static bool is_same(const struct pv_wanted *a, const struct pv_wanted *b)
{
	if (a->python || b->python)
		return a->python && b->python && pv_probed_same(a->python, b->python);
	return a->native.object == b->native.object && a->native.vaddr == b->native.vaddr;
}

static const struct pv_wanted *known(const struct pv_wanted_set *set, size_t n,
				     const struct pv_wanted *one)
{
	for (size_t i = 0; i < n; i++) {
		if (is_same(pv_vec_at(&set->list, i), one))
			return pv_vec_at(&set->list, i);
	}
	return NULL;
}

/*
 * n: those of the words before, among which it may be already.  Two patterns may have some in
 * common; two names that do are an oversight.
 */
static struct pv_err *add(struct pv_wanted_set *set, size_t n, const struct pv_wanted *one,
			  bool *taken)
{
	const struct pv_wanted *same = known(set, n, one);

	*taken = false;
	if (same && (same->pattern || one->pattern))
		return NULL;
	if (same)
		return pv_err_create(PV_ERR_USAGE, "`%s` and `%s` are the same function",
				     same->word, one->word);
	if (set->list.n >= PV_WANTED_MAX)
		return pv_err_create(PV_ERR_USAGE, "more than %d functions are too many",
				     PV_WANTED_MAX);
	*taken = true;
	return pv_vec_append(&set->list, one, 1, NULL);
}

static struct pv_err *add_python(const struct finder *f, const char *word)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec picked = PV_VEC(const struct pv_python_function *);
	struct pv_err *err = pv_pick(&f->probed->functions, word, &picked);
	struct pv_wanted one = { .word = word };
	bool taken;

	for (size_t i = 0; !err && i < picked.n; i++) {
		const struct pv_python_function *code =
			*(const struct pv_python_function **)pv_vec_at(&picked, i);

		f->set->generators |= code->generator;
		if (!i)
			one.python = code;
	}
	return err ? err : add(f->set, f->set->list.n, &one, &taken);
}

static struct pv_err *add_natives(struct pv_wanted_set *set, const char *word,
				  struct pv_vec *functions)
{
	bool pattern = pv_search_is_pattern(word);
	size_t before = set->list.n;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < functions->n; i++) {
		struct pv_native_function *function = pv_vec_at(functions, i);
		struct pv_wanted one = { .word = word, .native = *function, .pattern = pattern };
		bool taken;

		err = add(set, before, &one, &taken);
		if (!err && taken) {
			function->name = NULL;
			set->n_native++;
		}
	}
	return err;
}

/* The Python functions are looked for once, and only if a word may mean one. */
static bool has_python(const struct finder *f)
{
	if (!f->set->asked_python) {
		f->set->asked_python = true;
		f->set->python = pv_probed_python(f->probed);
	}
	return !f->set->python;
}

static struct pv_err *both(const struct finder *f, const char *word, const struct pv_vec *functions)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec picked = PV_VEC(const struct pv_python_function *);
	PV_CLEANUP(pv_str_deinit) struct pv_str native = { 0 };
	struct pv_err *err = pv_pick(&f->probed->functions, word, &picked);
	const struct pv_python_function *one;

	if (!err)
		err = pv_native_function_word(pv_vec_at(functions, 0), &native);
	if (err)
		return err;
	one = *(const struct pv_python_function **)pv_vec_at(&picked, 0);
	return pv_err_create(PV_ERR_USAGE,
			     "`%s` is a Python function and a native one: name the one as %s:%u, "
			     "the other as %s",
			     word, one->file, one->firstlineno, pv_str_text(&native));
}

/* There is none of either kind. */
static struct pv_err *neither(const struct finder *f, const char *word, struct pv_err *python)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str hint = { 0 };
	struct pv_err *err = pv_inlined_hint(f->natives, word, &hint), *ret;

	if (err) {
		pv_err_destroy(python);
		return err;
	}
	if (python) {
		ret = pv_err_create(python->kind, "%s, and no native one%s", python->message,
				    pv_str_text(&hint));
		pv_err_destroy(python);
		return ret;
	}
	return pv_err_create(f->set->python->kind, "%s, and there is no native function `%s`%s",
			     f->set->python->message, word, pv_str_text(&hint));
}

/* Where there is a Python that cannot be seen, a native function of the name may not be meant. */
static struct pv_err *unseen(const struct finder *f, const struct pv_vec *functions)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str native = { 0 };
	struct pv_err *err = pv_native_function_word(pv_vec_at(functions, 0), &native);

	return err ? err
		   : pv_err_create(f->set->python->kind,
				   "%s; if the native function is meant, name it as %s",
				   f->set->python->message, pv_str_text(&native));
}

static bool runs_python(const struct finder *f)
{
	return f->probed->image.python.found || f->probed->image.python_error;
}

static struct pv_err *find_plain(const struct finder *f, const char *word)
{
	PV_CLEANUP(pv_native_functions_deinit)
	struct pv_vec functions = PV_VEC(struct pv_native_function);
	struct pv_err *err, *native;
	size_t n_python = 0;

	err = has_python(f) ? pv_pick_meant(&f->probed->functions, word, &n_python) : NULL;
	if (err)
		return err;
	native = pv_natives_find(f->natives, word, PV_WANTED_MAX, &functions);
	if (native && n_python)
		return pv_err_wrap(native, "besides that `%s` is a Python function", word);
	if (native)
		return native;
	if (n_python == 1 && functions.n)
		return both(f, word, &functions);
	if (functions.n && f->set->python && runs_python(f))
		return unseen(f, &functions);
	if (functions.n && !n_python)
		return add_natives(f->set, word, &functions);
	if (f->set->python)
		return neither(f, word, NULL);
	err = add_python(f, word);
	return err && !n_python ? neither(f, word, err) : err;
}

static struct pv_err *find_qualified(struct pv_natives *natives, struct pv_wanted_set *set,
				     const char *word)
{
	PV_CLEANUP(pv_native_functions_deinit)
	struct pv_vec functions = PV_VEC(struct pv_native_function);
	PV_CLEANUP(pv_str_deinit) struct pv_str hint = { 0 };
	struct pv_err *err;

	if (!pv_natives_mapped(natives, word))
		return pv_vec_append(&set->waiting, &word, 1, NULL);
	err = pv_natives_find(natives, word, PV_WANTED_MAX, &functions);
	if (err)
		return err;
	if (functions.n)
		return add_natives(set, word, &functions);
	err = pv_inlined_hint(natives, word, &hint);
	return err ? err
		   : pv_err_create(PV_ERR_USAGE, "there is no native function `%s`%s", word,
				   pv_str_text(&hint));
}

static struct pv_err *find_one(const struct finder *f, const char *word)
{
	switch (pv_native_form(word)) {
	case PV_NATIVE_QUALIFIED:
		return find_qualified(f->natives, f->set, word);
	case PV_NATIVE_NEVER:
		if (has_python(f))
			return add_python(f, word);
		return pv_err_create(f->set->python->kind, "%s", f->set->python->message);
	default:
		return find_plain(f, word);
	}
}

struct pv_err *pv_wanted_find(struct pv_probed *probed, struct pv_natives *natives,
			      const char *const *words, size_t n, struct pv_wanted_set *ret)
{
	struct finder finder = { probed, natives, ret };
	struct pv_err *err = NULL;

	*ret = (struct pv_wanted_set){
		.list = PV_VEC(struct pv_wanted),
		.waiting = PV_VEC(const char *),
	};
	for (size_t i = 0; !err && i < n; i++)
		err = find_one(&finder, words[i]);
	return err;
}

struct pv_err *pv_wanted_note(struct pv_natives *natives, const struct pv_wanted_set *set,
			      struct pv_str *note)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < set->waiting.n; i++) {
		PV_CLEANUP(pv_str_deinit) struct pv_str hint = { 0 };
		const char *word = *(const char **)pv_vec_at(&set->waiting, i);

		err = pv_natives_hint(natives, word, &hint);
		if (!err)
			err = pv_str_appendf(note,
					     "%swaiting for `%s`: its library is not loaded%s",
					     note->n ? "\n" : "", word, pv_str_text(&hint));
	}
	return err;
}

struct pv_err *pv_wanted_retry(struct pv_natives *natives, struct pv_wanted_set *set)
{
	struct pv_vec waiting = set->waiting;
	struct pv_err *err = NULL;

	set->waiting = (struct pv_vec)PV_VEC(const char *);
	for (size_t i = 0; !err && i < waiting.n; i++)
		err = find_qualified(natives, set, *(const char **)pv_vec_at(&waiting, i));
	pv_vec_deinit(&waiting);
	return err;
}
