/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An interpreter without symbols: one that was linked into a program from
 * libpython.a and stripped, so that neither .symtab nor .dynsym names anything.
 * Input: its ELF object and the process's memory (both untrusted).
 * Output: addresses that its symbols would have given.  Each is found by what only
 * it can be; what is found twice, or not, is an error.  The walk along the thread
 * states that every interpreter must pass (thread.c) follows.
 */
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/insn.h"
#include "python/internal.h"
#include "python/layout.h"
#include "target/mem.h"

enum {
	CHUNK_BYTES = 1 << 16,
	DATA_BYTES_MAX = 64 << 20,
	EVAL_PART_MAX = 1 << 18, /* 85 kB in all builds seen */
	KEYS_MAX = 1024,         /* PTHREAD_KEYS_MAX */
	/* Include/object.h: PyTypeObject begins with a PyVarObject of 3 words, then tp_name */
	TYPE_OB_TYPE = 8,
	TYPE_NAME = 24,
	TYPE_HEAD = 32,
};

static bool in_load(const struct pv_elf_load *load, uint64_t vaddr, uint64_t n)
{
	return vaddr >= load->vaddr && vaddr - load->vaddr < load->mem_size &&
	       n <= load->mem_size - (vaddr - load->vaddr);
}

static bool in_writable(const struct pv_elf *elf, uint64_t vaddr, uint64_t n)
{
	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);

		if (load->writable && in_load(load, vaddr, n))
			return true;
	}
	return false;
}

/*
 * Calls fn for all of the process's writable data of the module, in pieces of which
 * each also has the first `overlap` bytes of the next.  Stops when fn returns false.
 */
