/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that one thread allocates and another one frees, but for jobs that came too late. */
#include "native.h"
#include <stdlib.h>
#include <string.h>

struct job {
	int late;
	size_t size;
	char text[];
};

/* job(text, late): the address of a new one. */
static PyObject *make_job(PyObject *self, PyObject *args)
{
	const char *text;
	Py_ssize_t size;
	int late;

	(void)self;
	if (!PyArg_ParseTuple(args, "s#i", &text, &size, &late))
		return NULL;
	struct job *job = malloc(sizeof(*job) + (size_t)size + 900); /* HERE: alloc */
	if (!job)
		return PyErr_NoMemory();
	job->late = late;
	job->size = (size_t)size + 900;
	memset(job->text, '.', job->size);
	memcpy(job->text, text, (size_t)size);
	return PyLong_FromVoidPtr(job);
}

/* finish(job): does it and frees it. */
static PyObject *finish_job(PyObject *self, PyObject *address)
{
	struct job *job = PyLong_AsVoidPtr(address);
	long sum = 0;

	(void)self;
	if (!job)
		return NULL;
	if (job->late) {
		FIX(free(job)); /* HERE: missing */
		Py_RETURN_NONE;
	}
	for (size_t i = 0; i < job->size; i++)
		sum = sum * 31 + job->text[i];
	free(job);
	return PyLong_FromLong(sum);
}

static PyMethodDef methods[] = {
	{ "job", make_job, METH_VARARGS, NULL },
	{ "finish", finish_job, METH_O, NULL },
	MODULE_NO_MORE,
};

MODULE(handover, methods)
