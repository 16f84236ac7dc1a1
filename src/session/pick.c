/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Python functions by name.  Input: a word, all functions.  Output: code objects.
 */
#include "session/pick.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/path.h"
#include "python/functions.h"

enum {
	LISTED_MAX = 8,
	TYPO_CHARS = 64, /* longer names are not looked at for typing errors */
	TYPO_MIN = 4,    /* in shorter ones everything is like everything */
	TYPOS_MAX = 2,
};

/* What a word may mean. */
struct word {
	const char *text;
	const char *last; /* behind its last dot */
	const char *file; /* of "file.py:LINE", or NULL */
	size_t n_file;
	unsigned long line;
};

static struct word word_of(const char *text)
{
	const char *dot = strrchr(text, '.'), *colon = strrchr(text, ':');
	struct word word = { .text = text, .last = dot ? dot + 1 : text };
	char *end;

	if (!colon || colon == text || !isdigit((unsigned char)colon[1]))
		return word;
	errno = 0;
	word.line = strtoul(colon + 1, &end, 10);
	if (errno || *end || !word.line)
		return word;
	word.file = text;
	word.n_file = (size_t)(colon - text);
	return word;
}

/* Is path the file that is meant: all of it, or whole components at its end? */
static bool is_file(const struct word *word, const char *path)
{
	size_t n = strlen(path);

	return n >= word->n_file &&
	       memcmp(path + n - word->n_file, word->file, word->n_file) == 0 &&
	       (n == word->n_file || path[n - word->n_file - 1] == '/');
}

static bool is_meant(const struct word *word, const struct pv_python_function *one)
{
	size_t n = one->module ? strlen(one->module) : 0;

	if (word->file)
		return one->firstlineno == word->line && is_file(word, one->file) &&
		       strcmp(one->qualname, "<module>") != 0;
	if (strcmp(word->text, one->qualname) == 0)
		return true;
	return n && strncmp(word->text, one->module, n) == 0 && word->text[n] == '.' &&
	       strcmp(word->text + n + 1, one->qualname) == 0;
}

/*
 * How many characters must be put in, taken out, changed, or exchanged with their neighbour;
 * TYPOS_MAX
 * + 1: too many.  As Damerau and Levenshtein count, but for changes within an exchange.
 */
static unsigned int typos(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned int rows[3][TYPO_CHARS + 1], *before = rows[0], *last = rows[1], *now = rows[2];

	if (n > TYPO_CHARS || m > TYPO_CHARS || n > m + TYPOS_MAX || m > n + TYPOS_MAX)
		return TYPOS_MAX + 1;
	for (size_t k = 0; k <= m; k++)
		last[k] = (unsigned int)k;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *free_row = before;

		now[0] = (unsigned int)i;
		for (size_t k = 1; k <= m; k++) {
			unsigned int best = last[k - 1] + (a[i - 1] != b[k - 1]);

			best = last[k] + 1 < best ? last[k] + 1 : best;
			best = now[k - 1] + 1 < best ? now[k - 1] + 1 : best;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
			    before[k - 2] + 1 < best)
				best = before[k - 2] + 1;
			now[k] = best;
		}
		before = last;
		last = now;
		now = free_row;
	}
	return last[m];
}

static const char *last_name(const struct pv_python_function *one)
{
	const char *dot = strrchr(one->qualname, '.');

	return dot ? dot + 1 : one->qualname;
}

static bool is_typo(const struct word *word, const struct pv_python_function *one)
{
	return strlen(word->last) >= TYPO_MIN && typos(word->last, last_name(one)) <= TYPOS_MAX;
}

/* Worth naming where nothing was meant: the same last name, one like it, or the word is in it. */
static bool is_near(const struct word *word, const struct pv_python_function *one)
{
	if (word->file)
		return is_file(word, one->file) && one->firstlineno <= word->line &&
		       one->firstlineno + 20 > word->line;
	return strcmp(last_name(one), word->last) == 0 || strcasestr(one->qualname, word->last) ||
	       is_typo(word, one);
}

/* What is more likely meant comes first: the program's own, then what it has installed. */
enum source { SOURCE_OWN, SOURCE_INSTALLED, SOURCE_LIBRARY, SOURCE_FROZEN };

static enum source source_of(const struct pv_python_function *one)
{
	if (*one->file == '<')
		return SOURCE_FROZEN;
	if (strstr(one->file, "/site-packages/") || strstr(one->file, "/dist-packages/"))
		return SOURCE_INSTALLED;
	return strstr(one->file, "/lib/python") || strstr(one->file, "/lib64/python")
		       ? SOURCE_LIBRARY
		       : SOURCE_OWN;
}

