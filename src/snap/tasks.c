/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All asyncio tasks of a process.
 * Input: the lists that interpreters and threads keep of them: untrusted, and changing.
 * Output: struct pv_task_list.
 *
 * Sources: CPython 3.14 and 3.15 Modules/_asynciomodule.c (register_task, future_awaited_by_add,
 * TaskObj), Include/internal/pycore_llist.h, pycore_genobject.h, setobject.h.
 */
#include "snap/tasks.h"

#include <string.h>

#include "abi/process.h"
#include "base/map.h"
#include "python/detect.h"
#include "snap/snap.h"
#include "target/mem.h"

enum {
	LOOKS = 6,
	THREADS_MAX = 8192,
	TASKS_MAX = 1 << 16,
	FRAMES_MAX = 64,   /* of one task */
	AWAITERS_MAX = 64, /* of one task */
	SET_SLOTS_MAX = 1 << 12,
	SET_CHUNK = 64, /* slots that are read at once */
	/* Of one look, slots of sets included: 65,536 tasks of five coroutines need 3.3 million. */
	READS_MAX = 1 << 22,
	WRAPPERS_MAX = 4,
};

struct look {
	struct pv_snap *snap;
	const struct pv_proc *proc;
	const struct pv_asyncio *tasks;
	struct pv_mem *mem;
	uint32_t pid;
	struct pv_task_list *out;
	struct pv_map awaiters; /* object -> the last task that it was found to wait for */
	struct pv_vec futures;  /* uint64_t: of one task, to be followed */
	uint64_t reads;
	bool unread; /* a read has failed */
};

void pv_task_list_deinit(struct pv_task_list *list)
{
	pv_vec_deinit(&list->tasks);
	pv_vec_deinit(&list->frames);
	pv_vec_deinit(&list->awaiters);
}

static void list_init(struct pv_task_list *list)
{
	*list = (struct pv_task_list){ .tasks = PV_VEC(struct pv_task),
				       .frames = PV_VEC(struct pv_task_frame),
				       .awaiters = PV_VEC(uint64_t),
				       .whole = true };
}

/* n: what it costs.  A target that is made to be long to read must not hold us up. */
static bool read_bytes(struct look *look, void *ret, size_t size, uint64_t at, unsigned int n)
{
	look->reads += n;
	if (look->reads > READS_MAX) {
		look->out->too_many = true;
		return false;
	}
	if (!pv_mem_read(look->mem, ret, size, at))
		return true;
	look->unread = true;
	return false;
}

static bool read_word(struct look *look, uint64_t at, uint64_t *ret)
{
	return read_bytes(look, ret, sizeof(*ret), at, 1);
}

static bool is_one_of(const char *text, size_t size, const char *const *names)
{
	for (; *names; names++) {
		if (!strncmp(text, *names, size))
			return true;
	}
	return false;
}

/*
 * A coroutine, a generator or an asynchronous generator, each of which has a frame inside; 0: it is
 * none.  What wraps one (Objects/genobject.c: PyAsyncGenASend, PyAsyncGenAThrow, PyCoroWrapper;
 * Objects/iterobject.c: anextawaitableobject) has it as its first member.
 */
static uint64_t with_frame(struct look *look, uint64_t object)
{
	static const char *const names[] = { "coroutine", "generator", "async_generator", NULL };
	static const char *const wrappers[] = { "async_generator_asend", "async_generator_athrow",
						"coroutine_wrapper", "anext_awaitable", NULL };
	uint64_t type, name;
	char text[32];

	for (unsigned int i = 0; i < WRAPPERS_MAX && object; i++) {
		if (!read_word(look, object + look->proc->py.ob_type, &type) ||
		    !read_word(look, type + look->tasks->at.type_name, &name) ||
		    !read_bytes(look, text, sizeof(text), name, 1))
			return 0;
		if (is_one_of(text, sizeof(text), names))
			return object;
		if (!is_one_of(text, sizeof(text), wrappers) ||
		    !read_word(look, object + look->tasks->at.object_size, &object))
			return 0;
	}
	return 0;
}

enum state {
	STATE_SUSPENDED,
	STATE_RUNNING,
	STATE_OTHER, /* not started, or at its end: waits for nothing; or it cannot be read */
};

/* PyFrameState: pycore_frame.h of 3.14 and, where it is numbered anew, of 3.15. */
static enum state frame_state(struct look *look, uint64_t object, bool *started_ret)
{
	bool new = look->proc->py.version_hex >= 0x030f0000;
	int8_t state = 0;

	*started_ret = false;
	if (!read_bytes(look, &state, 1, object + look->tasks->at.coro_state, 1))
		return STATE_OTHER;
	*started_ret = new ? state != 0 : state != -3;
	if (state == (new ? 4 : 0))
		return STATE_RUNNING;
	if (new ? state >= 1 && state <= 3 : state == -2 || state == -1)
		return STATE_SUSPENDED;
	return STATE_OTHER;
}

