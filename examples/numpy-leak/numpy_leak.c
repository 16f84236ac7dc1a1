/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorts records by one of their fields, as numpy's own array_argsort() did until it was corrected:
 * a copy of the dtype gets other names, and the reference to the old ones, which the copy had
 * taken, is not given back.  -DFIXED gives it back: that line is all that was missing.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>

/* argsort(array, order): the order of its records, by a field or, with None, by all. */
static PyObject *array_argsort(PyObject *self, PyObject *args)
{
	PyObject *given, *order, *result, *internal, *names;
	PyArray_Descr *saved = NULL, *reordered;

	(void)self;
	if (!PyArg_ParseTuple(args, "O!O", &PyArray_Type, &given, &order))
		return NULL;
	PyArrayObject *array = (PyArrayObject *)given;
	if (order != Py_None) {
		saved = PyArray_DESCR(array);
		internal = PyImport_ImportModule("numpy.core._internal");
		if (!internal)
			return NULL;
		names = PyObject_CallMethod(internal, "_newnames", "OO", saved, order);
		Py_DECREF(internal);
		if (!names)
			return NULL;
		reordered = PyArray_DescrNew(saved); /* TAKEN: its copy of the names, too */
		if (!reordered) {
			Py_DECREF(names);
			return NULL;
		}
#ifdef FIXED
		Py_DECREF(reordered->names);
#endif
		reordered->names = names;
		((PyArrayObject_fields *)array)->descr = reordered;
	}
	result = PyArray_ArgSort(array, -1, NPY_QUICKSORT);
	if (saved) {
		Py_XDECREF(PyArray_DESCR(array));
		((PyArrayObject_fields *)array)->descr = saved;
	}
	return result;
}

static PyMethodDef methods[] = {
	{ "argsort", array_argsort, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "numpy_leak", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_numpy_leak(void)
{
	import_array();
	return PyModule_Create(&module);
}
