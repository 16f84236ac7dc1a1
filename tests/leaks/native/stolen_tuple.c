/* SPDX-License-Identifier: BSD-2-Clause */
/* PyTuple_SetItem() steals what PyObject_GetAttrString() returned; an INCREF before it is one too
 * many. */
#include "native.h"

/* pair(customer, number, moved): (customer.address, number). */
static PyObject *pair_address(PyObject *self, PyObject *args)
{
	PyObject *customer, *number;
	int moved;

	(void)self;
	if (!PyArg_ParseTuple(args, "OOi", &customer, &number, &moved))
		return NULL;
	PyObject *pair = PyTuple_New(2);
	PyObject *address = PyObject_GetAttrString(customer, "address");
	if (!pair || !address) {
		Py_XDECREF(pair);
		Py_XDECREF(address);
		return NULL;
	}
	if (moved) {
		BUG(Py_INCREF(address);) /* HERE: surplus */
		PyTuple_SetItem(pair, 0, address);
	} else {
		PyTuple_SetItem(pair, 0, address);
	}
	Py_INCREF(number);
	PyTuple_SetItem(pair, 1, number);
	return pair;
}

static PyMethodDef methods[] = {
	{ "pair", pair_address, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(stolen_tuple, methods)
