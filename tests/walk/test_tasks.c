/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asyncio's tasks on recorded processes: where they are (python/tasks.h), the names above
 * coroutines (walk/tasks.h), all of them with who waits for whom (snap/tasks.h).  Input:
 * the fixtures *-task, whose `expected` and `tasks` are what the interpreter itself said
 * when they were recorded.  Output: Check's report.
 */
#include <elf.h>

#include "elf/elf.h"
#include "overlay.h"
#include "python/detect.h"
#include "python/tasks.h"
#include "run.h"
#include "walk/walk.h"

static char **names;
static int n_names;

/* A fixture, and its memory as a test wants it. */
struct world {
	struct fixture fixture;
	struct pv_mem *mem;
	struct overlay overlay;
};

static void world_init(struct world *world, const char *name)
{
	load(name, &world->fixture, &world->mem);
	overlay_init(&world->overlay, world->mem);
}

static void world_deinit(struct world *world)
{
	pv_mem_destroy(world->mem);
	fixture_deinit(&world->fixture);
}

static void walk(struct world *world, struct run *run)
{
	struct pv_snap_source source = fixture_source(&world->fixture, &world->overlay.mem);

	run_source(run, &source, &world->fixture);
}

static uint64_t word(struct world *world, uint64_t addr)
{
	uint64_t value;

	ck_assert_int_eq(pv_mem_read_u64(world->mem, addr, &value), 0);
	return value;
}

static bool has_line(const struct run *run, const char *line)
{
	for (size_t i = 0; i < run->n_lines; i++) {
		if (strcmp(run->lines[i], line) == 0)
			return true;
	}
	return false;
}

/* The thread state of the thread of the fixture. */
static uint64_t tstate_of(struct world *world)
{
	const struct pv_proc *proc = &world->fixture.proc;
	uint64_t at = word(world, proc->runtime + proc->py.rt_interpreters_head);

	at = word(world, at + proc->py.is_threads_head);
	while (word(world, at + proc->py.ts_thread_id) != world->fixture.thread.fsbase)
		at = word(world, at + proc->py.ts_next);
	return at;
}

static uint64_t running_task(struct world *world)
{
	return word(world, tstate_of(world) + world->fixture.proc.tasks.ts_running);
}

/* ---- where they are */

static void find(struct world *world, const struct pv_elf *elf, struct pv_python *python)
{
	*python = (struct pv_python){ .found = true,
				      .tasks = world->fixture.proc.tasks.at,
				      .proc = world->fixture.proc };
	python->proc.tasks = (struct pv_asyncio){ 0 };
	pv_python_tasks(&world->overlay.mem, elf, python);
}

START_TEST(the_dict_of_running_tasks_is_found)
{
	struct pv_asyncio truth;
	struct pv_python python;
	struct world world;

	world_init(&world, names[_i]);
	truth = world.fixture.proc.tasks;
	if (truth.kind == PV_TASKS_DICT) {
		find(&world, NULL, &python);
		ck_assert_int_eq(memcmp(&python.proc.tasks, &truth, sizeof(truth)), 0);
		/* a task of another size is not what the table tells of */
		python.tasks.task_size += 8;
		pv_python_tasks(&world.overlay.mem, NULL, &python);
		ck_assert_uint_eq(python.proc.tasks.kind, PV_TASKS_UNKNOWN);
		python.proc.py.version_hex = 0x030706f0;
		pv_python_tasks(&world.overlay.mem, NULL, &python);
		ck_assert_uint_eq(python.proc.tasks.kind, PV_TASKS_NONE);
		ck_assert_ptr_nonnull(pv_python_tasks_refused(&python));
	}
	world_deinit(&world);
}
END_TEST

