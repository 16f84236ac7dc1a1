/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detection of CPython in a process, step by step.
 * Input: the process's ELF objects and its memory.  Output: struct pv_python,
 * or the reason why this interpreter is not one that we can read.
 */
#include "python/detect.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "python/internal.h"
#include "python/layout.h"
#include "target/mem.h"

enum { DEBUG_OFFSETS_BYTES = 1024 };

static bool has_symbol(const struct pv_elf *elf, const char *name)
{
	struct pv_elf_symbol symbol;

	return pv_elf_find_symbol(elf, name, &symbol);
}

/* _PyRuntime is of 3.7 and newer; _PyThreadState_Current was its part in 2.7 and 3.6. */
bool pv_python_is_runtime(const struct pv_elf *elf)
{
	return has_symbol(elf, "_PyRuntime") || has_symbol(elf, "_PyThreadState_Current");
}

bool pv_python_is_bare(const struct pv_elf *elf)
{
	return !pv_python_is_runtime(elf) && pv_python_has_texts(elf);
}

void pv_python_deinit(struct pv_python *python)
{
	free(python->module_path);
	*python = (struct pv_python){ 0 };
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * The address of a data object: where an executable linked to libpython has a
 * copy relocation, its copy is the object, and libpython's is dead.
 */
static bool data_address(const struct pv_interpreter *interpreter, const char *name, uint64_t *ret,
			 struct pv_elf_symbol *symbol_ret)
{
	const struct pv_python_module *module = interpreter->copy;

	if (!module || !pv_elf_find_symbol(module->elf, name, symbol_ret)) {
		module = interpreter->code;
		if (!pv_elf_find_symbol(module->elf, name, symbol_ret))
			return false;
	}
	*ret = module->bias + symbol_ret->vaddr;
	return true;
}

static bool on_symtab(void *ctx, const struct pv_elf_symbol *symbol)
{
	bool *has_symtab = ctx;

	*has_symtab = !symbol->from_dynsym;
	return !*has_symtab;
}

static bool is_stripped(const struct pv_elf *elf)
{
	bool has_symtab = false;

	pv_elf_each_symbol(elf, on_symtab, &has_symtab);
	return !has_symtab;
}

static void version_text(uint32_t version, bool exact, char *ret, size_t size)
{
	static const char *const levels[16] = { [0xa] = "a", [0xb] = "b", [0xc] = "rc" };
	const char *level = levels[(version >> 4) & 0xf];

	if (!exact)
		snprintf(ret, size, "%u.%u", version >> 24, (version >> 16) & 0xff);
	else if (level)
		snprintf(ret, size, "%u.%u.%u%s%u", version >> 24, (version >> 16) & 0xff,
			 (version >> 8) & 0xff, level, version & 0xf);
	else
		snprintf(ret, size, "%u.%u.%u", version >> 24, (version >> 16) & 0xff,
			 (version >> 8) & 0xff);
}

/*
 * Objects/object.c: these exist only under Py_TRACE_REFS, which puts two words before each
 * object (Py_DEBUG implied it up to 3.7), and under Py_REF_DEBUG, so Py_DEBUG.
 */
static struct pv_err *find_build_kind(const struct pv_interpreter *interpreter,
				      struct pv_python *ret)
{
	size_t n;
	const struct pv_elf *elf = interpreter->code->elf;

	if (has_symbol(elf, "_Py_PrintReferences"))
		return pv_err_create(PV_ERR_NOPROC,
				     "a build with Py_TRACE_REFS, whose objects have another "
				     "layout, is not supported");
	ret->debug = has_symbol(elf, "_Py_NegativeRefcount");
	ret->unverified = pv_pylayout_is_unverified(&ret->proc.py);
	/* 3.14 Python/ceval_macros.h, --with-tail-call-interp: a local function a bytecode */
	ret->tail_calls = has_symbol(elf, "_TAIL_CALL_RESUME");
	n = strlen(ret->version);
	snprintf(ret->version + n, sizeof(ret->version) - n, "%s%s%s%s",
		 ret->proc.py.free_threaded ? " free-threaded" : "", ret->debug ? " debug" : "",
		 ret->tail_calls ? ", tail-calling interpreter (unverified)" : "",
		 ret->unverified ? ", unverified layout" : "");
	return NULL;
}

/*
 * 3.13: _Py_DebugOffsets is the first member of _PyRuntime, and constant: the
 * file has it before the loader has mapped or copied the data.
 */
static struct pv_err *find_layout(struct pv_mem *mem, const struct pv_interpreter *interpreter,
				  uint32_t version, struct pv_python *ret)
{
	uint8_t buffer[DEBUG_OFFSETS_BYTES];
	const void *debug_offsets = NULL;
	struct pv_elf_symbol symbol;
	struct pv_err *err;

	if (version >= 0x030d0000) {
		if (pv_elf_find_symbol(interpreter->code->elf, "_PyRuntime", &symbol))
			debug_offsets =
				pv_elf_data(interpreter->code->elf, symbol.vaddr, sizeof(buffer));
		if (!debug_offsets &&
		    pv_mem_read(mem, buffer, sizeof(buffer), interpreter->runtime))
			return pv_err_create(PV_ERR_NOPROC, "_PyRuntime is not readable");
		if (!debug_offsets)
			debug_offsets = buffer;
	}
	err = pv_pylayout_find(version, debug_offsets, debug_offsets ? sizeof(buffer) : 0,
			       &ret->proc.py, &ret->tasks, ret->sources.layout,
			       sizeof(ret->sources.layout));
	if (err)
		return err;
	return find_build_kind(interpreter, ret);
}

/* What arguments and results are told by; without these only they are lost. */
static void find_value_types(const struct pv_interpreter *interpreter, struct pv_python *ret)
{
	struct pv_value_types *types = &ret->types;
	bool old = ret->proc.py.str_state == PV_OFF_NONE; /* 2.7 */
	const struct {
		const char *name;
		__u64 *at;
	} list[] = {
		{ "PyLong_Type", &types->long_type },
		{ old ? "PyInt_Type" : NULL, &types->int_type },
		{ "PyBool_Type", &types->bool_type },
		{ "PyFloat_Type", &types->float_type },
		{ "PyUnicode_Type", &types->unicode_type },
		{ old ? "PyString_Type" : "PyBytes_Type", &types->bytes_type },
		{ "PyCell_Type", &types->cell_type },
		{ "_Py_NoneStruct", &types->none },
	};
	struct pv_elf_symbol symbol;
	uint64_t address;

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (list[i].name && data_address(interpreter, list[i].name, &address, &symbol))
			*list[i].at = address;
	}
	if (!old)
		return;
	/* 2.7 Include/unicodeobject.h: the names tell how it was configured */
	if (has_symbol(interpreter->code->elf, "PyUnicodeUCS4_FromUnicode"))
		ret->proc.py.unicode_width = 4;
	else if (has_symbol(interpreter->code->elf, "PyUnicodeUCS2_FromUnicode"))
		ret->proc.py.unicode_width = 2;
}

