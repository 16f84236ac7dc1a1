/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_fixture PID TID DIRECTORY [--until CONDITION] [--signal N] [--learn TID] [--tasks yes]
 *
 * Writes a walk fixture; for developers, by way of tools/record-fixture.
 * Input: a thread of a target of our own, which it stops and lets go again.
 * With --until it is stepped, one instruction at a time, until its sample is
 *   torn	in the frame-switch window of 3.11 and 3.12, in eval's prologue
 *   bridged	the same, with what --learn found: the frames below are there
 *   inlined	in a window of a call that runs inlined
 *   surplus	with one native eval frame (<= 3.9) or CFrame (3.10) too many
 *   skip	with a 3.10 frame that has left its eval frame already
 *   eval	with an exact pc in the eval loop and the GIL held
 * With --signal N that signal is then delivered, whose handler never returns.
 * With --learn the distance of anchors is learned from another thread first.
 * With --tasks asyncio's tasks are looked for, and all are listed where that can be (3.14):
 * a file "tasks" more.
 * Output: memory, thread and expected in DIRECTORY, whose form fixture.h and
 * test_walk.c tell; on stdout the return addresses of the native frames.
 */
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "elf/elf.h"
#include "fixture.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "symbol/native.h"
#include "target/mem.h"

enum { STEPS_MAX = 300000 };

struct recorder {
	pid_t pid, tid, learn;
	int signal;
	const char *directory, *until;
	bool tasks;
	struct pv_mem *live, *recording;
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_mapping *mappings;
	struct pv_codes *codes;
	struct fixture fixture;
	const struct pv_event_sample *sample;
	struct pv_merged merged;
};

static void ok(struct pv_err *error)
{
	if (error)
		errx(1, "%s", error->message);
}

static void wait_stop(pid_t tid)
{
	int status;

	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		errx(1, "thread %d does not stop", tid);
}

static void stop(pid_t tid)
{
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) || ptrace(PTRACE_INTERRUPT, tid, 0, 0))
		err(1, "cannot stop thread %d", tid);
	wait_stop(tid);
}

static struct pv_snap_thread registers(const struct recorder *r, pid_t tid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs))
		err(1, "cannot read the registers of thread %d", tid);
	return (struct pv_snap_thread){ .pid = r->pid,
					.tid = tid,
					.pc = regs.rip,
					.sp = regs.rsp,
					.bp = regs.rbp,
					.fsbase = regs.fs_base };
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct recorder *r = ctx;

	(void)size;
	return event->type == PV_EVENT_CODE
		       ? pv_codes_add(r->codes, (const struct pv_event_code *)event)
		       : pv_codes_add_piece(r->codes, (const struct pv_event_piece *)event);
}

/* The objects' cells; those that are asked for become the fixture's. */
static bool record_cell(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret)
{
	struct recorder *r = ctx;

	if (!pv_snap_object_cell(r->objects, segment, index, ret))
		return false;
	ok(pv_map_set(&r->fixture.cells, (uint64_t)segment << 32 | index, *ret));
	return true;
}

static bool plain_cell(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret)
{
	return pv_snap_object_cell(((struct recorder *)ctx)->objects, segment, index, ret);
}

static struct pv_snap *create(struct recorder *r, bool record)
{
	struct pv_snap_source source = {
		.mem = record ? r->recording : r->live,
		.proc = r->fixture.proc,
		.mappings = r->mappings,
		.n_mappings = r->image.n_mappings,
		.cell = record ? record_cell : plain_cell,
		.cell_ctx = r,
	};
	struct pv_snap_handlers handlers = { .ctx = r, .event = on_event };
	struct pv_snap *snap;

	ok(pv_snap_create(&source, record ? &handlers : NULL, &snap));
	return snap;
}

