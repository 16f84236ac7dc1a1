/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native functions of a process.  Input: its image, the symbols of its objects.
 * Output: struct pv_native_function.
 */
#include "session/natives.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "probe/indirect.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "symbol/native.h"
#include "symbol/search.h"
#include "target/maps.h"

enum { LISTED_MAX = 8 };

struct pv_natives {
	pid_t pid;
	struct pv_objects *objects;
	struct pv_mem *mem;
	struct pv_maps maps;
	struct pv_vec modules; /* struct pv_native_module *, by first mapping */
	struct pv_vec mapped;  /* struct pv_mapping */
};

/* A word in its parts. */
struct word {
	const char *library; /* not terminated; NULL: it names none */
	size_t n_library;
	const char *symbol; /* "" with an address */
	bool has_address;
	uint64_t address;
};

/* The first colon that is none of C++'s pairs. */
static const char *single_colon(const char *text)
{
	for (const char *at = text; (at = strchr(at, ':')); at += 2) {
		if (at[1] != ':')
			return at;
	}
	return NULL;
}

static bool parse_address(const char *word, struct word *ret)
{
	const char *plus = strrchr(word, '+');
	char *end;

	if (!plus || plus == word || strncmp(plus, "+0x", 3) != 0 ||
	    !isxdigit((unsigned char)plus[3]))
		return false;
	errno = 0;
	ret->address = strtoull(plus + 3, &end, 16);
	if (errno || *end)
		return false;
	ret->has_address = true;
	ret->library = word;
	ret->n_library = (size_t)(plus - word);
	ret->symbol = "";
	return true;
}

static struct word parse(const char *text)
{
	struct word word = { .symbol = text };
	const char *colon = single_colon(text);

	if (parse_address(text, &word))
		return word;
	if (colon && colon != text && colon[1]) {
		word.library = text;
		word.n_library = (size_t)(colon - text);
		word.symbol = colon + 1;
	}
	return word;
}

enum pv_native_form pv_native_form(const char *text)
{
	struct word word = parse(text);

	if (word.library && !word.has_address &&
	    word.symbol[strspn(word.symbol, "0123456789")] == '\0')
		return PV_NATIVE_NEVER;
	return word.library || pv_search_is_pattern(word.symbol) ? PV_NATIVE_QUALIFIED
								 : PV_NATIVE_PLAIN;
}

struct pv_err *pv_natives_create(pid_t pid, struct pv_objects *objects, struct pv_mem *mem,
				 struct pv_natives **ret)
{
	struct pv_natives *natives = calloc(1, sizeof(*natives));

	if (!natives)
		return &pv_enomem;
	natives->pid = pid;
	natives->objects = objects;
	natives->mem = mem;
	natives->modules = (struct pv_vec)PV_VEC(struct pv_native_module *);
	natives->mapped = (struct pv_vec)PV_VEC(struct pv_mapping);
	*ret = natives;
	return NULL;
}

static void module_destroy(struct pv_native_module *module)
{
	pv_native_code_deinit(&module->code);
	pv_search_destroy(module->search);
	pv_native_symbols_destroy(module->symbols);
	free(module);
}

static struct pv_native_module *module_at(const struct pv_vec *modules, size_t i)
{
	return *(struct pv_native_module **)pv_vec_at(modules, i);
}

void pv_natives_destroy(struct pv_natives *natives)
{
	if (!natives)
		return;
	for (size_t i = 0; i < natives->modules.n; i++)
		module_destroy(module_at(&natives->modules, i));
	pv_vec_deinit(&natives->modules);
	pv_vec_deinit(&natives->mapped);
	pv_maps_deinit(&natives->maps);
	free(natives);
}

struct pv_native_module *pv_natives_module(struct pv_natives *natives, uint32_t object)
{
	for (size_t i = 0; i < natives->modules.n; i++) {
		struct pv_native_module *module = module_at(&natives->modules, i);

		if (module->object->id == object && module->start)
			return module;
	}
	return NULL;
}

