/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What numpy's own array_argsort() did until it was corrected: a new dtype has its names replaced,
 * and the reference to the old tuple, which PyArray_DescrNew() took, is not given back.  The calls
 * are numpy's, in its order.
 */
#include "native.h"
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>

/* The dtype of an array with its fields in another order; NULL if that fails. */
static PyArray_Descr *reorder_fields(PyArray_Descr *saved, PyObject *order)
{
	PyObject *internal = PyImport_ImportModule("numpy.core._internal");
	if (!internal)
		return NULL;
	PyObject *names = PyObject_CallMethod(internal, "_newnames", "OO", saved, order);
	Py_DECREF(internal);
	if (!names)
		return NULL;
	PyArray_Descr *reordered = PyArray_DescrNew(saved); /* HERE: surplus */
	if (!reordered) {
		Py_DECREF(names);
		return NULL;
	}
	FIX(Py_DECREF(reordered->names)); /* HERE: missing */
	reordered->names = names;
	return reordered;
}

/* argsort(array, order): the order of its records, by a field or by all. */
static PyObject *array_argsort(PyObject *self, PyObject *args)
{
	PyObject *given, *order;
	PyArray_Descr *saved = NULL;

	(void)self;
	if (!PyArg_ParseTuple(args, "O!O", &PyArray_Type, &given, &order))
		return NULL;
	PyArrayObject *array = (PyArrayObject *)given;
	if (order != Py_None) {
		saved = PyArray_DESCR(array);
		PyArray_Descr *reordered = reorder_fields(saved, order);
		if (!reordered)
			return NULL;
		((PyArrayObject_fields *)array)->descr = reordered;
	}
	PyObject *result = PyArray_ArgSort(array, -1, NPY_QUICKSORT);
	if (saved) {
		Py_XDECREF(PyArray_DESCR(array));
		((PyArrayObject_fields *)array)->descr = saved;
	}
	return result;
}

static PyMethodDef methods[] = {
	{ "argsort", array_argsort, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "numpy_argsort", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_numpy_argsort(void)
{
	import_array();
	return PyModule_Create(&module);
}
