/* SPDX-License-Identifier: BSD-2-Clause */
/* PyList_SetItem() steals: a new reference needs no INCREF before it. */
#include "native.h"

/* collect(parcels, last): a list of the first parcel, or of the last. */
static PyObject *collect_parcel(PyObject *self, PyObject *args)
{
	PyObject *parcels;
	int last;

	(void)self;
	if (!PyArg_ParseTuple(args, "Oi", &parcels, &last))
		return NULL;
	PyObject *list = PyList_New(1);
	if (!list)
		return NULL;
	PyObject *parcel = PySequence_GetItem(parcels, last ? -1 : 0);
	if (!parcel) {
		Py_DECREF(list);
		return NULL;
	}
	if (last) {
		BUG(Py_INCREF(parcel);) /* HERE: surplus */
	}
	if (PyList_SetItem(list, 0, parcel) < 0) {
		Py_DECREF(list);
		return NULL;
	}
	return list;
}

static PyMethodDef methods[] = {
	{ "collect", collect_parcel, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(stolen_list, methods)