/* Then nothing is found, never something else. */
START_TEST(the_dict_is_found_or_not_known)
{
	struct pv_asyncio truth;
	struct pv_python python;
	struct world world;
	unsigned int n;

	world_init(&world, names[_i]);
	truth = world.fixture.proc.tasks;
	if (truth.kind == PV_TASKS_DICT) {
		find(&world, NULL, &python);
		n = world.overlay.n_reads;
		ck_assert_uint_gt(n, 10);
		for (unsigned int i = 0; i < n; i++) {
			world.overlay.bad = world.overlay.reads[i];
			find(&world, NULL, &python);
			ck_assert(python.proc.tasks.kind != PV_TASKS_DICT ||
				  python.proc.tasks.running == truth.running);
			ck_assert(python.proc.tasks.kind == PV_TASKS_DICT || !truth.kind ||
				  python.proc.tasks.running == 0 ||
				  python.proc.tasks.running == truth.running);
		}
	}
	world_deinit(&world);
}
END_TEST

enum { DEBUG_WORDS = 13 };

/* An object that has nothing but .AsyncioDebug: CPython's Py_AsyncioModuleDebugOffsets, 13 words.
 */
static struct pv_elf *make_module(const uint64_t *debug, size_t n_words)
{
	static const char strings[] = "\0.AsyncioDebug\0.shstrtab";
	struct {
		Elf64_Ehdr head;
		Elf64_Shdr sections[3];
		uint64_t debug[DEBUG_WORDS];
		char strings[sizeof(strings)];
	} image = {
		.head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_DYN,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = 3,
			  .e_shstrndx = 2 },
	};
	struct pv_elf *elf;

	image.head.e_shoff = offsetof(typeof(image), sections);
	image.sections[1] = (Elf64_Shdr){ .sh_name = 1,
					  .sh_type = SHT_PROGBITS,
					  .sh_flags = SHF_ALLOC,
					  .sh_addr = offsetof(typeof(image), debug),
					  .sh_offset = offsetof(typeof(image), debug),
					  .sh_size = 8 * n_words,
					  .sh_addralign = 8 };
	image.sections[2] = (Elf64_Shdr){ .sh_name = 15,
					  .sh_type = SHT_STRTAB,
					  .sh_offset = offsetof(typeof(image), strings),
					  .sh_size = sizeof(strings),
					  .sh_addralign = 1 };
	memcpy(image.debug, debug, 8 * n_words);
	memcpy(image.strings, strings, sizeof(strings));
	ok(pv_elf_open_memory(&image, sizeof(image), &elf));
	return elf;
}

/* From DWARF of Debian's 3.14.10, in the order of the struct. */
static const uint64_t debug_3_14[DEBUG_WORDS] = {
	168,    136,   96,  108, 109, 128, 152, /* TaskObj */
	225864, 10880,                          /* PyInterpreterState */
	936,    864,   872, 880,                /* _PyThreadStateImpl */
};

START_TEST(the_module_says_where_its_tasks_are)
{
	uint64_t debug[DEBUG_WORDS];
	struct pv_python python;
	struct pv_asyncio truth;
	struct pv_elf *elf;
	struct world world;

	world_init(&world, "debian-3.14-task");
	truth = world.fixture.proc.tasks;
	memcpy(debug, debug_3_14, sizeof(debug));
	elf = make_module(debug, DEBUG_WORDS);
	ck_assert(pv_python_is_asyncio(elf, "other.so"));
	world.fixture.proc.tasks.at.task_size = world.fixture.proc.tasks.at.task_name =
		world.fixture.proc.tasks.at.task_coro = 0;
	find(&world, elf, &python);
	ck_assert_int_eq(memcmp(&python.proc.tasks, &truth, sizeof(truth)), 0);
	find(&world, NULL, &python);
	ck_assert_uint_eq(python.proc.tasks.kind, PV_TASKS_NONE);
	pv_elf_close(elf);
	/* cut short */
	elf = make_module(debug, DEBUG_WORDS - 1);
	find(&world, elf, &python);
	ck_assert_uint_eq(python.proc.tasks.kind, PV_TASKS_UNKNOWN);
	pv_elf_close(elf);
	/* each in turn cannot be: an offset behind its struct, a size that is none */
	for (unsigned int i = 0; i < DEBUG_WORDS; i++) {
		uint64_t before = debug[i];

		debug[i] = i == 0 || i == 7 || i == 9 ? 4 : 1 << 30;
		elf = make_module(debug, DEBUG_WORDS);
		find(&world, elf, &python);
		/* asyncio_running_loop is not read */
		ck_assert_uint_eq(python.proc.tasks.kind,
				  i == 10 ? PV_TASKS_THREAD : PV_TASKS_UNKNOWN);
		pv_elf_close(elf);
		debug[i] = before;
	}
	world_deinit(&world);
}
END_TEST

