/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages that a process wrote.
 * Input: /proc/PID/pagemap, by PAGEMAP_SCAN where the kernel has it.
 * Output: struct pv_populated.
 *
 * Sources: Linux Documentation/admin-guide/mm/pagemap.rst, include/uapi/linux/fs.h
 * (PAGEMAP_SCAN, Linux 6.7), fs/proc/task_mmu.c.
 */
#include "target/populated.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "target/maps.h"

enum {
	SCAN_REGIONS = 4096,
	ENTRIES = 8192, /* of pagemap that are read at once */
};

/* As in the kernel's header, which Debian 12's are too old for. */
struct page_region {
	uint64_t start, end, categories;
};
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL    _IOWR('f', 16, struct scan_arg)
#define IS_FILE       (1ULL << 2)
#define IS_PRESENT    (1ULL << 3)
#define IS_SWAPPED    (1ULL << 4)
#define IS_ZERO       (1ULL << 5)
#define IS_GUARD      (1ULL << 8) /* Linux 6.15: MADV_GUARD_INSTALL, no page at all */
/* An entry of pagemap. */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_SWAPPED (1ULL << 62)
#define ENTRY_FILE    (1ULL << 61)
#define ENTRY_GUARD   (1ULL << 58)

struct reader {
	int fd;
	pid_t pid;
	bool scans;          /* PAGEMAP_SCAN is there */
	uint64_t not_wanted; /* the page of zeros, guards */
	uint64_t page;
	struct pv_vec ranges; /* struct pv_populated_range */
	uint64_t bytes;
	union {
		struct page_region regions[SCAN_REGIONS];
		uint64_t entries[ENTRIES];
	};
};

static struct pv_err *add(struct reader *r, const struct pv_map_entry *entry, uint32_t map,
			  uint64_t start, uint64_t end)
{
	struct pv_populated_range range = {
		.start = start,
		.end = end,
		.map = map,
		.readable = entry->readable,
	};
	struct pv_populated_range *last =
		r->ranges.n ? pv_vec_at(&r->ranges, r->ranges.n - 1) : NULL;

	r->bytes += end - start;
	if (last && last->end == start && last->map == map) {
		last->end = end;
		return NULL;
	}
	return pv_vec_append(&r->ranges, &range, 1, NULL);
}

/*
 * The kernel sees pages of shared memory as those of a file.  One that was taken out of
 * memory since is not seen: nobody keeps counted references where other processes see them.
 */
static bool is_wanted(const struct pv_map_entry *entry, bool file)
{
	return entry->shared ? entry->writable : !file;
}

static struct pv_err *gone(const struct reader *r, int errnum)
{
	return pv_err_errno(errnum, "cannot read /proc/%d/pagemap", (int)r->pid);
}

static struct pv_err *scan_mapping(struct reader *r, const struct pv_map_entry *entry, uint32_t map)
{
	uint64_t at = entry->start;

	while (at < entry->end) {
		struct scan_arg arg = {
			.size = sizeof(arg),
			.start = at,
			.end = entry->end,
			.vec = (uintptr_t)r->regions,
			.vec_len = SCAN_REGIONS,
			/* not the page of zeros: that bit is asked for inverted */
			.category_inverted = r->not_wanted,
			.category_mask = r->not_wanted,
			.category_anyof_mask = IS_PRESENT | IS_SWAPPED,
			.return_mask = IS_FILE,
		};
		int n = ioctl(r->fd, SCAN_IOCTL, &arg);

		if (n < 0 && errno == EINVAL && r->not_wanted & IS_GUARD) {
			/* an older kernel, which does not tell */
			r->not_wanted &= ~IS_GUARD;
			continue;
		}
		if (n < 0 && (errno == ENOTTY || errno == EINVAL)) {
			r->scans = false;
			return NULL;
		}
		/* the mapping has gone meanwhile */
		if (n < 0)
			return errno == ENOMEM || errno == EFAULT ? NULL : gone(r, errno);
		for (int i = 0; i < n; i++) {
			const struct page_region *region = &r->regions[i];
			struct pv_err *err;

			if (region->start < at || region->end > entry->end ||
			    region->end <= region->start ||
			    !is_wanted(entry, region->categories & IS_FILE))
				continue;
			err = add(r, entry, map, region->start, region->end);
			if (err)
				return err;
		}
		if (arg.walk_end <= at)
			break;
		at = arg.walk_end;
	}
	return NULL;
}

