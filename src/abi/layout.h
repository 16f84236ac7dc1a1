/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct pv_pylayout: all that a CPython build is, for the walker, the
 * symboliser and the BPF map alike.  Offsets are bytes from the start of the
 * named CPython struct; PV_OFF_NONE = this build has no such field.  Filled by
 * python/layout.c from _Py_DebugOffsets or a generated table.
 */
#ifndef PV_ABI_LAYOUT_H
#define PV_ABI_LAYOUT_H

#include "abi/types.h"

enum { PV_OFF_NONE = 0xffff };

/* What a Python frame is. */
enum pv_frame_kind {
	PV_FRAME_OBJECT = 0, /* <= 3.10: PyFrameObject, f_back chain */
	PV_FRAME_INTERP = 1, /* >= 3.11: _PyInterpreterFrame */
};

/* What ties a run of Python frames to one native eval frame. */
enum pv_anchor_kind {
	PV_ANCHOR_NONE = 0,   /* <= 3.9: nothing; eval PC ranges, one eval a frame */
	PV_ANCHOR_CFRAME = 1, /* 3.10: one CFrame per frame, counted from root_cframe */
	PV_ANCHOR_ENTRY = 2,  /* 3.11: the _PyCFrame; a run ends at is_entry */
	PV_ANCHOR_SHIM = 3,   /* >= 3.12: the boundary frame itself, owner >= 3 */
};

/* Where the bytecode position of a frame is and in which unit. */
enum pv_instr_kind {
	PV_INSTR_LASTI_BYTES = 0, /* <= 3.9: int f_lasti, bytes */
	PV_INSTR_LASTI_UNITS = 1, /* 3.10: int f_lasti, code units of 2 bytes */
	PV_INSTR_POINTER = 2,     /* >= 3.11: pointer into co_code_adaptive */
};

enum pv_linetable_kind {
	PV_LINES_LNOTAB_UNSIGNED = 0, /* < 3.6 */
	PV_LINES_LNOTAB = 1,          /* 3.6 to 3.9 */
	PV_LINES_PEP626 = 2,          /* 3.10 */
	PV_LINES_LOCATIONS = 3,       /* >= 3.11 */
};

/* How a thread finds its own PyThreadState, which stays its own while it does not hold the GIL. */
enum pv_own_kind {
	PV_OWN_TSS = 0,  /* 3.7 to 3.14: pthread_getspecific() of a Py_tss_t's key */
	PV_OWN_TLS = 1,  /* >= 3.15: the thread-local _Py_tss_gilstate */
	PV_OWN_KEY = 2,  /* 3.6: pthread_getspecific() of the int autoTLSkey */
	PV_OWN_LIST = 3, /* 2.7: the one of the interpreters' lists that has this pthread_self() */
};

/* PyThreadState.state: 3.13 Include/internal/pycore_pystate.h */
enum pv_thread_state {
	PV_THREAD_DETACHED = 0,  /* outside of Python: blocked, or in C code */
	PV_THREAD_ATTACHED = 1,  /* may run Python */
	PV_THREAD_SUSPENDED = 2, /* another one stops the world */
};

struct pv_pylayout {
	__u32 version_hex;   /* PY_VERSION_HEX, e.g. 0x030d00f0 */
	__u8 frame_kind;     /* enum pv_frame_kind */
	__u8 anchor_kind;    /* enum pv_anchor_kind */
	__u8 instr_kind;     /* enum pv_instr_kind */
	__u8 linetable_kind; /* enum pv_linetable_kind */
	__u8 code_tag_mask;  /* low bits to clear in a code pointer: 3 from 3.14 */
	__u8 free_threaded;  /* PEP 703: built without the GIL, which may be enabled all the same */
	__u8 owner_boundary; /* owner >= this is a boundary frame (3), 0xff: none */
	__u8 owner_generator; /* 1, 0xff: none */

	/*
	 * _PyRuntimeState (32 bit: it is large); before 3.7 the variables that became it,
	 * from pv_proc.runtime on
	 */
	__u32 rt_interpreters_head;
	__u32 rt_tss_key;        /* autoTSSkey (a Py_tss_t: int _is_initialized, key at +4) */
	__u32 rt_tstate_current; /* GIL holder, <= 3.11; 0: none */
	__u32 rt_main_thread;    /* pthread_self() of the main thread; 0: none */