static struct pv_native_module *known_module(struct pv_natives *natives, uint32_t object)
{
	for (size_t i = 0; i < natives->modules.n; i++) {
		if (module_at(&natives->modules, i)->object->id == object)
			return module_at(&natives->modules, i);
	}
	return NULL;
}

/* No uprobe can be put into what is no file: the vdso, code of a JIT compiler. */
static struct pv_err *add_mapping(struct pv_natives *natives, const struct pv_mapping *mapping)
{
	const struct pv_object *object = pv_objects_get(natives->objects, mapping->object);
	struct pv_native_module *module;
	struct pv_err *err;

	if (!object || !object->elf || object->path[0] == '[')
		return NULL;
	module = known_module(natives, object->id);
	if (!module) {
		module = calloc(1, sizeof(*module));
		if (!module)
			return &pv_enomem;
		module->object = object;
		err = pv_search_create(object->elf, object->path, object->root, &module->search);
		if (!err)
			err = pv_native_symbols_create(object->elf, object->path, object->root,
						       &module->symbols);
		if (!err)
			err = pv_vec_append(&natives->modules, &module, 1, NULL);
		if (err) {
			module_destroy(module);
			return err;
		}
	}
	if (!module->start) {
		module->start = mapping->start;
		module->bias = mapping->bias;
	}
	return pv_vec_append(&natives->mapped, mapping, 1, NULL);
}

struct pv_err *pv_natives_update(struct pv_natives *natives, const struct pv_image *image)
{
	struct pv_maps maps = { 0 };
	struct pv_err *err = pv_maps_read(natives->pid, &maps);

	if (err)
		return err;
	pv_maps_deinit(&natives->maps);
	natives->maps = maps;
	natives->mapped.n = 0;
	/* one that is unmapped now keeps what is known of its file: it may come again */
	for (size_t i = 0; i < natives->modules.n; i++)
		module_at(&natives->modules, i)->start = 0;
	for (size_t i = 0; !err && i < image->n_mappings; i++)
		err = add_mapping(natives, &image->mappings[i]);
	return err;
}

struct pv_native_module *pv_natives_at(struct pv_natives *natives, uint64_t address)
{
	for (size_t i = 0; i < natives->mapped.n; i++) {
		const struct pv_mapping *mapping = pv_vec_at(&natives->mapped, i);

		if (address >= mapping->start && address < mapping->end)
			return pv_natives_module(natives, mapping->object);
	}
	return NULL;
}

struct pv_err *pv_natives_code(struct pv_native_module *module, const struct pv_native_code **ret)
{
	if (!module->code.elf) {
		struct pv_err *err = pv_native_code_init(module->object->elf, &module->code);

		if (err)
			return err;
	}
	*ret = &module->code;
	return NULL;
}

struct pv_err *pv_natives_open(const struct pv_natives *natives,
			       const struct pv_native_module *module, int *fd_ret)
{
	const struct pv_map_entry *entry = pv_maps_find(&natives->maps, module->start);

	if (!entry)
		return pv_err_create(PV_ERR_NOPROC, "%s is not mapped any more",
				     module->object->path);
	return pv_map_entry_open(natives->pid, entry, fd_ret);
}

struct pv_err *pv_natives_name(struct pv_native_module *module, uint64_t vaddr, struct pv_str *str,
			       uint64_t *start_ret)
{
	const char *name;

	if (pv_native_symbol_at(module->symbols, vaddr, &name, start_ret))
		return pv_str_append(str, name, strlen(name));
	*start_ret = pv_native_function_start(module->symbols, vaddr);
	return pv_str_appendf(str, "%s+0x%llx", module->object->name,
			      (unsigned long long)*start_ret);
}