static bool is_there(const struct recorder *r, const struct pv_event_sample *sample, uint64_t pc)
{
	const struct pv_range *torn = &r->fixture.proc.torn;
	bool in_prologue = pc >= torn->start && pc < torn->end;
	const uint64_t *natives = sample_natives(sample);
	const struct pv_pyframe *python = (const struct pv_pyframe *)(sample + 1);
	uint32_t anchored = 0, i;

	for (i = 0; i < sample->n_native; i++)
		anchored += !!(natives[i] & PV_NAT_ANCHOR);
	if (strcmp(r->until, "torn") == 0)
		return sample->flags & PV_SAMPLE_TORN && in_prologue;
	if (strcmp(r->until, "bridged") == 0)
		return !(sample->flags & PV_SAMPLE_TORN) && sample->n_python && in_prologue;
	if (strcmp(r->until, "inlined") == 0)
		return sample->flags & PV_SAMPLE_TORN && !in_prologue;
	if (strcmp(r->until, "skip") == 0)
		return sample->n_python && python[0].flags & PV_PYFRAME_SKIP;
	if (!(sample->flags & PV_SAMPLE_NAT_END) || !(sample->flags & PV_SAMPLE_PY_END))
		return false;
	if (strcmp(r->until, "eval") == 0)
		return sample->flags & PV_SAMPLE_ATTACHED && natives[0] & PV_NAT_ANCHOR &&
		       sample->n_python > 1;
	return anchored == sample->n_runs + 1U;
}

/* 3.10: is there one CFrame more than frames?  Counted here once more, by hand. */
static bool has_surplus_cframe(const struct recorder *r, const struct pv_event_sample *sample,
			       uint64_t tstate)
{
	const struct pv_pylayout *py = &r->fixture.proc.py;
	uint64_t at = 0;
	uint32_t n = 0;

	if (pv_mem_read_u64(r->live, tstate + py->ts_cframe, &at))
		return false;
	while (at && at != tstate + py->ts_root_cframe && n++ < 100) {
		if (pv_mem_read_u64(r->live, at + py->cf_previous, &at))
			return false;
	}
	return sample->flags & PV_SAMPLE_PY_END && n == sample->n_python + 1U;
}

/* The thread state whose thread_id is the thread's fsbase, by the interpreter's list. */
static uint64_t find_tstate(const struct recorder *r)
{
	const struct pv_pylayout *py = &r->fixture.proc.py;
	uint64_t at = 0, id, fsbase = registers(r, r->tid).fsbase;

	if (pv_mem_read_u64(r->live, r->fixture.proc.runtime + py->rt_interpreters_head, &at) ||
	    pv_mem_read_u64(r->live, at + py->is_threads_head, &at))
		return 0;
	while (at) {
		if (pv_mem_read_u64(r->live, at + py->ts_thread_id, &id))
			return 0;
		if (id == fsbase)
			return at;
		if (pv_mem_read_u64(r->live, at + py->ts_next, &at))
			return 0;
	}
	return 0;
}

static bool may_be_there(const struct recorder *r, uint64_t pc)
{
	const struct pv_proc *proc = &r->fixture.proc;
	int i;

	if (strcmp(r->until, "torn") == 0 || strcmp(r->until, "bridged") == 0)
		return pc >= proc->torn.start && pc < proc->torn.end;
	if (strcmp(r->until, "inlined") != 0)
		return true;
	for (i = 0; i < PV_INLINED_MAX; i++) {
		if (pc >= proc->inlined[i].start && pc < proc->inlined[i].end)
			return true;
	}
	return false;
}

static void step_until(struct recorder *r)
{
	bool cframes = r->fixture.proc.py.anchor_kind == PV_ANCHOR_CFRAME &&
		       strcmp(r->until, "surplus") == 0;
	struct pv_snap *snap = create(r, false);
	uint64_t tstate = cframes ? find_tstate(r) : 0;
	int step;

	for (step = 0; step < STEPS_MAX; step++) {
		struct pv_snap_thread thread = registers(r, r->tid);
		const struct pv_event_sample *sample;

		/* cheap, for two conditions that are rare */
		if (may_be_there(r, thread.pc)) {
			ok(pv_snap_walk(snap, &thread, &sample));
			if (cframes ? has_surplus_cframe(r, sample, tstate)
				    : is_there(r, sample, thread.pc))
				break;
		}
		if (ptrace(PTRACE_SINGLESTEP, r->tid, 0, 0))
			err(1, "cannot step thread %d", r->tid);
		wait_stop(r->tid);
	}
	if (step == STEPS_MAX)
		errx(1, "never %s in %d steps", r->until, step);
	pv_snap_destroy(snap);
}

