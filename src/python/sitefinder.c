/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places in code, whatever they are for: what leads to them, what is called, and which
 * instruction is the cheapest.  Input: an interpreter's ELF object.
 * Output: struct pv_python_sites.
 */
#include "python/sitefinder.h"

#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/insn.h"

bool pv_site_is_code(const struct pv_elf *elf, uint64_t vaddr)
{
	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);

		if (load->executable && vaddr >= load->vaddr &&
		    vaddr - load->vaddr < load->file_size)
			return true;
	}
	return false;
}

const uint8_t *pv_site_code(const struct pv_elf *elf, uint64_t vaddr, size_t max, size_t *n_ret)
{
	for (size_t n = max; n >= 16; n /= 2) {
		const uint8_t *code = pv_elf_data(elf, vaddr, n);

		if (code) {
			*n_ret = n;
			return code;
		}
	}
	return NULL;
}

struct pv_err *pv_site_refuse(const struct pv_site_finder *f, const char *why)
{
	return pv_err_create(PV_ERR_NOPROC, "cannot see the calls of the CPython %s in %s: %s",
			     f->python->version, f->module->path, why);
}

const uint8_t *pv_site_eval(const struct pv_site_finder *f, size_t i, uint64_t *vaddr_ret,
			    size_t *n_ret)
{
	const struct pv_range *range = &f->python->proc.eval[i];

	if (i >= PV_EVAL_RANGES_MAX || !range->end)
		return NULL;
	*vaddr_ret = range->start - f->module->bias;
	*n_ret = range->end - range->start;
	return pv_elf_data(f->module->elf, *vaddr_ret, *n_ret);
}

/* Does anything of the range go on between the start of a place and its site? */
static bool jumped_into(const struct pv_elf *elf, struct pv_range range, uint64_t start,
			uint64_t site)
{
	uint64_t n = range.end - range.start;
	const uint8_t *code = pv_elf_data(elf, range.start, n);

	return !code || pv_insn_jumps_into(code, n, range.start, start, site);
}

/* The same in all of eval's parts, and of the handlers that begin there. */
bool pv_site_jumped_into(const struct pv_site_finder *f, uint64_t start, uint64_t site)
{
	const struct pv_proc *proc = &f->python->proc;

	for (size_t i = 0; i < PV_OPCODES; i++) {
		if (f->handlers[i] > start && f->handlers[i] <= site)
			return true;
	}
	for (size_t i = 0; i < PV_EVAL_RANGES_MAX; i++) {
		struct pv_range range = proc->eval[i];

		range.start -= f->module->bias;
		range.end -= f->module->bias;
		if (proc->eval[i].end && jumped_into(f->module->elf, range, start, site))
			return true;
	}
	return false;
}

struct pv_err *pv_site_add(struct pv_site_finder *f, enum pv_probe_kind kind, uint64_t start,
			   struct pv_insn_site site, uint8_t opcode)
{
	if (f->ret->n == PV_PYTHON_SITES_MAX)
		return pv_site_refuse(f, "it has more places than there is room for");
	f->ret->list[f->ret->n++] = (struct pv_python_site){
		.kind = kind,
		.vaddr = start + site.offset,
		.emulated = site.emulated,
		.opcode = opcode,
	};
	return NULL;
}

struct pv_err *pv_site_add_function(struct pv_site_finder *f, enum pv_probe_kind kind,
				    uint64_t start, uint64_t size, unsigned int keep)
{
	struct pv_range range = { start, start + size };
	struct pv_insn_site site;
	const uint8_t *code;
	size_t n;

	code = pv_site_code(f->module->elf, start, PV_HANDLER_BYTES, &n);
	if (!code)
		return pv_site_refuse(f, "a function lies outside its file");
	site = pv_insn_cheap_site(code, n, keep);
	if (site.offset && size && jumped_into(f->module->elf, range, start, start + site.offset))
		site = (struct pv_insn_site){ .emulated = pv_insn_emulated(code, n) };
	return pv_site_add(f, kind, start, site, 0);
}

static bool on_call(void *ctx, uint64_t from, uint64_t to)
{
	struct pv_site_calls *calls = ctx;

	if (to == calls->target && calls->n < PV_PYTHON_SITES_MAX)
		calls->returns[calls->n++] = from;
	return true;
}

/* May there be such a call in the bytes?  Quick; where there may be, they are decoded. */
static bool may_call(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t target)
{
	for (size_t i = 0; i + 5 <= n; i++) {
		int32_t offset;

		memcpy(&offset, code + i + 1, sizeof(offset));
		if (code[i] == 0xe8 && vaddr + i + 5 + (uint64_t)(int64_t)offset == target)
			return true;
	}
	return false;
}

void pv_site_calls_in(const struct pv_site_finder *f, struct pv_range range,
		      struct pv_site_calls *calls)
{
	uint64_t n = range.end - range.start;
	const uint8_t *code = pv_elf_data(f->module->elf, range.start, n);

	if (code && may_call(code, n, range.start, calls->target))
		pv_insn_each_call(code, n, range.start, on_call, calls);
}

struct pv_err *pv_site_calls(const struct pv_site_finder *f, struct pv_site_calls *calls)
{
	_pv_free_ struct pv_fde_range *fdes = NULL;
	size_t n_fdes;
	struct pv_err *err = pv_elf_fde_ranges(f->module->elf, &fdes, &n_fdes);

	for (size_t i = 0; !err && i < n_fdes; i++)
		pv_site_calls_in(f, (struct pv_range){ fdes[i].start, fdes[i].end }, calls);
	return err;
}

bool pv_site_range(const struct pv_site_finder *f, uint64_t start, struct pv_fde_range *ret)
{
	_pv_free_ struct pv_fde_range *fdes = NULL;
	struct pv_err *err;
	size_t n;

	err = pv_elf_fde_ranges(f->module->elf, &fdes, &n);
	for (size_t i = 0; !err && i < n; i++) {
		if (fdes[i].start == start) {
			*ret = fdes[i];
			return true;
		}
	}
	pv_err_destroy(err);
	return false;
}