/* ---- libraries */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* How well a library's name fits: 2 all of it, 1 but for what follows the name, 0 not. */
static int library_fit(const struct word *word, const struct pv_object *object)
{
	char pattern[256];
	const char *name = object->name, *path = object->path;
	size_t n = word->n_library, n_path = strlen(path);

	if (memchr(word->library, '/', n)) {
		bool ends = n_path >= n && !memcmp(path + n_path - n, word->library, n);

		return ends && (n_path == n || word->library[0] == '/' ||
				path[n_path - n - 1] == '/')
			       ? 2
			       : 0;
	}
	if (n < sizeof(pattern)) {
		memcpy(pattern, word->library, n);
		pattern[n] = '\0';
		if (pv_search_is_pattern(pattern))
			return fnmatch(pattern, name, 0) ? 0 : 2;
	}
	if (strncmp(name, word->library, n) != 0)
		return 0;
	if (!name[n])
		return 2;
	/* libfoo.so.1, libfoo-2.so, _foo.cpython-311-x86_64-linux-gnu.so */
	return name[n] == '.' || (name[n] == '-' && is_digit(name[n + 1])) ? 1 : 0;
}

/* As well as the best one fits; 0: no library that is mapped does. */
static int best_fit(const struct pv_natives *natives, const struct word *word)
{
	int best = 0;

	for (size_t i = 0; word->library && i < natives->modules.n; i++) {
		const struct pv_native_module *module = module_at(&natives->modules, i);
		int fit = module->start ? library_fit(word, module->object) : 0;

		best = fit > best ? fit : best;
	}
	return best;
}

bool pv_natives_mapped(const struct pv_natives *natives, const char *text)
{
	struct word word = parse(text);

	return !word.library || best_fit(natives, &word);
}

static bool is_meant(const struct pv_native_module *module, const struct word *word, int fit)
{
	return module->start &&
	       (!word->library || (fit && library_fit(word, module->object) == fit));
}

/* ---- functions */

void pv_native_functions_deinit(struct pv_vec *functions)
{
	for (size_t i = 0; i < functions->n; i++)
		free(((struct pv_native_function *)pv_vec_at(functions, i))->name);
	pv_vec_deinit(functions);
}

static struct pv_err *add_function(const struct pv_native_module *module, uint64_t vaddr,
				   uint64_t size, const char *name, struct pv_vec *functions)
{
	struct pv_native_function function = {
		.object = module->object->id,
		.vaddr = vaddr,
		.size = size,
		.library = module->object->name,
	};
	struct pv_err *err;

	if (name)
		function.name = strdup(name);
	else if (asprintf(&function.name, "%s+0x%llx", module->object->name,
			  (unsigned long long)vaddr) < 0)
		function.name = NULL;
	err = function.name ? pv_vec_append(functions, &function, 1, NULL) : &pv_enomem;
	if (err)
		free(function.name);
	return err;
}

static struct pv_native_function *last_of(const struct pv_vec *functions)
{
	return pv_vec_at(functions, functions->n - 1);
}

/* The one that the process uses: the symbol is of what has chosen it. */
static struct pv_err *resolve_indirect(struct pv_natives *natives,
				       const struct pv_native_module *module,
				       struct pv_found *found)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec list = PV_VEC(struct pv_indirect_module);
	struct pv_err *err = NULL;
	size_t index = 0;

	for (size_t i = 0; !err && i < natives->modules.n; i++) {
		const struct pv_native_module *one = module_at(&natives->modules, i);
		struct pv_indirect_module entry = { one->object->elf, one->bias };

		if (!one->start)
			continue;
		if (one == module)
			index = list.n;
		err = pv_vec_append(&list, &entry, 1, NULL);
	}
	if (err)
		return err;
	if (!pv_indirect_chosen(list.data, list.n, index, found->name, found->vaddr, natives->mem,
				&found->vaddr))
		return pv_err_create(
			PV_ERR_USAGE,
			"which function `%s` of %s is, is chosen at run time, and nothing in the "
			"process has been bound to it yet",
			found->name, module->object->name);
	found->size = 0;
	return NULL;
}

