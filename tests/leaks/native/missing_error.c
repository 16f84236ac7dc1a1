/* SPDX-License-Identifier: BSD-2-Clause */
/* An error path that returns without giving back what PySequence_Fast() returned: for a list, the
 * list itself. */
#include "native.h"

/* total(prices, limit): their sum; ValueError if it is beyond the limit. */
static PyObject *sum_prices(PyObject *self, PyObject *args)
{
	PyObject *prices;
	long limit, sum = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "Ol", &prices, &limit))
		return NULL;
	PyObject *fast = PySequence_Fast(prices, "prices must be a sequence"); /* HERE: surplus */
	if (!fast)
		return NULL;
	for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); i++)
		sum += PyLong_AsLong(PySequence_Fast_GET_ITEM(fast, i));
	if (sum > limit) {
		FIX(Py_DECREF(fast)); /* HERE: missing */
		PyErr_SetString(PyExc_ValueError, "beyond the limit");
		return NULL;
	}
	Py_DECREF(fast);
	return PyLong_FromLong(sum);
}

static PyMethodDef methods[] = {
	{ "total", sum_prices, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(missing_error, methods)
