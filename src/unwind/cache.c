/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiled tables on disk, one file a build-id.  Input: a cache directory
 * (the user's own, but any file in it may be broken) and an object.  Output:
 * a table that lies in a file mapping, or a fresh one.
 *
 * A build-id is what an object says of itself.  The header also holds the
 * layout of the object, so that another one under the same id is told apart
 * unless it was made to deceive; a deceiver gains a wrong native stack.
 */
#include "unwind/table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "elf/elf.h"

/* Count up with every change of the cells, of the header or of the compiler. */
enum { CACHE_VERSION = 3 };

/* Below this, compiling costs less than opening a file: 16 KiB take < 0.3 ms. */
enum { CACHE_EH_FRAME_MIN = 16384 };

struct header {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t checksum; /* of all that follows it in the file */
	uint64_t base;
	uint32_t npages, nrows;
	uint32_t n_fdes, n_unsupported;
	uint64_t layout; /* layout_hash() of the object */
	uint32_t build_id_n;
	uint32_t by_code;
	uint8_t build_id[PV_BUILD_ID_MAX];
};
_Static_assert(sizeof(struct header) == 96, "the cells follow at a multiple of 8");

static const char magic[8] = { 'P', 'V', 'U', 'N', 'W', 'I', 'N', 'D' };

/* The directory is of use only with a build-id. */
struct entry {
	char path[PATH_MAX];
	const struct pv_build_id *build_id;
	uint64_t layout;
};

/* Four lanes, so that the multiplications overlap: about 1 ms for 8 MB. */
static uint64_t checksum(const uint64_t *words, size_t n)
{
	uint64_t lane[4] = { 1, 2, 3, 4 }, sum = n;
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		for (size_t k = 0; k < 4; k++) {
			lane[k] = (lane[k] ^ words[i + k]) * 0x9e3779b97f4a7c15ULL;
			lane[k] ^= lane[k] >> 32;
		}
	}
	for (; i < n; i++)
		lane[i % 4] = pv_hash(lane[i % 4] ^ words[i]);
	for (size_t k = 0; k < 4; k++)
		sum = pv_hash(sum ^ lane[k]);
	return sum;
}

/* The header's words after the checksum, then the cells. */
static uint64_t file_checksum(const struct header *header, const uint64_t *cells)
{
	uint64_t words[(sizeof(*header) - offsetof(struct header, base)) / 8 + 1];

	memcpy(words, &header->base, sizeof(words) - 8);
	words[sizeof(words) / 8 - 1] = checksum(cells, (size_t)header->npages + header->nrows);
	return checksum(words, sizeof(words) / 8);
}

static uint64_t layout_hash(const struct pv_elf *elf, const struct pv_elf_section *eh_frame)
{
	uint64_t hash = pv_hash(eh_frame->vaddr ^ pv_hash(eh_frame->size));

	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);

		hash = pv_hash(hash ^ load->vaddr);
		hash = pv_hash(hash ^ load->offset);
		hash = pv_hash(hash ^ load->file_size);
		hash = pv_hash(hash ^ load->mem_size);
		hash = pv_hash(hash ^ load->executable);
	}
	return hash;
}

static bool entry_init(struct entry *entry, const struct pv_elf *elf, const char *cache_dir)
{
	struct pv_elf_section eh_frame;
	char hex[2 * PV_BUILD_ID_MAX + 1];
	int n;

	entry->build_id = pv_elf_build_id(elf);
	if (!entry->build_id->n || !pv_elf_eh_frame(elf, &eh_frame) ||
	    eh_frame.size < CACHE_EH_FRAME_MIN)
		return false;
	entry->layout = layout_hash(elf, &eh_frame);
	for (size_t i = 0; i < entry->build_id->n; i++)
		snprintf(hex + 2 * i, 3, "%02x", entry->build_id->bytes[i]);
	n = snprintf(entry->path, sizeof(entry->path), "%s/%s.unwind%d", cache_dir, hex,
		     CACHE_VERSION);
	return n > 0 && (size_t)n < sizeof(entry->path);
}

