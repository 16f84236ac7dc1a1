/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which open calls are over.  Input: open calls.  Output: struct pv_sweep.
 */
#include "session/sweep.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "abi/native.h"
#include "base/clock.h"
#include "base/map.h"
#include "collect/calls.h"
#include "target/mem.h"

void pv_sweep_init(struct pv_sweep *sweep)
{
	*sweep = (struct pv_sweep){ .found = PV_VEC(struct pv_swept) };
}

void pv_sweep_deinit(struct pv_sweep *sweep)
{
	pv_vec_deinit(&sweep->found);
}

/* The youngest call that stands at one address of the stack. */
struct youngest {
	uint64_t start_ns, registers;
};

/* One look. */
struct look {
	struct pv_sweep *sweep;
	pid_t pid;
	struct pv_mem *mem;
	struct pv_calls *calls;
	struct pv_map by_sp; /* index in list */
	struct pv_vec list;  /* struct youngest */
	struct pv_err *err;
};

/* First all are seen. */
static bool see_one(void *ctx, const struct pv_native_call *call)
{
	struct youngest one = { call->start_ns, call->registers }, *known;
	struct look *look = ctx;
	uint64_t index;

	if (look->err)
		return false;
	if (!pv_map_get(&look->by_sp, call->sp, &index)) {
		look->err = pv_map_set(&look->by_sp, call->sp, look->list.n);
		if (!look->err)
			look->err = pv_vec_append(&look->list, &one, 1, NULL);
		return false;
	}
	known = pv_vec_at(&look->list, index);
	if (one.start_ns > known->start_ns)
		*known = one;
	return false;
}

/*
 * Where stacks are not exchanged, a call is over if another has begun in the same place
 * since, or its return address is overwritten.
 */
static bool is_over(const struct look *look, const struct pv_native_call *call)
{
	const struct youngest *youngest;
	uint64_t word, index;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%u", (int)look->pid, call->tid);
	if (access(path, F_OK))
		return true;
	if (pv_calls_stacks_move(look->calls))
		return false;
	if (pv_map_get(&look->by_sp, call->sp, &index)) {
		youngest = pv_vec_at(&look->list, index);
		if (youngest->registers != call->registers && youngest->start_ns > call->start_ns)
			return true;
	}
	return pv_mem_read_u64(look->mem, call->sp, &word) || word != call->returns_to;
}

static void add_swept(struct pv_sweep *sweep, const struct pv_native_call *call)
{
	struct pv_swept one = { .function = call->function, .by = call->by, .n = 1 };

	if (call->flags & PV_NATIVE_EARLY)
		sweep->unreturned++;
	else
		sweep->unended++;
	for (size_t i = 0; i < sweep->found.n; i++) {
		struct pv_swept *known = pv_vec_at(&sweep->found, i);

		if (known->function == one.function && known->by == one.by) {
			known->n++;
			return;
		}
	}
	/* out of memory: the sums above still say it */
	pv_err_destroy(pv_vec_append(&sweep->found, &one, 1, NULL));
}

static bool sweep_one(void *ctx, const struct pv_native_call *call)
{
	struct look *look = ctx;

	look->sweep->n_open++;
	return is_over(look, call);
}

static void never_taken(void *ctx, const struct pv_native_call *call)
{
	(void)ctx;
	(void)call;
}

static void swept_one(void *ctx, const struct pv_native_call *call)
{
	struct look *look = ctx;

	look->sweep->n_open--;
	add_swept(look->sweep, call);
}

struct pv_err *pv_sweep(struct pv_sweep *sweep, pid_t pid, struct pv_mem *mem,
			struct pv_calls *calls)
{
	struct look look = {
		.sweep = sweep,
		.pid = pid,
		.mem = mem,
		.calls = calls,
		.list = PV_VEC(struct youngest),
	};

	sweep->at_ns = pv_now_ns();
	sweep->n_open = 0;
	pv_calls_sweep_native(calls, see_one, never_taken, &look);
	if (!look.err)
		pv_calls_sweep_native(calls, sweep_one, swept_one, &look);
	pv_map_deinit(&look.by_sp);
	pv_vec_deinit(&look.list);
	return look.err;
}
