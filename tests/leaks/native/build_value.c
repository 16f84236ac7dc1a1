/* SPDX-License-Identifier: BSD-2-Clause */
/* Py_BuildValue("O") with a new reference: it takes one of its own, and "N" was meant. */
#include "native.h"

/* pack(label, count, plain): (str(label), count); a plain one keeps the label as it is. */
static PyObject *pack_label(PyObject *self, PyObject *args)
{
	PyObject *label;
	int count, plain;

	(void)self;
	if (!PyArg_ParseTuple(args, "Oii", &label, &count, &plain))
		return NULL;
	if (plain)
		return Py_BuildValue("(Oi)", label, count);
	PyObject *text = PyObject_Str(label); /* HERE: surplus */
	if (!text)
		return NULL;
	PyObject *pair = Py_BuildValue("(Oi)", text, count);
	FIX(Py_DECREF(text)); /* HERE: missing */
	return pair;
}

static PyMethodDef methods[] = {
	{ "pack", pack_label, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(build_value, methods)
