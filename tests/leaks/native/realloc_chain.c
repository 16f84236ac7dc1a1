/* SPDX-License-Identifier: BSD-2-Clause */
/* A buffer that grows by realloc() and is not freed when what is put into it is cut off. */
#include "native.h"
#include <stdlib.h>
#include <string.h>

struct text {
	char *bytes;
	size_t length, room;
};

static int append_bytes(struct text *text, const char *bytes, size_t size)
{
	if (text->length + size > text->room) {
		size_t room = (text->length + size) * 3 / 2;
		char *more = realloc(text->bytes, room); /* HERE: alloc */
		if (!more)
			return -1;
		text->bytes = more;
		text->room = room;
	}
	memcpy(text->bytes + text->length, bytes, size);
	text->length += size;
	return 0;
}

/* render(word, times, cut): the word so many times; None if it is cut off. */
static PyObject *render_text(PyObject *self, PyObject *args)
{
	const char *word;
	Py_ssize_t size;
	int times, cut;
	struct text text = { 0 };

	(void)self;
	if (!PyArg_ParseTuple(args, "s#ii", &word, &size, &times, &cut))
		return NULL;
	for (int i = 0; i < times; i++) {
		if (append_bytes(&text, word, (size_t)size) < 0) {
			free(text.bytes);
			return PyErr_NoMemory();
		}
	}
	if (cut) {
		FIX(free(text.bytes)); /* HERE: missing */
		Py_RETURN_NONE;
	}
	PyObject *result = PyUnicode_FromStringAndSize(text.bytes, (Py_ssize_t)text.length);
	free(text.bytes);
	return result;
}

static PyMethodDef methods[] = {
	{ "render", render_text, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(realloc_chain, methods)