struct candidate {
	const struct pv_python_function *one;
	enum source source;
	unsigned int typos;
	size_t index;
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	if (x->typos != y->typos)
		return x->typos < y->typos ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* list: const struct pv_python_function *. */
static struct pv_err *sort_candidates(const struct word *word, struct pv_vec *list)
{
	_pv_free_ struct candidate *all = calloc(list->n + 1, sizeof(*all));
	const struct pv_python_function **functions = list->data;

	if (!all)
		return &pv_enomem;
	for (size_t i = 0; i < list->n; i++)
		all[i] = (struct candidate){
			.one = functions[i],
			.source = source_of(functions[i]),
			.typos = typos(word->last, last_name(functions[i])),
			.index = i,
		};
	qsort(all, list->n, sizeof(*all), compare_candidates);
	for (size_t i = 0; i < list->n; i++)
		functions[i] = all[i].one;
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Two code objects of one definition. */
static bool is_same(const struct pv_python_function *a, const struct pv_python_function *b)
{
	return a->firstlineno == b->firstlineno && same_text(a->qualname, b->qualname) &&
	       same_text(a->file, b->file);
}

static bool listed(const struct pv_vec *list, const struct pv_python_function *one)
{
	for (size_t i = 0; i < list->n; i++) {
		if (is_same(*(const struct pv_python_function **)pv_vec_at(list, i), one))
			return true;
	}
	return false;
}

/* Different functions that fit, each once. */
static struct pv_err *find(const struct pv_python_functions *functions, const struct word *word,
			   bool (*fits)(const struct word *, const struct pv_python_function *),
			   struct pv_vec *list)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < functions->list.n; i++) {
		const struct pv_python_function *one = pv_vec_at(&functions->list, i);

		if (fits(word, one) && !listed(list, one))
			err = pv_vec_append(list, &one, 1, NULL);
	}
	return err;
}

static struct pv_err *append_candidates(struct pv_str *str, const struct pv_vec *list)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < list->n && i < LISTED_MAX; i++) {
		const struct pv_python_function *one =
			*(const struct pv_python_function **)pv_vec_at(list, i);

		err = pv_str_appendf(
			str, "%s%s%s%s (%s:%u)", i ? ", " : "", one->module ? one->module : "",
			one->module ? "." : "", one->qualname,
			one->file + pv_path_skip(one->file, strlen(one->file)), one->firstlineno);
	}
	if (!err && list->n > LISTED_MAX)
		err = pv_str_appendf(str, " and %zu more", list->n - LISTED_MAX);
	return err;
}

static struct pv_err *ambiguous(const struct word *word, struct pv_vec *list)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = sort_candidates(word, list);

	if (!err)
		err = append_candidates(&text, list);

	return err ? err
		   : pv_err_create(PV_ERR_USAGE,
				   "`%s` is the name of %zu functions: %s; name one by its module, "
				   "or as FILE:LINE",
				   word->text, list->n, pv_str_text(&text));
}

static struct pv_err *missing(const struct pv_python_functions *functions, const struct word *word)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec near = PV_VEC(const struct pv_python_function *);
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = find(functions, word, is_near, &near);

	if (!err)
		err = sort_candidates(word, &near);
	if (!err && near.n)
		err = append_candidates(&text, &near);
	if (!err && (functions->swapped || functions->n_large))
		err = pv_str_appendf(&text,
				     "; not all of the process's memory was looked through: "
				     "%llu MiB are swapped out, %zu mappings are too large",
				     (unsigned long long)functions->swapped >> 20,
				     functions->n_large);
	if (err)
		return err;
	if (word->file)
		return pv_err_create(PV_ERR_USAGE, "no Python function begins at %s%s%s",
				     word->text, near.n ? "; near it: " : "", pv_str_text(&text));
	return pv_err_create(PV_ERR_USAGE, "there is no Python function `%s` now%s%s", word->text,
			     near.n ? "; like it: " : "", pv_str_text(&text));
}

struct pv_err *pv_pick_meant(const struct pv_python_functions *functions, const char *text,
			     size_t *n_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec meant = PV_VEC(const struct pv_python_function *);
	struct word word = word_of(text);
	struct pv_err *err = find(functions, &word, is_meant, &meant);

	if (!err)
		*n_ret = meant.n;
	return err;
}

struct pv_err *pv_pick(const struct pv_python_functions *functions, const char *text,
		       struct pv_vec *picked)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec meant = PV_VEC(const struct pv_python_function *);
	struct word word = word_of(text);
	struct pv_err *err = find(functions, &word, is_meant, &meant);

	if (err)
		return err;
	if (!meant.n)
		return missing(functions, &word);
	if (meant.n > 1)
		return ambiguous(&word, &meant);
	for (size_t i = 0; !err && i < functions->list.n; i++) {
		const struct pv_python_function *one = pv_vec_at(&functions->list, i);

		if (is_same(one, *(const struct pv_python_function **)pv_vec_at(&meant, 0)))
			err = pv_vec_append(picked, &one, 1, NULL);
	}
	return err;
}