static struct pv_err *
each_piece(struct pv_mem *mem, const struct pv_python_module *module, size_t overlap,
	   bool (*fn)(void *ctx, uint64_t vaddr, const uint8_t *data, size_t n), void *ctx)
{
	size_t room = CHUNK_BYTES + overlap;
	_pv_free_ uint8_t *buffer = malloc(room);

	if (!buffer)
		return &pv_enomem;
	for (size_t i = 0; i < pv_elf_n_loads(module->elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(module->elf, i);
		uint64_t begin = (load->vaddr + 7) & ~7ULL, size = load->mem_size;

		if (!load->writable || size < 8)
			continue;
		size = size - (begin - load->vaddr) < DATA_BYTES_MAX ? size - (begin - load->vaddr)
								     : DATA_BYTES_MAX;
		for (uint64_t at = 0; at < size; at += CHUNK_BYTES) {
			size_t n = size - at < room ? size - at : room;

			if (pv_mem_read(mem, buffer, n, module->bias + begin + at) == 0 &&
			    !fn(ctx, begin + at, buffer, n))
				return NULL;
		}
	}
	return NULL;
}

static uint64_t word_at(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	return word;
}

/* ---- the runtime */

/*
 * From 3.10 on _PyRuntime has a section of its own, whose header survives strip; from 3.13
 * on it begins with _Py_DebugOffsets, constant in the file: a cookie, then the version.
 */
static bool by_section(const struct pv_elf *elf, struct pv_python_bare *bare)
{
	static const char cookie[] = "xdebugpy";
	struct pv_elf_section section;

	if (!pv_elf_section(elf, ".PyRuntime", &section) || section.size < 64 ||
	    !in_writable(elf, section.vaddr, section.size))
		return false;
	bare->runtime = section.vaddr;
	if (section.data && !memcmp(section.data, cookie, sizeof(cookie) - 1))
		bare->version = (uint32_t)word_at((const uint8_t *)section.data + 8);
	return true;
}

struct runtime_scan {
	const struct pv_python_module *module;
	struct pv_mem *mem;
	struct pv_proc proc;
	uint32_t initialized; /* offsets in the runtime */
	size_t span;          /* bytes of it that hold all that is looked at */
	uint64_t found;       /* 0: none yet */
	bool several;
};

/* Could the runtime begin here?  Only what is in these very bytes. */
static bool is_promising(const struct runtime_scan *scan, const uint8_t *data)
{
	const struct pv_pylayout *py = &scan->proc.py;
	uint64_t head = word_at(data + py->rt_interpreters_head);
	uint32_t flag, tss[2];

	memcpy(&flag, data + scan->initialized, sizeof(flag));
	memcpy(tss, data + py->rt_tss_key, sizeof(tss));
	/* interpreters.main follows interpreters.head */
	return flag == 1 && tss[0] == 1 && tss[1] < KEYS_MAX && head && head % 8 == 0 &&
	       word_at(data + py->rt_interpreters_head + 8) % 8 == 0 &&
	       word_at(data + py->rt_interpreters_head + 8);
}

/* The head of the interpreters leads to a thread state that points back at it, and at a thread. */
static bool is_runtime(const struct runtime_scan *scan, uint64_t head)
{
	const struct pv_pylayout *py = &scan->proc.py;
	uint64_t tstate, interp, thread, self;

	return !pv_mem_read_u64(scan->mem, head + py->is_threads_head, &tstate) && tstate &&
	       !pv_mem_read_u64(scan->mem, tstate + py->ts_interp, &interp) && interp == head &&
	       !pv_mem_read_u64(scan->mem, tstate + py->ts_thread_id, &thread) && thread &&
	       /* tcbhead_t.self; a state that was made for a thread to come has its maker's */
	       !pv_mem_read_u64(scan->mem, thread, &self) && self == thread;
}

static bool on_runtime_piece(void *ctx, uint64_t vaddr, const uint8_t *data, size_t n)
{
	struct runtime_scan *scan = ctx;
	const struct pv_pylayout *py = &scan->proc.py;

	for (size_t at = 0; at + scan->span <= n && at < CHUNK_BYTES; at += 8) {
		if (!is_promising(scan, data + at) ||
		    !is_runtime(scan, word_at(data + at + py->rt_interpreters_head)))
			continue;
		scan->several |= scan->found && scan->found != vaddr + at;
		scan->found = vaddr + at;
	}
	return true;
}

/* 3.7 to 3.9, and where the section headers are gone: by what an initialised runtime holds. */
static struct pv_err *by_scan(struct pv_mem *mem, const struct pv_python_module *module,
			      uint32_t version, struct pv_python_bare *bare, bool *pending_ret)
{
	struct runtime_scan scan = { .module = module, .mem = mem };
	struct pv_err *err;
	char source[128];

	/* no debug offsets: an error from 3.13 on */
	err = pv_pylayout_find(version, NULL, 0, &scan.proc.py, NULL, source, sizeof(source));
	if (err)
		return err;
	if (scan.proc.py.own_kind != PV_OWN_TSS)
		return pv_err_create(PV_ERR_NOPROC, "2.7 and 3.6 need its exported functions");
	scan.initialized = pv_pylayout_initialized_offset(version, scan.proc.py.free_threaded);
	scan.span = scan.proc.py.rt_interpreters_head + 16;
	if (scan.span < scan.initialized + 4)
		scan.span = scan.initialized + 4;
	if (scan.span < scan.proc.py.rt_tss_key + 8)
		scan.span = scan.proc.py.rt_tss_key + 8;
	err = each_piece(mem, module, scan.span, on_runtime_piece, &scan);
	if (err)
		return err;
	if (scan.several)
		return pv_err_create(PV_ERR_NOPROC, "several places look like its _PyRuntime");
	if (!scan.found) {
		*pending_ret = true;
		return pv_err_create(PV_ERR_NOPROC,
				     "its _PyRuntime is not to be found (not initialised?)");
	}
	bare->runtime = scan.found;
	return NULL;
}

/* ---- its types */

struct type_scan {
	const struct pv_elf *elf;
	uint64_t bias;
	uint64_t meta; /* where PyType_Type is, as its instances say; addresses in the process */
	uint64_t code, bytes, unicode;
	bool several;
};

static void take_type(struct type_scan *scan, uint64_t *which, uint64_t vaddr, uint64_t meta)
{
	scan->several |= (*which && *which != vaddr) || (scan->meta && scan->meta != meta);
	*which = vaddr;
	scan->meta = meta;
}

/* Is it the name in the constants of the file that an address leads to? */
static bool is_name(const struct type_scan *scan, uint64_t address, const char *name)
{
	size_t n = strlen(name) + 1;
	const void *data = pv_elf_data(scan->elf, address - scan->bias, n);

	return data && !memcmp(data, name, n);
}

static bool on_type_piece(void *ctx, uint64_t vaddr, const uint8_t *data, size_t n)
{
	struct type_scan *scan = ctx;

	for (size_t at = 0; at + TYPE_HEAD <= n && at < CHUNK_BYTES; at += 8) {
		uint64_t name = word_at(data + at + TYPE_NAME);
		uint64_t meta = word_at(data + at + TYPE_OB_TYPE);

		/* both lie in the same object; the quick question first */
		if (meta == 0 || !in_writable(scan->elf, meta - scan->bias, TYPE_HEAD) ||
		    in_writable(scan->elf, name - scan->bias, 1))
			continue;
		if (is_name(scan, name, "code"))
			take_type(scan, &scan->code, vaddr + at, meta);
		else if (is_name(scan, name, "bytes"))
			take_type(scan, &scan->bytes, vaddr + at, meta);
		else if (is_name(scan, name, "str"))
			take_type(scan, &scan->unicode, vaddr + at, meta);
	}
	return true;
}

/* What says that it is a type: its own type is PyType_Type, which is its own type and named so. */
static struct pv_err *find_types(struct pv_mem *mem, const struct pv_python_module *module,
				 struct pv_python_bare *bare, bool *pending_ret)
{
	struct type_scan scan = { .elf = module->elf, .bias = module->bias };
	struct pv_err *err = each_piece(mem, module, TYPE_HEAD, on_type_piece, &scan);
	uint8_t head[TYPE_HEAD];

	if (err)
		return err;
	if (scan.several)
		return pv_err_create(PV_ERR_NOPROC, "several places look like one of its types");
	if (!scan.code || !scan.bytes || !scan.unicode) {
		/* the loader has not written their addresses yet */
		*pending_ret = true;
		return pv_err_create(PV_ERR_NOPROC, "its types are not to be found");
	}
	if (pv_mem_read(mem, head, sizeof(head), scan.meta) ||
	    word_at(head + TYPE_OB_TYPE) != scan.meta ||
	    !is_name(&scan, word_at(head + TYPE_NAME), "type"))
		return pv_err_create(PV_ERR_NOPROC, "its types have no type");
	bare->code_type = scan.code;
	bare->bytes_type = scan.bytes;
	bare->unicode_type = scan.unicode;
	return NULL;
}

/* ---- its eval loop */

static bool on_use(void *ctx, uint64_t at)
{
	bool *used = ctx;

	(void)at;
	*used = true;
	return false;
}

/* Is its address taken?  Only that of a function's beginning is, not of a part split off. */
static bool is_entry(const struct pv_elf *elf, uint64_t vaddr)
{
	bool used = false;

	for (size_t i = 0; !used && i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);
		const void *code = pv_elf_data(elf, load->vaddr, load->file_size);

		if (load->executable && code)
			pv_insn_each_address(code, load->file_size, load->vaddr, vaddr, on_use,
					     &used);
	}
	return used;
}

