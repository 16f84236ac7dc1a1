/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words that are watched.  Input: memory, a layout.  Output: see refword.h.
 */
#include "session/refword.h"

#include "python/layout.h"
#include "session/ledger.h"
#include "session/probed.h"
#include "target/mem.h"

struct pv_count_constants pv_refword_count(const struct pv_pylayout *py,
					   const struct pv_ledger_options *options)
{
	struct pv_count_constants counted = {
		.changes_max = options->changes_max,
		.count_at = py->ob_refcnt,
		.type_at = py->ob_type,
		.local_at = py->ob_ref_local,
		.shared_at = py->ob_ref_shared,
		.tuple_items = py->tuple_items,
		.zero_only = options->on_free,
		.lines = options->lines != NULL,
		.whole_head = !py->free_threaded,
	};

	if (options->field) {
		counted.format = PV_COUNT_FIELD;
		counted.size = options->field_size;
	} else if (py->free_threaded) {
		counted.format = PV_COUNT_SPLIT;
	} else {
		counted.format = py->version_hex >= 0x030c0000 ? PV_COUNT_LOW : PV_COUNT_WHOLE;
	}
	return counted;
}

static struct pv_err *unreadable(const struct pv_probed *probed, uint64_t address)
{
	return pv_err_create(PV_ERR_NOPROC, "cannot read the word at 0x%llx of process %d",
			     (unsigned long long)address, (int)probed->pid);
}

struct pv_err *pv_refword_read(const struct pv_probed *probed,
			       const struct pv_count_constants *counted, uint64_t address,
			       int64_t *ret)
{
	struct pv_mem *mem = probed->mem;
	uint32_t low = 0;
	uint64_t word = 0;

	switch (counted->format) {
	case PV_COUNT_LOW:
		if (pv_mem_read_u32(mem, address + counted->count_at, &low))
			return unreadable(probed, address);
		*ret = low;
		return NULL;
	case PV_COUNT_SPLIT:
		if (pv_mem_read_u32(mem, address + counted->local_at, &low) ||
		    pv_mem_read_u64(mem, address + counted->shared_at, &word))
			return unreadable(probed, address);
		*ret = ((int64_t)word >> 2) + ((word & 3) == PV_COUNT_MERGED ? 0 : low);
		return NULL;
	case PV_COUNT_FIELD:
		if (pv_mem_read(mem, &word, counted->size, address))
			return unreadable(probed, address);
		*ret = (int64_t)word;
		return NULL;
	default:
		if (pv_mem_read_u64(mem, address + counted->count_at, &word))
			return unreadable(probed, address);
		*ret = (int64_t)word;
		return NULL;
	}
}

struct pv_err *pv_refword_is_there(const struct pv_probed *probed,
				   const struct pv_count_constants *counted, uint64_t object,
				   uint64_t type)
{
	uint64_t now, word = 1;

	if (pv_mem_read_u64(probed->mem, object + counted->type_at, &now) ||
	    (counted->whole_head &&
	     pv_mem_read_u64(probed->mem, object + counted->count_at, &word)))
		return unreadable(probed, object);
	if (now == type && word && !(word & PV_COUNT_NO_BITS))
		return NULL;
	return pv_err_create(PV_ERR_FAILED,
			     "the object at 0x%llx was freed before it could be watched; what is "
			     "there now is another, or none",
			     (unsigned long long)object);
}

/* A debug register watches 1, 2, 4 or 8 bytes, aligned. */
struct pv_err *pv_refword_check(const struct pv_ledger_options *options)
{
	uint32_t size = options->field_size;
	/* of an object that is at a multiple of 8 */
	uint64_t at = options->field_at;

	if (!options->field)
		return NULL;
	if ((size == 1 || size == 2 || size == 4 || size == 8) && !(at % size))
		return NULL;
	return pv_err_create(PV_ERR_USAGE,
			     "--field wants an offset and a size of 1, 2, 4 or 8 bytes, and an "
			     "address that is a multiple of the size: that is what debug registers "
			     "can watch");
}
