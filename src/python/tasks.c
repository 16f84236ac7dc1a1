/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the asyncio tasks of a process are.
 * Input: 3.14 and later the section .AsyncioDebug, which _asyncio has for debuggers; before, the
 * attribute _asyncio._current_tasks, by way of the modules of the main interpreter.
 * Output: struct pv_asyncio.
 *
 * Sources: CPython Modules/_asynciomodule.c (TaskObj, Py_AsyncioModuleDebugOffsets),
 * Include/internal/pycore_dict.h, pycore_interp.h.
 */
#include "python/tasks.h"

#include <string.h>

#include "elf/elf.h"
#include "python/detect.h"
#include "python/internal.h"
#include "target/mem.h"
#include "walk/dict.h"

enum {
	MODULES_MAX = 1 << 16, /* entries of a dict */
	FIRST_NAMED = 0x0308,  /* TaskObj.task_name */
	FIRST_SAYING = 0x030e, /* .AsyncioDebug */
};

bool pv_python_is_asyncio(const struct pv_elf *elf, const char *name)
{
	struct pv_elf_section section;

	return !strncmp(name, "_asyncio.", strlen("_asyncio.")) ||
	       pv_elf_section(elf, ".AsyncioDebug", &section);
}

const char *pv_python_tasks_refused(const struct pv_python *python)
{
	if (python->found && python->proc.py.version_hex >> 16 < FIRST_NAMED)
		return "tasks have no names before CPython 3.8";
	return NULL;
}

/* Is it a str that says so?  ASCII of up to 32 bytes. */
static bool is_text(struct pv_mem *mem, const struct pv_proc *proc, uint64_t object,
		    const char *text)
{
	const struct pv_pylayout *py = &proc->py;
	size_t n = strlen(text);
	uint64_t type, length;
	char bytes[32];

	return n <= sizeof(bytes) && !pv_mem_read_u64(mem, object + py->ob_type, &type) &&
	       type == proc->unicode_type &&
	       !pv_mem_read_u64(mem, object + py->str_length, &length) && length == n &&
	       !pv_mem_read(mem, bytes, n, object + py->str_ascii_data) && !memcmp(bytes, text, n);
}

/* Where a dict's entries are, their size and number; false: it is none, or changes just now. */
static bool dict_entries(struct pv_mem *mem, const struct pv_tasklayout *at, uint64_t dict,
			 uint64_t *at_ret, uint32_t *size_ret, uint64_t *n_ret)
{
	uint8_t head[PV_WALK_DICT + PV_WALK_PAD] = { 0 };
	int64_t indices;
	uint64_t keys;

	if (at->keys_indices > PV_WALK_DICT || pv_mem_read_u64(mem, dict + at->dict_keys, &keys) ||
	    pv_mem_read(mem, head, at->keys_indices, keys))
		return false;
	indices = pv_dict_indices(at, head);
	*size_ret = pv_dict_entry(at, head);
	*n_ret = PV_FIELD(uint64_t, head, PV_WALK_DICT, at->keys_n);
	*at_ret = keys + at->keys_indices + (uint64_t)indices;
	return indices >= 0 && *size_ret && *n_ret <= MODULES_MAX;
}

/* dict[text]; 0: not there. */
static uint64_t dict_get(struct pv_mem *mem, const struct pv_proc *proc, uint64_t dict,
			 const char *text)
{
	uint64_t at, n, entry[2]; /* key, value */
	uint32_t size;

	if (!dict_entries(mem, &proc->tasks.at, dict, &at, &size, &n))
		return 0;
	at += size - sizeof(entry);
	for (uint64_t i = 0; i < n; i++, at += size) {
		if (pv_mem_read(mem, entry, sizeof(entry), at))
			return 0;
		if (entry[0] && entry[1] && is_text(mem, proc, entry[0], text))
			return entry[1];
	}
	return 0;
}

/*
 * sys.modules["_asyncio"]; 0: not there.  Processes have thousands of modules, and we come often:
 * it is searched only where it has changed, as each new key adds an entry.
 */
static uint64_t find_module(struct pv_mem *mem, uint64_t modules, struct pv_python *python)
{
	uint64_t at, n, module;
	uint32_t size;

	if (!dict_entries(mem, &python->proc.tasks.at, modules, &at, &size, &n) ||
	    (at == python->modules_at && n == python->modules_n))
		return 0;
	module = dict_get(mem, &python->proc, modules, "_asyncio");
	python->modules_at = module ? 0 : at;
	python->modules_n = n;
	return module;
}

/*
 * Up to 3.13: the dict of the running tasks, and whether tasks are what the table says.  is_mapped:
 * there is asyncio, or there will be at once.
 */