static struct pv_err *find_types(const struct pv_interpreter *interpreter, struct pv_python *ret)
{
	struct pv_proc *proc = &ret->proc;
	bool bytes_only = proc->py.str_state == PV_OFF_NONE; /* 2.7 */
	const char *const names[] = { "PyCode_Type", bytes_only ? "PyString_Type" : "PyBytes_Type",
				      bytes_only ? "PyString_Type" : "PyUnicode_Type" };
	const struct pv_python_bare *bare = interpreter->bare;
	struct pv_elf_symbol symbol;
	uint64_t address[3];

	if (bare) {
		proc->code_type = interpreter->code->bias + bare->code_type;
		proc->bytes_type = interpreter->code->bias + bare->bytes_type;
		proc->unicode_type = interpreter->code->bias + bare->unicode_type;
		return NULL;
	}
	for (size_t i = 0; i < 3; i++) {
		if (!data_address(interpreter, names[i], &address[i], &symbol))
			return pv_err_create(PV_ERR_NOPROC, "its type %s has no symbol", names[i]);
	}
	proc->code_type = address[0];
	proc->bytes_type = address[1];
	proc->unicode_type = address[2];
	/* only names of modules are lost without it */
	if (data_address(interpreter, "PyFunction_Type", &address[0], &symbol))
		ret->function_type = address[0];
	/* only the lists of the garbage collector are lost without it; from 3.7 in _PyRuntime */
	if (data_address(interpreter, "_PyGC_generation0", &address[0], &symbol))
		ret->gc_generation0 = address[0];
	find_value_types(interpreter, ret);
	return NULL;
}

