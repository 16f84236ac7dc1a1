/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interpreters, their thread states, and the key that leads a thread to its own.
 * Input: the process's memory (untrusted) and libc's _thread_db_* constants.
 * Output: whether the layout holds on this very process.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/insn.h"
#include "python/internal.h"
#include "python/layout.h"
#include "target/mem.h"

enum {
	THREADS_MAX = 4096, /* thread states in one look, over all interpreters */
	/* The lists change under our eyes: a thread that ends may break one look. */
	LOOKS = 8,
	KEYS_MAX = 1024, /* PTHREAD_KEYS_MAX */
};

/* glibc's nptl_db/db_info.c: bits of an element, number of elements, offset. */
struct db_field {
	uint32_t bits, n, offset;
};

static bool read_constant(const struct pv_elf *elf, const char *name, void *ret, size_t n)
{
	struct pv_elf_symbol symbol;
	const void *data;

	if (!pv_elf_find_symbol(elf, name, &symbol) || symbol.size != n)
		return false;
	data = pv_elf_data(elf, symbol.vaddr, n);
	if (data)
		memcpy(ret, data, n);
	return data != NULL;
}

/*
 * musl (src/internal/pthread_impl.h): void **tsd in struct pthread, an array by key, and
 * its self is the first word, as glibc's.  The one number is in the code that reads it.
 */
static bool find_musl(const struct pv_python_module *modules, size_t n_modules,
		      struct pv_proc *proc)
{
	for (size_t i = 0; i < n_modules; i++) {
		const struct pv_elf *elf = modules[i].elf;
		struct pv_elf_symbol symbol;
		const void *code;
		int64_t offset;

		if (!pv_elf_find_symbol(elf, "pthread_getspecific", &symbol))
			continue;
		code = pv_elf_data(elf, symbol.vaddr, symbol.size);
		if (!code || !pv_insn_thread_array(code, symbol.size, symbol.vaddr, &offset) ||
		    offset <= 0 || offset >= 0x4000 || offset % 8)
			continue;
		proc->pthread_specific = (uint16_t)offset;
		proc->pthread_key_size = 8;
		proc->pthread_key_data = 0;
		proc->pthread_key_block = KEYS_MAX; /* musl has 128 */
		return true;
	}
	return false;
}

/* The thread-specific data of the C library among the modules. */
static struct pv_err *find_pthread(const struct pv_python_module *modules, size_t n_modules,
				   struct pv_proc *proc, char *source, size_t source_size)
{
	for (size_t i = 0; i < n_modules; i++) {
		const struct pv_elf *elf = modules[i].elf;
		struct db_field specific, level2, data;
		uint32_t size;

		if (!read_constant(elf, "_thread_db_pthread_specific", &specific, sizeof(specific)))
			continue;
		if (!read_constant(elf, "_thread_db_pthread_key_data_level2_data", &level2,
				   sizeof(level2)) ||
		    !read_constant(elf, "_thread_db_pthread_key_data_data", &data, sizeof(data)) ||
		    !read_constant(elf, "_thread_db_sizeof_pthread_key_data", &size,
				   sizeof(size)) ||
		    specific.offset >= 0x4000 || specific.offset % 8 || level2.offset ||
		    level2.n == 0 || level2.n > KEYS_MAX || size < 8 || size > 64 ||
		    level2.bits != size * 8 || data.offset > size - 8 || data.bits != 64)
			return pv_err_create(PV_ERR_NOPROC,
					     "the thread-specific data of the C library %s has an "
					     "unknown layout",
					     modules[i].path);
		proc->pthread_specific = (uint16_t)specific.offset;
		proc->pthread_key_size = (uint16_t)size;
		proc->pthread_key_data = (uint16_t)data.offset;
		proc->pthread_key_block = (uint16_t)level2.n;
		snprintf(source, source_size, "%s, libc's _thread_db_pthread_specific",
			 proc->py.own_kind == PV_OWN_KEY ? "autoTLSkey" : "autoTSSkey");
		return NULL;
	}
	if (find_musl(modules, n_modules, proc)) {
		snprintf(source, source_size, "%s, musl's pthread_getspecific()",
			 proc->py.own_kind == PV_OWN_KEY ? "autoTLSkey" : "autoTSSkey");
		return NULL;
	}
	return pv_err_create(PV_ERR_NOPROC,
			     "neither glibc nor musl in the process (linked statically?): how it "
			     "keeps thread-specific data is not known, so that threads cannot be "
			     "told apart");
}