static struct pv_err *add_found(struct pv_natives *natives, struct pv_native_module *module,
				struct pv_found *found, bool pattern, struct pv_vec *functions)
{
	struct pv_err *err = NULL;

	if (found->indirect)
		err = resolve_indirect(natives, module, found);
	if (err && pattern) {
		/* one of many that nobody uses */
		pv_err_destroy(err);
		return NULL;
	}
	if (!err)
		err = add_function(module, found->vaddr, found->size, found->name, functions);
	if (!err)
		last_of(functions)->exported = found->global;
	return err;
}

/* What one library exports is meant, not what others have of that name for themselves. */
static void prefer_exported(struct pv_vec *functions)
{
	struct pv_native_function *all = functions->data, one;
	size_t n = 0, index = 0;

	for (size_t i = 0; i < functions->n; i++) {
		n += all[i].exported;
		index = all[i].exported ? i : index;
	}
	if (n != 1)
		return;
	one = all[index];
	all[index] = all[0];
	all[0] = one;
	while (functions->n > 1)
		free(all[--functions->n].name);
}

static struct pv_err *too_many(const char *word, size_t n, size_t max)
{
	return pv_err_create(PV_ERR_USAGE,
			     "`%s` means %s functions, and %s are the most: make it narrower", word,
			     pv_text_number(n).text, pv_text_number(max).text);
}

/* A stripped object: its unwind information knows where functions begin. */
static struct pv_err *find_nameless(struct pv_native_module *module, const char *symbol, size_t max,
				    size_t *n_found, struct pv_vec *functions)
{
	const struct pv_native_code *code;
	struct pv_err *err;

	if (strcmp(symbol, "*") != 0 || pv_search_any(module->search))
		return NULL;
	err = pv_natives_code(module, &code);
	for (size_t i = 0; !err && i < code->n_fdes; i++) {
		if (++*n_found <= max)
			err = add_function(module, code->fdes[i].start,
					   code->fdes[i].end - code->fdes[i].start, NULL,
					   functions);
	}
	return err;
}

static struct pv_err *find_named(struct pv_natives *natives, const struct word *word,
				 const char *text, size_t max, struct pv_vec *functions)
{
	bool pattern = pv_search_is_pattern(word->symbol);
	int fit = best_fit(natives, word);
	struct pv_err *err = NULL;
	size_t n_found = 0;

	for (size_t i = 0; !err && i < natives->modules.n; i++) {
		PV_CLEANUP(pv_found_deinit) struct pv_vec found = PV_VEC(struct pv_found);
		struct pv_native_module *module = module_at(&natives->modules, i);
		size_t n = 0;

		if (!is_meant(module, word, fit))
			continue;
		err = pv_search_find(module->search, word->symbol,
				     pattern ? PV_SEARCH_PATTERN : PV_SEARCH_NAME, max, &found, &n);
		n_found += n;
		for (size_t k = 0; !err && k < found.n && n_found <= max; k++)
			err = add_found(natives, module, pv_vec_at(&found, k), pattern, functions);
		if (!err && pattern)
			err = find_nameless(module, word->symbol, max, &n_found, functions);
	}
	if (!err && n_found > max)
		err = too_many(text, n_found, max);
	return err;
}

