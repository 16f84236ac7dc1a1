/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc() without free() when a line is refused. */
#include "native.h"
#include <stdlib.h>
#include <string.h>

static char *copy_line(const char *text, size_t size)
{
	char *line = malloc(size + 1200); /* HERE: alloc */

	if (line) {
		memcpy(line, text, size);
		memset(line + size, ' ', 1200);
	}
	return line;
}

/* spaces(text, refuse): how many blanks a padded line has. */
static PyObject *count_spaces(PyObject *self, PyObject *args)
{
	const char *text;
	Py_ssize_t size;
	int refuse;
	long blanks = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "s#i", &text, &size, &refuse))
		return NULL;
	char *line = copy_line(text, (size_t)size);
	if (!line)
		return PyErr_NoMemory();
	for (Py_ssize_t i = 0; i < size + 1200; i++)
		blanks += line[i] == ' ';
	if (refuse) {
		FIX(free(line)); /* HERE: missing */
		PyErr_SetString(PyExc_ValueError, "refused");
		return NULL;
	}
	free(line);
	return PyLong_FromLong(blanks);
}

static PyMethodDef methods[] = {
	{ "spaces", count_spaces, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(raw_malloc, methods)
