/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native functions by name.  Input: symbol tables, untrusted.  Output: struct pv_found.
 */
#include "symbol/search.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "elf/elf.h"
#include "symbol/debugfile.h"
#include "symbol/demangle.h"

struct pv_search {
	const struct pv_elf *elf;
	struct pv_elf *debug; /* NULL: none, or not looked for */
	char *path, *root;
	bool opened;
	struct pv_elf *info; /* a debug file beside a .symtab; NULL: none, or not looked for */
	bool opened_info;
};

/* One search. */
struct query {
	struct pv_search *search;
	const char *name;
	size_t n;
	enum pv_search_how how;
	char mangled[256]; /* "3foo": stands in each mangled name that can be meant; "" all can */
	size_t max, n_found;
	struct pv_map seen; /* addresses */
	bool old;           /* of those that have the name all are of old versions */
	struct pv_vec *found;
	struct pv_str shown, raw;
	struct pv_err *err;
};

struct pv_err *pv_search_create(const struct pv_elf *elf, const char *path, const char *root,
				struct pv_search **ret)
{
	struct pv_search *search = calloc(1, sizeof(*search));

	if (!search)
		return &pv_enomem;
	search->elf = elf;
	search->path = strdup(path);
	search->root = strdup(root);
	if (!search->path || !search->root) {
		pv_search_destroy(search);
		return &pv_enomem;
	}
	*ret = search;
	return NULL;
}

void pv_search_destroy(struct pv_search *search)
{
	if (!search)
		return;
	pv_elf_close(search->debug);
	pv_elf_close(search->info);
	free(search->path);
	free(search->root);
	free(search);
}

bool pv_search_is_pattern(const char *name)
{
	return strpbrk(name, "*?[") != NULL;
}

/*
 * The last identifier before parameters, as the Itanium C++ ABI and Rust have it in
 * mangled names: length and text.  What has none in that form gets "".
 */
static void set_mangled(struct query *query)
{
	const char *name = query->name, *end = name + strcspn(name, "(<"), *start;

	query->mangled[0] = '\0';
	if (query->how != PV_SEARCH_NAME || strstr(name, "operator") || strchr(name, '{') ||
	    strchr(name, '['))
		return;
	for (start = end; start > name && (isalnum((unsigned char)start[-1]) || start[-1] == '_');)
		start--;
	if (start < end && end - start < 200)
		snprintf(query->mangled, sizeof(query->mangled), "%zu%.*s", (size_t)(end - start),
			 (int)(end - start), start);
}