/* Lets the thread run into its signal handler, until it sleeps there. */
static void deliver_signal(const struct recorder *r)
{
	char path[64], state = 0;
	FILE *file;

	/* after a step the thread stands in the delivery of SIGTRAP, which may become another */
	if (ptrace(PTRACE_CONT, r->tid, 0, r->signal))
		err(1, "cannot signal thread %d", r->tid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", r->pid, r->tid);
	while (state != 'S') {
		file = fopen(path, "re");
		if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			err(1, "cannot read %s", path);
		fclose(file);
	}
	if (ptrace(PTRACE_INTERRUPT, r->tid, 0, 0))
		err(1, "cannot stop thread %d", r->tid);
	wait_stop(r->tid);
}

static void learn_from(struct recorder *r)
{
	const struct pv_event_sample *sample;
	struct pv_snap_thread thread;
	struct pv_snap *snap = create(r, false);

	stop(r->learn);
	thread = registers(r, r->learn);
	ok(pv_snap_walk(snap, &thread, &sample));
	ptrace(PTRACE_DETACH, r->learn, 0, 0);
	r->fixture.proc.reanchor_cfa = pv_snap_proc(snap)->reanchor_cfa;
	r->fixture.proc.reanchor_rbp = pv_snap_proc(snap)->reanchor_rbp;
	r->fixture.proc.reanchor_pc = pv_snap_proc(snap)->reanchor_pc;
	r->fixture.proc.reanchor_cframe = pv_snap_proc(snap)->reanchor_cframe;
	pv_snap_destroy(snap);
	if (r->fixture.proc.reanchor_cfa <= 0)
		errx(1, "nothing learned from thread %d", r->learn);
}

/* Where a frame's pc lies, or NULL; return addresses belong to the call before them. */
static const struct pv_mapping *frame_mapping(const struct recorder *r, uint64_t word,
					      uint64_t *pc_ret)
{
	uint64_t value = word & ((1ULL << PV_NAT_REL_BITS) - 1);
	uint32_t object = word >> PV_NAT_REL_BITS & ((1U << PV_NAT_OBJECT_BITS) - 1);
	bool raw = word & PV_NAT_RAW;
	size_t i;

	*pc_ret = raw ? word & PV_NAT_ADDRESS : 0;
	for (i = 0; i < r->image.n_mappings; i++) {
		const struct pv_mapping *m = &r->mappings[i];
		uint64_t pc = raw ? word & PV_NAT_ADDRESS : m->bias + value;
		uint64_t lookup = word & PV_NAT_EXACT ? pc : pc - 1;

		if (!raw && m->object != object)
			continue;
		if (lookup >= m->start && lookup < m->end) {
			*pc_ret = pc;
			return m;
		}
	}
	return NULL;
}

/* Keeps the mappings and the names of objects that frames lie in; prints the frames' addresses. */
static void keep_mappings(struct recorder *r)
{
	const uint64_t *natives = sample_natives(r->sample);
	bool *kept = calloc(r->image.n_mappings + 1, sizeof(*kept));
	size_t i;

	if (!kept)
		err(1, "mappings");
	for (i = 0; i < r->sample->n_native; i++) {
		uint64_t pc;
		const struct pv_mapping *m = frame_mapping(r, natives[i], &pc);

		if (m)
			kept[m - r->mappings] = true;
		printf("0x%" PRIx64 "%s\n", pc, natives[i] & PV_NAT_BREAK ? " break" : "");
	}
	for (i = 0; i < r->image.n_mappings; i++) {
		const struct pv_mapping *m = &r->mappings[i];
		const struct pv_object *object = pv_objects_get(r->objects, m->object);

		if (!kept[i])
			continue;
		ok(pv_vec_append(&r->fixture.mappings, m, 1, NULL));
		if (m->object >= FIXTURE_OBJECTS)
			errx(1, "too many objects");
		if (object)
			snprintf(r->fixture.objects[m->object], FIXTURE_NAME, "%s", object->name);
	}
	free(kept);
}

/* " | symbol", for the reader of a fixture. */
static void append_symbol(const struct recorder *r, uint64_t word, struct pv_str *text)
{
	uint32_t id = word >> PV_NAT_REL_BITS & ((1U << PV_NAT_OBJECT_BITS) - 1);
	const struct pv_object *object = word & PV_NAT_RAW ? NULL : pv_objects_get(r->objects, id);
	uint64_t vaddr = word & ((1ULL << PV_NAT_REL_BITS) - 1), start;
	struct pv_native_symbols *symbols;
	const char *name;

	if (!object || !object->elf)
		return;
	ok(pv_native_symbols_create(object->elf, object->path, object->root, &symbols));
	if (pv_native_symbol_at(symbols, word & PV_NAT_EXACT ? vaddr : vaddr - 1, &name, &start))
		ok(pv_str_appendf(text, " | %s", name));
	pv_native_symbols_destroy(symbols);
}

static void write_native(const struct recorder *r, FILE *file, const char *kind, uint64_t word)
{
	struct pv_str text = {};

	ok(native_text(&r->fixture, kind, word, &text));
	append_symbol(r, word, &text);
	fprintf(file, "%s\n", pv_str_text(&text));
	pv_str_deinit(&text);
}

static bool same_frame(const struct pv_frame_ref *ref, uint64_t word)
{
	uint64_t flags = PV_NAT_ANCHOR | PV_NAT_BREAK | PV_NAT_EXACT | PV_NAT_EVAL;
	uint64_t mine = ref->kind == PV_REF_RAW
				? ref->value | PV_NAT_RAW
				: ref->value | (uint64_t)ref->detail << PV_NAT_REL_BITS;

	return (word & ~flags) == mine;
}

/*
 * The merged frames root first, and as "eval" the native frames that runs of
 * Python frames stand for, after the run.
 */
static void write_frames(struct recorder *r, FILE *file)
{
	const uint64_t *natives = sample_natives(r->sample);
	size_t left = r->sample->n_native, i;
	struct pv_str text = {};

	ok(status_text(r->sample, &r->merged, &text));
	fprintf(file, "%s\n", pv_str_text(&text));
	for (i = 0; i < r->merged.frames.n; i++) {
		const struct pv_frame_ref *ref = pv_vec_at(&r->merged.frames, i);

		if (ref->kind != PV_REF_NATIVE && ref->kind != PV_REF_RAW) {
			pv_str_clear(&text);
			ok(frame_text(&r->fixture, r->codes, ref, &text));
			fprintf(file, "%s\n", pv_str_text(&text));
			continue;
		}
		while (left && !same_frame(ref, natives[left - 1]))
			write_native(r, file, "eval", natives[--left]);
		if (!left)
			errx(1, "a merged frame is not in the sample");
		write_native(r, file, "native", natives[--left]);
	}
	while (left)
		write_native(r, file, "eval", natives[--left]);
	pv_str_deinit(&text);
}

static FILE *create_file(const struct recorder *r, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", r->directory, name);
	file = fopen(path, "we");
	if (!file)
		err(1, "cannot write %s", path);
	return file;
}

static void write_all(struct recorder *r)
{
	char path[4096];
	FILE *file;

	keep_mappings(r);
	snprintf(path, sizeof(path), "%s/memory", r->directory);
	ok(pv_mem_recorder_write(r->recording, path));
	file = create_file(r, "thread");
	fixture_write(&r->fixture, file);
	if (fclose(file))
		err(1, "cannot write thread");
	file = create_file(r, "expected");
	write_frames(r, file);
	if (fclose(file))
		err(1, "cannot write expected");
}

/* Where the tasks are: what is read for it is recorded, too. */
static void find_tasks(struct recorder *r)
{
	pv_image_find_tasks(&r->image, r->objects, r->recording);
	r->fixture.proc.tasks = r->image.python.proc.tasks;
	if (r->fixture.proc.tasks.kind != PV_TASKS_DICT &&
	    r->fixture.proc.tasks.kind != PV_TASKS_THREAD)
		errx(1, "no tasks found");
}

static void list_tasks(struct recorder *r, struct pv_snap *snap)
{
	struct pv_task_list list;
	struct pv_str text = {};
	FILE *file;

	if (r->fixture.proc.tasks.kind != PV_TASKS_THREAD)
		return;
	ok(pv_snap_tasks(snap, r->recording, r->pid, &list));
	ok(task_list_text(r->codes, &list, &text));
	pv_task_list_deinit(&list);
	file = create_file(r, "tasks");
	fputs(pv_str_text(&text), file);
	if (fclose(file))
		err(1, "cannot write tasks");
	pv_str_deinit(&text);
}

static void record(struct recorder *r)
{
	struct pv_merge_options options = {
		.counted = r->fixture.proc.py.anchor_kind == PV_ANCHOR_NONE,
		.from_root = r->fixture.proc.py.anchor_kind == PV_ANCHOR_CFRAME,
	};
	struct pv_snap *snap;

	if (r->learn)
		learn_from(r);
	stop(r->tid);
	if (r->until)
		step_until(r);
	if (r->signal)
		deliver_signal(r);
	r->fixture.thread = registers(r, r->tid);
	ok(pv_mem_recorder_create(r->live, &r->recording));
	if (r->tasks)
		find_tasks(r);
	snap = create(r, true);
	/* before the walk, whose sample is the walker's */
	if (r->tasks)
		list_tasks(r, snap);
	pv_snap_destroy(snap);
	snap = create(r, true);
	ok(pv_snap_walk(snap, &r->fixture.thread, &r->sample));
	ok(pv_merge(r->sample, r->sample->hdr.size, &options, &r->merged));
	write_all(r);
	ptrace(PTRACE_DETACH, r->tid, 0, 0);
	pv_snap_destroy(snap);
	pv_mem_destroy(r->recording);
}

static void usage(void)
{
	errx(2, "usage: record_fixture PID TID DIRECTORY [--until CONDITION] [--signal N] "
		"[--learn TID] [--tasks yes]");
}

int main(int argc, char **argv)
{
	struct recorder r = {};
	int i;

	if (argc < 4)
		usage();
	r.pid = atoi(argv[1]);
	r.tid = atoi(argv[2]);
	r.directory = argv[3];
	for (i = 4; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--until") == 0)
			r.until = argv[i + 1];
		else if (strcmp(argv[i], "--signal") == 0)
			r.signal = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--learn") == 0)
			r.learn = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--tasks") == 0)
			r.tasks = strcmp(argv[i + 1], "yes") == 0;
		else
			usage();
	}
	fixture_init(&r.fixture);
	r.merged.frames = (struct pv_vec)PV_VEC(struct pv_frame_ref);
	ok(pv_mem_live_create(r.pid, &r.live));
	ok(pv_objects_create(NULL, &r.objects));
	ok(pv_codes_create(&r.codes));
	ok(pv_image_build(r.pid, r.objects, r.live, NULL, &r.image));
	if (!r.image.python.found)
		errx(1, "no interpreter: %s", r.image.python_error ? r.image.python_error : "none");
	ok(pv_snap_mappings(&r.image, &r.mappings));
	r.fixture.proc = r.image.python.proc;
	r.fixture.proc.generation = 1;
	record(&r);
	pv_vec_deinit(&r.merged.frames);
	fixture_deinit(&r.fixture);
	free(r.mappings);
	pv_image_deinit(&r.image);
	pv_codes_destroy(r.codes);
	pv_objects_destroy(r.objects);
	pv_mem_destroy(r.live);
	return 0;
}
