/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of the object allocator that an early return forgets. */
#include "native.h"
#include <string.h>

struct ticket {
	long id;
	char text[360];
};

/* stamp(id, text, void): a checksum over a ticket; a void one has none. */
static PyObject *stamp_ticket(PyObject *self, PyObject *args)
{
	long id, sum = 0;
	const char *text;
	int is_void;

	(void)self;
	if (!PyArg_ParseTuple(args, "lsi", &id, &text, &is_void))
		return NULL;
	struct ticket *ticket = PyObject_Malloc(sizeof(*ticket)); /* HERE: alloc */
	if (!ticket)
		return PyErr_NoMemory();
	ticket->id = id;
	strncpy(ticket->text, text, sizeof(ticket->text) - 1);
	ticket->text[sizeof(ticket->text) - 1] = '\0';
	for (const char *c = ticket->text; *c; c++)
		sum = sum * 31 + *c;
	if (is_void) {
		FIX(PyObject_Free(ticket)); /* HERE: missing */
		Py_RETURN_NONE;
	}
	sum ^= ticket->id;
	PyObject_Free(ticket);
	return PyLong_FromLong(sum);
}

static PyMethodDef methods[] = {
	{ "stamp", stamp_ticket, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(object_malloc, methods)