/* What the walkers rely on: every page entry names rows that are there. */
static bool pages_good(const uint64_t *cells, uint32_t npages, uint32_t nrows)
{
	for (uint32_t i = 0; i < npages; i++) {
		struct pv_unwind_page page;

		memcpy(&page, &cells[i], sizeof(page));
		if (page.first > page.last || page.last >= nrows)
			return false;
	}
	return true;
}

static bool header_good(const struct header *header, size_t n, const struct entry *entry)
{
	const uint64_t *cells = (const uint64_t *)(header + 1);

	return !memcmp(header->magic, magic, sizeof(magic)) && header->version == CACHE_VERSION &&
	       header->header_size == sizeof(*header) && header->layout == entry->layout &&
	       header->build_id_n == entry->build_id->n &&
	       !memcmp(header->build_id, entry->build_id->bytes, entry->build_id->n) &&
	       (n - sizeof(*header)) / 8 == (uint64_t)header->npages + header->nrows &&
	       n % 8 == 0 && header->checksum == file_checksum(header, cells) &&
	       pages_good(cells, header->npages, header->nrows);
}

/* A file that another user could have written is not believed. */
static bool file_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_uid == geteuid() || st->st_uid == 0) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static bool cache_read(const struct entry *entry, struct pv_unwind_table *ret)
{
	_pv_close_ int fd = open(entry->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const struct header *header;
	struct stat st;
	void *mapping;
	size_t n;

	if (fd < 0 || fstat(fd, &st) || !file_ours(&st) || st.st_size < (off_t)sizeof(*header))
		return false;
	n = (size_t)st.st_size;
	mapping = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (mapping == MAP_FAILED)
		return false;
	header = mapping;
	if (!header_good(header, n, entry)) {
		munmap(mapping, n);
		return false;
	}
	*ret = (struct pv_unwind_table){
		.base = header->base,
		.npages = header->npages,
		.nrows = header->nrows,
		.cells = (const uint64_t *)(header + 1),
		.n_fdes = header->n_fdes,
		.n_unsupported = header->n_unsupported,
		.by_code = header->by_code,
		.mapping = mapping,
		.mapping_size = n,
	};
	return true;
}

static bool write_all(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

/* mkdir -p */
static void make_directory(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(part))
		return;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		mkdir(part, 0700);
		if (i < n)
			part[i] = '/';
	}
}

/* Best effort: without the file the next start compiles again, nothing else. */
static void cache_write(const struct entry *entry, const char *cache_dir,
			const struct pv_unwind_table *table)
{
	struct header header = {
		.version = CACHE_VERSION,
		.header_size = sizeof(header),
		.base = table->base,
		.npages = table->npages,
		.nrows = table->nrows,
		.n_fdes = table->n_fdes,
		.n_unsupported = table->n_unsupported,
		.by_code = table->by_code,
		.layout = entry->layout,
		.build_id_n = (uint32_t)entry->build_id->n,
	};
	char temporary[PATH_MAX];
	_pv_close_ int fd = -1;
	int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", entry->path);

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return;
	memcpy(header.magic, magic, sizeof(magic));
	memcpy(header.build_id, entry->build_id->bytes, entry->build_id->n);
	header.checksum = file_checksum(&header, table->cells);
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0 && errno == ENOENT) {
		make_directory(cache_dir);
		/* mkostemp may have replaced the Xs. */
		memset(temporary + n - 6, 'X', 6);
		fd = mkostemp(temporary, O_CLOEXEC);
	}
	if (fd < 0)
		return;
	if (!write_all(fd, &header, sizeof(header)) ||
	    !write_all(fd, table->cells, ((size_t)table->npages + table->nrows) * 8) ||
	    rename(temporary, entry->path))
		unlink(temporary);
}

struct pv_err *pv_unwind_load(const struct pv_elf *elf, const char *cache_dir,
			      struct pv_unwind_table *ret)
{
	struct pv_unwind_table table;
	struct entry entry;
	struct pv_err *err;
	bool cacheable = cache_dir && entry_init(&entry, elf, cache_dir);

	if (cacheable && cache_read(&entry, ret))
		return NULL;
	err = pv_unwind_compile(elf, &table);
	if (err)
		return err;
	if (cacheable)
		cache_write(&entry, cache_dir, &table);
	*ret = table;
	return NULL;
}
