/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread's own list of what it saw last, bounded but for the entries that are pinned. */
#include "native.h"
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 64

struct node {
	struct node *next;
	int pinned;
	char text[500];
};

static __thread struct node *newest;

/* One more came in, so at most one is too old. */
static void drop_old_node(void)
{
	struct node **link = &newest;
	int count = 0;

	for (int looked_at = 0; *link && looked_at < 4 * NODES_MAX; looked_at++) {
		struct node *node = *link;
		if (BUG(node->pinned ||) count++ < NODES_MAX) { /* HERE: missing */
			link = &node->next;
		} else {
			*link = node->next;
			free(node);
			return;
		}
	}
}

/* remember(text, pinned): whether this thread saw the text lately. */
static PyObject *remember_text(PyObject *self, PyObject *args)
{
	const char *text;
	int pinned, seen = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "si", &text, &pinned))
		return NULL;
	int looked_at = 0;
	for (struct node *node = newest; node && looked_at < NODES_MAX;
	     node = node->next, looked_at++)
		seen |= !strncmp(node->text, text, sizeof(node->text) - 1);
	struct node *node = calloc(1, sizeof(*node)); /* HERE: alloc */
	if (!node)
		return PyErr_NoMemory();
	strncpy(node->text, text, sizeof(node->text) - 1);
	node->pinned = pinned;
	node->next = newest;
	newest = node;
	drop_old_node();
	return PyBool_FromLong(seen);
}

static PyMethodDef methods[] = {
	{ "remember", remember_text, METH_VARARGS, NULL },
	MODULE_NO_MORE,
};

MODULE(tls_nodes, methods)
