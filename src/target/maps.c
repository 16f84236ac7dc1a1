/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mappings of a process and the files behind them.
 * Input: /proc/PID/maps, /proc/PID/map_files, /proc/PID/root.
 * Output: struct pv_maps, file descriptors.
 */
#include "target/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"
#include "target/procfs.h"

static const char deleted_suffix[] = " (deleted)";

/*
 * The kernel escapes the newline and nothing else (fs/proc/task_mmu.c
 * show_map_vma: seq_file_path(m, file, "\n")), not even the backslash.
 */
static void path_unescape(char *path)
{
	char *out = path;

	for (const char *in = path; *in;) {
		if (strncmp(in, "\\012", 4) == 0) {
			*out++ = '\n';
			in += 4;
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
}

static bool hex_parse(const char **p, char terminator, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(*p, &end, 16);
	if (errno || end == *p || *end != terminator)
		return false;
	*p = end + 1;
	return true;
}

/* "start-end rwxp offset major:minor inode   path"; entry->path is set last. */
static bool line_parse(const char *line, struct pv_map_entry *entry, const char **path_ret)
{
	const char *p = line;
	uint64_t major, minor;
	char *end;

	if (!hex_parse(&p, '-', &entry->start) || !hex_parse(&p, ' ', &entry->end))
		return false;
	if (strnlen(p, 5) < 5 || p[4] != ' ' || entry->end <= entry->start)
		return false;
	entry->readable = p[0] == 'r';
	entry->writable = p[1] == 'w';
	entry->executable = p[2] == 'x';
	entry->shared = p[3] == 's';
	p += 5;
	if (!hex_parse(&p, ' ', &entry->offset) || !hex_parse(&p, ':', &major) ||
	    !hex_parse(&p, ' ', &minor))
		return false;
	entry->device = makedev((unsigned int)major, (unsigned int)minor);
	errno = 0;
	entry->inode = strtoull(p, &end, 10);
	if (errno || end == p)
		return false;
	*path_ret = end + strspn(end, " ");
	return true;
}

static struct pv_err *line_add(struct pv_vec *entries, const char *line, pid_t pid,
			       const char *root)
{
	struct pv_map_entry entry = { 0 };
	const char *path;

	if (!line_parse(line, &entry, &path))
		return pv_err_create(PV_ERR_FAILED, "/proc/%d/maps: cannot understand \"%s\"",
				     (int)pid, line);

	size_t n = strlen(path), suffix_n = sizeof(deleted_suffix) - 1;

	/* "[heap]" and "[anon:name]" have no inode; only a file can be deleted. */
	if (entry.inode && n > suffix_n && strcmp(path + n - suffix_n, deleted_suffix) == 0) {
		entry.deleted = true;
		n -= suffix_n;
	}
	entry.path = strndup(path, n);
	if (!entry.path)
		return &pv_enomem;
	path_unescape(entry.path);
	if (entry.inode)
		pv_procfs_inner_path(entry.path, root);

	struct pv_err *err = pv_vec_append(entries, &entry, 1, NULL);

	if (err)
		free(entry.path);
	return err;
}

static int entry_compare(const void *a, const void *b)
{
	const struct pv_map_entry *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Between two reads of the file a mapping may have grown: keep the one that starts first. */
static size_t entries_disjoin(struct pv_map_entry *entries, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (used && entries[i].start < entries[used - 1].end)
			free(entries[i].path);
		else
			entries[used++] = entries[i];
	}
	return used;
}

struct pv_err *pv_maps_read(pid_t pid, struct pv_maps *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_vec entries = PV_VEC(struct pv_map_entry);
	struct pv_err *err = pv_procfs_read(pid, "maps", &text);
	char root[PATH_MAX];

	if (err)
		return err;
	pv_procfs_root(pid, root, sizeof(root));
	for (char *line = text.data; line && *line && !err;) {
		char *end = strchr(line, '\n');

		if (end)
			*end = '\0';
		err = line_add(&entries, line, pid, root);
		line = end ? end + 1 : NULL;
	}

	struct pv_maps maps = { .entries = entries.data, .n = entries.n };

	if (err) {
		pv_maps_deinit(&maps);
		return err;
	}
	if (maps.n) {
		qsort(maps.entries, maps.n, sizeof(*maps.entries), entry_compare);
		maps.n = entries_disjoin(maps.entries, maps.n);
	}
	*ret = maps;
	return NULL;
}

void pv_maps_deinit(struct pv_maps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		free(maps->entries[i].path);
	free(maps->entries);
	*maps = (struct pv_maps){ 0 };
}

const struct pv_map_entry *pv_maps_find(const struct pv_maps *maps, uint64_t addr)
{
	size_t low = 0, high = maps->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps->entries[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == maps->n || maps->entries[low].start > addr)
		return NULL;
	return &maps->entries[low];
}

/* Opens a regular file for reading; never a device or a FIFO, whose open has effects. */
static int open_regular(const char *path)
{
	_pv_close_ int handle = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	char self[64];

	if (handle < 0)
		return -errno;
	if (fstat(handle, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);

	int fd = open(self, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * Is fd the file of entry?  stat(2) and the maps file disagree about the device
 * on btrfs (subvolumes) and overlayfs, so where the numbers differ we map the
 * file ourselves and compare what the maps file says of it.
 */
static bool same_file(int fd, const struct pv_map_entry *entry)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (st.st_dev == entry->device && st.st_ino == entry->inode)
		return true;

	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *addr = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);

	if (addr == MAP_FAILED)
		return false;

	struct pv_maps self = { 0 };
	struct pv_err *err = pv_maps_read(getpid(), &self);
	const struct pv_map_entry *own = pv_maps_find(&self, (uintptr_t)addr);
	bool same = own && own->device == entry->device && own->inode == entry->inode;

	pv_err_destroy(err);
	pv_maps_deinit(&self);
	munmap(addr, page);
	return same;
}

struct pv_err *pv_map_entry_open(pid_t pid, const struct pv_map_entry *entry, int *ret_fd)
{
	char link[128];
	_pv_free_ char *path = NULL;

	if (!entry->inode)
		return pv_err_create(PV_ERR_FAILED, "mapping %" PRIx64 " of %d is not a file",
				     entry->start, (int)pid);
	snprintf(link, sizeof(link), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
		 entry->start, entry->end);

	int fd = open_regular(link);

	/* The address range may have been mapped anew since the maps were read. */
	if (fd >= 0 && same_file(fd, entry)) {
		*ret_fd = fd;
		return NULL;
	}
	if (fd >= 0)
		close(fd);
	if (asprintf(&path, "/proc/%d/root%s", (int)pid, entry->path) < 0) {
		path = NULL;
		return &pv_enomem;
	}
	fd = entry->path[0] == '/' ? open_regular(path) : -ENOENT;
	if (fd < 0)
		return pv_err_errno(-fd, "cannot open %s of %d%s", entry->path, (int)pid,
				    entry->deleted ? " (deleted; needs CAP_CHECKPOINT_RESTORE)"
						   : "");
	if (!same_file(fd, entry)) {
		close(fd);
		return pv_err_create(PV_ERR_FAILED,
				     "cannot open %s of %d: the file there is another one now%s",
				     entry->path, (int)pid,
				     entry->deleted ? " (the mapped one is deleted)" : "");
	}
	*ret_fd = fd;
	return NULL;
}