static bool is_mangled(const char *name)
{
	return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

/* With its parameters, or up to them; what comes behind them (const, [clone ...]) may be there. */
static bool is_shown_as(const struct query *query, const char *shown)
{
	if (query->how == PV_SEARCH_PATTERN)
		return !fnmatch(query->name, shown, 0);
	return !strncmp(shown, query->name, query->n) &&
	       (!shown[query->n] || shown[query->n] == '(');
}

/* Parts that compilers have put elsewhere: nothing calls them. */
static bool is_part(const char *name)
{
	const char *cold = strstr(name, ".cold");

	return cold && (!cold[5] || cold[5] == '.');
}

/* Does it match?  query->raw and ->shown are its names. */
static bool is_match(struct query *query, const char *name)
{
	const char *raw = pv_str_text(&query->raw);
	bool plain = query->how == PV_SEARCH_PATTERN ? !fnmatch(query->name, raw, 0)
		     : query->how == PV_SEARCH_NEAR  ? strcasestr(raw, query->name) != NULL
						     : !strcmp(raw, query->name);

	if (!is_mangled(raw)) {
		query->err = pv_str_append(&query->shown, raw, query->raw.n);
		return plain;
	}
	if (!plain &&
	    (query->how == PV_SEARCH_NEAR || (query->mangled[0] && !strstr(name, query->mangled))))
		return false;
	if (!pv_demangle(raw, &query->shown)) {
		pv_str_clear(&query->shown);
		query->err = pv_str_append(&query->shown, raw, query->raw.n);
		return plain;
	}
	return plain || is_shown_as(query, pv_str_text(&query->shown));
}

static struct pv_err *add(struct query *query, const struct pv_elf_symbol *symbol)
{
	struct pv_found found = {
		.vaddr = symbol->vaddr,
		.size = symbol->size,
		.indirect = symbol->is_indirect,
		.global = symbol->is_global,
	};
	struct pv_err *err;

	query->n_found++;
	if (query->found->n >= query->max)
		return NULL;
	found.name = strdup(pv_str_text(&query->shown));
	err = found.name ? pv_vec_append(query->found, &found, 1, NULL) : &pv_enomem;
	if (err)
		free(found.name);
	return err;
}

static bool on_symbol(void *ctx, const struct pv_elf_symbol *symbol)
{
	struct query *query = ctx;
	uint64_t known;

	if (!symbol->is_function || symbol->is_old != query->old ||
	    !pv_elf_is_code(query->search->elf, symbol->vaddr) ||
	    pv_map_get(&query->seen, symbol->vaddr, &known))
		return true;
	pv_str_clear(&query->raw);
	pv_str_clear(&query->shown);
	query->err = pv_str_append(&query->raw, symbol->name, 1 + strcspn(symbol->name + 1, "@"));
	if (query->err || !is_match(query, symbol->name) || query->err ||
	    is_part(pv_str_text(&query->raw)))
		return !query->err;
	query->err = pv_map_set(&query->seen, symbol->vaddr, 1);
	if (!query->err)
		query->err = add(query, symbol);
	return !query->err;
}

static bool see_symtab(void *ctx, const struct pv_elf_symbol *symbol)
{
	bool *has = ctx;

	/* .symtab comes first: after one symbol of either table it is known. */
	*has = !symbol->from_dynsym;
	return false;
}

static void open_debug(struct pv_search *search)
{
	bool has_symtab = false;

	if (search->opened)
		return;
	search->opened = true;
	pv_elf_each_symbol(search->elf, see_symtab, &has_symtab);
	if (!has_symtab)
		search->debug = pv_debugfile_open(search->elf, search->path, search->root);
}

static void look(struct query *query)
{
	pv_elf_each_symbol(query->search->elf, on_symbol, query);
	if (!query->err && query->search->debug)
		pv_elf_each_symbol(query->search->debug, on_symbol, query);
}

struct pv_err *pv_search_find(struct pv_search *search, const char *name, enum pv_search_how how,
			      size_t max, struct pv_vec *found, size_t *n_ret)
{
	struct query query = {
		.search = search,
		.name = name,
		.n = strlen(name),
		.how = how,
		.max = max,
		.found = found,
	};

	open_debug(search);
	set_mangled(&query);
	look(&query);
	query.old = true;
	if (!query.err && !query.n_found)
		look(&query);
	pv_map_deinit(&query.seen);
	pv_str_deinit(&query.raw);
	pv_str_deinit(&query.shown);
	if (!query.err)
		*n_ret = query.n_found;
	return query.err;
}

void pv_found_deinit(struct pv_vec *found)
{
	for (size_t i = 0; i < found->n; i++)
		free(((struct pv_found *)pv_vec_at(found, i))->name);
	pv_vec_deinit(found);
}

static bool see_function(void *ctx, const struct pv_elf_symbol *symbol)
{
	bool *has = ctx;

	*has |= symbol->is_function;
	return !*has;
}

bool pv_search_any(struct pv_search *search)
{
	bool has = false;

	open_debug(search);
	pv_elf_each_symbol(search->elf, see_function, &has);
	if (!has && search->debug)
		pv_elf_each_symbol(search->debug, see_function, &has);
	return has;
}

/* ---- inlined functions */

struct inlined {
	struct query query;
	struct pv_map known; /* vaddr of a host -> its index */
	struct pv_vec *hosts;
};

static struct pv_err *add_host(struct inlined *inlined, uint64_t vaddr)
{
	struct pv_search_host host = { vaddr, 1 };
	uint64_t index;
	struct pv_err *err;

	if (pv_map_get(&inlined->known, vaddr, &index)) {
		((struct pv_search_host *)pv_vec_at(inlined->hosts, index))->n++;
		return NULL;
	}
	err = pv_map_set(&inlined->known, vaddr, inlined->hosts->n);
	return err ? err : pv_vec_append(inlined->hosts, &host, 1, NULL);
}

static bool on_inlined(void *ctx, const struct pv_elf_inlined *place)
{
	struct inlined *inlined = ctx;
	struct query *query = &inlined->query;

	pv_str_clear(&query->raw);
	pv_str_clear(&query->shown);
	query->err = pv_str_append(&query->raw, place->name, strlen(place->name));
	if (!query->err && is_match(query, place->name) && !query->err &&
	    pv_elf_is_code(query->search->elf, place->function))
		query->err = add_host(inlined, place->function);
	return !query->err;
}

/* The file that has the debug information; NULL: none. */
static const struct pv_elf *debug_info(struct pv_search *search)
{
	if (pv_elf_has_debug_info(search->elf))
		return search->elf;
	open_debug(search);
	if (!search->debug && !search->opened_info) {
		search->opened_info = true;
		search->info = pv_debugfile_open(search->elf, search->path, search->root);
	}
	return search->debug ? search->debug : search->info;
}

/* Those first of which watching tells the most. */
static int host_compare(const void *a, const void *b)
{
	const struct pv_search_host *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

struct pv_err *pv_search_inlined(struct pv_search *search, const char *name, uint64_t deadline,
				 struct pv_vec *hosts, enum pv_inlined_state *ret)
{
	struct inlined inlined = {
		.query = { .search = search, .name = name, .n = strlen(name) },
		.hosts = hosts,
	};
	const struct pv_elf *info = debug_info(search);
	struct pv_err *err = NULL;

	*ret = PV_INLINED_NONE;
	inlined.query.how = PV_SEARCH_NAME;
	set_mangled(&inlined.query);
	if (info)
		err = pv_elf_each_inlined(info, deadline, on_inlined, &inlined, ret);
	if (hosts->n)
		qsort(hosts->data, hosts->n, sizeof(struct pv_search_host), host_compare);
	pv_map_deinit(&inlined.known);
	pv_str_deinit(&inlined.query.raw);
	pv_str_deinit(&inlined.query.shown);
	return err ? err : inlined.query.err;
}
