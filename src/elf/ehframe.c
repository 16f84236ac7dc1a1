/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the records of .eh_frame (LSB 5.0 core, 10.6; DWARF 5, 6.4.1).
 * Input: raw section bytes, untrusted.  Output: ehframe.h's CIEs and FDEs.
 */
#include "elf/ehframe.h"

#include "elf/reader.h"

uint64_t pv_reader_encoded(struct pv_reader *r, uint8_t encoding, uint64_t field_vaddr,
			   uint64_t data_vaddr)
{
	uint64_t value = 0;

	if (encoding & PV_PE_INDIRECT) {
		r->bad = true;
		return 0;
	}
	switch (encoding & PV_PE_FORMAT_MASK) {
	case PV_PE_ABSPTR:
	case PV_PE_UDATA8:
	case PV_PE_SDATA8:
		value = pv_reader_u64(r);
		break;
	case PV_PE_ULEB128:
		value = pv_reader_uleb(r);
		break;
	case PV_PE_SLEB128:
		value = (uint64_t)pv_reader_sleb(r);
		break;
	case PV_PE_UDATA2:
		value = pv_reader_u16(r);
		break;
	case PV_PE_SDATA2:
		value = (uint64_t)(int64_t)(int16_t)pv_reader_u16(r);
		break;
	case PV_PE_UDATA4:
		value = pv_reader_u32(r);
		break;
	case PV_PE_SDATA4:
		value = (uint64_t)(int64_t)(int32_t)pv_reader_u32(r);
		break;
	default:
		r->bad = true;
	}
	switch (encoding & PV_PE_APPLICATION_MASK) {
	case 0:
		break;
	case PV_PE_PCREL:
		value += field_vaddr;
		break;
	case PV_PE_DATAREL:
		value += data_vaddr;
		break;
	default:
		r->bad = true;
	}
	return r->bad ? 0 : value;
}

void pv_ehframe_init(struct pv_ehframe *it, const void *data, size_t n, uint64_t vaddr)
{
	*it = (struct pv_ehframe){
		.data = data,
		.n = n < UINT32_MAX ? n : UINT32_MAX,
		.vaddr = vaddr,
		.cies = PV_VEC(struct pv_ehframe_cie),
		.last_cie_offset = UINT64_MAX,
	};
}

void pv_ehframe_deinit(struct pv_ehframe *it)
{
	pv_vec_deinit(&it->cies);
	pv_map_deinit(&it->cie_by_offset);
}

/* The letters after 'z'; false if one is unknown, for then 'R' may be missed. */
static bool parse_augmentation(struct pv_reader *r, const char *letters, struct pv_ehframe_cie *cie)
{
	uint8_t encoding;

	for (; *letters; letters++) {
		switch (*letters) {
		case 'L':
			pv_reader_u8(r);
			break;
		case 'P':
			/* The personality's value is of no use: skip it, indirect or not. */
			encoding = pv_reader_u8(r);
			if (encoding != PV_PE_OMIT)
				pv_reader_encoded(r, encoding & PV_PE_FORMAT_MASK, 0, 0);
			break;
		case 'R':
			cie->encoding = pv_reader_u8(r);
			break;
		case 'S':
			cie->signal_frame = true;
			break;
		default:
			return false;
		}
	}
	return !r->bad;
}

/* r stands after the CIE id. */
static bool parse_cie(const struct pv_ehframe *it, struct pv_reader *r, struct pv_ehframe_cie *cie)
{
	struct pv_reader augmentation;
	const char *letters;
	uint8_t version = pv_reader_u8(r);
	uint64_t n;

	if (version != 1 && version != 3 && version != 4)
		return false;
	letters = (const char *)r->at;
	while (pv_reader_u8(r))
		;
	if (r->bad)
		return false;
	if (version == 4) {
		if (pv_reader_u8(r) != 8) /* address size */
			return false;
		if (pv_reader_u8(r) != 0) /* segment selector size */
			return false;
	}
	cie->code_align = pv_reader_uleb(r);
	cie->data_align = pv_reader_sleb(r);
	cie->ra_register = version == 1 ? pv_reader_u8(r) : pv_reader_uleb(r);
	if (*letters == 'z') {
		cie->augmented = true;
		n = pv_reader_uleb(r);
		augmentation = *r;
		pv_reader_skip(r, n);
		if (r->bad)
			return false;
		augmentation.end = r->at;
		if (!parse_augmentation(&augmentation, letters + 1, cie))
			return false;
	} else if (*letters) {
		return false;
	}
	cie->insns = (uint32_t)(r->at - it->data);
	cie->insns_end = (uint32_t)(r->end - it->data);
	return !r->bad;
}