/* ---- the one that runs */

START_TEST(what_is_no_task_has_no_name)
{
	struct world world;
	struct run run;

	world_init(&world, names[_i]);
	walk(&world, &run);
	ck_assert(!(run.sample->flags & PV_SAMPLE_TASK_UNREAD));
	run_deinit(&run);
	/* of Python code: such an object is smaller */
	world.fixture.proc.tasks.at.task_size += 1;
	walk(&world, &run);
	ck_assert(run.sample->flags & PV_SAMPLE_TASK_UNREAD);
	for (size_t i = 0; i < run.n_lines; i++)
		ck_assert(strncmp(run.lines[i], "task ", 5) != 0);
	ck_assert(run.merged.complete);
	run_deinit(&run);
	world_deinit(&world);
}
END_TEST

/* A task whose coroutine's frame is not on the stack is of another thread. */
START_TEST(a_task_of_another_thread_is_not_shown)
{
	struct world world;
	struct run run;

	world_init(&world, names[_i]);
	world.fixture.proc.tasks.at.coro_frame += 8;
	walk(&world, &run);
	for (size_t i = 0; i < run.n_lines; i++)
		ck_assert(strncmp(run.lines[i], "task ", 5) != 0);
	run_deinit(&run);
	world_deinit(&world);
}
END_TEST

START_TEST(a_dict_that_is_none_is_said)
{
	struct pv_asyncio *tasks;
	struct world world;
	uint64_t keys;
	struct run run;

	world_init(&world, names[_i]);
	tasks = &world.fixture.proc.tasks;
	if (tasks->kind == PV_TASKS_DICT) {
		keys = word(&world, tasks->running + tasks->at.dict_keys);
		ck_assert_uint_ge(word(&world, keys + tasks->at.keys_n), 1);
		overlay_put_u64(&world.overlay, keys + tasks->at.keys_n, 86);
		walk(&world, &run);
		ck_assert(run.sample->flags & PV_SAMPLE_TASK_UNREAD);
		run_deinit(&run);
		/* nothing runs: then it is known that it is no task */
		overlay_put_u64(&world.overlay, keys + tasks->at.keys_n, 0);
		walk(&world, &run);
		ck_assert(!(run.sample->flags & PV_SAMPLE_TASK_UNREAD));
		run_deinit(&run);
	}
	world_deinit(&world);
}
END_TEST

static bool awaits(const struct world *world)
{
	return world->fixture.proc.tasks.kind == PV_TASKS_THREAD;
}

START_TEST(tasks_that_wait_in_a_circle)
{
	struct world world;
	unsigned char yes = 1;
	unsigned int n = 0;
	struct run run;
	uint64_t task;

	world_init(&world, names[_i]);
	if (awaits(&world)) {
		task = running_task(&world);
		overlay_put_u64(&world.overlay, task + world.fixture.proc.tasks.task_awaited_by,
				task);
		overlay_put(&world.overlay, task + world.fixture.proc.tasks.task_is_task, &yes, 1);
		walk(&world, &run);
		for (size_t i = 0; i < run.n_lines; i++)
			n += strcmp(run.lines[i], "task running") == 0;
		ck_assert_uint_eq(n, PV_WALK_AWAITED);
		ck_assert(has_line(&run, "more tasks"));
		ck_assert(run.merged.complete);
		run_deinit(&run);
	}
	world_deinit(&world);
}
END_TEST

