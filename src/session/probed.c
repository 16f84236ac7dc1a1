/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a process before its calls are probed.  Input: /proc, its
 * memory, the interpreter's file.  Output: struct pv_probed.
 */
#include "session/probed.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/probes.h"
#include "model/profile.h"
#include "model/strings.h"
#include "snap/objects.h"
#include "target/mem.h"
#include "target/title.h"

static struct pv_err *read_target(struct pv_probed *probed)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	pid_t pid = probed->pid;
	struct pv_err *err;

	err = pv_process_read(pid, &probed->process);
	if (!err)
		err = pv_process_check(&probed->process);
	if (err)
		return err;
	probed->pid_fd = pidfd_open(pid, 0);
	if (probed->pid_fd < 0)
		return pv_err_errno(errno, "cannot watch process %d", (int)pid);
	err = pv_mem_live_create(pid, &probed->mem);
	if (!err)
		err = pv_objects_create(cache, &probed->objects);
	if (!err)
		err = pv_image_build(pid, probed->objects, probed->mem, NULL, &probed->image);
	if (!err)
		err = pv_maps_read(pid, &probed->maps);
	return err;
}

struct pv_err *pv_probed_module(struct pv_probed *probed)
{
	const struct pv_image *image = &probed->image;

	for (size_t i = 0; i < image->n_mappings; i++) {
		const struct pv_object *object =
			pv_objects_get(probed->objects, image->mappings[i].object);

		if (!object || !object->elf || strcmp(object->path, image->python.module_path))
			continue;
		probed->module = (struct pv_python_module){
			.elf = object->elf,
			.bias = image->mappings[i].bias,
			.path = object->path,
		};
		return NULL;
	}
	return pv_err_create(PV_ERR_NOPROC, "%s is not mapped any more", image->python.module_path);
}

struct pv_err *pv_probed_open(pid_t pid, struct pv_probed *ret)
{
	*ret = (struct pv_probed){ .pid = pid, .pid_fd = -1 };
	return read_target(ret);
}

struct pv_err *pv_probed_python(struct pv_probed *probed)
{
	const struct pv_python *python = &probed->image.python;
	struct pv_err *err;

	if (probed->image.python_error)
		return pv_err_create(PV_ERR_NOPROC, "%s", probed->image.python_error);
	if (!python->found)
		return pv_err_create(PV_ERR_NOPROC, "process %d runs no CPython", (int)probed->pid);
	err = pv_probed_module(probed);
	if (!err)
		err = pv_python_sites(probed->mem, &probed->module, python, &probed->sites);
	if (!err)
		err = pv_python_functions_find(probed->pid, probed->mem, &probed->maps, python,
					       &probed->functions);
	if (!err)
		snprintf(probed->interpreter, sizeof(probed->interpreter), "CPython %s",
			 python->version);
	return err;
}

struct pv_err *pv_probed_refresh(struct pv_probed *probed)
{
	struct pv_image image = { 0 };
	struct pv_maps maps = { 0 };
	struct pv_err *err =
		pv_image_build(probed->pid, probed->objects, probed->mem, &probed->image, &image);

	if (!err)
		err = pv_maps_read(probed->pid, &maps);
	if (err) {
		pv_image_deinit(&image);
		return err;
	}
	pv_image_deinit(&probed->image);
	pv_maps_deinit(&probed->maps);
	probed->image = image;
	probed->maps = maps;
	return NULL;
}

void pv_probed_deinit(struct pv_probed *probed)
{
	pv_python_functions_deinit(&probed->functions);
	pv_image_deinit(&probed->image);
	pv_objects_destroy(probed->objects);
	pv_maps_deinit(&probed->maps);
	pv_mem_destroy(probed->mem);
	pv_process_deinit(&probed->process);
	if (probed->pid_fd >= 0)
		close(probed->pid_fd);
	probed->pid_fd = -1;
}

static struct pv_err *add_text(struct pv_profile *profile, const char *text, uint32_t *ret)
{
	return pv_strings_add(profile->strings, text, strlen(text), ret);
}

struct pv_err *pv_probed_describe(const struct pv_probed *probed, struct pv_profile *profile,
				  uint32_t *ret)
{
	struct pv_profile_process process = {
		.pid = (uint32_t)probed->pid,
		.parent_pid = (uint32_t)probed->process.parent,
		.generation = 1,
	};
	struct pv_command_words words;
	char host[256] = "";
	struct pv_err *err;

	gethostname(host, sizeof(host) - 1);
	err = pv_process_words(probed->pid, probed->process.name, &words);
	if (!err)
		err = add_text(profile, host, &profile->host);
	if (!err)
		err = add_text(profile, "bpf", &profile->engine);
	if (!err)
		err = add_text(profile, probed->process.name, &process.name);
	if (!err)
		err = add_text(profile, words.title, &process.title);
	if (!err)
		err = add_text(profile, probed->interpreter, &process.interpreter);
	if (!err)
		err = pv_profile_process(profile, &process, ret);
	profile->pid = process.pid;
	profile->target_name = process.name;
	profile->title = process.title;
	profile->interpreter = process.interpreter;
	return err;
}

bool pv_probed_stacks_move(const struct pv_probed *probed)
{
	for (size_t i = 0; i < probed->image.n_mappings; i++) {
		const struct pv_object *object =
			pv_objects_get(probed->objects, probed->image.mappings[i].object);

		if (object && pv_image_is_greenlet(object->path))
			return true;
	}
	return false;
}

bool pv_probed_same(const struct pv_python_function *a, const struct pv_python_function *b)
{
	return a->firstlineno == b->firstlineno && !strcmp(a->qualname, b->qualname) &&
	       !strcmp(a->file, b->file);
}

/* The interpreter's file, by what the process has mapped of it. */
struct pv_err *pv_probed_add(const struct pv_probed *probed, struct pv_probes *probes,
			     enum pv_probes_part part)
{
	uint64_t at = probed->sites.list[0].vaddr + probed->module.bias;
	const struct pv_map_entry *entry = pv_maps_find(&probed->maps, at);
	struct pv_err *err;
	int fd;

	if (!entry)
		return pv_err_create(PV_ERR_NOPROC, "%s is not mapped any more",
				     probed->module.path);
	err = pv_map_entry_open(probed->pid, entry, &fd);
	return err ? err
		   : pv_probes_add_python(probes, fd, probed->module.elf, &probed->sites, part);
}

struct pv_err *pv_probed_unless_ended(const struct pv_probed *probed, struct pv_err *err,
				      bool *ended_ret)
{
	struct pollfd end = { .fd = probed->pid_fd, .events = POLLIN };

	if (!err || poll(&end, 1, 0) <= 0)
		return err;
	pv_err_destroy(err);
	*ended_ret = true;
	return NULL;
}
