/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Process entries for the walkers.  Input: images of processes.  Output: BPF
 * maps; entries and mappings are written through mmap.
 */
#include "collect/slots.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/process.h"
#include "abi/unwind.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/arena.h"
#include "collect/array.h"
#include "snap/image.h"

enum {
	/* an entry's rest after its last use: a walk takes 3 ms at most, our CPU may be taken away
	 */
	REST_NS = 100000000,
	NO_SLOT = 0, /* the blank one, never in use */
};

struct slot {
	uint32_t users;    /* processes that have it */
	uint64_t rests_ns; /* since when it has none */
	uint32_t first, n; /* its mappings */
};

struct pv_slots {
	int watched_fd, programs_fd;
	struct pv_proc *procs; /* the mapped arrays */
	struct pv_mapping *mappings;
	uint32_t n_procs, n_mappings;
	struct slot *slots;
	uint32_t next;         /* where to look for a free one */
	uint64_t serial;       /* of the last entry that was written */
	struct pv_vec in_use;  /* uint32_t: slots in use or at rest, by their first mapping */
	struct pv_map current; /* pid -> generation << 32 | slot */
};

static struct pv_err *map_array(struct bpf_object *object, const char *name, size_t element,
				uint32_t *n_ret, void **ret)
{
	int fd = pv_array_find(object, name, n_ret);
	void *array = pv_array_map(fd, *n_ret, element);

	if (!array)
		return pv_err_errno(errno, "cannot map the %s of the walkers", name);
	*ret = array;
	return NULL;
}

struct pv_err *pv_slots_create(struct bpf_object *object, struct pv_slots **ret)
{
	struct pv_slots *slots = calloc(1, sizeof(*slots));
	struct pv_err *err;
	uint32_t max;

	if (!slots)
		return &pv_enomem;
	slots->in_use = (struct pv_vec)PV_VEC(uint32_t);
	slots->watched_fd = pv_array_find(object, "watched", &max);
	slots->programs_fd = pv_array_find(object, "programs", &max);
	err = map_array(object, "procs", sizeof(struct pv_proc), &slots->n_procs,
			(void **)&slots->procs);
	if (!err)
		err = map_array(object, "mappings", sizeof(struct pv_mapping), &slots->n_mappings,
				(void **)&slots->mappings);
	if (!err) {
		slots->slots = calloc(slots->n_procs, sizeof(*slots->slots));
		if (!slots->slots)
			err = &pv_enomem;
	}
	if (err) {
		pv_slots_destroy(slots);
		return err;
	}
	*ret = slots;
	return NULL;
}

void pv_slots_destroy(struct pv_slots *slots)
{
	if (!slots)
		return;
	pv_array_unmap(slots->procs, slots->n_procs, sizeof(struct pv_proc));
	pv_array_unmap(slots->mappings, slots->n_mappings, sizeof(struct pv_mapping));
	free(slots->slots);
	pv_vec_deinit(&slots->in_use);
	pv_map_deinit(&slots->current);
	free(slots);
}

struct pv_err *pv_slots_add(struct pv_slots *slots, pid_t pid, bool follow, bool *added_ret)
{
	struct pv_watch watch = { .generation = PV_GENERATION_FIRST, .follow = follow };
	uint32_t key = pid;
	bool full;

	/* one that the kernel's side has added meanwhile knows better */
	full = bpf_map_update_elem(slots->watched_fd, &key, &watch, BPF_NOEXIST) && errno != EEXIST;
	if (full && errno != E2BIG)
		return pv_err_errno(errno, "cannot hand process %d to the kernel", pid);
	*added_ret = !full;
	return NULL;
}

bool pv_slots_watched(struct pv_slots *slots, pid_t pid, struct pv_watch *ret)
{
	uint32_t key = pid;

	return !bpf_map_lookup_elem(slots->watched_fd, &key, ret);
}

struct pv_err *pv_slots_list(struct pv_slots *slots, struct pv_vec *pids)
{
	uint32_t key, *previous = NULL;
	struct pv_err *err = NULL;
	size_t n;

	/* what is deleted meanwhile makes it begin anew: a bound, and doubles do no harm */
	for (n = 0; !err && n < 2 * PV_WATCHED_MAX; n++) {
		pid_t pid;

		if (bpf_map_get_next_key(slots->watched_fd, previous, &key))
			break;
		previous = &key;
		pid = (pid_t)key;
		err = pv_vec_append(pids, &pid, 1, NULL);
	}
	return err;
}

/* Forgets those whose rest is over, so that their mappings are room again. */
static void end_rests(struct pv_slots *slots)
{
	uint32_t *in_use = slots->in_use.data;
	uint64_t now = pv_now_ns();
	size_t i, n = 0;

	for (i = 0; i < slots->in_use.n; i++) {
		const struct slot *slot = &slots->slots[in_use[i]];

		if (slot->users || now - slot->rests_ns < REST_NS)
			in_use[n++] = in_use[i];
		else
			slots->slots[in_use[i]] = (struct slot){};
	}
	slots->in_use.n = n;
}

/* A slot that is neither in use nor at rest; NO_SLOT: there is none. */
static uint32_t find_free(struct pv_slots *slots)
{
	uint32_t i;

	for (i = 0; i < slots->n_procs; i++) {
		uint32_t index = (slots->next + i) % slots->n_procs;

		if (index != NO_SLOT && !slots->slots[index].users && !slots->slots[index].rests_ns)
			return index;
	}
	return NO_SLOT;
}

