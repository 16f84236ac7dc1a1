/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the extensions of the catalogue share.  Each source is built twice: with -DLEAKS=1, and as
 * its clean twin with -DLEAKS=0.  FIX() is what the leaking build lacks, BUG() what only it has.
 * The comments "HERE: WORD" are the truth of ../catalogue.py: surplus = the reference too many is
 * taken on this line; alloc = what is never freed is allocated on this line; missing = here it
 * should have been given back.
 */
#ifndef LEAKS_NATIVE_H
#define LEAKS_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef LEAKS
#error "build with -DLEAKS=0 or 1: ../build.py"
#endif

#if LEAKS
#define FIX(...)
#define BUG(...) __VA_ARGS__
#else
#define FIX(...) __VA_ARGS__
#define BUG(...)
#endif

#ifdef __cplusplus
#define MODULE_NO_MORE                                                                             \
	{                                                                                          \
		nullptr, nullptr, 0, nullptr                                                       \
	}
#else
#define MODULE_NO_MORE                                                                             \
	{                                                                                          \
		NULL, NULL, 0, NULL                                                                \
	}
#endif

/* The module NAME with its table of functions. */
#define MODULE(name, methods)                                                                      \
	static struct PyModuleDef module_of_##name = {                                             \
		PyModuleDef_HEAD_INIT, #name, NULL, -1, methods, NULL, NULL, NULL, NULL,           \
	};                                                                                         \
	PyMODINIT_FUNC PyInit_##name(void)                                                         \
	{                                                                                          \
		return PyModule_Create(&module_of_##name);                                         \
	}

#endif
