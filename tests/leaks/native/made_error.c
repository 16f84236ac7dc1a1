/* SPDX-License-Identifier: BSD-2-Clause */
/* What one call makes for itself, and does not give back where it fails. */
#include "native.h"

/* count(line, user, limit): the number of fields; ValueError if there are more than the limit. */
static PyObject *count_fields(PyObject *self, PyObject *args)
{
	const char *line;
	long user, limit;

	(void)self;
	if (!PyArg_ParseTuple(args, "sll", &line, &user, &limit))
		return NULL;
	PyObject *fields = PyTuple_New(3); /* HERE: surplus HERE: alloc */
	if (!fields)
		return NULL;
	PyTuple_SET_ITEM(fields, 0, PyUnicode_FromString(line));
	PyTuple_SET_ITEM(fields, 1, PyLong_FromLong(user));
	PyTuple_SET_ITEM(fields, 2, PyLong_FromLong(limit));
	Py_ssize_t size = PyObject_Size(fields);
	if (size > limit) {
		FIX(Py_DECREF(fields)); /* HERE: missing */
		PyErr_SetString(PyExc_ValueError, "too many fields");
		return NULL;
	}
	Py_DECREF(fields);
	return PyLong_FromSsize_t(size);
}

static PyMethodDef methods[] = {
	{ "count", count_fields, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(made_error, methods)
