/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of native functions.  Input: code and .eh_frame of an ELF object, untrusted.
 * Output: struct pv_native_site.
 */
#include "probe/native.h"

#include <stdlib.h>

#include "insn/insn.h"
#include "insn/site.h"

enum {
	FUNCTION_MAX =
		4 << 20,     /* bytes: the largest functions of generated code have some 100 KiB */
	BARE_BYTES = 96,     /* of a function whose end is not known */
	PUSHED_MAX = 0xffff, /* words (abi/native.h) */
};

/* The function's bytes, as far as they are its own. */
struct body {
	uint64_t start, n;
	const uint8_t *code;
};

static bool body_of(const struct pv_elf *elf, uint64_t start, uint64_t end, struct body *ret)
{
	*ret = (struct body){ .start = start, .n = end - start };
	if (end <= start || ret->n > FUNCTION_MAX)
		return false;
	ret->code = pv_elf_data(elf, start, ret->n);
	return ret->code != NULL;
}

struct pv_err *pv_native_code_init(const struct pv_elf *elf, struct pv_native_code *ret)
{
	struct pv_native_code code = { .elf = elf };
	struct pv_err *err = pv_elf_fde_ranges(elf, &code.fdes, &code.n_fdes);

	if (!err)
		*ret = code;
	return err;
}

void pv_native_code_deinit(struct pv_native_code *code)
{
	free(code->fdes);
	*code = (struct pv_native_code){ 0 };
}

bool pv_native_function(const struct pv_native_code *code, uint64_t vaddr, uint64_t *start_ret,
			uint64_t *size_ret)
{
	const struct pv_fde_range *fde = pv_elf_fde_find(code->fdes, code->n_fdes, vaddr);

	if (!fde)
		return false;
	*start_ret = fde->start;
	*size_ret = fde->end - fde->start;
	return true;
}

static bool jumped_into(const struct body *body, uint64_t start, uint64_t site)
{
	return pv_insn_jumps_into(body->code, body->n, body->start, start, site);
}

/* The cheapest place, as far as what is on the stack can be told by words. */
static struct pv_insn_site cheapest(const struct body *body, uint64_t skip, unsigned int keep)
{
	struct pv_insn_site site = pv_insn_cheap_site(body->code + skip, body->n - skip, keep);

	if (site.pushed % 8 == 0 && site.pushed / 8 <= PUSHED_MAX)
		return site;
	return (struct pv_insn_site){
		.emulated = pv_insn_emulated(body->code + skip, body->n - skip),
	};
}

/* skip: where vaddr is in the body. */
static bool finish(const struct pv_elf *elf, uint64_t vaddr, const struct body *body, uint64_t skip,
		   struct pv_insn_site site, struct pv_native_site *ret, const char **why_ret)
{
	struct pv_native_site found = {
		.vaddr = vaddr + site.offset,
		.pushed = site.pushed,
		.emulated = site.emulated,
	};

	if (!pv_elf_offset(elf, found.vaddr, &found.offset)) {
		*why_ret = "it lies outside its file";
		return false;
	}
	skip += site.offset;
	if (pv_insn_refused(body->code + skip, body->n - skip)) {
		*why_ret = "the kernel probes no such instruction";
		return false;
	}
	*ret = found;
	return true;
}

/*
 * The bytes of the function at vaddr.  By its FDE; hand-written code may have none, and then
 * its symbol must do, which is trusted to stand where an instruction begins.
 */
static bool entry_body(const struct pv_native_code *code, uint64_t vaddr, uint64_t size,
		       struct body *ret, const char **why_ret)
{
	const struct pv_fde_range *fde = pv_elf_fde_find(code->fdes, code->n_fdes, vaddr);

	*why_ret = "its code is not in its file";
	if (!fde) {
		if (size)
			return body_of(code->elf, vaddr, vaddr + size, ret);
		for (uint64_t n = BARE_BYTES; n >= 16; n /= 2) {
			if (body_of(code->elf, vaddr, vaddr + n, ret))
				return true;
		}
		return false;
	}
	if (!body_of(code->elf, fde->start, fde->end, ret))
		return false;
	*why_ret = "no instruction begins there";
	return pv_insn_place(ret->code, ret->n, vaddr - fde->start) != PV_INSN_INSIDE;
}

bool pv_native_entry(const struct pv_native_code *code, uint64_t vaddr, uint64_t size,
		     unsigned int keep, struct pv_native_site *ret, const char **why_ret)
{
	struct pv_insn_site site;
	struct pv_insn_jumps jumps;
	struct body body;
	uint64_t skip;

	if (!pv_elf_is_code(code->elf, vaddr)) {
		*why_ret = "it is not in code";
		return false;
	}
	if (!entry_body(code, vaddr, size, &body, why_ret))
		return false;
	skip = vaddr - body.start;
	site = cheapest(&body, skip, keep);
	if (site.offset && jumped_into(&body, vaddr, vaddr + site.offset))
		site = (struct pv_insn_site){
			.emulated = pv_insn_emulated(body.code + skip, body.n - skip),
		};
	if (!finish(code->elf, vaddr, &body, skip, site, ret, why_ret))
		return false;
	jumps = pv_insn_jumps(body.code + skip, body.n - skip, vaddr);
	ret->tails = jumps.out;
	ret->loops = jumps.to_start;
	return true;
}

bool pv_native_exact(const struct pv_native_code *code, uint64_t vaddr, struct pv_native_site *ret,
		     const char **why_ret)
{
	struct pv_insn_site site = { 0 };
	struct body body;
	uint64_t skip;

	if (!pv_elf_is_code(code->elf, vaddr) ||
	    !pv_elf_fde_find(code->fdes, code->n_fdes, vaddr)) {
		*why_ret = "it has no unwind information";
		return false;
	}
	if (!entry_body(code, vaddr, 0, &body, why_ret))
		return false;
	skip = vaddr - body.start;
	site.emulated = pv_insn_emulated(body.code + skip, body.n - skip);
	return finish(code->elf, vaddr, &body, skip, site, ret, why_ret);
}

bool pv_native_return(const struct pv_native_code *code, uint64_t vaddr, unsigned int keep,
		      struct pv_native_site *ret, const char **why_ret)
{
	/* the call may be the last instruction of one that never returns: there is nothing then */
	const struct pv_fde_range *fde = pv_elf_fde_find(code->fdes, code->n_fdes, vaddr);
	struct body body;
	uint64_t skip;

	if (!fde || !body_of(code->elf, fde->start, fde->end, &body)) {
		*why_ret = "it has no unwind information";
		return false;
	}
	skip = vaddr - body.start;
	if (pv_insn_place(body.code, body.n, skip) != PV_INSN_AFTER_CALL) {
		*why_ret = "no call stands before it";
		return false;
	}
	return finish(code->elf, vaddr, &body, skip, cheapest(&body, skip, keep), ret, why_ret);
}
