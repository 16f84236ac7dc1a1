/* SPDX-License-Identifier: BSD-2-Clause */
/* What one call makes for itself, and does not give back on one of two ways to success. */
#include "native.h"

/* pick(line, user, all): the first of the fields; with all the number of them, too. */
static PyObject *pick_field(PyObject *self, PyObject *args)
{
	const char *line;
	long user;
	int all;

	(void)self;
	if (!PyArg_ParseTuple(args, "sli", &line, &user, &all))
		return NULL;
	PyObject *fields = PyTuple_New(4); /* HERE: surplus HERE: alloc */
	if (!fields)
		return NULL;
	for (int i = 0; i < 3; i++)
		PyTuple_SET_ITEM(fields, i, PyLong_FromLong(user + i));
	PyTuple_SET_ITEM(fields, 3, PyUnicode_FromString(line));
	Py_ssize_t size = PyObject_Size(fields);
	if (all) {
		PyObject *first = PyTuple_GET_ITEM(fields, 0);

		Py_INCREF(first);
		FIX(Py_DECREF(fields)); /* HERE: missing */
		return Py_BuildValue("Nn", first, size);
	}
	Py_DECREF(fields);
	return PyLong_FromSsize_t(size);
}

static PyMethodDef methods[] = {
	{ "pick", pick_field, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(made_success, methods)