	/* PyInterpreterState */
	__u32 is_threads_head;
	__u32 is_ceval_gil; /* 3.12+: pointer to the GIL; 0: none */
	__u32 is_next, is_id;

	/* PyThreadState */
	__u16 ts_next, ts_interp, ts_thread_id, ts_native_thread_id;
	__u16 ts_frame;       /* PyFrameObject* | _PyCFrame* | _PyInterpreterFrame* */
	__u16 ts_cframe;      /* 3.10 only: the CFrame chain beside ts_frame */
	__u16 ts_root_cframe; /* 3.10 to 3.12: where the CFrame chain ends */
	__u16 ts_status;      /* 3.12+: bit 4 of the u32 = attached (holds the GIL) */
	__u16 ts_len;         /* bytes to read to have all of these (<= 256) */

	/* CFrame */
	__u16 cf_current_frame, cf_previous;

	/* the frame: read [fr_start, fr_start + fr_len) at once; the offsets
	 * below are from the start of the frame, not of the read */
	__u16 fr_start, fr_len;
	__u16 fr_previous, fr_code, fr_instr, fr_owner, fr_is_entry;

	/* PyCodeObject; co_len bytes (<= 256) hold all of these */
	__u16 co_len;
	__u16 co_filename, co_name, co_qualname, co_linetable, co_firstlineno;
	__u16 co_code_adaptive, co_firsttraceable;
	__u16 co_version; /* 3.12+: u32 serial number of the code object */

	/* objects */
	__u16 ob_refcnt, ob_type;
	__u16 var_size; /* PyVarObject.ob_size */
	__u16 bytes_data;
	__u16 str_length, str_state;            /* no state (2.7): names are bytes objects */
	__u16 str_ascii_data, str_compact_data; /* sizeof PyASCIIObject, PyCompactUnicodeObject */

	/* the garbage collector's state, a part of PyInterpreterState from 3.9 on */
	__u16 is_gc;         /* PV_OFF_NONE: it is a part of _PyRuntimeState */
	__u16 gc_collecting; /* int: a collection is going on */
	__u16 rt_gc;         /* 3.7, 3.8; 0: none */

	__u16 ts_base_frame; /* 3.15+: pointer to the frame that ends every chain and runs nothing
			      */
	__u16 own_kind;      /* enum pv_own_kind */

	/* free-threaded builds only (but for str_kind_shift); from 3.13 */
	__u16 ob_ref_local, ob_ref_shared; /* u32 and s64: what is there instead of ob_refcnt */
	__u16 ts_state;                    /* int, enum pv_thread_state */
	__u16 gil_enabled;                 /* in the GIL: int, 0 = there is none */
	__u16 co_tlbc;         /* 3.14+: pointer to {size, entries[]}, copies of the bytecode */
	__u16 fr_tlbc_index;   /* 3.14+: s32, which of them instr_ptr points into */
	__u16 str_kind_shift;  /* lowest bit of kind in str_state: 2; 8 from 3.14t on */
	__u16 foreign_cframes; /* 3.10: greenlet is there, which links CFrames of its own */

	/* arguments and results: walk/arguments.h, walk/result.h */
	__u16 fr_locals; /* the local variables: arguments first, the value stack behind them */
	__u16 co_flags, co_argcount;
	__u16 co_kwonlyargcount; /* 3.x */
	__u16 co_nlocals;        /* from 3.11 on co_nlocalsplus */
	__u16 co_varnames;       /* from 3.11 on co_localsplusnames */
	__u16 co_kinds;          /* 3.11+: co_localspluskinds */
	__u16 co_cellvars;       /* <= 3.10 */
	__u16 co_consts;
	__u16 tuple_items;
	__u16 int_value;   /* 2.7: PyIntObject */
	__u16 long_tag;    /* 3.12+: sign and number of digits; before, they are var_size */
	__u16 long_digits; /* u32, of 30 bits */
	__u16 float_value, cell_value;
	__u16 unicode_data; /* 2.7: pointer to the characters of a unicode object */
	__u16 tp_name;
	__u16 ts_exception;  /* 3.12+: current_exception */
	__u16 ts_executor;   /* 3.14+: current_executor: runs code of the JIT compiler */
	__u16 unicode_width; /* 2.7: of a character of unicode, 2 or 4; 0: text knows itself */
};

#endif
