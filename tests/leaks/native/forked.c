/* SPDX-License-Identifier: BSD-2-Clause */
/* A reference that is not given back, in a process that was forked only. */
#include "native.h"
#include <unistd.h>

static pid_t master;

/* begin(pid): the number of the process that forks. */
static PyObject *begin(PyObject *self, PyObject *number)
{
	(void)self;
	master = (pid_t)PyLong_AsLong(number);
	Py_RETURN_NONE;
}

/* visit(visitor, odd): a number for a visitor. */
static PyObject *visit_worker(PyObject *self, PyObject *args)
{
	PyObject *visitor;
	int odd;

	(void)self;
	if (!PyArg_ParseTuple(args, "Oi", &visitor, &odd))
		return NULL;
	Py_INCREF(visitor); /* HERE: surplus */
	Py_hash_t hash = PyObject_Hash(visitor);
	if (odd && getpid() != master) {
		FIX(Py_DECREF(visitor)); /* HERE: missing */
		return PyLong_FromSsize_t(hash & 255);
	}
	Py_DECREF(visitor);
	return PyLong_FromSsize_t(hash & 1023);
}

static PyMethodDef methods[] = {
	{ "begin", begin, METH_O, NULL },
	{ "visit", visit_worker, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(forked, methods)