/* An address must be where a function begins: in the middle of one there is no return address. */
static struct pv_err *find_at(struct pv_natives *natives, const struct word *word, const char *text,
			      struct pv_vec *functions)
{
	int fit = best_fit(natives, word);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < natives->modules.n; i++) {
		struct pv_native_module *module = module_at(&natives->modules, i);
		PV_CLEANUP(pv_str_deinit) struct pv_str name = { 0 };
		uint64_t vaddr = word->address, start, size;
		const struct pv_native_code *code;

		if (!is_meant(module, word, fit))
			continue;
		err = pv_natives_code(module, &code);
		if (!err && pv_native_function(code, vaddr, &start, &size) && start == vaddr)
			err = add_function(module, vaddr, size, NULL, functions);
		else if (!err)
			err = pv_natives_name(module, vaddr, &name, &start);
		else
			return err;
		if (err || !name.n)
			continue;
		if (start == vaddr && pv_search_any(module->search))
			err = add_function(module, vaddr, 0, NULL, functions);
		else if (start == vaddr)
			err = pv_err_create(PV_ERR_USAGE, "no function begins at `%s`", text);
		else
			err = pv_err_create(PV_ERR_USAGE,
					    "`%s` is within %s, which begins at %s+0x%llx", text,
					    pv_str_text(&name), module->object->name,
					    (unsigned long long)start);
	}
	return err;
}

static bool shares_word(const struct pv_vec *functions, const struct pv_native_function *one)
{
	for (size_t i = 0; i < functions->n; i++) {
		const struct pv_native_function *other = pv_vec_at(functions, i);

		if (other != one && !strcmp(other->name, one->name) &&
		    !strcmp(other->library, one->library))
			return true;
	}
	return false;
}

struct pv_err *pv_native_function_word(const struct pv_native_function *function,
				       struct pv_str *str)
{
	size_t n = strlen(function->library);
	struct pv_err *err;

	/* one without a symbol is called after its library already */
	if (!strncmp(function->name, function->library, n) && function->name[n] == '+')
		return pv_text_append(str, function->name, strlen(function->name));
	err = pv_text_append(str, function->library, n);
	if (!err)
		err = pv_str_append(str, ":", 1);
	return err ? err : pv_text_append(str, function->name, strlen(function->name));
}

struct pv_err *pv_native_functions_list(const struct pv_vec *functions, size_t n_all,
					struct pv_str *str)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < functions->n && i < LISTED_MAX; i++) {
		const struct pv_native_function *one = pv_vec_at(functions, i);

		err = pv_str_append(str, ", ", i ? 2 : 0);
		if (!err)
			err = pv_native_function_word(one, str);
		if (!err && shares_word(functions, one))
			err = pv_str_appendf(str, " (%s+0x%llx)", one->library,
					     (unsigned long long)one->vaddr);
	}
	if (!err && n_all > LISTED_MAX)
		err = pv_str_appendf(str, " and %zu more", n_all - LISTED_MAX);
	return err;
}

struct pv_err *pv_natives_find(struct pv_natives *natives, const char *text, size_t max,
			       struct pv_vec *functions)
{
	PV_CLEANUP(pv_native_functions_deinit)
	struct pv_vec found = PV_VEC(struct pv_native_function);
	PV_CLEANUP(pv_str_deinit) struct pv_str list = { 0 };
	struct word word = parse(text);
	struct pv_err *err;

	err = word.has_address ? find_at(natives, &word, text, &found)
			       : find_named(natives, &word, text, max, &found);
	if (!err && !word.has_address && !pv_search_is_pattern(word.symbol))
		prefer_exported(&found);
	if (!err && found.n > 1 && (word.has_address || !pv_search_is_pattern(word.symbol))) {
		err = pv_native_functions_list(&found, found.n, &list);
		if (!err)
			err = pv_err_create(
				PV_ERR_USAGE,
				"`%s` is the name of %zu native functions: %s; name one "
				"with its library, or as LIBRARY+0xADDRESS",
				text, found.n, pv_str_text(&list));
	}
	if (!err && found.n)
		err = pv_vec_append(functions, found.data, found.n, NULL);
	if (!err)
		found.n = 0;
	return err;
}

struct pv_err *pv_natives_each(struct pv_natives *natives, const char *text,
			       struct pv_err *(*fn)(void *ctx, struct pv_native_module *module,
						    const char *symbol),
			       void *ctx)
{
	struct word word = parse(text);
	int fit = best_fit(natives, &word);
	struct pv_err *err = NULL;

	if (word.has_address || pv_search_is_pattern(word.symbol))
		return NULL;
	for (size_t i = 0; !err && i < natives->modules.n; i++) {
		struct pv_native_module *module = module_at(&natives->modules, i);

		if (is_meant(module, &word, fit))
			err = fn(ctx, module, word.symbol);
	}
	return err;
}

