/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a thread to its Python frame.  Input: what is known of the interpreter, the
 * key under which it keeps its thread states.  Output: a chain of offsets.
 */
#include "python/path.h"

#include "abi/process.h"
#include "target/mem.h"

enum { KEYS_MAX = 1024 };

/* pthread_getspecific() of the interpreter's key, as walk/own.h has it. */
static size_t by_key(struct pv_mem *mem, const struct pv_proc *proc, int64_t *ret)
{
	bool plain = proc->py.own_kind == PV_OWN_KEY; /* 3.6: no Py_tss_t around it */
	uint32_t words[2] = { 1, 0 }, per_block = proc->pthread_key_block, key;

	if (pv_mem_read(mem, plain ? &words[1] : &words[0], plain ? 4 : 8,
			proc->runtime + proc->py.rt_tss_key))
		return 0;
	key = words[1];
	if (!words[0] || key >= KEYS_MAX || !per_block)
		return 0;
	ret[0] = proc->pthread_specific + (int64_t)(key / per_block * sizeof(uint64_t));
	ret[1] = (int64_t)(key % per_block) * proc->pthread_key_size + proc->pthread_key_data;
	return 2;
}

static size_t by_tls(const struct pv_proc *proc, int64_t *ret)
{
	size_t n = 0;

	if (proc->tls_module) {
		ret[n++] = PV_DTV_POINTER;
		ret[n++] = (int64_t)(PV_DTV_ENTRY * proc->tls_module);
	}
	ret[n++] = proc->tls_offset;
	return n;
}

size_t pv_python_frame_path(struct pv_mem *mem, const struct pv_proc *proc, int64_t *ret)
{
	const struct pv_pylayout *py = &proc->py;
	size_t n = 0;

	if (py->own_kind == PV_OWN_TLS)
		n = by_tls(proc, ret);
	else if (py->own_kind != PV_OWN_LIST)
		n = by_key(mem, proc, ret);
	if (!n)
		return 0;
	ret[n++] = py->ts_frame;
	/* 3.11, 3.12: of the _PyCFrame */
	if (py->ts_root_cframe != PV_OFF_NONE && py->anchor_kind != PV_ANCHOR_CFRAME)
		ret[n++] = py->cf_current_frame;
	return n;
}