/* What a suspended coroutine awaits is on top of its stack; 3.15: with a NULL above it. */
static uint64_t awaited(struct look *look, uint64_t frame)
{
	uint64_t top, value;
	uint32_t slot = look->proc->py.version_hex >= 0x030f0000 ? 2 : 1;

	if (!read_word(look, frame + look->tasks->at.frame_stackpointer, &top) || !top ||
	    !read_word(look, top - 8UL * slot, &value))
		return 0;
	return value & ~(uint64_t)look->proc->py.code_tag_mask;
}

/* One frame; its line as the walkers find it. */
static struct pv_err *add_frame(struct look *look, uint64_t at, bool started)
{
	const struct pv_pylayout *py = &look->proc->py;
	struct pv_task_frame frame = { .lasti = PV_LASTI_NONE };
	uint64_t code, instr;
	struct pv_err *err;

	if (!read_word(look, at + py->fr_code, &code) ||
	    !read_word(look, at + py->fr_instr, &instr))
		return pv_vec_append(&look->out->frames, &frame, 1, NULL);
	code &= ~(uint64_t)py->code_tag_mask;
	instr -= code + py->co_code_adaptive;
	if (started && instr < 1 << 28)
		frame.lasti = (uint32_t)instr;
	err = pv_snap_code(look->snap, look->pid, code, &frame.code);
	return err ? err : pv_vec_append(&look->out->frames, &frame, 1, NULL);
}

/* The coroutines that await one another, from the task's own on. */
static struct pv_err *add_frames(struct look *look, struct pv_task *task)
{
	uint64_t object;
	struct pv_err *err = NULL;
	enum state state = STATE_SUSPENDED;
	bool started;

	task->first_frame = look->out->frames.n;
	look->unread = false;
	if (!read_word(look, task->address + look->tasks->at.task_coro, &object)) {
		task->cut = true;
		return NULL;
	}
	object = with_frame(look, object);
	while (!err && object && state == STATE_SUSPENDED) {
		if (task->n_frames == FRAMES_MAX) {
			task->cut = true;
			break;
		}
		state = frame_state(look, object, &started);
		if (look->unread)
			break; /* nor is its line known */
		object += look->tasks->at.coro_frame;
		err = add_frame(look, object, started);
		task->n_frames++;
		task->running = task->running || state == STATE_RUNNING;
		object = state == STATE_SUSPENDED ? with_frame(look, awaited(look, object)) : 0;
	}
	task->cut = task->cut || look->unread;
	return err;
}

/* A task, or a future (of gather()) that is awaited itself: to be followed. */
static struct pv_err *add_awaiter(struct look *look, struct pv_task *task, uint64_t object)
{
	uint64_t number = look->out->tasks.n + 1, last = 0;
	struct pv_err *err;
	uint8_t is_task;

	/* futures can wait for one another in very many ways, each of which leads here again */
	pv_map_get(&look->awaiters, object, &last);
	if (last == number || task->cut)
		return NULL;
	if (!read_bytes(look, &is_task, 1, object + look->tasks->task_is_task, 1) ||
	    (is_task && task->n_awaiters == AWAITERS_MAX)) {
		task->cut = true;
		return NULL;
	}
	err = pv_map_set(&look->awaiters, object, number);
	if (err)
		return err;
	if (!is_task)
		return pv_vec_append(&look->futures, &object, 1, NULL);
	task->n_awaiters++;
	return pv_vec_append(&look->out->awaiters, &object, 1, NULL);
}

/* All members of a set. */
static struct pv_err *add_awaiter_set(struct look *look, struct pv_task *task, uint64_t set)
{
	uint64_t mask, table, entries[SET_CHUNK][2]; /* key, hash */
	struct pv_err *err = NULL;

