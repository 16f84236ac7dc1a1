/* SPDX-License-Identifier: BSD-2-Clause */
/* PyModule_AddObject() steals only if it succeeds: on failure the reference is still the caller's.
 */
#include "native.h"

/* publish(module, name, value): sets an attribute of a module; False for what is no module. */
static PyObject *publish_value(PyObject *self, PyObject *args)
{
	PyObject *module, *value;
	const char *name;

	(void)self;
	if (!PyArg_ParseTuple(args, "OsO", &module, &name, &value))
		return NULL;
	Py_INCREF(value); /* HERE: surplus */
	if (PyModule_AddObject(module, name, value) < 0) {
		FIX(Py_DECREF(value)); /* HERE: missing */
		PyErr_Clear();
		Py_RETURN_FALSE;
	}
	Py_RETURN_TRUE;
}

static PyMethodDef methods[] = {
	{ "publish", publish_value, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(module_add, methods)