/*
 * The C library may not be mapped yet when libpython is: without it only an
 * interpreter that runs already is refused.
 */
static struct pv_err *find_threads(struct pv_mem *mem, const struct pv_python_module *code,
				   const struct pv_python_module *modules, size_t n_modules,
				   struct pv_python *ret)
{
	struct pv_err *no_libc, *err;

	no_libc = pv_python_own(mem, code, modules, n_modules, &ret->proc, ret->sources.tss,
				sizeof(ret->sources.tss));
	err = pv_python_validate(mem, &ret->proc, ret->initialized_at, &ret->initialized);
	if (no_libc && err && err->kind == PV_ERR_NOPROC && !err->errnum) {
		pv_err_destroy(err);
		return no_libc;
	}
	pv_err_destroy(no_libc);
	return err;
}

/* Where what says that Py_Initialize() is done is; before 3.7 also all else of the runtime. */
static struct pv_err *find_variables(const struct pv_interpreter *interpreter,
				     struct pv_python *ret)
{
	if (!interpreter->runtime)
		return pv_python_variables(interpreter->code, &ret->proc, &ret->initialized_at);
	ret->initialized_at =
		interpreter->runtime + pv_pylayout_initialized_offset(ret->proc.py.version_hex,
								      ret->proc.py.free_threaded);
	return NULL;
}

static struct pv_err *detect_steps(struct pv_mem *mem, const struct pv_interpreter *interpreter,
				   const struct pv_python_module *modules, size_t n_modules,
				   struct pv_python *ret)
{
	struct pv_python_sources *sources = &ret->sources;
	struct pv_err *err;
	uint32_t version;

	err = pv_python_version(mem, interpreter, &version, &ret->exact, sources->version,
				sizeof(sources->version));
	if (err)
		return err;
	version_text(version, ret->exact, ret->version, sizeof(ret->version));
	if (!ret->exact && pv_pylayout_needs_micro(version))
		return pv_err_create(PV_ERR_NOPROC, "which of its micro releases it is cannot be "
						    "found before it is initialised");
	err = find_layout(mem, interpreter, version, ret);
	if (!err)
		err = find_types(interpreter, ret);
	if (!err)
		err = pv_python_eval(interpreter, ret);
	if (!err)
		err = pv_python_collector(interpreter->code, ret);
	if (!err)
		err = find_variables(interpreter, ret);
	if (!err)
		err = find_threads(mem, interpreter->code, modules, n_modules, ret);
	return err;
}

/* ret is zeroed, and owned by the caller also after a failure. */
static struct pv_err *detect_one(struct pv_mem *mem, const struct pv_interpreter *interpreter,
				 const struct pv_python_module *modules, size_t n_modules,
				 struct pv_python *ret)
{
	const struct pv_python_module *code = interpreter->code;
	const struct pv_python_module *data = interpreter->copy ? interpreter->copy : code;
	struct pv_elf_section section;
	struct pv_elf_symbol symbol;
	struct pv_err *err;

	ret->found = true;
	ret->bare = interpreter->bare;
	ret->proc.has_python = 1;
	ret->proc.runtime = interpreter->runtime;
	ret->stripped = is_stripped(code->elf);
	ret->apart = interpreter->copy;
	ret->module_path = strdup(code->path);
	if (!ret->module_path)
		return &pv_enomem;
	if (!interpreter->runtime)
		snprintf(ret->sources.runtime, sizeof(ret->sources.runtime), "variables of %s",
			 file_name(code->path));
	else if (interpreter->bare)
		snprintf(ret->sources.runtime, sizeof(ret->sources.runtime), "%s of %s, no symbols",
			 pv_elf_section(code->elf, ".PyRuntime", &section) ? ".PyRuntime"
									   : "the data",
			 file_name(code->path));
	else if (pv_elf_find_symbol(data->elf, "_PyRuntime", &symbol))
		snprintf(ret->sources.runtime, sizeof(ret->sources.runtime), "%s of %s",
			 symbol.from_dynsym ? ".dynsym" : ".symtab", file_name(data->path));
	err = detect_steps(mem, interpreter, modules, n_modules, ret);
	if (err && err != &pv_enomem)
		err = pv_err_wrap(err, "cannot read the CPython %s%sin %s", ret->version,
				  ret->version[0] ? " " : "", code->path);
	return err;
}