static struct pv_err *find_eval(const struct pv_python_module *module, uint32_t version,
				struct pv_python_bare *bare)
{
	struct pv_fde_range parts[PV_COLLECTOR_PARTS_MAX];
	_pv_free_ struct pv_fde_range *fdes = NULL;
	size_t n_fdes, n = 0, entries = 0;
	struct pv_err *err = pv_elf_fde_ranges(module->elf, &fdes, &n_fdes);
	const char *why;

	if (err)
		return err;
	why = pv_python_by_text(module->elf, fdes, n_fdes,
				version >= 0x030c0000 ? PV_TEXT_OPCODE_3_12 : PV_TEXT_OPCODE,
				EVAL_PART_MAX, parts, &n);
	if (why)
		return pv_err_create(PV_ERR_NOPROC, "its eval loop is not to be found: %s", why);
	for (size_t i = 0; i < n; i++) {
		if (!is_entry(module->elf, parts[i].start))
			continue;
		bare->eval = parts[i].start;
		entries++;
	}
	if (entries != 1)
		return pv_err_create(PV_ERR_NOPROC,
				     "its eval loop is not to be found: %zu functions may be it",
				     entries);
	return NULL;
}

struct pv_err *pv_python_bare(struct pv_mem *mem, const struct pv_python_module *module,
			      struct pv_python_bare *ret, bool *pending_ret)
{
	struct pv_interpreter interpreter = { .code = module, .bare = ret };
	bool sectioned = by_section(module->elf, ret), exact;
	struct pv_err *err;
	uint32_t version;
	char source[128];

	*pending_ret = false;
	err = pv_python_version(mem, &interpreter, &version, &exact, source, sizeof(source));
	if (err)
		return err;
	if (!sectioned && !exact) {
		*pending_ret = true;
		return pv_err_create(PV_ERR_NOPROC, "it is not initialised yet");
	}
	if (!sectioned)
		err = by_scan(mem, module, version, ret, pending_ret);
	if (!err)
		err = find_types(mem, module, ret, pending_ret);
	return err ? err : find_eval(module, version, ret);
}