static void find_dict(struct pv_mem *mem, bool is_mapped, struct pv_python *python)
{
	struct pv_proc *proc = &python->proc;
	struct pv_asyncio *tasks = &proc->tasks;
	uint64_t interp = pv_python_main_interpreter(mem, proc), modules, module, dict, type, size;

	tasks->kind = is_mapped ? PV_TASKS_UNKNOWN : PV_TASKS_NONE;
	if (!interp || pv_mem_read_u64(mem, interp + tasks->at.is_modules, &modules) || !modules)
		return;
	module = find_module(mem, modules, python);
	if (!module || pv_mem_read_u64(mem, module + tasks->at.module_dict, &dict))
		return;
	type = dict_get(mem, proc, dict, "Task");
	tasks->running = dict_get(mem, proc, dict, "_current_tasks");
	/* while it is being imported one of them may be missing */
	if (!type || !tasks->running ||
	    pv_mem_read_u64(mem, type + tasks->at.type_basicsize, &size))
		return;
	tasks->kind = size == tasks->at.task_size ? PV_TASKS_DICT : PV_TASKS_UNKNOWN;
}

/* Py_AsyncioModuleDebugOffsets of 3.14 and 3.15. */
struct asyncio_debug {
	struct {
		uint64_t size, name, awaited_by, is_task, awaited_by_is_set, coro, node;
	} task;
	struct {
		uint64_t size, tasks_head;
	} interp;
	struct {
		uint64_t size, running_loop, running_task, tasks_head;
	} thread;
};

static bool is_offset(uint64_t offset, uint64_t bytes, uint64_t size, uint64_t limit)
{
	return size < limit && offset <= size && size - offset >= bytes;
}

/* Each offset is checked against the size of its struct: they come from a file of the target's. */
static bool is_sane(const struct asyncio_debug *debug)
{
	uint64_t task = debug->task.size, thread = debug->thread.size;

	return is_offset(debug->task.name, 8, task, 4096) &&
	       is_offset(debug->task.awaited_by, 8, task, 4096) &&
	       is_offset(debug->task.is_task, 1, task, 4096) &&
	       is_offset(debug->task.awaited_by_is_set, 1, task, 4096) &&
	       is_offset(debug->task.coro, 8, task, 4096) &&
	       is_offset(debug->task.node, 16, task, 4096) &&
	       is_offset(debug->interp.tasks_head, 16, debug->interp.size, 1 << 24) &&
	       is_offset(debug->thread.running_task, 8, thread, 0xffff) &&
	       is_offset(debug->thread.tasks_head, 16, thread, 0xffff);
}

static void find_debug(const struct pv_elf *elf, struct pv_asyncio *tasks)
{
	struct pv_elf_section section;
	struct asyncio_debug debug;

	if (!elf)
		return;
	tasks->kind = PV_TASKS_UNKNOWN;
	if (!pv_elf_section(elf, ".AsyncioDebug", &section) || !section.data ||
	    section.size < sizeof(debug))
		return;
	memcpy(&debug, section.data, sizeof(debug));
	if (!is_sane(&debug))
		return;
	tasks->kind = PV_TASKS_THREAD;
	tasks->at.task_size = (uint16_t)debug.task.size;
	tasks->at.task_name = (uint16_t)debug.task.name;
	tasks->at.task_coro = (uint16_t)debug.task.coro;
	tasks->task_awaited_by = (uint16_t)debug.task.awaited_by;
	tasks->task_is_task = (uint16_t)debug.task.is_task;
	tasks->task_awaited_by_is_set = (uint16_t)debug.task.awaited_by_is_set;
	tasks->task_node = (uint16_t)debug.task.node;
	tasks->ts_running = (uint16_t)debug.thread.running_task;
	tasks->ts_list = (uint16_t)debug.thread.tasks_head;
	tasks->is_list = (uint32_t)debug.interp.tasks_head;
}

void pv_python_tasks(struct pv_mem *mem, const struct pv_elf *elf, struct pv_python *python)
{
	struct pv_asyncio *tasks = &python->proc.tasks;

	*tasks = (struct pv_asyncio){ .at = python->tasks };
	if (!python->found)
		return;
	if (pv_python_tasks_refused(python)) {
		tasks->kind = elf ? PV_TASKS_UNKNOWN : PV_TASKS_NONE;
		return;
	}
	tasks->frame_is_inside = python->proc.py.frame_kind == PV_FRAME_INTERP;
	if (python->proc.py.version_hex >> 16 < FIRST_SAYING)
		find_dict(mem, elf, python);
	else
		find_debug(elf, tasks);
}
