/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct pv_asyncio: where the asyncio tasks of a process are, a part of struct
 * pv_proc.  Written by python/tasks.c, read by walk/tasks.h and snap/tasks.c.
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

enum {
	PV_TYPE_LONG = 1 << 24, /* in tp_flags: Py_TPFLAGS_LONG_SUBCLASS */
};

/*
 * Of one build: offsets and sizes of what tasks need, data as those of struct pv_pylayout
 * (tools/gen-layouts).  An offset that this version has not is PV_OFF_NONE, is_modules and
 * TaskObj's are 0: from 3.14 on the module says those itself.
 */
struct pv_tasklayout {
	__u32 is_modules;                      /* PyInterpreterState: sys.modules */
	__u16 task_size, task_name, task_coro; /* TaskObj */
	__u16 coro_frame; /* PyCoroObject: cr_frame, a pointer; 3.11+: cr_iframe, which it begins at
			   */
	__u16 coro_state; /* 3.11+: cr_frame_state */
	__u16 frame_stackpointer;                    /* 3.14+: _PyInterpreterFrame.stackpointer */
	__u16 object_size;                           /* PyObject */
	__u16 type_name, type_basicsize, type_flags; /* PyTypeObject: tp_* */
	__u16 module_dict;                           /* PyModuleObject.md_dict */
	__u16 dict_keys;                             /* PyDictObject.ma_keys */
	/* PyDictKeysObject: dk_*.  Its entries end with key and value, see walk/dict.h. */
	__u16 keys_size;                  /* <= 3.10: the number of indices */
	__u16 keys_log2_index, keys_kind; /* 3.11+: u8, log2 of the bytes of all indices; u8 */
	__u16 keys_n, keys_indices;
	__u16 long_tag, long_digits; /* 3.12+: PyLongObject, its digits of 30 bits */
	__u16 set_mask, set_table;   /* 3.14+: PySetObject */
	__u16 pad;
};

struct pv_asyncio {
	__u64 running;        /* PV_TASKS_DICT: that dict */
	__u8 kind;            /* enum pv_tasks_kind */
	__u8 frame_is_inside; /* 3.11+: at.coro_frame is where the frame begins */
	__u16 ts_running;     /* PV_TASKS_THREAD: of PyThreadState */
	__u32 is_list;        /* 3.14+: the list of those whose thread has ended */
	__u16 ts_list,
		task_node; /* 3.14+: the list of tasks of a thread, and its link in TaskObj */
	/* 3.14+: TaskObj and FutureObj have these at the same offsets; 0: not kept */
	__u16 task_awaited_by, task_is_task, task_awaited_by_is_set;
	__u16 pad[3];
	struct pv_tasklayout at;
};

#endif
