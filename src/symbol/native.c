/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of native code.
 * Input: the symbols of an ELF object and of its separate debug file: untrusted.
 * Output: the function at a virtual address, for session/.
 */
#include "symbol/native.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "elf/elf.h"
#include "insn/insn.h"
#include "model/strings.h"
#include "symbol/debugfile.h"
#include "symbol/demangle.h"

/* Where the name of a symbol stands.  .symtab and .dynsym have a string table each. */
enum name_source {
	NAME_SYMTAB,
	NAME_DYNSYM,
	NAME_DEBUG,
	NAME_SOURCES,
};

enum {
	NAME_OFFSET_BITS = 30,
	VADDR_BITS = 56,
};

/* Large libraries have a million of them: 16 bytes, and the names stay in the mapped file. */
struct native_symbol {
	uint64_t vaddr : VADDR_BITS;
	uint64_t is_label : 1; /* not said to be a function: assembler code */
	uint64_t is_local : 1;
	uint32_t size;
	uint32_t name; /* enum name_source << NAME_OFFSET_BITS | offset from its base */
};
_Static_assert(sizeof(struct native_symbol) == 16, "a symbol is 16 bytes");

/* Addresses that may hold code, and where a symbol in them ends at the latest. */
struct code_range {
	uint64_t start, end;
};

struct pv_native_symbols {
	const struct pv_elf *elf;
	char *path, *root;
	bool loaded;
	struct pv_elf *debug;            /* NULL: none, or not looked for */
	const char *names[NAME_SOURCES]; /* the lowest name of each source */
	struct pv_vec ranges;            /* struct code_range, the narrowest first */
	struct pv_vec symbols;           /* struct native_symbol, sorted, see symbol_compare() */
	uint32_t size_max;
	struct pv_fde_range *fdes; /* sorted; loaded at the first nameless address */
	size_t n_fdes;
	bool fdes_loaded;
	struct pv_map shown;      /* vaddr of the name's first byte -> id in texts */
	struct pv_strings *texts; /* names that differ from what the file has */
	struct pv_str scratch;
};

struct pv_err *pv_native_symbols_create(const struct pv_elf *elf, const char *path,
					const char *root, struct pv_native_symbols **ret)
{
	struct pv_native_symbols *symbols = calloc(1, sizeof(*symbols));
	struct pv_err *err;

	if (!symbols)
		return &pv_enomem;
	symbols->elf = elf;
	symbols->ranges = (struct pv_vec)PV_VEC(struct code_range);
	symbols->symbols = (struct pv_vec)PV_VEC(struct native_symbol);
	symbols->path = strdup(path);
	symbols->root = strdup(root);
	err = symbols->path && symbols->root ? pv_strings_create(&symbols->texts) : &pv_enomem;
	if (err) {
		pv_native_symbols_destroy(symbols);
		return err;
	}
	*ret = symbols;
	return NULL;
}

void pv_native_symbols_destroy(struct pv_native_symbols *symbols)
{
	if (!symbols)
		return;
	pv_elf_close(symbols->debug);
	free(symbols->fdes);
	pv_vec_deinit(&symbols->ranges);
	pv_vec_deinit(&symbols->symbols);
	pv_map_deinit(&symbols->shown);
	pv_strings_destroy(symbols->texts);
	pv_str_deinit(&symbols->scratch);
	free(symbols->path);
	free(symbols->root);
	free(symbols);
}

static struct pv_err *range_add(struct pv_native_symbols *symbols, uint64_t start, uint64_t size)
{
	struct code_range range = { .start = start };

	if (size == 0 || __builtin_add_overflow(start, size, &range.end) || range.end >> VADDR_BITS)
		return NULL;
	return pv_vec_append(&symbols->ranges, &range, 1, NULL);
}

/*
 * The sections that linkers make for code, then the executable segments: the
 * only limit where section headers are stripped, and for other sections.
 */
static struct pv_err *ranges_load(struct pv_native_symbols *symbols)
{
	static const char *const names[] = { ".init",    ".plt",  ".plt.got",
					     ".plt.sec", ".text", ".fini" };
	struct pv_err *err = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !err; i++) {
		struct pv_elf_section section;

		if (pv_elf_section(symbols->elf, names[i], &section))
			err = range_add(symbols, section.vaddr, section.size);
	}
	for (size_t i = 0; i < pv_elf_n_loads(symbols->elf) && !err; i++) {
		const struct pv_elf_load *load = pv_elf_load_at(symbols->elf, i);

		if (load->executable)
			err = range_add(symbols, load->vaddr, load->mem_size);
	}
	return err;
}

/* The end of the code that vaddr is in; 0 = no code. */
static uint64_t range_end(const struct pv_native_symbols *symbols, uint64_t vaddr)
{
	for (size_t i = 0; i < symbols->ranges.n; i++) {
		const struct code_range *range = pv_vec_at(&symbols->ranges, i);

		if (vaddr >= range->start && vaddr < range->end)
			return range->end;
	}
	return 0;
}