static struct pv_err *add_cie(struct pv_ehframe *it, size_t offset, struct pv_reader *r)
{
	struct pv_ehframe_cie cie = { 0 };
	struct pv_err *err;

	cie.usable = parse_cie(it, r, &cie);
	err = pv_vec_append(&it->cies, &cie, 1, NULL);
	if (err)
		return err;
	return pv_map_set(&it->cie_by_offset, offset, it->cies.n - 1);
}

static bool find_cie(struct pv_ehframe *it, uint64_t offset, uint32_t *ret)
{
	uint64_t index;

	/* The pointer counts back; one that wrapped is nowhere. */
	if (offset >= it->n)
		return false;
	if (offset != it->last_cie_offset) {
		if (!pv_map_get(&it->cie_by_offset, offset, &index))
			return false;
		it->last_cie_offset = offset;
		it->last_cie = (uint32_t)index;
	}
	*ret = it->last_cie;
	return true;
}

enum fde_verdict { FDE_GOOD, FDE_EMPTY, FDE_BAD };

/* r stands after the CIE pointer. */
static enum fde_verdict parse_fde(struct pv_ehframe *it, uint64_t cie_offset, struct pv_reader *r,
				  struct pv_ehframe_fde *ret)
{
	struct pv_ehframe_fde fde = { 0 };
	const struct pv_ehframe_cie *cie;
	uint64_t size;

	if (!find_cie(it, cie_offset, &fde.cie))
		return FDE_BAD;
	cie = pv_ehframe_cie_at(it, fde.cie);
	if (!cie->usable)
		return FDE_BAD;
	fde.start =
		pv_reader_encoded(r, cie->encoding, it->vaddr + (uint64_t)(r->at - it->data), 0);
	/* The size has the format of the address, but is relative to nothing. */
	size = pv_reader_encoded(r, cie->encoding & PV_PE_FORMAT_MASK, 0, 0);
	if (cie->augmented)
		pv_reader_skip(r, pv_reader_uleb(r));
	if (r->bad)
		return FDE_BAD;
	if (size == 0)
		return FDE_EMPTY;
	if (__builtin_add_overflow(fde.start, size, &fde.end))
		return FDE_BAD;
	fde.insns = (uint32_t)(r->at - it->data);
	fde.insns_end = (uint32_t)(r->end - it->data);
	*ret = fde;
	return FDE_GOOD;
}

/*
 * The body of the record at `at` (after its length), and where the next one
 * begins; false if no record fits there.  The 64-bit form (length 0xffffffff)
 * is made by no x86-64 toolchain and read by libgcc as little as here.
 */
static bool next_record(const uint8_t *data, size_t n, size_t at, struct pv_reader *ret)
{
	struct pv_reader r = { .at = data + at, .end = data + n };
	uint32_t length = pv_reader_u32(&r);

	if (r.bad || length > (size_t)(r.end - r.at))
		return false;
	r.end = r.at + length;
	*ret = r;
	return true;
}

struct pv_err *pv_ehframe_next(struct pv_ehframe *it, struct pv_ehframe_fde *ret, bool *found_ret)
{
	while (it->at < it->n) {
		struct pv_reader r;
		size_t offset = it->at, id_offset;
		enum fde_verdict verdict;
		struct pv_err *err;
		uint32_t id;

		if (!next_record(it->data, it->n, offset, &r)) {
			it->n_skipped++;
			break;
		}
		it->at = (size_t)(r.end - it->data);
		/* Terminators inside: crtend.o of a file that was not linked last. */
		if (r.at == r.end)
			continue;
		id_offset = (size_t)(r.at - it->data);
		id = pv_reader_u32(&r);
		if (r.bad)
			continue;
		if (id == 0) {
			err = add_cie(it, offset, &r);
			if (err)
				return err;
			continue;
		}
		verdict = parse_fde(it, (uint64_t)id_offset - id, &r, ret);
		if (verdict == FDE_GOOD) {
			*found_ret = true;
			return NULL;
		}
		if (verdict == FDE_BAD)
			it->n_skipped++;
	}
	it->at = it->n;
	*found_ret = false;
	return NULL;
}

size_t pv_ehframe_size(const void *data, size_t n)
{
	struct pv_reader r;
	size_t at = 0;

	if (n > UINT32_MAX)
		n = UINT32_MAX;
	while (next_record(data, n, at, &r) && r.at != r.end)
		at = (size_t)(r.end - (const uint8_t *)data);
	return at;
}
