/* SPDX-License-Identifier: BSD-2-Clause */
/* A borrowed reference made one's own, twice. */
#include "native.h"

/* lookup(table, key, again): the value of a key; after a second try if there must be one. */
static PyObject *lookup_invoice(PyObject *self, PyObject *args)
{
	PyObject *table, *key;
	int again;

	(void)self;
	if (!PyArg_ParseTuple(args, "O!Oi", &PyDict_Type, &table, &key, &again))
		return NULL;
	PyObject *found = PyDict_GetItemWithError(table, key);
	if (!found) {
		if (!PyErr_Occurred())
			PyErr_SetObject(PyExc_KeyError, key);
		return NULL;
	}
	if (again) {
		BUG(Py_INCREF(found)); /* HERE: surplus */
		if (PyDict_SetItem(table, key, found) < 0)
			return NULL;
	}
	Py_INCREF(found);
	return found;
}

static PyMethodDef methods[] = {
	{ "lookup", lookup_invoice, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(double_incref, methods)