/* The candidate executable that only has a copy of _PyRuntime, and no interpreter. */
static const struct pv_python_module *find_copy(const struct pv_python_module *modules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (has_symbol(modules[i].elf, "_PyRuntime") &&
		    !has_symbol(modules[i].elf, "_PyEval_EvalFrameDefault"))
			return &modules[i];
	}
	return NULL;
}

/* Keeps the better of two results, releases the other; both are owned. */
static void keep_better(struct pv_python *best, struct pv_python *other)
{
	struct pv_python worse = *other;

	if (!best->found || (!best->initialized && other->initialized)) {
		worse = *best;
		*best = *other;
	}
	pv_python_deinit(&worse);
}

/* One without symbols; what its file and its data tell stands for them.  ret: as detect_one(). */
static struct pv_err *detect_bare(struct pv_mem *mem, const struct pv_python_module *module,
				  const struct pv_python_module *modules, size_t n_modules,
				  struct pv_python *ret)
{
	struct pv_python_bare bare = { 0 };
	struct pv_interpreter interpreter = { .code = module, .bare = &bare };
	bool pending;
	struct pv_err *err = pv_python_bare(mem, module, &bare, &pending);

	if (err && err != &pv_enomem) {
		err = pv_err_wrap(err, "cannot read the CPython without symbols in %s",
				  module->path);
		if (pending && err != &pv_enomem)
			err->errnum = EAGAIN;
	}
	if (err)
		return err;
	interpreter.runtime = module->bias + bare.runtime;
	return detect_one(mem, &interpreter, modules, n_modules, ret);
}

/*
 * What has _PyRuntime and no interpreter need not be a copy: any library may have a symbol of
 * that name.  Where it leads to no interpreter that runs, the module's own data may.
 */
static struct pv_err *detect_without_copy(struct pv_mem *mem, const struct pv_python_module *module,
					  const struct pv_python_module *modules, size_t n_modules,
					  struct pv_python *ret, struct pv_err *first)
{
	struct pv_interpreter interpreter = { .code = module };
	struct pv_python own = { 0 };
	struct pv_elf_symbol symbol;
	struct pv_err *err;

	data_address(&interpreter, "_PyRuntime", &interpreter.runtime, &symbol);
	err = detect_one(mem, &interpreter, modules, n_modules, &own);
	if (err || !own.initialized) {
		pv_python_deinit(&own);
		pv_err_destroy(err);
		return first;
	}
	pv_python_deinit(ret);
	*ret = own;
	pv_err_destroy(first);
	return NULL;
}

/* One that has symbols; copy: an executable that has its data. */
static struct pv_err *detect_named(struct pv_mem *mem, const struct pv_python_module *module,
				   const struct pv_python_module *copy,
				   const struct pv_python_module *modules, size_t n_modules,
				   struct pv_python *ret)
{
	struct pv_interpreter interpreter = { .code = module, .copy = copy };
	struct pv_elf_symbol symbol;
	struct pv_err *err;

	if (!has_symbol(module->elf, "_PyRuntime"))
		interpreter.copy = NULL;
	else
		data_address(&interpreter, "_PyRuntime", &interpreter.runtime, &symbol);
	err = detect_one(mem, &interpreter, modules, n_modules, ret);
	if (!interpreter.copy || err == &pv_enomem || (!err && ret->initialized))
		return err;
	return detect_without_copy(mem, module, modules, n_modules, ret, err);
}

/* What runs in one must not pass for what runs in the other: neither is shown. */
static struct pv_err *refuse_two(const struct pv_python *a, const struct pv_python *b)
{
	return pv_err_create(PV_ERR_NOPROC,
			     "two CPythons run in this process, %s in %s and %s in %s: only one "
			     "could be read, so neither is, and Python code shows as C code",
			     a->version, a->module_path, b->version, b->module_path);
}