struct load_ctx {
	struct pv_native_symbols *symbols;
	bool from_debug;
	bool has_symtab;
	size_t n[NAME_SOURCES];
	struct pv_err *err;
};

static enum name_source load_source(const struct load_ctx *ctx, const struct pv_elf_symbol *symbol)
{
	if (ctx->from_debug)
		return NAME_DEBUG;
	return symbol->from_dynsym ? NAME_DYNSYM : NAME_SYMTAB;
}

/* First pass: how many, and from where the offsets of their names count. */
static bool load_count(void *arg, const struct pv_elf_symbol *symbol)
{
	struct load_ctx *ctx = arg;
	enum name_source source = load_source(ctx, symbol);
	const char **base = &ctx->symbols->names[source];

	ctx->n[source]++;
	ctx->has_symtab |= !symbol->from_dynsym;
	if (!*base || symbol->name < *base)
		*base = symbol->name;
	return true;
}

static bool load_add(void *arg, const struct pv_elf_symbol *symbol)
{
	struct load_ctx *ctx = arg;
	struct pv_native_symbols *symbols = ctx->symbols;
	enum name_source source = load_source(ctx, symbol);
	uint64_t end = range_end(symbols, symbol->vaddr);
	uint64_t offset = (uint64_t)(symbol->name - symbols->names[source]);

	/* Symbols of data, of no address, and those of a name beyond 1 GiB of others. */
	if (end == 0 || offset >> NAME_OFFSET_BITS)
		return true;

	uint64_t size = end - symbol->vaddr;

	if (symbol->size < size)
		size = symbol->size;

	struct native_symbol one = {
		.vaddr = symbol->vaddr,
		.is_label = !symbol->is_function,
		.is_local = !symbol->is_global,
		.size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX,
		.name = (uint32_t)source << NAME_OFFSET_BITS | (uint32_t)offset,
	};

	ctx->err = pv_vec_append(&symbols->symbols, &one, 1, NULL);
	return !ctx->err;
}

static struct pv_err *load_from(struct pv_native_symbols *symbols, const struct pv_elf *elf,
				bool from_debug, bool *has_symtab_ret)
{
	struct load_ctx ctx = { .symbols = symbols, .from_debug = from_debug };

	pv_elf_each_symbol(elf, load_count, &ctx);
	pv_elf_each_symbol(elf, load_add, &ctx);
	*has_symtab_ret = ctx.has_symtab;
	return ctx.err;
}

static const char *symbol_name(const struct pv_native_symbols *symbols,
			       const struct native_symbol *symbol)
{
	return symbols->names[symbol->name >> NAME_OFFSET_BITS] +
	       (symbol->name & ((1u << NAME_OFFSET_BITS) - 1));
}

/*
 * By start; at the same start the longer first, so that the last one that
 * covers an address is the innermost; of equals the one to show comes last.
 */
static int symbol_compare(const void *a, const void *b, void *ctx)
{
	const struct native_symbol *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	if (x->is_label != y->is_label)
		return x->is_label ? -1 : 1;
	if (x->is_local != y->is_local)
		return x->is_local ? -1 : 1;

	const char *x_name = symbol_name(ctx, x), *y_name = symbol_name(ctx, y);
	size_t x_n = strcspn(x_name, "@"), y_n = strcspn(y_name, "@"); /* as shown */

	if (x_n != y_n)
		return x_n > y_n ? -1 : 1;
	return strcmp(y_name, x_name);
}

/* Is it of no use beside the next one (same start, at most as long, to be preferred)? */
static bool symbol_redundant(const struct native_symbol *symbol, const struct native_symbol *next)
{
	return symbol->vaddr == next->vaddr && symbol->size == next->size;
}

/*
 * Where there are only exported symbols, others may follow one without a size that are hidden:
 * in musl, __clone does memset.  Its own code tells where it ends.
 */
static uint64_t exported_end(const struct pv_native_symbols *symbols, uint64_t vaddr, uint64_t end)
{
	const void *code = pv_elf_data(symbols->elf, vaddr, end - vaddr);

	return code ? vaddr + pv_insn_extent(code, end - vaddr) : end;
}

/*
 * Drops aliases and labels within functions, and lets symbols without a size
 * extend to the next one, but not out of a function or section that they are in.
 */
