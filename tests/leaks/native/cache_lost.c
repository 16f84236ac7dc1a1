/* SPDX-License-Identifier: BSD-2-Clause */
/* One reference too many to an object that a cache holds, too: seen only when the cache lets go of
 * it. */
#include "native.h"

/* touch(profile, renamed): counts a visit; a renamed one's name is looked at again. */
static PyObject *touch_profile(PyObject *self, PyObject *args)
{
	PyObject *profile;
	int renamed;

	(void)self;
	if (!PyArg_ParseTuple(args, "Oi", &profile, &renamed))
		return NULL;
	PyObject *visits = PyObject_GetAttrString(profile, "visits");
	if (!visits)
		return NULL;
	long count = PyLong_AsLong(visits) + 1;
	Py_DECREF(visits);
	visits = PyLong_FromLong(count);
	if (!visits || PyObject_SetAttrString(profile, "visits", visits) < 0)
		return NULL;
	Py_DECREF(visits);
	if (renamed) {
		Py_INCREF(profile); /* HERE: surplus */
		PyObject *name = PyObject_GetAttrString(profile, "name");
		Py_XDECREF(name);
		FIX(Py_DECREF(profile)); /* HERE: missing */
	}
	return PyLong_FromLong(count);
}

static PyMethodDef methods[] = {
	{ "touch", touch_profile, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(cache_lost, methods)
