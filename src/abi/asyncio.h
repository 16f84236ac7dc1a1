/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct pv_asyncio: where the asyncio tasks of a process are, a part of struct
 * pv_proc.  Written by python/tasks.c, read by walk/tasks.h.
 */
#ifndef PV_ABI_ASYNCIO_H
#define PV_ABI_ASYNCIO_H

#include "abi/types.h"

/* What leads to the tasks that run. */
enum pv_tasks_kind {
	PV_TASKS_NONE = 0,    /* nothing yet: no asyncio */
	PV_TASKS_DICT = 1,    /* <= 3.13: _asyncio._current_tasks, a dict of tasks by their loop */
	PV_TASKS_THREAD = 2,  /* >= 3.14: a member of each _PyThreadStateImpl */
	PV_TASKS_UNKNOWN = 3, /* asyncio is there, and how it keeps its tasks is not known */
};

/* PyTypeObject: the same in 3.8 to 3.15 without Py_TRACE_REFS and with a GIL. */
enum {
	PV_TYPE_BASICSIZE = 32,
	PV_TYPE_FLAGS = 168,
	PV_TYPE_LONG = 1 << 24, /* Py_TPFLAGS_LONG_SUBCLASS */
};

/* PyDictObject, PyDictKeysObject: 3.8 to 3.10, and 3.11 to 3.15. */
enum {
	PV_DICT_KEYS = 32,
	PV_DICT_ENTRY = 24,         /* hash, key, value */
	PV_DICT_UNICODE_ENTRY = 16, /* 3.11+, keys are str only: key, value */
	PV_DICT_LOG2_INDEX = 9,     /* 3.11+: log2 of the bytes of all indices */
	PV_DICT_KIND = 10,          /* 3.11+: 0: of any keys */
	PV_DICT_OLD_SIZE = 8,       /* <= 3.10: the number of indices */
};

/* PyLongObject of 3.12+: lv_tag, ob_digit of 30 bits. */
enum {
	PV_LONG_TAG = 16,
	PV_LONG_DIGITS = 24,
};

struct pv_asyncio {
	__u64 running;        /* PV_TASKS_DICT: that dict */
	__u8 kind;            /* enum pv_tasks_kind */
	__u8 old_dict;        /* <= 3.10 */
	__u8 frame_is_inside; /* 3.11+: gen_frame is where the frame begins, else a pointer to it */
	__u8 pad;
	__u16 gen_frame;         /* PyCoroObject: cr_frame, cr_iframe */
	__u16 dict_n, dict_data; /* PyDictKeysObject: dk_nentries, dk_indices */
	__u16 ts_running;        /* PV_TASKS_THREAD: of PyThreadState */
	__u16 ts_list,
		task_node; /* 3.14+: the list of tasks of a thread, and its link in TaskObj */
	__u32 is_list;     /* 3.14+: the list of those whose thread has ended */

	/* TaskObj; 3.14+: FutureObj has the last three at the same offsets */
	__u16 task_size, task_name, task_coro;
	__u16 task_awaited_by; /* 3.14+; 0: not kept */
	__u16 task_is_task, task_awaited_by_is_set;
};

#endif