static void symbols_settle(struct pv_native_symbols *symbols, bool has_symtab)
{
	struct native_symbol *all = symbols->symbols.data;
	size_t n = symbols->symbols.n, used = 0;
	uint64_t covered = 0; /* end of what the functions so far cover */

	for (size_t i = 0; i < n; i++) {
		struct native_symbol one = all[i];

		if (i + 1 < n && symbol_redundant(&all[i], &all[i + 1]))
			continue;
		if (one.size == 0) {
			uint64_t vaddr = one.vaddr, end = range_end(symbols, vaddr);

			/* A function of this very start that has a size, or a label within one. */
			if (vaddr < covered &&
			    (one.is_label || (used && all[used - 1].vaddr == one.vaddr)))
				continue;
			if (vaddr < covered && covered < end)
				end = covered;
			if (i + 1 < n && all[i + 1].vaddr < end)
				end = all[i + 1].vaddr;
			if (!has_symtab && !one.is_label)
				end = exported_end(symbols, vaddr, end);
			one.size = end - vaddr < UINT32_MAX ? (uint32_t)(end - vaddr) : UINT32_MAX;
		} else if (one.vaddr + one.size > covered) {
			covered = one.vaddr + one.size;
		}
		if (one.size > symbols->size_max)
			symbols->size_max = one.size;
		all[used++] = one;
	}
	symbols->symbols.n = used;
}

static struct pv_err *symbols_load(struct pv_native_symbols *symbols)
{
	bool has_symtab = false;
	struct pv_err *err = ranges_load(symbols);

	if (!err)
		err = load_from(symbols, symbols->elf, false, &has_symtab);
	if (!err && !has_symtab)
		symbols->debug = pv_debugfile_open(symbols->elf, symbols->path, symbols->root);
	if (!err && symbols->debug)
		err = load_from(symbols, symbols->debug, true, &has_symtab);
	if (err || !symbols->symbols.n)
		return err;
	qsort_r(symbols->symbols.data, symbols->symbols.n, sizeof(struct native_symbol),
		symbol_compare, symbols);
	symbols_settle(symbols, has_symtab);

	void *fit =
		realloc(symbols->symbols.data, symbols->symbols.n * sizeof(struct native_symbol));

	if (fit) {
		symbols->symbols.data = fit;
		symbols->symbols.capacity = symbols->symbols.n;
	}
	return NULL;
}

/* The innermost symbol that covers vaddr. */
static const struct native_symbol *symbols_find(const struct pv_native_symbols *symbols,
						uint64_t vaddr)
{
	const struct native_symbol *all = symbols->symbols.data;
	size_t low = 0, high = symbols->symbols.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (all[mid].vaddr <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	while (low > 0 && vaddr - all[low - 1].vaddr < symbols->size_max) {
		low--;
		if (vaddr - all[low].vaddr < all[low].size)
			return &all[low];
	}
	return NULL;
}

/* What to show for a name of the file: without symbol version (.symtab has it), demangled. */
static struct pv_err *name_show(struct pv_native_symbols *symbols, const char *name,
				const char **ret)
{
	size_t n = strlen(name);
	const char *version = n > 1 ? memchr(name + 1, '@', n - 1) : NULL;
	uint64_t known;
	uint32_t id;
	struct pv_err *err;

	if (!version && name[0] != '_') {
		*ret = name;
		return NULL;
	}
	if (pv_map_get(&symbols->shown, (uintptr_t)name, &known)) {
		*ret = pv_strings_get(symbols->texts, (uint32_t)known);
		return NULL;
	}
	if (version)
		n = (size_t)(version - name);
	err = pv_strings_add(symbols->texts, name, n, &id);
	if (err)
		return err;
	if (pv_demangle(pv_strings_get(symbols->texts, id), &symbols->scratch)) {
		err = pv_strings_add(symbols->texts, pv_str_text(&symbols->scratch),
				     symbols->scratch.n, &id);
		if (err)
			return err;
	}
	*ret = pv_strings_get(symbols->texts, id);
	return pv_map_set(&symbols->shown, (uintptr_t)name, id);
}

bool pv_native_symbol_at(struct pv_native_symbols *symbols, uint64_t vaddr, const char **name_ret,
			 uint64_t *start_ret)
{
	if (!symbols->loaded) {
		symbols->loaded = true;

		struct pv_err *err = symbols_load(symbols);

		/* Half a table would give wrong names: none then, the frame shows its offset. */
		if (err)
			pv_vec_deinit(&symbols->symbols);
		pv_err_destroy(err);
	}

	const struct native_symbol *symbol = symbols_find(symbols, vaddr);

	if (!symbol)
		return false;

	const char *name = symbol_name(symbols, symbol), *shown = name;

	/* Out of memory: the name as the file has it is still true. */
	pv_err_destroy(name_show(symbols, name, &shown));
	*name_ret = shown;
	*start_ret = symbol->vaddr;
	return true;
}

uint64_t pv_native_function_start(struct pv_native_symbols *symbols, uint64_t vaddr)
{
	size_t low = 0, high;

	if (!symbols->fdes_loaded) {
		symbols->fdes_loaded = true;
		/* without the ranges each address stands for itself, which is true, too */
		pv_err_destroy(pv_elf_fde_ranges(symbols->elf, &symbols->fdes, &symbols->n_fdes));
	}
	high = symbols->n_fdes;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->fdes[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || vaddr >= symbols->fdes[low - 1].end)
		return vaddr;
	return symbols->fdes[low - 1].start;
}