/* ---- hints */

/* What is worth looking for: behind C++'s last pair of colons. */
static const char *last_part(const char *symbol)
{
	const char *last = symbol, *at = symbol;

	while ((at = strstr(at, "::")))
		last = at += 2;
	return last;
}

static struct pv_err *find_near(struct pv_natives *natives, const struct word *word,
				struct pv_vec *near, size_t *n_ret)
{
	int fit = best_fit(natives, word);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < natives->modules.n; i++) {
		PV_CLEANUP(pv_found_deinit) struct pv_vec found = PV_VEC(struct pv_found);
		struct pv_native_module *module = module_at(&natives->modules, i);
		size_t n = 0;

		if (!is_meant(module, word, fit))
			continue;
		err = pv_search_find(module->search, last_part(word->symbol), PV_SEARCH_NEAR,
				     LISTED_MAX, &found, &n);
		*n_ret += n;
		for (size_t k = 0; !err && k < found.n && near->n < LISTED_MAX; k++) {
			const struct pv_found *one = pv_vec_at(&found, k);

			err = add_function(module, one->vaddr, one->size, one->name, near);
		}
	}
	return err;
}

/* Libraries whose names have a part of what was asked for. */
static struct pv_err *hint_libraries(struct pv_natives *natives, const struct word *word,
				     struct pv_str *str)
{
	_pv_free_ char *part = strndup(word->library, word->n_library);
	struct pv_err *err = part ? NULL : &pv_enomem;
	size_t n = 0;

	if (part)
		part[strcspn(part, ".")] = '\0';
	for (size_t i = 0; !err && i < natives->modules.n && n < LISTED_MAX; i++) {
		const struct pv_native_module *module = module_at(&natives->modules, i);
		const char *name = module->object->name;

		if (!module->start || !part[0] || !strcasestr(name, part))
			continue;
		err = pv_str_appendf(str, "%s", n++ ? ", " : "; like it: ");
		if (!err)
			err = pv_text_append(str, name, strlen(name));
	}
	return err;
}

/* The objects of the word that have no symbols at all. */
static struct pv_err *hint_stripped(struct pv_natives *natives, const struct word *word,
				    struct pv_str *str)
{
	int fit = best_fit(natives, word);
	struct pv_err *err = NULL;

	for (size_t i = 0; word->library && !err && i < natives->modules.n; i++) {
		struct pv_native_module *module = module_at(&natives->modules, i);
		const struct pv_native_code *code;

		if (!is_meant(module, word, fit) || pv_search_any(module->search))
			continue;
		err = pv_natives_code(module, &code);
		if (!err)
			err = pv_str_appendf(
				str,
				"; %s has no symbols: name one of its %zu functions by where it "
				"begins, as %s+0xADDRESS",
				module->object->name, code->n_fdes, module->object->name);
	}
	return err;
}

struct pv_err *pv_natives_hint(struct pv_natives *natives, const char *text, struct pv_str *str)
{
	PV_CLEANUP(pv_native_functions_deinit)
	struct pv_vec near = PV_VEC(struct pv_native_function);
	struct word word = parse(text);
	struct pv_err *err = NULL;
	size_t n = 0;

	if (word.library && !best_fit(natives, &word))
		return hint_libraries(natives, &word, str);
	if (!word.has_address && last_part(word.symbol)[0])
		err = find_near(natives, &word, &near, &n);
	if (!err && near.n)
		err = pv_str_appendf(str, "; like it: ");
	if (!err)
		err = pv_native_functions_list(&near, n, str);
	return err ? err : hint_stripped(natives, &word, str);
}
