/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the asyncio tasks of a process are.
 * Input: 3.14 and later the section .AsyncioDebug, which _asyncio has for debuggers; before, the
 * attribute _asyncio._current_tasks, by way of the modules of the main interpreter.
 * Output: struct pv_asyncio.
 *
 * Sources: CPython Modules/_asynciomodule.c (TaskObj, Py_AsyncioModuleDebugOffsets),
 * Include/internal/pycore_dict.h, pycore_interp.h; offsets from DWARF of the builds in the table.
 */
#include "python/tasks.h"

#include <string.h>

#include "elf/elf.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	INTERPRETERS_MAX = 256,
	MODULES_MAX = 1 << 16, /* entries of a dict */
	MODULE_DICT = 16,      /* PyModuleObject.md_dict */
};

/* A minor version: offsets in TaskObj and PyCoroObject, and where the interpreter has sys.modules.
 */
struct task_version {
	uint16_t version;
	uint16_t task_size, task_coro, task_name;
	uint16_t gen_frame;
	uint16_t dict_n, dict_data;
	uint16_t is_modules;
};

/* 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1, 3.13.0; later ones say themselves what is 0 here */
static const struct task_version versions[] = {
	{ 0x0308, 144, 112, 120, 16, 32, 40, 56 },  { 0x0309, 184, 152, 160, 16, 32, 40, 856 },
	{ 0x030a, 192, 160, 168, 16, 32, 40, 856 }, { 0x030b, 176, 136, 144, 80, 24, 32, 888 },
	{ 0x030c, 176, 136, 144, 72, 24, 32, 944 }, { 0x030d, 144, 120, 128, 72, 24, 32, 7656 },
	{ 0x030e, 0, 0, 0, 72, 24, 32, 0 },         { 0x030f, 0, 0, 0, 72, 24, 32, 0 },
};

static const struct task_version *find_version(uint32_t version_hex)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		if (versions[i].version == version_hex >> 16)
			return &versions[i];
	}
	return NULL;
}

bool pv_python_is_asyncio(const struct pv_elf *elf, const char *name)
{
	struct pv_elf_section section;

	return !strncmp(name, "_asyncio.", strlen("_asyncio.")) ||
	       pv_elf_section(elf, ".AsyncioDebug", &section);
}

const char *pv_python_tasks_refused(const struct pv_python *python)
{
	if (!python->found)
		return NULL;
	if (python->proc.py.free_threaded)
		return "tasks of a free-threaded build are not read yet";
	if (find_version(python->proc.py.version_hex))
		return NULL;
	return python->proc.py.version_hex >> 16 < versions[0].version
		       ? "tasks have no names before CPython 3.8"
		       : "how this CPython keeps its tasks is not known";
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
static bool dict_entries(struct pv_mem *mem, const struct pv_asyncio *tasks, uint64_t dict,
			 uint64_t *at_ret, uint32_t *size_ret, uint64_t *n_ret)
{
	uint64_t keys, n, indices;
	uint8_t head[40];

	if (pv_mem_read_u64(mem, dict + PV_DICT_KEYS, &keys) ||
	    pv_mem_read(mem, head, sizeof(head), keys))
		return false;
	memcpy(&n, head + tasks->dict_n, sizeof(n));
	*size_ret = PV_DICT_ENTRY;
	if (tasks->old_dict) {
		memcpy(&indices, head + PV_DICT_OLD_SIZE, sizeof(indices));
		if (indices > MODULES_MAX)
			return false;
		indices *= indices <= 0xff ? 1 : indices <= 0xffff ? 2 : 4;
	} else {
		if (head[PV_DICT_LOG2_INDEX] > 20 || head[PV_DICT_KIND] > 1)
			return false;
		indices = 1ULL << head[PV_DICT_LOG2_INDEX];
		if (head[PV_DICT_KIND])
			*size_ret = PV_DICT_UNICODE_ENTRY;
	}
	*at_ret = keys + tasks->dict_data + indices;
	*n_ret = n;
	return n <= MODULES_MAX;
}

/* dict[text]; 0: not there. */
static uint64_t dict_get(struct pv_mem *mem, const struct pv_proc *proc, uint64_t dict,
			 const char *text)
{
	uint64_t at, n, entry[2]; /* key, value */
	uint32_t size;

	if (!dict_entries(mem, &proc->tasks, dict, &at, &size, &n))
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

/* The interpreter whose id is 0; 0: there is none yet. */
static uint64_t main_interpreter(struct pv_mem *mem, const struct pv_proc *proc)
{
	uint64_t interp, id;

	if (pv_mem_read_u64(mem, proc->runtime + proc->py.rt_interpreters_head, &interp))
		return 0;
	for (unsigned int i = 0; interp && i < INTERPRETERS_MAX; i++) {
		if (pv_mem_read_u64(mem, interp + proc->py.is_id, &id))
			return 0;
		if (!id)
			return interp;
		if (pv_mem_read_u64(mem, interp + proc->py.is_next, &interp))
			return 0;
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

	if (!dict_entries(mem, &python->proc.tasks, modules, &at, &size, &n) ||
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
static void find_dict(struct pv_mem *mem, const struct task_version *version, bool is_mapped,
		      struct pv_python *python)
{
	struct pv_proc *proc = &python->proc;
	struct pv_asyncio *tasks = &proc->tasks;
	uint64_t interp = main_interpreter(mem, proc), modules, module, dict, type, size;

	tasks->kind = is_mapped ? PV_TASKS_UNKNOWN : PV_TASKS_NONE;
	if (!interp || pv_mem_read_u64(mem, interp + version->is_modules, &modules) || !modules)
		return;
	module = find_module(mem, modules, python);
	if (!module || pv_mem_read_u64(mem, module + MODULE_DICT, &dict))
		return;
	type = dict_get(mem, proc, dict, "Task");
	tasks->running = dict_get(mem, proc, dict, "_current_tasks");
	/* while it is being imported one of them may be missing */
	if (!type || !tasks->running || pv_mem_read_u64(mem, type + PV_TYPE_BASICSIZE, &size))
		return;
	tasks->kind = size == version->task_size ? PV_TASKS_DICT : PV_TASKS_UNKNOWN;
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
	tasks->task_size = (uint16_t)debug.task.size;
	tasks->task_name = (uint16_t)debug.task.name;
	tasks->task_coro = (uint16_t)debug.task.coro;
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
	const struct task_version *version = find_version(python->proc.py.version_hex);
	struct pv_asyncio *tasks = &python->proc.tasks;

	*tasks = (struct pv_asyncio){ 0 };
	if (!python->found)
		return;
	/* other offsets in objects, dicts and types; no GIL that holds a dict together */
	if (!version || python->proc.py.free_threaded) {
		tasks->kind = elf ? PV_TASKS_UNKNOWN : PV_TASKS_NONE;
		return;
	}
	tasks->old_dict = version->version <= 0x030a;
	tasks->frame_is_inside = version->version >= 0x030b;
	tasks->gen_frame = version->gen_frame;
	tasks->dict_n = version->dict_n;
	tasks->dict_data = version->dict_data;
	tasks->task_size = version->task_size;
	tasks->task_coro = version->task_coro;
	tasks->task_name = version->task_name;
	if (version->is_modules)
		find_dict(mem, version, elf, python);
	else
		find_debug(elf, tasks);
}
