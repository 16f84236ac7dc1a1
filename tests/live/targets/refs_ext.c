/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that take references and give them back, or not: for tests/live/test_refs.py, which
 * knows the lines by their marks.  Each is called with an object, and how often it goes wrong.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static int calls;

static PyObject *parse(PyObject *args, int *every)
{
	PyObject *object;

	return PyArg_ParseTuple(args, "Oi", &object, every) ? object : NULL;
}

/* The error path forgets Py_DECREF(). */
static PyObject *leaky(PyObject *self, PyObject *args)
{
	int every;
	PyObject *object = parse(args, &every);

	(void)self;
	if (!object)
		return NULL;
	Py_INCREF(object); /* LEAK */
	if (every && ++calls % every == 0)
		return PyLong_FromLong(1);
	Py_DECREF(object);
	return PyLong_FromLong(0);
}

/* The same without the mistake. */
static PyObject *clean(PyObject *self, PyObject *args)
{
	int every;
	PyObject *object = parse(args, &every);

	(void)self;
	if (!object)
		return NULL;
	Py_INCREF(object);
	if (every && ++calls % every == 0) {
		Py_DECREF(object);
		return PyLong_FromLong(1);
	}
	Py_DECREF(object);
	return PyLong_FromLong(0);
}

/* A new reference: the caller's to give back. */
static PyObject *give(PyObject *self, PyObject *args)
{
	int every;
	PyObject *object = parse(args, &every);

	(void)self;
	Py_XINCREF(object);
	return object;
}

static __attribute__((noinline)) PyObject *take(PyObject *object)
{
	Py_INCREF(object); /* TAKEN */
	return object;
}

/* Another function takes the reference, and this one forgets it. */
static PyObject *forgets(PyObject *self, PyObject *args)
{
	int every;
	PyObject *object = parse(args, &every);

	(void)self;
	if (!object)
		return NULL;
	take(object);
	if (every && ++calls % every == 0)
		return PyLong_FromLong(1);
	Py_DECREF(object);
	return PyLong_FromLong(0);
}

/* What was borrowed is given back. */
static PyObject *robs(PyObject *self, PyObject *args)
{
	int every;
	PyObject *object = parse(args, &every);

	(void)self;
	if (!object)
		return NULL;
	if (every && ++calls % every == 0)
		Py_DECREF(object); /* ROBBED */
	return PyLong_FromLong(0);
}

static PyMethodDef methods[] = {
	{ "leaky", leaky, METH_VARARGS, NULL }, { "clean", clean, METH_VARARGS, NULL },
	{ "give", give, METH_VARARGS, NULL },   { "forgets", forgets, METH_VARARGS, NULL },
	{ "robs", robs, METH_VARARGS, NULL },   { NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "refs_ext", NULL, -1, methods, NULL, NULL, NULL, NULL
};

PyMODINIT_FUNC PyInit_refs_ext(void)
{
	PyObject *made = PyModule_Create(&module);

#ifdef Py_GIL_DISABLED
	PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
#endif
	return made;
}
