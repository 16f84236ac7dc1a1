/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What detection says of a live process, and its threads' Python frames.
 * Input: PID, and its memory while it stands still (no stop, no check: a
 * development aid).  Output: text, one "frame FILE:LINE NAME" line a frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "elf/elf.h"
#include "python/detect.h"
#include "python/lines.h"
#include "target/maps.h"
#include "target/mem.h"

enum { MODULES_MAX = 512, FRAMES_MAX = 1000 };

static uint64_t u64_at(struct pv_mem *mem, uint64_t addr)
{
	uint64_t value;

	return pv_mem_read_u64(mem, addr, &value) ? 0 : value;
}

static uint32_t u32_at(struct pv_mem *mem, uint64_t addr)
{
	uint32_t value;

	return pv_mem_read_u32(mem, addr, &value) ? 0 : value;
}

static void print_text(struct pv_mem *mem, const struct pv_proc *proc, uint64_t str)
{
	const struct pv_pylayout *py = &proc->py;
	uint64_t length = u64_at(mem, str + py->str_length);
	uint32_t state = u32_at(mem, str + py->str_state);
	uint32_t size = (state >> 2) & 7;
	bool ascii = state & 0x40;
	uint8_t data[1024];

	if (u64_at(mem, str + py->ob_type) != proc->unicode_type || length * size > sizeof(data) ||
	    pv_mem_read(mem, data, length * size,
			str + (ascii ? py->str_ascii_data : py->str_compact_data))) {
		printf("<bad str>");
		return;
	}
	for (uint64_t i = 0; i < length; i++) {
		uint32_t c = 0;

		memcpy(&c, data + i * size, size);
		printf(c < 128 ? "%c" : "\\u%04x", c);
	}
}

static void print_frame(struct pv_mem *mem, const struct pv_proc *proc, uint64_t frame)
{
	const struct pv_pylayout *py = &proc->py;
	uint64_t code = u64_at(mem, frame + py->fr_code) & ~(uint64_t)py->code_tag_mask;
	uint32_t lasti;
	uint64_t table;
	static uint8_t bytes[1 << 20];
	uint64_t n;

	if (py->fr_owner != PV_OFF_NONE &&
	    (u32_at(mem, frame + py->fr_owner) & 0xff) >= py->owner_boundary) {
		printf("  boundary\n");
		return;
	}
	if (u64_at(mem, code + py->ob_type) != proc->code_type) {
		printf("  not a code object\n");
		return;
	}
	if (py->instr_kind == PV_INSTR_POINTER)
		lasti = (uint32_t)(u64_at(mem, frame + py->fr_instr) -
				   (code + py->co_code_adaptive));
	else
		lasti = u32_at(mem, frame + py->fr_instr) *
			(py->instr_kind == PV_INSTR_LASTI_UNITS ? 2 : 1);
	table = u64_at(mem, code + py->co_linetable);
	n = u64_at(mem, table + py->var_size);
	if (n > sizeof(bytes) || pv_mem_read(mem, bytes, n, table + py->bytes_data))
		n = 0;
	if (py->co_firsttraceable != PV_OFF_NONE &&
	    lasti < 2 * u32_at(mem, code + py->co_firsttraceable)) {
		printf("  incomplete\n");
		return;
	}
	printf("  frame ");
	print_text(mem, proc, u64_at(mem, code + py->co_filename));
	printf(":%d ", pv_python_line(py->linetable_kind, bytes, n,
				      u32_at(mem, code + py->co_firstlineno), lasti));
	print_text(mem, proc,
		   u64_at(mem,
			  code + (py->co_qualname == PV_OFF_NONE ? py->co_name : py->co_qualname)));
	printf("\n");
}

static void print_threads(struct pv_mem *mem, const struct pv_proc *proc)
{
	const struct pv_pylayout *py = &proc->py;
	uint64_t interp = u64_at(mem, proc->runtime + py->rt_interpreters_head);
	uint64_t tstate = u64_at(mem, interp + py->is_threads_head);

	for (; tstate; tstate = u64_at(mem, tstate + py->ts_next)) {
		uint64_t frame = u64_at(mem, tstate + py->ts_frame);

		printf("thread 0x%lx\n", (unsigned long)u64_at(mem, tstate + py->ts_thread_id));
		if (py->cf_current_frame != PV_OFF_NONE)
			frame = u64_at(mem, frame + py->cf_current_frame);
		for (int i = 0; frame && i < FRAMES_MAX; i++) {
			print_frame(mem, proc, frame);
			frame = u64_at(mem, frame + py->fr_previous);
		}
	}
}

static void print_python(const struct pv_python *python)
{
	const struct pv_proc *proc = &python->proc;

	printf("version %s module %s stripped %d initialized %d\n", python->version,
	       python->module_path, python->stripped, python->initialized);
	printf("runtime 0x%llx from %s\n", proc->runtime, python->sources.runtime);
	printf("version from %s\nlayout from %s\n", python->sources.version,
	       python->sources.layout);
	printf("eval %s\n", python->sources.eval);
	for (int i = 0; i < PV_EVAL_RANGES_MAX && proc->eval[i].end; i++)
		printf("  0x%llx 0x%llx\n", proc->eval[i].start, proc->eval[i].end);
	printf("torn %s\n  0x%llx 0x%llx\n", python->sources.torn, proc->torn.start,
	       proc->torn.end);
	for (int i = 0; i < PV_INLINED_MAX && proc->inlined[i].end; i++)
		printf("  inlined +0x%llx to +0x%llx\n",
		       proc->inlined[i].start - proc->eval[0].start,
		       proc->inlined[i].end - proc->eval[0].start);
	printf("tss %s: specific 0x%x size %u data %u block %u\n", python->sources.tss,
	       proc->pthread_specific, proc->pthread_key_size, proc->pthread_key_data,
	       proc->pthread_key_block);
	printf("ts_len %u fr %u+%u co_len %u\n", proc->py.ts_len, proc->py.fr_start,
	       proc->py.fr_len, proc->py.co_len);
}

static size_t load_modules(pid_t pid, const struct pv_maps *maps, struct pv_python_module *modules)
{
	size_t n = 0;

	for (size_t i = 0; i < maps->n && n < MODULES_MAX; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];
		struct pv_elf *elf;
		uint64_t bias;
		int fd;

		if (!entry->executable || !entry->inode || pv_map_entry_open(pid, entry, &fd) ||
		    pv_elf_open(fd, &elf))
			continue;
		if (pv_elf_bias(elf, entry->start, entry->offset, &bias))
			modules[n++] = (struct pv_python_module){ elf, bias, entry->path };
	}
	return n;
}

int main(int argc, char **argv)
{
	struct pv_python_module modules[MODULES_MAX];
	struct pv_python python;
	struct pv_maps maps;
	struct pv_mem *mem;
	struct pv_err *err;
	pid_t pid = argc > 1 ? atoi(argv[1]) : 0;

	err = pv_maps_read(pid, &maps);
	if (!err)
		err = pv_mem_live_create(pid, &mem);
	if (!err)
		err = pv_python_detect(mem, modules, load_modules(pid, &maps, modules), &python);
	if (err) {
		printf("error %d: %s\n", err->kind, err->message);
		return err->kind;
	}
	if (!python.found) {
		printf("no CPython\n");
		return 0;
	}
	print_python(&python);
	print_threads(mem, &python.proc);
	return 0;
}