static struct pv_err *read_mapping(struct reader *r, const struct pv_map_entry *entry, uint32_t map)
{
	for (uint64_t at = entry->start; at < entry->end;) {
		uint64_t n = (entry->end - at) / r->page;
		ssize_t got;

		n = n < ENTRIES ? n : ENTRIES;
		if (!n)
			break;
		got = pread(r->fd, r->entries, n * sizeof(uint64_t),
			    (off_t)(at / r->page * sizeof(uint64_t)));
		if (got < 0)
			return gone(r, errno);
		if (got < (ssize_t)sizeof(uint64_t))
			break;
		n = (uint64_t)got / sizeof(uint64_t);
		for (uint64_t i = 0; i < n; i++, at += r->page) {
			struct pv_err *err;

			if (!(r->entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED)) ||
			    r->entries[i] & ENTRY_GUARD ||
			    !is_wanted(entry, r->entries[i] & ENTRY_FILE))
				continue;
			err = add(r, entry, map, at, at + r->page);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* What no object of Python's can be in: devices, and what the kernel itself puts there. */
static bool is_foreign(const struct pv_map_entry *entry)
{
	return !strncmp(entry->path, "/dev/", 5) ? strncmp(entry->path, "/dev/shm/", 9) &&
							   strncmp(entry->path, "/dev/zero", 9)
						 : !strncmp(entry->path, "[v", 2);
}

/* As pagemap has them, where the kernel cannot look for pages itself. */
static void read_runs(int pagemap, uint64_t from, uint64_t end, size_t n_pages,
		      struct pv_page_run *runs, size_t max, size_t *n_ret, uint64_t *to_ret)
{
	enum { PIECE = 512 };
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entries[PIECE];

	for (; from < end && n_pages; n_pages -= n_pages < PIECE ? n_pages : PIECE) {
		uint64_t n = (end - from + page - 1) / page;
		ssize_t got;

		n = n < PIECE ? n : PIECE;
		got = pread(pagemap, entries, n * sizeof(*entries),
			    (off_t)(from / page * sizeof(*entries)));
		n = got > 0 ? (uint64_t)got / sizeof(*entries) : 0;
		for (uint64_t i = 0; i < n; i++, from += page) {
			if (!(entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED)))
				continue;
			if (*n_ret && runs[*n_ret - 1].end == from) {
				runs[*n_ret - 1].end += page;
			} else if (*n_ret < max) {
				runs[(*n_ret)++] = (struct pv_page_run){ from, from + page };
			} else {
				*to_ret = from;
				return;
			}
		}
		/* what pagemap does not tell is not there */
		if (!n)
			from += page;
	}
	*to_ret = from;
}

void pv_page_runs_read(int pagemap, uint64_t from, uint64_t end, size_t n_pages,
		       struct pv_page_run *runs, size_t max, size_t *n_ret, uint64_t *to_ret)
{
	/* the end of what a process can map; the kernel takes no more */
	const uint64_t last = (1ULL << 47) - 4096;
	struct page_region *regions = calloc(max, sizeof(*regions));
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = from,
		.end = end < last ? end : last,
		.vec = (uintptr_t)regions,
		.vec_len = max,
		.max_pages = n_pages,
		.category_anyof_mask = IS_PRESENT | IS_SWAPPED,
		.return_mask = IS_PRESENT,
	};
	int n = regions && from < arg.end ? ioctl(pagemap, SCAN_IOCTL, &arg) : -1;

	*n_ret = 0;
	if (n < 0 || arg.walk_end <= from || arg.walk_end > arg.end) {
		free(regions);
		read_runs(pagemap, from, end, n_pages, runs, max, n_ret, to_ret);
		return;
	}
	for (int i = 0; i < n; i++) {
		const struct page_region *one = &regions[i];

		if (one->start < from || one->end > arg.walk_end || one->end <= one->start)
			continue;
		if (*n_ret && runs[*n_ret - 1].end == one->start)
			runs[*n_ret - 1].end = one->end;
		else
			runs[(*n_ret)++] = (struct pv_page_run){ one->start, one->end };
	}
	*to_ret = arg.walk_end == arg.end ? end : arg.walk_end;
	free(regions);
}

void pv_populated_deinit(struct pv_populated *populated)
{
	free(populated->ranges);
	*populated = (struct pv_populated){ 0 };
}

struct pv_err *pv_populated_read(pid_t pid, const struct pv_maps *maps, struct pv_populated *ret)
{
	_pv_free_ struct reader *r = calloc(1, sizeof(*r));
	struct pv_err *err = NULL;
	char path[32];

	if (!r)
		return &pv_enomem;
	r->ranges = (struct pv_vec)PV_VEC(struct pv_populated_range);
	r->pid = pid;
	r->scans = true;
	r->not_wanted = IS_ZERO | IS_GUARD;
	r->page = (uint64_t)sysconf(_SC_PAGESIZE);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return pv_err_errno(errno == ENOENT ? ESRCH : errno, "cannot open %s", path);
	for (size_t i = 0; !err && i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];

		if (is_foreign(entry) || (entry->shared && !entry->writable))
			continue;
		if (r->scans)
			err = scan_mapping(r, entry, (uint32_t)i);
		if (!err && !r->scans)
			err = read_mapping(r, entry, (uint32_t)i);
	}
	close(r->fd);
	if (err) {
		pv_vec_deinit(&r->ranges);
		return err;
	}
	*ret = (struct pv_populated){ r->ranges.data, r->ranges.n, r->bytes };
	return NULL;
}
