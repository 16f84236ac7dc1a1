/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks for the separate debug file of an object where GDB does (GDB manual,
 * "Debugging Information in Separate Files").
 * Input: build-id and .gnu_debuglink of the object.
 * Output: the open debug file, for native.c.
 */
#include "symbol/debugfile.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "elf/elf.h"
#include "symbol/minidebug.h"

static bool see_symtab(void *ctx, const struct pv_elf_symbol *symbol)
{
	bool *has = ctx;

	/* .symtab comes first: after one symbol of either table it is known. */
	*has = !symbol->from_dynsym;
	return false;
}

static bool same_build_id(const struct pv_elf *a, const struct pv_elf *b)
{
	const struct pv_build_id *x = pv_elf_build_id(a), *y = pv_elf_build_id(b);

	return x->n > 0 && x->n == y->n && memcmp(x->bytes, y->bytes, x->n) == 0;
}

/* Is it the debug file of elf?  Without a build-id on both sides the CRC decides. */
static bool candidate_fits(const struct pv_elf *elf, const struct pv_elf *candidate,
			   const uint32_t *crc)
{
	bool has_symtab = false;

	if (pv_elf_build_id(elf)->n || pv_elf_build_id(candidate)->n) {
		if (!same_build_id(elf, candidate))
			return false;
	} else if (!crc || pv_elf_file_crc(candidate) != *crc) {
		return false;
	}
	pv_elf_each_symbol(candidate, see_symtab, &has_symtab);
	return has_symtab;
}

/* crc: NULL = only the build-id counts. */
static __attribute__((format(printf, 3, 4))) struct pv_elf *
candidate_try(const struct pv_elf *elf, const uint32_t *crc, const char *format, ...)
{
	_pv_free_ char *path = NULL;
	struct pv_elf *candidate = NULL;
	va_list ap;

	va_start(ap, format);
	int n = vasprintf(&path, format, ap);
	va_end(ap);
	if (n < 0) {
		path = NULL;
		return NULL;
	}
	/* O_NONBLOCK: what stands under that name may be a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return NULL;
	/* What is there but is no ELF file is like nothing there: another place may have it. */
	pv_err_destroy(pv_elf_open(fd, &candidate));
	if (candidate && !candidate_fits(elf, candidate, crc)) {
		pv_elf_close(candidate);
		candidate = NULL;
	}
	return candidate;
}

static struct pv_elf *open_by_build_id(const struct pv_elf *elf, const char *root)
{
	const struct pv_build_id *id = pv_elf_build_id(elf);
	char hex[2 * PV_BUILD_ID_MAX + 1] = "";

	if (id->n < 2)
		return NULL;
	for (size_t i = 0; i < id->n; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	return candidate_try(elf, NULL, "%s/usr/lib/debug/.build-id/%.2s/%s.debug", root, hex,
			     hex + 2);
}

static struct pv_elf *open_by_debuglink(const struct pv_elf *elf, const char *path,
					const char *root)
{
	const char *name, *slash = strrchr(path, '/');
	int dir_n = slash ? (int)(slash - path) : 0;
	struct pv_elf *found;
	uint32_t crc;

	/* The link is a file name, never a path: it comes from the target. */
	if (!slash || !pv_elf_debuglink(elf, &name, &crc) || strchr(name, '/'))
		return NULL;
	found = candidate_try(elf, &crc, "%s%.*s/%s", root, dir_n, path, name);
	if (!found)
		found = candidate_try(elf, &crc, "%s%.*s/.debug/%s", root, dir_n, path, name);
	if (!found)
		found = candidate_try(elf, &crc, "%s/usr/lib/debug%.*s/%s", root, dir_n, path,
				      name);
	return found;
}

struct pv_elf *pv_debugfile_open(const struct pv_elf *elf, const char *path, const char *root)
{
	struct pv_elf *found = open_by_build_id(elf, root);

	if (!found)
		found = open_by_debuglink(elf, path, root);
	return found ? found : pv_minidebug_open(elf);
}
