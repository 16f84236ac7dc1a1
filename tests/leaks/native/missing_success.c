/* SPDX-License-Identifier: BSD-2-Clause */
/* A DECREF that one of two ways to success lacks. */
#include "native.h"

/* check(record, flagged): the number of its entries, negative for a flagged one. */
static PyObject *check_record(PyObject *self, PyObject *args)
{
	PyObject *record;
	int flagged;

	(void)self;
	if (!PyArg_ParseTuple(args, "Oi", &record, &flagged))
		return NULL;
	Py_INCREF(record); /* HERE: surplus */
	Py_ssize_t size = PyObject_Size(record);
	if (size < 0) {
		Py_DECREF(record);
		return NULL;
	}
	if (flagged) {
		FIX(Py_DECREF(record)); /* HERE: missing */
		return PyLong_FromSsize_t(-size);
	}
	Py_DECREF(record);
	return PyLong_FromSsize_t(size);
}

static PyMethodDef methods[] = {
	{ "check", check_record, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(missing_success, methods)