START_TEST(several_that_wait_for_one)
{
	struct world world;
	unsigned char yes = 1;
	struct run run;
	uint64_t task;

	world_init(&world, names[_i]);
	if (awaits(&world)) {
		task = running_task(&world);
		overlay_put(&world.overlay, task + world.fixture.proc.tasks.task_awaited_by_is_set,
			    &yes, 1);
		walk(&world, &run);
		ck_assert(has_line(&run, "several tasks"));
		ck_assert(has_line(&run, "task running"));
		ck_assert(!has_line(&run, "task Task-1"));
		run_deinit(&run);
	}
	world_deinit(&world);
}
END_TEST

/* ---- all of them */

static void list(struct world *world, struct pv_task_list *ret, struct pv_str *text)
{
	struct pv_snap_source source = fixture_source(&world->fixture, &world->overlay.mem);
	struct run run = {};
	struct pv_snap_handlers handlers = { .ctx = &run, .event = run_event, .lost = run_lost };
	struct pv_snap *snap;

	ok(pv_codes_create(&run.codes));
	ok(pv_snap_create(&source, &handlers, &snap));
	ok(pv_snap_tasks(snap, &world->overlay.mem, world->fixture.thread.pid, ret));
	if (text) {
		pv_str_clear(text);
		ok(task_list_text(run.codes, ret, text));
	}
	pv_snap_destroy(snap);
	pv_codes_destroy(run.codes);
}

static char *read_text(const char *name, const char *file)
{
	_pv_fclose_ FILE *in = fopen(fixtures_path(name, file), "re");
	char *text = NULL;
	size_t n = 0;

	ck_assert_ptr_nonnull(in);
	ck_assert_int_gt(getdelim(&text, &n, '\0', in), 0);
	return text;
}

START_TEST(all_tasks_are_as_the_interpreter_said)
{
	struct pv_task_list all;
	struct pv_str text = {};
	struct world world;

	world_init(&world, names[_i]);
	if (awaits(&world)) {
		_pv_free_ char *truth = read_text(names[_i], "tasks");

		list(&world, &all, &text);
		ck_assert_str_eq(pv_str_text(&text), truth);
		pv_task_list_deinit(&all);
		/* a look that fails once is taken again */
		for (unsigned int n = 1; n < 200; n++) {
			pv_mem_fixture_fail(world.mem, n);
			list(&world, &all, &text);
			if (all.consistent)
				ck_assert_str_eq(pv_str_text(&text), truth);
			pv_task_list_deinit(&all);
		}
	}
	pv_str_deinit(&text);
	world_deinit(&world);
}
END_TEST

/* Every line of text stands in truth, but for what says that something is not known. */
static void check_lines(char *text, const char *truth, uint64_t bad)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save); /* the first counts */

	while ((line = strtok_r(NULL, "\n", &save))) {
		_pv_free_ char *whole = NULL;
		char *cut = strstr(line, " | cut");

		if (strstr(line, "[unknown]") || strstr(line, "?") || strstr(line, ":0)") ||
		    strstr(line, "awaited by")) /* by number, which may be another */
			continue;
		if (cut)
			memmove(cut, cut + 6, strlen(cut + 6) + 1);
		ck_assert_int_ge(asprintf(&whole, "%s\n", line), 0);
		ck_assert_msg(strstr(truth, whole), "without %llx: %s", (unsigned long long)bad,
			      line);
	}
}

/* What cannot be read, however often, is left out, and it is said. */
START_TEST(what_cannot_be_read_is_said)
{
	static uint64_t reads[OVERLAY_READS];
	struct pv_task_list all;
	struct pv_str text = {};
	struct world world;
	unsigned int n;

	world_init(&world, names[_i]);
	if (awaits(&world)) {
		_pv_free_ char *truth = read_text(names[_i], "tasks");

		list(&world, &all, &text);
		pv_task_list_deinit(&all);
		n = world.overlay.n_reads / 2; /* one look of the two */
		ck_assert_uint_lt(n, OVERLAY_READS);
		memcpy(reads, world.overlay.reads, n * sizeof(*reads));
		for (unsigned int i = 0; i < n; i++) {
			_pv_free_ char *copy = NULL;
			bool said;

			world.overlay.bad = reads[i];
			list(&world, &all, &text);
			copy = strdup(pv_str_text(&text));
			said = !all.whole || strstr(copy, " | cut") || strstr(copy, "[unknown]") ||
			       strstr(copy, "?") || strstr(copy, ":0)");
			ck_assert_msg(said, "without %llx:\n%s", (unsigned long long)reads[i],
				      copy);
			check_lines(copy, truth, reads[i]);
			pv_task_list_deinit(&all);
		}
	}
	pv_str_deinit(&text);
	world_deinit(&world);
}
END_TEST