	if (!read_word(look, set + look->tasks->at.set_mask, &mask) ||
	    !read_word(look, set + look->tasks->at.set_table, &table) || mask >= SET_SLOTS_MAX) {
		task->cut = true;
		return NULL;
	}
	for (uint64_t i = 0; i <= mask; i += SET_CHUNK) {
		uint64_t n = mask + 1 - i < SET_CHUNK ? mask + 1 - i : SET_CHUNK;

		if (!read_bytes(look, entries, n * sizeof(*entries), table + i * sizeof(*entries),
				(unsigned int)n)) {
			task->cut = true;
			return NULL;
		}
		for (uint64_t j = 0; j < n; j++) {
			/* a slot that was left has the hash -1 */
			if (entries[j][0] && entries[j][1] != UINT64_MAX)
				err = add_awaiter(look, task, entries[j][0]);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* What waits for a task or future. */
static struct pv_err *add_awaiters_of(struct look *look, struct pv_task *task, uint64_t object)
{
	uint64_t next;
	uint8_t is_set;

	if (!read_word(look, object + look->tasks->task_awaited_by, &next) ||
	    !read_bytes(look, &is_set, 1, object + look->tasks->task_awaited_by_is_set, 1)) {
		task->cut = true;
		return NULL;
	}
	if (!next)
		return NULL;
	return is_set ? add_awaiter_set(look, task, next) : add_awaiter(look, task, next);
}

/* The tasks that wait for a task, at once or by way of futures. */
static struct pv_err *add_awaiters(struct look *look, struct pv_task *task)
{
	bool frames_cut = task->cut; /* from here on cut says that no more is to be followed */
	struct pv_err *err;

	task->cut = false;
	look->futures.n = 0;
	err = add_awaiters_of(look, task, task->address);
	for (size_t i = 0; !err && !task->cut && i < look->futures.n; i++)
		err = add_awaiters_of(look, task, *(uint64_t *)pv_vec_at(&look->futures, i));
	task->cut = task->cut || frames_cut;
	return err;
}

static struct pv_err *add_task(struct look *look, uint64_t address, uint32_t native_tid,
			       uint64_t running)
{
	struct pv_task task = { .address = address,
				.native_tid = native_tid,
				.running = address == running,
				.first_awaiter = look->out->awaiters.n };
	struct pv_err *err;

	err = pv_snap_task_name(look->snap, look->pid, address, &task.name);
	if (!err)
		err = add_frames(look, &task);
	if (!err)
		err = add_awaiters(look, &task);
	task.cut = task.cut || look->out->too_many;
	return err ? err : pv_vec_append(&look->out->tasks, &task, 1, NULL);
}

/* A circular list, whose head is not in a task. */
static struct pv_err *add_list(struct look *look, uint64_t head, uint32_t native_tid,
			       uint64_t running)
{
	uint64_t node;
	struct pv_err *err = NULL;
	bool good = read_word(look, head, &node);

	while (!err && good && node != head) {
		look->out->too_many = look->out->too_many || look->out->tasks.n == TASKS_MAX;
		if (!node || look->out->too_many) {
			good = false;
			break;
		}
		err = add_task(look, node - look->tasks->task_node, native_tid, running);
		good = read_word(look, node, &node);
	}
	look->out->whole = look->out->whole && good;
	return err;
}

static struct pv_err *add_threads(struct look *look, uint64_t interp)
{
	const struct pv_pylayout *py = &look->proc->py;
	uint64_t tstate, native_tid, running;
	struct pv_err *err = NULL;
	bool good = read_word(look, interp + py->is_threads_head, &tstate);

	for (unsigned int i = 0; !err && good && tstate; i++) {
		good = i < THREADS_MAX &&
		       read_word(look, tstate + py->ts_native_thread_id, &native_tid) &&
		       read_word(look, tstate + look->tasks->ts_running, &running);
		if (good)
			err = add_list(look, tstate + look->tasks->ts_list, (uint32_t)native_tid,
				       running);
		good = good && read_word(look, tstate + py->ts_next, &tstate);
	}
	look->out->whole = look->out->whole && good;
	return err;
}

static struct pv_err *take_look(struct look *look)
{
	const struct pv_pylayout *py = &look->proc->py;
	struct pv_err *err = NULL;
	uint64_t interp;
	bool good;

	list_init(look->out);
	look->reads = 0;
	good = read_word(look, look->proc->runtime + py->rt_interpreters_head, &interp);
	for (unsigned int i = 0; !err && good && interp; i++) {
		err = add_threads(look, interp);
		if (!err)
			err = add_list(look, interp + look->tasks->is_list, 0, 0);
		good = i < PV_INTERPRETERS_MAX && read_word(look, interp + py->is_next, &interp);
	}
	look->out->whole = look->out->whole && good && !look->out->too_many;
	pv_map_deinit(&look->awaiters);
	return err;
}

static bool is_equal_vec(const struct pv_vec *a, const struct pv_vec *b, size_t size)
{
	return a->n == b->n && (!a->n || !memcmp(a->data, b->data, a->n * size));
}

static bool is_equal(const struct pv_task_list *a, const struct pv_task_list *b)
{
	return a->whole == b->whole && is_equal_vec(&a->tasks, &b->tasks, sizeof(struct pv_task)) &&
	       is_equal_vec(&a->frames, &b->frames, sizeof(struct pv_task_frame)) &&
	       is_equal_vec(&a->awaiters, &b->awaiters, sizeof(uint64_t));
}

struct pv_err *pv_snap_tasks(struct pv_snap *snap, struct pv_mem *mem, uint32_t pid,
			     struct pv_task_list *ret)
{
	const struct pv_proc *proc = pv_snap_proc(snap);
	struct pv_task_list last, now;
	struct look look = { .snap = snap,
			     .proc = proc,
			     .tasks = &proc->tasks,
			     .mem = mem,
			     .pid = pid,
			     .out = &last,
			     .futures = PV_VEC(uint64_t) };
	struct pv_err *err = take_look(&look);
	uint64_t reads = look.reads;

	look.out = &now;
	/* of what is very much, two looks are enough; of what is too much, one */
	for (unsigned int i = 1;
	     !err && i < LOOKS && !last.consistent && !last.too_many && reads < 2UL * READS_MAX;
	     i++) {
		err = take_look(&look);
		reads += look.reads;
		now.consistent = now.whole && is_equal(&last, &now);
		pv_task_list_deinit(&last);
		last = now;
	}
	pv_vec_deinit(&look.futures);
	if (err) {
		pv_task_list_deinit(&last);
		return err;
	}
	*ret = last;
	return NULL;
}
