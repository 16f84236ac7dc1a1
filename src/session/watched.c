/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A watched process.  Input: /proc, its memory, side-band events by way of
 * session/family.c.  Output: its image, its programs.
 */
#include "session/watched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/process.h"
#include "base/cleanup.h"
#include "model/profile.h"
#include "model/strings.h"
#include "snap/objects.h"
#include "symbol/perfmap.h"
#include "target/mem.h"
#include "target/process.h"

static void set_name(struct pv_program_run *run, const char *name)
{
	snprintf(run->name, sizeof(run->name), "%s", name);
	pv_process_harmless(run->name);
	snprintf(run->title, sizeof(run->title), "%s", run->name);
}

struct pv_err *pv_watched_create(pid_t pid, pid_t parent, const char *name, struct pv_watched **ret)
{
	struct pv_watched *watched = calloc(1, sizeof(*watched));
	struct pv_err *err;

	if (!watched)
		return &pv_enomem;
	watched->pid = pid;
	watched->parent = parent;
	watched->pidfd = -1;
	watched->programs = (struct pv_vec)PV_VEC(struct pv_program_run);
	err = pv_watched_exec(watched, PV_GENERATION_FIRST, 0, name);
	if (err) {
		pv_watched_destroy(watched);
		return err;
	}
	*ret = watched;
	return NULL;
}

void pv_watched_destroy(struct pv_watched *watched)
{
	size_t i;

	if (!watched)
		return;
	for (i = 0; i < watched->programs.n; i++)
		free(((struct pv_program_run *)pv_vec_at(&watched->programs, i))->problem);
	pv_vec_deinit(&watched->programs);
	pv_map_deinit(&watched->names);
	pv_image_deinit(&watched->image);
	pv_perfmap_destroy(watched->perfmap);
	pv_mem_destroy(watched->mem);
	if (watched->pidfd >= 0)
		close(watched->pidfd);
	free(watched);
}

struct pv_program_run *pv_watched_now(const struct pv_watched *watched)
{
	return pv_vec_at(&watched->programs, watched->programs.n - 1);
}

struct pv_program_run *pv_watched_at(const struct pv_watched *watched, uint32_t generation)
{
	struct pv_program_run *run = pv_watched_now(watched), *first = watched->programs.data;

	while (run > first && run->generation > generation)
		run--;
	return run;
}

bool pv_watched_replaced(const struct pv_watched *watched, const struct pv_program_run *run,
			 uint64_t time_ns)
{
	return run != pv_watched_now(watched) && time_ns >= run[1].exec_ns;
}

/* What the image says of the program. */
static struct pv_err *take_facts(struct pv_watched *watched)
{
	const struct pv_image *image = &watched->image;
	struct pv_program_run *run = pv_watched_at(watched, watched->image_generation);

	if (run->generation != watched->image_generation)
		return NULL;
	run->merge = image->merge;
	if (image->python.found)
		snprintf(run->interpreter, sizeof(run->interpreter), "CPython %s",
			 image->python.version);
	free(run->problem);
	run->problem = NULL;
	if (!image->python_error)
		return NULL;
	run->problem = strdup(image->python_error);
	return run->problem ? NULL : &pv_enomem;
}

struct pv_err *pv_watched_exec(struct pv_watched *watched, uint32_t generation, uint64_t time_ns,
			       const char *name)
{
	struct pv_program_run run = {
		.generation = generation,
		.exec_ns = time_ns,
		.process = PV_NOT_IN_PROFILE,
		.loc = PV_NOT_IN_PROFILE,
	};
	struct pv_err *err;

	pv_map_deinit(&watched->names);
	run.number = watched->programs.n ? pv_watched_now(watched)->number + 1 : 1;
	set_name(&run, name);
	watched->looks = 0;
	err = pv_vec_append(&watched->programs, &run, 1, NULL);
	return err ? err : take_facts(watched);
}

void pv_watched_rename(struct pv_watched *watched, const char *name)
{
	struct pv_program_run *run = pv_watched_now(watched);

	if (run->loc != PV_NOT_IN_PROFILE)
		return;
	set_name(run, name);
	watched->named_anew = true;
}

struct pv_err *pv_watched_inherit(struct pv_watched *child, const struct pv_watched *parent)
{
	const struct pv_program_run *above = pv_watched_now(parent);
	struct pv_program_run *run = pv_watched_now(child);

	run->generation = above->generation;
	memcpy(run->name, above->name, sizeof(run->name));
	memcpy(run->title, above->title, sizeof(run->title));
	memcpy(run->interpreter, above->interpreter, sizeof(run->interpreter));
	run->merge = above->merge;
	if (!above->problem)
		return NULL;
	run->problem = strdup(above->problem);
	return run->problem ? NULL : &pv_enomem;
}

struct pv_err *pv_watched_read_title(struct pv_watched *watched)
{
	struct pv_program_run *run = pv_watched_now(watched);
	struct pv_command_words words;
	struct pv_err *err = pv_process_words(watched->pid, run->name, &words);

	watched->named_anew = false;
	if (!err) {
		/* one that is at its end has no command line any more */
		if (*words.program || strcmp(words.title, run->name))
			memcpy(run->title, words.title, sizeof(run->title));
		return NULL;
	}
	if (err == &pv_enomem)
		return err;
	pv_err_destroy(err);
	return NULL;
}

/* Another program writes another file. */
static struct pv_err *renew_perfmap(struct pv_watched *watched, uint32_t generation)
{
	struct pv_perfmap *perfmap;
	struct pv_err *err;