/* Is there a glibc whose dtv (dynamic thread vector) is as the walkers read it? */
static bool has_dtv(const struct pv_python_module *modules, size_t n_modules)
{
	for (size_t i = 0; i < n_modules; i++) {
		struct db_field pointer, dtv, value;
		const struct pv_elf *elf = modules[i].elf;

		if (read_constant(elf, "_thread_db_pthread_dtvp", &pointer, sizeof(pointer)) &&
		    read_constant(elf, "_thread_db_dtv_dtv", &dtv, sizeof(dtv)) &&
		    read_constant(elf, "_thread_db_dtv_t_pointer_val", &value, sizeof(value)))
			return pointer.offset == PV_DTV_POINTER && dtv.bits == 8 * PV_DTV_ENTRY &&
			       !dtv.offset && !value.offset;
	}
	return false;
}

/*
 * 3.15: _Py_tss_gilstate has no symbol that survives strip; its accessor has.
 * The loader writes module and offset when it relocates the object: before that
 * both are 0, and no thread has a state yet.
 */
static struct pv_err *find_tls(struct pv_mem *mem, const struct pv_python_module *code,
			       const struct pv_python_module *modules, size_t n_modules,
			       struct pv_proc *proc, char *source, size_t source_size)
{
	static const char accessor[] = "PyGILState_GetThisThreadState";
	struct pv_elf_symbol symbol;
	uint64_t slot, words[2] = { 0 };
	const void *bytes;
	int64_t offset;

	if (!pv_elf_find_symbol(code->elf, accessor, &symbol))
		return pv_err_create(PV_ERR_NOPROC, "%s has no symbol %s", code->path, accessor);
	bytes = pv_elf_data(code->elf, symbol.vaddr, symbol.size);
	if (!bytes || !pv_insn_thread_local(bytes, symbol.size, symbol.vaddr, &slot, &offset))
		return pv_err_create(PV_ERR_NOPROC, "the code of %s in %s is not understood",
				     accessor, code->path);
	snprintf(source, source_size, "_Py_tss_gilstate, by %s()", accessor);
	proc->tls_offset = offset;
	if (!slot)
		return NULL;
	if (!has_dtv(modules, n_modules))
		return pv_err_create(PV_ERR_NOPROC,
				     "no C library in the process whose thread-local storage is "
				     "known (musl?), so that threads cannot be told apart");
	if (pv_mem_read(mem, words, sizeof(words), code->bias + slot))
		return pv_err_create(PV_ERR_NOPROC,
				     "where %s keeps its thread-local variables is "
				     "not readable",
				     code->path);
	proc->tls_module = words[0];
	proc->tls_offset += words[1];
	return NULL;
}

struct pv_err *pv_python_own(struct pv_mem *mem, const struct pv_python_module *code,
			     const struct pv_python_module *modules, size_t n_modules,
			     struct pv_proc *proc, char *source, size_t source_size)
{
	switch (proc->py.own_kind) {
	case PV_OWN_TLS:
		return find_tls(mem, code, modules, n_modules, proc, source, source_size);
	case PV_OWN_LIST:
		snprintf(source, source_size, "the list of thread states, by pthread_self()");
		return NULL;
	default:
		return find_pthread(modules, n_modules, proc, source, source_size);
	}
}

/* pthread_getspecific(key) of the thread whose struct pthread is at self. */
static bool key_value(struct pv_mem *mem, const struct pv_proc *proc, uint64_t self, uint32_t key,
		      uint64_t *ret)
{
	uint64_t block, slot;

	if (!proc->pthread_key_block)
		return false; /* no C library that we know */
	slot = self + proc->pthread_specific + key / proc->pthread_key_block * sizeof(uint64_t);
	if (pv_mem_read_u64(mem, slot, &block) || block == 0)
		return false;
	slot = block + (uint64_t)(key % proc->pthread_key_block) * proc->pthread_key_size +
	       proc->pthread_key_data;
	return pv_mem_read_u64(mem, slot, ret) == 0;
}

