/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of kernel code, modules and eBPF programs.
 * Input: /proc/kallsyms, or a file like it.
 * Output: the function at an address, for session/.
 */
#include "symbol/kernel.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"

enum {
	/*
	 * kallsyms tells no sizes.  No function is that long, so what lies
	 * farther behind a symbol has none (the last of the core, of a module).
	 */
	FUNCTION_BYTES_MAX = 1 << 20,
};

struct kernel_symbol {
	uint64_t addr;
	uint32_t name; /* offset into names */
	uint32_t is_local;
};

struct pv_kernel_symbols {
	char *path;
	bool reading; /* the thread is to be joined; what follows is its own until then */
	pthread_t reader;
	bool loaded;
	struct pv_vec symbols; /* struct kernel_symbol, sorted by addr, one for each */
	struct pv_str names;   /* each with its NUL */
};

struct pv_err *pv_kernel_symbols_create(const char *path, struct pv_kernel_symbols **ret)
{
	struct pv_kernel_symbols *symbols = malloc(sizeof(*symbols));

	if (!symbols)
		return &pv_enomem;
	*symbols = (struct pv_kernel_symbols){
		.path = strdup(path ? path : "/proc/kallsyms"),
		.symbols = PV_VEC(struct kernel_symbol),
	};
	if (!symbols->path) {
		free(symbols);
		return &pv_enomem;
	}
	*ret = symbols;
	return NULL;
}

void pv_kernel_symbols_destroy(struct pv_kernel_symbols *symbols)
{
	if (!symbols)
		return;
	if (symbols->reading)
		pthread_join(symbols->reader, NULL);
	pv_vec_deinit(&symbols->symbols);
	pv_str_deinit(&symbols->names);
	free(symbols->path);
	free(symbols);
}

/* Marks of the padding before functions (CONFIG_CALL_PADDING, CONFIG_CFI_CLANG): never run. */
static bool name_is_padding(const char *name)
{
	return strncmp(name, "__pfx_", 6) == 0 || strncmp(name, "__cfi_", 6) == 0;
}

/* "ffffffff81000000 T name\t[module]"; lines of data, without address or damaged are left out. */
static struct pv_err *line_add(struct pv_kernel_symbols *symbols, char *line)
{
	char *p;
	struct kernel_symbol symbol = { .addr = strtoull(line, &p, 16) };

	if (p == line || symbol.addr == 0 || p[0] != ' ' || !p[1] || !strchr("tTwW", p[1]) ||
	    p[2] != ' ')
		return NULL;

	char *name = p + 3;
	size_t n = strcspn(name, "\t\n ");

	name[n] = '\0';
	if (n == 0 || name_is_padding(name) || symbols->names.n > UINT32_MAX - n - 1)
		return NULL;
	symbol.name = (uint32_t)symbols->names.n;
	symbol.is_local = p[1] == 't';

	struct pv_err *err = pv_str_append(&symbols->names, name, n + 1);

	return err ? err : pv_vec_append(&symbols->symbols, &symbol, 1, NULL);
}

static const char *symbol_name(const struct pv_kernel_symbols *symbols,
			       const struct kernel_symbol *symbol)
{
	return symbols->names.data + symbol->name;
}

/* By address; of aliases the one to show comes first: global, fewest underscores, shortest. */
static int symbol_compare(const void *a, const void *b, void *ctx)
{
	const struct kernel_symbol *x = a, *y = b;
	const char *x_name = symbol_name(ctx, x), *y_name = symbol_name(ctx, y);
	size_t x_n, y_n;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->is_local != y->is_local)
		return x->is_local ? 1 : -1;
	x_n = strspn(x_name, "_");
	y_n = strspn(y_name, "_");
	if (x_n != y_n)
		return x_n < y_n ? -1 : 1;
	x_n = strlen(x_name);
	y_n = strlen(y_name);
	if (x_n != y_n)
		return x_n < y_n ? -1 : 1;
	return strcmp(x_name, y_name);
}

static void symbols_sort(struct pv_kernel_symbols *symbols)
{
	struct kernel_symbol *all = symbols->symbols.data;
	size_t n = symbols->symbols.n, used = 0;

	if (n == 0)
		return;
	qsort_r(all, n, sizeof(*all), symbol_compare, symbols);
	for (size_t i = 0; i < n; i++) {
		if (used == 0 || all[used - 1].addr != all[i].addr)
			all[used++] = all[i];
	}
	symbols->symbols.n = used;
	/* Growing by doubling left up to half of it unused. */
	all = realloc(all, used * sizeof(*all));
	if (all) {
		symbols->symbols.data = all;
		symbols->symbols.capacity = used;
	}
}

static struct pv_err *read_all(struct pv_kernel_symbols *symbols)
{
	_pv_fclose_ FILE *file = fopen(symbols->path, "re");
	_pv_free_ char *line = NULL;
	size_t capacity = 0;

	if (!file)
		return pv_err_errno(errno, "cannot open %s", symbols->path);
	while (getline(&line, &capacity, file) >= 0) {
		struct pv_err *err = line_add(symbols, line);

		if (err)
			return err;
	}
	if (ferror(file))
		return pv_err_errno(errno, "cannot read %s", symbols->path);
	return NULL;
}

static void *load(void *arg)
{
	struct pv_kernel_symbols *symbols = arg;

	symbols->loaded = true;
	/* What was read before a failure still holds; the rest has no name. */
	pv_err_destroy(read_all(symbols));
	symbols_sort(symbols);
	return NULL;
}

struct pv_err *pv_kernel_symbols_begin(struct pv_kernel_symbols *symbols)
{
	int error = pthread_create(&symbols->reader, NULL, load, symbols);

	if (error)
		return pv_err_errno(error, "cannot start a thread");
	symbols->reading = true;
	return NULL;
}

bool pv_kernel_symbol_at(struct pv_kernel_symbols *symbols, uint64_t addr, const char **name_ret)
{
	if (symbols->reading)
		pthread_join(symbols->reader, NULL);
	symbols->reading = false;
	if (!symbols->loaded)
		load(symbols);

	size_t low = 0, high = symbols->symbols.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct kernel_symbol *symbol = pv_vec_at(&symbols->symbols, mid);

		if (symbol->addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return false;

	const struct kernel_symbol *symbol = pv_vec_at(&symbols->symbols, low - 1);

	if (addr - symbol->addr >= FUNCTION_BYTES_MAX)
		return false;
	*name_ret = symbol_name(symbols, symbol);
	return true;
}