/* Members that have left a set stay in its table, with the hash -1. */
START_TEST(who_waits_no_more)
{
	const struct pv_asyncio *tasks;
	const struct pv_task *task;
	uint64_t set, table, key;
	struct pv_task_list all;
	struct world world;

	world_init(&world, names[_i]);
	tasks = &world.fixture.proc.tasks;
	if (awaits(&world)) {
		list(&world, &all, NULL);
		task = pv_vec_at(&all.tasks, 0);
		ck_assert_uint_eq(task->n_awaiters, 2);
		set = word(&world, task->address + tasks->task_awaited_by);
		table = word(&world, set + tasks->at.set_table);
		for (key = word(&world, table); !key; key = word(&world, table += 16))
			;
		overlay_put_u64(&world.overlay, table + 8, UINT64_MAX);
		pv_task_list_deinit(&all);
		list(&world, &all, NULL);
		task = pv_vec_at(&all.tasks, 0);
		ck_assert_uint_eq(task->n_awaiters, 1);
		ck_assert_uint_ne(*(uint64_t *)pv_vec_at(&all.awaiters, task->first_awaiter), key);
		ck_assert(all.consistent && !task->cut);
		pv_task_list_deinit(&all);
		/* a table that is too large to be one */
		overlay_put_u64(&world.overlay, set + tasks->at.set_mask, (1 << 20) - 1);
		list(&world, &all, NULL);
		ck_assert(((struct pv_task *)pv_vec_at(&all.tasks, 0))->cut);
		pv_task_list_deinit(&all);
	}
	world_deinit(&world);
}
END_TEST

START_TEST(a_list_without_an_end_has_one)
{
	struct pv_task_list all;
	struct world world;
	uint64_t node;

	world_init(&world, names[_i]);
	if (awaits(&world)) {
		/* a task whose next one is itself */
		node = running_task(&world) + world.fixture.proc.tasks.task_node;
		overlay_put_u64(&world.overlay, node, node);
		list(&world, &all, NULL);
		ck_assert(all.too_many && !all.whole && !all.consistent);
		pv_task_list_deinit(&all);
	}
	world_deinit(&world);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tasks");
	TCase *tcase = tcase_create("tasks");
	SRunner *runner;
	int failed;

	names = fixture_names("-task", &n_names);
	if (!n_names)
		return 1;
	tcase_add_loop_test(tcase, the_dict_of_running_tasks_is_found, 0, n_names);
	tcase_add_loop_test(tcase, the_dict_is_found_or_not_known, 0, n_names);
	tcase_add_test(tcase, the_module_says_where_its_tasks_are);
	tcase_add_loop_test(tcase, what_is_no_task_has_no_name, 0, n_names);
	tcase_add_loop_test(tcase, a_task_of_another_thread_is_not_shown, 0, n_names);
	tcase_add_loop_test(tcase, a_dict_that_is_none_is_said, 0, n_names);
	tcase_add_loop_test(tcase, tasks_that_wait_in_a_circle, 0, n_names);
	tcase_add_loop_test(tcase, several_that_wait_for_one, 0, n_names);
	tcase_add_loop_test(tcase, all_tasks_are_as_the_interpreter_said, 0, n_names);
	tcase_add_loop_test(tcase, what_cannot_be_read_is_said, 0, n_names);
	tcase_add_loop_test(tcase, who_waits_no_more, 0, n_names);
	tcase_add_loop_test(tcase, a_list_without_an_end_has_one, 0, n_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