/* _Py_tss_gilstate of the thread whose struct pthread is at self. */
static bool tls_value(struct pv_mem *mem, const struct pv_proc *proc, uint64_t self, uint64_t *ret)
{
	uint64_t block = self;

	if (proc->tls_module &&
	    (pv_mem_read_u64(mem, self + PV_DTV_POINTER, &block) ||
	     pv_mem_read_u64(mem, block + PV_DTV_ENTRY * proc->tls_module, &block)))
		return false;
	return pv_mem_read_u64(mem, block + (uint64_t)proc->tls_offset, ret) == 0;
}

enum look {
	LOOK_GOOD,
	LOOK_EARLY, /* no interpreter, no thread or no key yet */
	LOOK_BAD,
};

struct look_state {
	struct pv_mem *mem;
	const struct pv_proc *proc;
	bool have_key;
	uint32_t key;
	bool any_thread;
	unsigned int threads; /* seen in this look: a list may be a circle */
	int failed;           /* negative errno of reading _PyRuntime */
	const char *why;      /* of LOOK_BAD */
};

/* The thread's own state, as the walkers will find it; tstate is one that names the thread. */
static bool own_value(const struct look_state *state, uint64_t self, uint64_t tstate, uint64_t *ret)
{
	switch (state->proc->py.own_kind) {
	case PV_OWN_TLS:
		return tls_value(state->mem, state->proc, self, ret);
	case PV_OWN_LIST:
		*ret = tstate;
		return true;
	default:
		return key_value(state->mem, state->proc, self, state->key, ret);
	}
}

/* One PyThreadState: is it what tstate->interp, pthread_self() and the key say? */
static enum look look_thread(struct look_state *state, uint64_t interp, uint64_t tstate,
			     uint64_t *next_ret)
{
	const struct pv_pylayout *py = &state->proc->py;
	uint64_t its_interp, thread_id, self, mine;

	if (pv_mem_read_u64(state->mem, tstate + py->ts_next, next_ret) ||
	    pv_mem_read_u64(state->mem, tstate + py->ts_interp, &its_interp) ||
	    pv_mem_read_u64(state->mem, tstate + py->ts_thread_id, &thread_id)) {
		state->why = "a thread state is not readable";
		return LOOK_BAD;
	}
	if (its_interp != interp) {
		state->why = "a thread state does not point back at its interpreter";
		return LOOK_BAD;
	}
	state->any_thread = true;
	/* tcbhead_t.self: the first word of struct pthread is its own address. */
	if (!state->have_key || pv_mem_read_u64(state->mem, thread_id, &self) || self != thread_id)
		return LOOK_EARLY;
	if (!own_value(state, thread_id, tstate, &mine) || mine != tstate)
		return LOOK_EARLY;
	return LOOK_GOOD;
}

static enum look look_threads(struct look_state *state, uint64_t interp)
{
	uint64_t tstate;

	if (pv_mem_read_u64(state->mem, interp + state->proc->py.is_threads_head, &tstate)) {
		state->why = "an interpreter state is not readable";
		return LOOK_BAD;
	}
	while (tstate && state->threads++ < THREADS_MAX) {
		enum look look;

		look = look_thread(state, interp, tstate, &tstate);
		if (look != LOOK_EARLY)
			return look;
	}
	return LOOK_EARLY;
}

/* The key that leads a thread to its own state; false: what stands there is none. */
static bool look_key(struct look_state *state)
{
	const struct pv_proc *proc = state->proc;
	uint64_t at = proc->runtime + proc->py.rt_tss_key;
	uint32_t tss[2]; /* Py_tss_t: _is_initialized, _key */

	state->have_key = true;
	if (state->failed || proc->py.own_kind == PV_OWN_TLS || proc->py.own_kind == PV_OWN_LIST)
		return true;
	if (proc->py.own_kind == PV_OWN_KEY) {
		state->failed = pv_mem_read_u32(state->mem, at, &tss[1]);
		tss[0] = tss[1] != UINT32_MAX;
	} else {
		state->failed = pv_mem_read(state->mem, tss, sizeof(tss), at);
	}
	if (state->failed)
		return true;
	state->have_key = tss[0] == 1;
	state->key = tss[1];
	if (tss[0] <= 1 && (!tss[0] || tss[1] < KEYS_MAX))
		return true;
	state->why = "what should be autoTSSkey is not a thread-specific key";
	return false;
}

