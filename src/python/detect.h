/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is there a CPython in a process, which, and where: finds _PyRuntime, the
 * layout, the eval ranges and the thread-specific key, and says where each
 * fact came from.  Nothing is guessed: what fails validation is an error.
 */
#ifndef PV_PYTHON_DETECT_H
#define PV_PYTHON_DETECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/layout.h"
#include "abi/process.h"
#include "abi/value.h"
#include "base/err.h"

struct pv_elf;
struct pv_maps;
struct pv_map_entry;
struct pv_mem;

/* One module that may hold an interpreter, as the caller found it. */
struct pv_python_module {
	const struct pv_elf *elf;
	uint64_t bias;
	const char *path;
	bool bare; /* it has no symbols, but what is in every CPython */
};

/* Where each fact came from, for doctor: short static or owned text. */
struct pv_python_sources {
	char runtime[64], version[64], layout[96], eval[96], torn[96], tss[96], collector[96];
};

enum { PV_COLLECTOR_PARTS_MAX = 8 };

struct pv_python {
	bool found;              /* false: no CPython here; all else is then zero */
	char version[96];        /* "3.11.2", "3.14.10 free-threaded debug, unverified layout" */
	char *module_path;       /* of the executable or libpython; owned */
	bool stripped;           /* no .symtab */
	bool debug;              /* Py_DEBUG */
	bool unverified;         /* its layout is from headers alone */
	bool tail_calls;         /* its eval loop is many functions; stripped, it does not show */
	bool initialized;        /* an interpreter with a main thread exists already */
	bool exact;              /* its version is known to the last digit */
	bool several;            /* other CPythons are mapped, which may be initialised later */
	uint64_t initialized_at; /* int: Py_Initialize() is done */
	bool bare;               /* found without symbols */
	uint64_t function_type;  /* &PyFunction_Type; 0: not known */
	uint64_t gc_generation0; /* 2.7, 3.6: &_PyGC_generation0, else 0 */
	struct pv_value_types types; /* 0: not known */
	bool apart; /* its data are copies in the executable: they move by themselves */
	/* sys.modules when it was last searched for _asyncio in vain: its entries, their number */
	uint64_t modules_at, modules_n;
	struct pv_tasklayout tasks; /* of this build; proc.tasks.at only where they are wanted */
	struct pv_proc proc;        /* everything but generation and maps_* filled in */
	/* the garbage collector's function, as addresses in the process; empty = unused */
	struct pv_range collector[PV_COLLECTOR_PARTS_MAX];
	struct pv_python_sources sources;
};

/*
 * modules: every file-backed executable mapping's object (one entry per
 * object), libc among them.  A CPython that is present but not supported or
 * fails validation is PV_ERR_NOPROC with the reason; none is found = false.
 */
struct pv_err *pv_python_detect(struct pv_mem *mem, const struct pv_python_module *modules,
				size_t n_modules, struct pv_python *ret);
void pv_python_deinit(struct pv_python *python);

/*
 * The same interpreter, known from another process or an earlier look, with its
 * code delta bytes higher: only what differs between processes is looked at, and
 * that is a thousand times quicker.  ret->found is false where that is not
 * possible, and it must be detected.
 */
struct pv_err *pv_python_move(struct pv_mem *mem, const struct pv_python *known, uint64_t delta,
			      const struct pv_python_module *modules, size_t n_modules,
			      struct pv_python *ret);

enum pv_gil {
	PV_GIL_UNKNOWN, /* not to be read */
	PV_GIL_NONE,    /* a free-threaded build that runs without */
	PV_GIL_THERE,
};

/*
 * Has this interpreter a GIL now?  A free-threaded one gets it for PYTHON_GIL=1 or for an
 * extension module that needs it.  That of the main interpreter counts.
 */
enum pv_gil pv_python_gil(struct pv_mem *mem, const struct pv_proc *proc);

/* How many interpreters it has, as far as PV_INTERPRETERS_MAX; 0: not to be read, or none yet. */
enum { PV_INTERPRETERS_MAX = 256 };
unsigned int pv_python_interpreters(struct pv_mem *mem, const struct pv_proc *proc);

/* Cheap: may this object hold CPython's runtime?  (_PyRuntime in .dynsym or .symtab) */
bool pv_python_is_runtime(const struct pv_elf *elf);

/*
 * Does an object without those symbols hold CPython all the same?  Looks through its
 * constants, some ms a 10 MB: to be asked once of an object, and only where no other has them.
 */
bool pv_python_is_bare(const struct pv_elf *elf);

#endif
