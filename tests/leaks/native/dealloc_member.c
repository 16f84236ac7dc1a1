/* SPDX-License-Identifier: BSD-2-Clause */
/* A type whose dealloc forgets one of its members, which few of its objects have. */
#include "native.h"
#include <structmember.h>

struct cell {
	PyObject_HEAD PyObject *value, *note;
};

static PyObject *cell_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
	PyObject *value, *note = NULL;

	(void)kw;
	if (!PyArg_ParseTuple(args, "O|O", &value, &note))
		return NULL;
	struct cell *cell = (struct cell *)type->tp_alloc(type, 0);
	if (!cell)
		return NULL;
	Py_INCREF(value);
	cell->value = value;
	Py_XINCREF(note); /* HERE: surplus */
	cell->note = note;
	return (PyObject *)cell;
}

static void cell_dealloc(PyObject *self)
{
	struct cell *cell = (struct cell *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_DECREF(cell->value);
	FIX(Py_XDECREF(cell->note)); /* HERE: missing */
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMemberDef members[] = {
	{ "value", T_OBJECT, offsetof(struct cell, value), READONLY, NULL },
	{ "note", T_OBJECT, offsetof(struct cell, note), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_new, cell_new },
	{ Py_tp_dealloc, cell_dealloc },
	{ Py_tp_members, members },
	{ 0, NULL },
};

static PyType_Spec spec = { "dealloc_member.Cell", sizeof(struct cell), 0, Py_TPFLAGS_DEFAULT,
			    slots };

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "dealloc_member", NULL, -1, NULL, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_dealloc_member(void)
{
	PyObject *made = PyModule_Create(&module);
	PyObject *type = PyType_FromSpec(&spec);

	if (!made || !type || PyModule_AddObject(made, "Cell", type) < 0)
		return NULL;
	return made;
}