	if (watched->perfmap && watched->image_generation == generation)
		return NULL;
	err = pv_perfmap_create(watched->pid, &perfmap);
	if (err)
		return err;
	pv_perfmap_destroy(watched->perfmap);
	watched->perfmap = perfmap;
	return NULL;
}

struct pv_err *pv_watched_read(struct pv_watched *watched, uint32_t generation,
			       const struct pv_image *known, struct pv_objects *objects, bool tasks)
{
	struct pv_image image;
	struct pv_err *err = NULL;

	if (!watched->mem)
		err = pv_mem_live_create(watched->pid, &watched->mem);
	if (!err)
		err = renew_perfmap(watched, generation);
	if (!err)
		err = pv_image_build(watched->pid, objects, watched->mem, known, &image);
	if (err)
		return err;
	if (image.n_mappings != watched->image.n_mappings)
		watched->tasks_looks = 0;
	if (tasks)
		pv_image_find_tasks(&image, objects, watched->mem);
	else
		image.python.proc.tasks = (struct pv_asyncio){};
	pv_image_deinit(&watched->image);
	watched->image = image;
	watched->image_generation = generation;
	return take_facts(watched);
}

const char *pv_watched_refused(const struct pv_watched *watched, const struct pv_objects *objects)
{
	const char *why = NULL;
	size_t i;

	for (i = 0; i < watched->image.n_mappings; i++) {
		const struct pv_object *object =
			pv_objects_get(objects, watched->image.mappings[i].object);

		/* the vdso is not a file, and not the program's */
		if (!object || *object->path != '/')
			continue;
		if (object->elf)
			return NULL;
		if (object->error && !why)
			why = object->error;
	}
	return why;
}

static struct pv_err *add_text(struct pv_profile *profile, const char *text, uint32_t *ret)
{
	return pv_strings_add(profile->strings, text, strlen(text), ret);
}

/* The frame of the process. */
static struct pv_err *describe_frame(const struct pv_watched *watched, struct pv_program_run *run,
				     struct pv_profile *profile)
{
	struct pv_loc loc = { .kind = PV_LOC_PROCESS };
	char text[PV_TITLE_BYTES + 32];
	struct pv_err *err;

	snprintf(text, sizeof(text), "process %s (%d)", run->title, watched->pid);
	err = add_text(profile, text, &loc.function);
	if (err)
		return err;
	return pv_profile_loc(profile, &loc, &run->loc);
}

struct pv_err *pv_watched_describe(const struct pv_watched *watched, struct pv_program_run *run,
				   bool frame, struct pv_profile *profile)
{
	struct pv_profile_process process = {
		.pid = watched->pid,
		.parent_pid = watched->parent,
		.generation = run->number,
	};
	struct pv_err *err = add_text(profile, run->name, &process.name);

	if (!err)
		err = add_text(profile, run->title, &process.title);
	if (!err)
		err = add_text(profile, run->interpreter, &process.interpreter);
	if (!err)
		err = add_text(profile, run->problem ? run->problem : "", &process.problem);
	if (!err)
		err = pv_profile_process(profile, &process, &run->process);
	return err || !frame || run->loc != PV_NOT_IN_PROFILE
		       ? err
		       : describe_frame(watched, run, profile);
}

static uint64_t thread_key(const struct pv_program_run *run, uint32_t tid)
{
	return (uint64_t)run->process << 32 | tid;
}

struct pv_err *pv_watched_name_thread(struct pv_watched *watched, uint32_t tid, const char *name,
				      struct pv_profile *profile)
{
	const struct pv_program_run *run = pv_watched_now(watched);
	uint32_t id = 0, thread;
	struct pv_err *err;
	uint64_t known;
	char text[16];

	snprintf(text, sizeof(text), "%s", name);
	pv_process_harmless(text);
	err = add_text(profile, text, &id);
	if (!err)
		err = pv_map_set(&watched->names, tid, id);
	if (err || !pv_map_get(&profile->thread_index, thread_key(run, tid), &known))
		return err;
	return pv_profile_thread(profile, run->process, tid, text, &thread);
}

static void ask_name(pid_t pid, uint32_t tid, char *ret, size_t size)
{
	char path[64];
	_pv_fclose_ FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", pid, tid);
	file = fopen(path, "re");
	if (file && fgets(ret, size, file))
		ret[strcspn(ret, "\n")] = '\0';
	pv_process_harmless(ret);
}

struct pv_err *pv_watched_thread(const struct pv_watched *watched, const struct pv_program_run *run,
				 uint32_t tid, struct pv_profile *profile, uint32_t *ret)
{
	char name[32] = "";
	uint64_t known;

	if (pv_map_get(&profile->thread_index, thread_key(run, tid), &known)) {
		*ret = known;
		return NULL;
	}
	if (pv_map_get(&watched->names, tid, &known))
		snprintf(name, sizeof(name), "%s", pv_strings_get(profile->strings, known));
	else if ((pid_t)tid == watched->pid)
		snprintf(name, sizeof(name), "%s", run->name);
	else
		ask_name(watched->pid, tid, name, sizeof(name));
	/* it has ended: that it had its creator's name, or which one's, nobody can tell */
	if (!*name)
		strcpy(name, "?");
	return pv_profile_thread(profile, run->process, tid, name, ret);
}

void pv_watched_touch(struct pv_watched *watched)
{
	char object[256]; /* as much as the walkers read at once */
	size_t i;

	for (i = 0; watched->mem && i < watched->n_touch; i++)
		pv_mem_read(watched->mem, object, sizeof(object), watched->touch[i]);
	watched->n_touch = 0;
}