/* A new slot, not in use yet, with room for n mappings. */
static struct pv_err *reserve(struct pv_slots *slots, uint32_t n, uint32_t *ret)
{
	uint32_t first = 0, index, *in_use;
	struct pv_err *err;
	size_t i;

	end_rests(slots);
	index = find_free(slots);
	if (index == NO_SLOT)
		return pv_err_create(PV_ERR_FAILED, "there are more than %u programs",
				     slots->n_procs - 1);
	err = pv_vec_reserve(&slots->in_use, 1);
	if (err)
		return err;
	in_use = slots->in_use.data;
	for (i = 0; i < slots->in_use.n; i++) {
		const struct slot *other = &slots->slots[in_use[i]];

		if (other->first - first >= n)
			break;
		first = other->first + other->n;
	}
	if (n > slots->n_mappings || first > slots->n_mappings - n)
		return pv_err_create(PV_ERR_FAILED,
				     "the processes have more than %u executable mappings",
				     slots->n_mappings);
	memmove(in_use + i + 1, in_use + i, (slots->in_use.n - i) * sizeof(*in_use));
	in_use[i] = index;
	slots->in_use.n++;
	slots->slots[index] = (struct slot){ .rests_ns = pv_now_ns(), .first = first, .n = n };
	slots->next = index + 1;
	*ret = index;
	return NULL;
}

/* Withdraws the entry that a process has. */
static void drop(struct pv_slots *slots, pid_t pid, bool unlink)
{
	struct pv_program program = { .tgid = pid };
	uint64_t value;
	struct slot *slot;

	if (!pv_map_get(&slots->current, pid, &value))
		return;
	program.generation = value >> 32;
	if (unlink)
		bpf_map_delete_elem(slots->programs_fd, &program);
	pv_map_remove(&slots->current, pid);
	slot = &slots->slots[(uint32_t)value];
	if (!--slot->users)
		slot->rests_ns = pv_now_ns();
}

/* Gives a process this entry in place of the one that it has; errnum E2BIG: there is no room. */
static struct pv_err *publish(struct pv_slots *slots, pid_t pid, uint32_t generation,
			      uint32_t index)
{
	struct pv_program program = { .tgid = pid, .generation = generation };
	uint64_t old = 0;
	bool replaces;
	struct pv_err *err;

	replaces = pv_map_get(&slots->current, pid, &old) && old >> 32 == generation;
	if (bpf_map_update_elem(slots->programs_fd, &program, &index, BPF_ANY))
		return pv_err_errno(errno, "cannot hand process %d to the kernel", pid);
	slots->slots[index].users++;
	drop(slots, pid, !replaces);
	err = pv_map_set(&slots->current, pid, (uint64_t)generation << 32 | index);
	if (err) {
		bpf_map_delete_elem(slots->programs_fd, &program);
		slots->slots[index].users--;
	}
	return err;
}

void pv_slots_remove(struct pv_slots *slots, pid_t pid)
{
	uint32_t key = pid;

	bpf_map_delete_elem(slots->watched_fd, &key);
	drop(slots, pid, true);
}

void pv_slots_forget(struct pv_slots *slots, pid_t pid)
{
	drop(slots, pid, true);
}

/* What the walkers learned of the same program stays. */
static void keep_learned(const struct pv_slots *slots, pid_t pid, uint32_t generation,
			 struct pv_proc *proc)
{
	const struct pv_proc *old;
	uint64_t value;

	if (!pv_map_get(&slots->current, pid, &value) || value >> 32 != generation)
		return;
	old = &slots->procs[(uint32_t)value];
	if (old->runtime != proc->runtime)
		return;
	proc->reanchor_cfa = old->reanchor_cfa;
	proc->reanchor_rbp = old->reanchor_rbp;
	proc->reanchor_pc = old->reanchor_pc;
	proc->reanchor_cframe = old->reanchor_cframe;
	proc->eval_row = old->eval_row;
}

struct pv_err *pv_slots_put(struct pv_slots *slots, struct pv_arena *arena,
			    const struct pv_image *image, const struct pv_objects *objects,
			    uint32_t generation)
{
	struct pv_proc proc = image->python.proc;
	struct pv_mapping *mappings;
	struct pv_err *err;
	uint32_t index;

	err = reserve(slots, image->n_mappings, &index);
	if (err)
		return err;
	mappings = slots->mappings + slots->slots[index].first;
	if (image->n_mappings)
		memcpy(mappings, image->mappings, image->n_mappings * sizeof(*mappings));
	err = pv_arena_place(arena, objects, mappings, image->n_mappings);
	if (err)
		return err;
	proc.generation = generation;
	proc.maps_first = slots->slots[index].first;
	proc.maps_n = image->n_mappings;
	proc.has_python = image->python.found;
	proc.serial = ++slots->serial;
	keep_learned(slots, image->pid, generation, &proc);
	slots->procs[index] = proc;
	return publish(slots, image->pid, generation, index);
}

struct pv_err *pv_slots_share(struct pv_slots *slots, pid_t parent, pid_t child,
			      uint32_t generation, bool *shared_ret)
{
	uint64_t value;

	struct pv_err *err;

	*shared_ret = pv_map_get(&slots->current, parent, &value) && value >> 32 == generation;
	if (!*shared_ret)
		return NULL;
	err = publish(slots, child, generation, (uint32_t)value);
	if (!err || err->errnum != E2BIG)
		return err;
	*shared_ret = false;
	pv_err_destroy(err);
	return NULL;
}
