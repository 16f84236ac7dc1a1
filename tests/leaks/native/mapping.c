/* SPDX-License-Identifier: BSD-2-Clause */
/* mmap() without munmap() for what is to be thrown away. */
#include "native.h"
#include <string.h>
#include <sys/mman.h>

#define BUFFER_BYTES 32768

/* shuffle(text, discard): a checksum made in a buffer of its own. */
static PyObject *shuffle_buffer(PyObject *self, PyObject *args)
{
	const char *text;
	int discard;
	long sum = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "si", &text, &discard))
		return NULL;
	char *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, /* HERE: alloc */
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		return PyErr_SetFromErrno(PyExc_OSError);
	size_t size = strnlen(text, 4000);
	memcpy(buffer, text, size);
	memcpy(buffer + BUFFER_BYTES - 4096, text, size);
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + buffer[i];
	if (discard) {
		FIX(munmap(buffer, BUFFER_BYTES)); /* HERE: missing */
		Py_RETURN_NONE;
	}
	munmap(buffer, BUFFER_BYTES);
	return PyLong_FromLong(sum);
}

static PyMethodDef methods[] = {
	{ "shuffle", shuffle_buffer, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(mapping, methods)
