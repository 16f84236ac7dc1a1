/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of ELF objects.  Input: mappings of processes, opened through
 * /proc.  Output: object ids with unwind tables.
 */
#include "snap/objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "elf/elf.h"
#include "target/maps.h"
#include "target/mem.h"

enum {
	VDSO_MAX_BYTES = 1 << 20,
};

struct pv_objects {
	char *cache_dir;       /* or NULL */
	struct pv_vec list;    /* struct pv_object *; id - 1 is the index */
	struct pv_map by_file; /* hash of device, inode, path -> id */
};

struct pv_err *pv_objects_create(const char *cache_dir, struct pv_objects **ret)
{
	struct pv_objects *objects = calloc(1, sizeof(*objects));

	if (!objects)
		return &pv_enomem;
	objects->list = (struct pv_vec)PV_VEC(struct pv_object *);
	if (cache_dir) {
		objects->cache_dir = strdup(cache_dir);
		if (!objects->cache_dir) {
			free(objects);
			return &pv_enomem;
		}
	}
	*ret = objects;
	return NULL;
}

static void object_destroy(struct pv_object *object)
{
	if (!object)
		return;
	pv_python_deinit(&object->python);
	pv_unwind_table_deinit(&object->unwind);
	pv_elf_close(object->elf);
	free(object->error);
	free(object->root);
	free(object->path);
	free(object);
}

void pv_objects_destroy(struct pv_objects *objects)
{
	size_t i;

	if (!objects)
		return;
	for (i = 0; i < objects->list.n; i++)
		object_destroy(*(struct pv_object **)pv_vec_at(&objects->list, i));
	pv_vec_deinit(&objects->list);
	pv_map_deinit(&objects->by_file);
	free(objects->cache_dir);
	free(objects);
}

struct pv_object *pv_objects_get(const struct pv_objects *objects, uint32_t id)
{
	if (!id || id > objects->list.n)
		return NULL;
	return *(struct pv_object **)pv_vec_at(&objects->list, id - 1);
}

size_t pv_objects_n(const struct pv_objects *objects)
{
	return objects->list.n;
}

/* The image of the vdso is the same in every process of one kind. */
static struct pv_err *open_vdso(const struct pv_map_entry *entry, struct pv_mem *mem,
				struct pv_elf **ret)
{
	size_t n = entry->end - entry->start;
	_pv_free_ void *image = NULL;
	int error;

	if (n > VDSO_MAX_BYTES)
		return pv_err_create(PV_ERR_FAILED, "the vdso has %zu bytes", n);
	image = malloc(n);
	if (!image)
		return &pv_enomem;
	error = pv_mem_read(mem, image, n, entry->start);
	if (error)
		return pv_err_errno(-error, "cannot read the vdso");
	return pv_elf_open_memory(image, n, ret);
}

static struct pv_err *open_object(pid_t pid, const struct pv_map_entry *entry, struct pv_mem *mem,
				  struct pv_elf **ret)
{
	struct pv_err *err;
	int fd;

	if (!entry->inode)
		return open_vdso(entry, mem, ret);
	err = pv_map_entry_open(pid, entry, &fd);
	return err ? err : pv_elf_open(fd, ret);
}

/* "/proc/PID/root" when the process sees other files than we do under its paths, else "". */
static char *object_root(pid_t pid, const struct pv_map_entry *entry)
{
	struct stat st;
	char *root;

	if (entry->inode && !stat(entry->path, &st) && st.st_ino == entry->inode)
		return strdup("");
	return asprintf(&root, "/proc/%d/root", pid) < 0 ? NULL : root;
}

static void read_build_id(struct pv_object *object)
{
	const struct pv_build_id *id = pv_elf_build_id(object->elf);

	_Static_assert(sizeof(object->build_id) > 2 * PV_BUILD_ID_MAX, "all of it and a NUL");
	for (size_t i = 0; i < id->n; i++)
		sprintf(object->build_id + 2 * i, "%02x", id->bytes[i]);
}

static struct pv_err *object_create(pid_t pid, const struct pv_map_entry *entry, struct pv_mem *mem,
				    const char *cache_dir, struct pv_object **ret)
{
	struct pv_object *object = calloc(1, sizeof(*object));
	struct pv_err *err;
	const char *slash;

	if (!object)
		return &pv_enomem;
	object->path = strdup(entry->path);
	object->root = object_root(pid, entry);
	if (!object->path || !object->root) {
		object_destroy(object);
		return &pv_enomem;
	}
	slash = strrchr(object->path, '/');
	object->name = slash ? (char *)slash + 1 : object->path;
	object->deleted = entry->deleted;
	err = open_object(pid, entry, mem, &object->elf);
	if (!err) {
		read_build_id(object);
		object->has_runtime = entry->inode && pv_python_is_runtime(object->elf);
		err = pv_unwind_load(object->elf, entry->inode ? cache_dir : NULL, &object->unwind);
	}
	if (err) {
		object->error = strdup(err->message ? err->message : "out of memory");
		pv_err_destroy(err);
	}
	*ret = object;
	return NULL;
}

struct pv_err *pv_objects_find(struct pv_objects *objects, pid_t pid,
			       const struct pv_map_entry *entry, struct pv_mem *mem,
			       struct pv_object **ret)
{
	uint64_t key = pv_hash(pv_hash(entry->device) ^ entry->inode) ^
		       pv_hash_bytes(entry->path, strlen(entry->path));
	struct pv_object *object;
	struct pv_err *err;
	uint64_t id;

	if (pv_map_get(&objects->by_file, key, &id)) {
		*ret = pv_objects_get(objects, id);
		return NULL;
	}
	err = object_create(pid, entry, mem, objects->cache_dir, &object);
	if (err)
		return err;
	object->id = objects->list.n + 1;
	err = pv_vec_append(&objects->list, &object, 1, NULL);
	if (err) {
		object_destroy(object);
		return err;
	}
	*ret = object;
	return pv_map_set(&objects->by_file, key, object->id);
}

char *pv_objects_default_cache(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	struct stat st;
	char *path = NULL;
	int n = -1;

	/* under `sudo -E` it is another user's: root's files there would be in their way */
	if (!home || stat(home, &st) || st.st_uid != geteuid())
		return NULL;
	if (base && *base == '/')
		n = asprintf(&path, "%s/pitviper/unwind", base);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.cache/pitviper/unwind", home);
	return n < 0 ? NULL : path;
}

struct pv_unwind_coverage pv_object_cover(const struct pv_object *object)
{
	static const char *const names[] = { ".init",    ".plt",  ".plt.got",
					     ".plt.sec", ".text", ".fini" };
	struct pv_unwind_coverage coverage = {};
	struct pv_elf_section section;
	bool found = false;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!pv_elf_section(object->elf, names[i], &section))
			continue;
		pv_unwind_cover(&object->unwind, section.vaddr, section.vaddr + section.size,
				&coverage);
		found = true;
	}
	for (i = 0; !found && i < pv_elf_n_loads(object->elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(object->elf, i);

		if (load->executable)
			pv_unwind_cover(&object->unwind, load->vaddr, load->vaddr + load->mem_size,
					&coverage);
	}
	return coverage;
}