struct pv_err *pv_python_detect(struct pv_mem *mem, const struct pv_python_module *modules,
				size_t n_modules, struct pv_python *ret)
{
	const struct pv_python_module *copy = find_copy(modules, n_modules);
	struct pv_python best = { 0 };
	struct pv_err *first = NULL, *two = NULL;
	bool several;

	for (size_t i = 0; i < n_modules; i++) {
		struct pv_python one = { 0 };
		struct pv_err *err;

		if (&modules[i] == copy)
			continue;
		if (pv_python_is_runtime(modules[i].elf))
			err = detect_named(mem, &modules[i], copy, modules, n_modules, &one);
		else if (modules[i].bare)
			err = detect_bare(mem, &modules[i], modules, n_modules, &one);
		else
			continue;
		if (err) {
			pv_python_deinit(&one);
			if (first)
				pv_err_destroy(err);
			else
				first = err;
			continue;
		}
		several = best.found;
		if (best.initialized && one.initialized && !two)
			two = refuse_two(&best, &one);
		keep_better(&best, &one);
		best.several |= several;
	}
	if (two) {
		pv_err_destroy(first);
		pv_python_deinit(&best);
		return two;
	}
	/* A second copy that nobody initialised may fail; one that works decides. */
	if (best.found && (best.initialized || !first)) {
		best.several |= first != NULL;
		pv_err_destroy(first);
		*ret = best;
		return NULL;
	}
	pv_python_deinit(&best);
	if (!first && copy)
		first = pv_err_create(PV_ERR_NOPROC, "%s holds _PyRuntime, but no interpreter",
				      copy->path);
	if (first)
		return first;
	*ret = (struct pv_python){ 0 };
	return NULL;
}

static void move_range(struct pv_range *range, uint64_t delta)
{
	if (!range->end)
		return;
	range->start += delta;
	range->end += delta;
}

static void move_types(struct pv_value_types *types, uint64_t delta)
{
	__u64 *const list[] = { &types->long_type,  &types->int_type,     &types->bool_type,
				&types->float_type, &types->unicode_type, &types->bytes_type,
				&types->cell_type,  &types->none };

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		*list[i] += *list[i] ? delta : 0;
}

struct pv_err *pv_python_move(struct pv_mem *mem, const struct pv_python *known, uint64_t delta,
			      const struct pv_python_module *modules, size_t n_modules,
			      struct pv_python *ret)
{
	struct pv_python moved = *known;
	const struct pv_python_module *code = NULL;
	struct pv_proc *proc = &moved.proc;
	struct pv_err *err;
	size_t i;

	for (i = 0; known->found && i < n_modules && !code; i++) {
		if (strcmp(modules[i].path, known->module_path) == 0)
			code = &modules[i];
	}
	if (!known->found || known->apart || !code)
		return NULL;
	proc->runtime += delta;
	moved.initialized_at += delta;
	proc->code_type += delta;
	proc->bytes_type += delta;
	proc->unicode_type += delta;
	moved.function_type += moved.function_type ? delta : 0;
	moved.gc_generation0 += moved.gc_generation0 ? delta : 0;
	move_types(&moved.types, delta);
	for (i = 0; i < PV_EVAL_RANGES_MAX; i++)
		move_range(&proc->eval[i], delta);
	if (proc->reanchor_pc)
		proc->reanchor_pc += delta;
	move_range(&proc->torn, delta);
	for (i = 0; i < PV_INLINED_MAX; i++)
		move_range(&proc->inlined[i], delta);
	for (i = 0; i < PV_COLLECTOR_PARTS_MAX; i++)
		move_range(&moved.collector[i], delta);
	moved.initialized = false;
	err = find_threads(mem, code, modules, n_modules, &moved);
	/* the text that tells the last digit is there by now */
	if (err || (moved.initialized && !moved.exact))
		return err;
	moved.module_path = strdup(known->module_path);
	if (!moved.module_path)
		return &pv_enomem;
	*ret = moved;
	return NULL;
}