static enum look look_runtime(struct look_state *state)
{
	const struct pv_proc *proc = state->proc;
	const struct pv_pylayout *py = &proc->py;
	uint64_t interp;

	state->any_thread = false;
	state->threads = 0;
	state->failed =
		pv_mem_read_u64(state->mem, proc->runtime + py->rt_interpreters_head, &interp);
	if (!look_key(state))
		return LOOK_BAD;
	if (state->failed)
		return LOOK_EARLY;
	for (unsigned int i = 0; interp && i < PV_INTERPRETERS_MAX; i++) {
		enum look look = look_threads(state, interp);

		if (look != LOOK_EARLY)
			return look;
		if (pv_mem_read_u64(state->mem, interp + py->is_next, &interp)) {
			state->why = "an interpreter state is not readable";
			return LOOK_BAD;
		}
	}
	if (!state->any_thread || !state->have_key)
		return LOOK_EARLY;
	state->why = "no thread leads to its own thread state";
	return LOOK_BAD;
}

uint64_t pv_python_main_interpreter(struct pv_mem *mem, const struct pv_proc *proc)
{
	uint64_t interp, id;

	if (pv_mem_read_u64(mem, proc->runtime + proc->py.rt_interpreters_head, &interp))
		return 0;
	for (unsigned int i = 0; interp && i < PV_INTERPRETERS_MAX; i++) {
		if (pv_mem_read_u64(mem, interp + proc->py.is_id, &id))
			return 0;
		if (!id)
			return interp;
		if (pv_mem_read_u64(mem, interp + proc->py.is_next, &interp))
			return 0;
	}
	return 0;
}

enum pv_gil pv_python_gil(struct pv_mem *mem, const struct pv_proc *proc)
{
	const struct pv_pylayout *py = &proc->py;
	uint64_t interp, gil;
	uint32_t enabled;

	if (!py->free_threaded)
		return PV_GIL_THERE;
	if (py->gil_enabled == PV_OFF_NONE)
		return PV_GIL_UNKNOWN;
	interp = pv_python_main_interpreter(mem, proc);
	/* 3.13 Include/internal/pycore_gil.h: 0, a count, or INT_MAX */
	if (!interp || pv_mem_read_u64(mem, interp + py->is_ceval_gil, &gil) ||
	    pv_mem_read_u32(mem, gil + py->gil_enabled, &enabled))
		return PV_GIL_UNKNOWN;
	return enabled ? PV_GIL_THERE : PV_GIL_NONE;
}

unsigned int pv_python_interpreters(struct pv_mem *mem, const struct pv_proc *proc)
{
	unsigned int n = 0;
	uint64_t interp;

	if (pv_mem_read_u64(mem, proc->runtime + proc->py.rt_interpreters_head, &interp))
		return 0;
	for (; interp && n < PV_INTERPRETERS_MAX; n++) {
		if (pv_mem_read_u64(mem, interp + proc->py.is_next, &interp))
			return 0;
	}
	return n;
}

struct pv_err *pv_python_validate(struct pv_mem *mem, const struct pv_proc *proc,
				  uint64_t initialized, bool *ret)
{
	struct look_state state = { .mem = mem, .proc = proc };
	enum look look = LOOK_BAD;
	uint32_t flag;

	for (unsigned int i = 0; i < LOOKS && look == LOOK_BAD; i++)
		look = look_runtime(&state);
	/* The loader maps an object's code before its data; all else is no matter of time. */
	if (state.failed && state.failed != -EFAULT)
		return pv_err_errno(-state.failed, "cannot read _PyRuntime in the process");
	if (look == LOOK_BAD) {
		/* Half-built structures are to be expected while Py_Initialize runs. */
		if (pv_mem_read_u32(mem, initialized, &flag) || flag != 0)
			return pv_err_create(PV_ERR_NOPROC, "%s", state.why);
		look = LOOK_EARLY;
	}
	*ret = look == LOOK_GOOD;
	return NULL;
}
