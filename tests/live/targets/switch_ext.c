/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What greenlet does, for CPython 3.6 to 3.10, in few lines: functions that take turns in one
 * thread, each on a C stack of its own, with Python frames that no other called.  Built as
 * _greenlet, whose name tells pitviper that stacks are exchanged.
 *
 * run(functions): all of them, in turns, until all have ended; the names of the exceptions that
 * some ended by.  turn(): lets the next one go on.
 */
#include <Python.h>
#include <frameobject.h>
#include <stdlib.h>
#include <ucontext.h>

enum { STACK_BYTES = 1 << 18, JOBS_MAX = 256 };

struct state {
	struct _frame *frame;
	int recursion_depth;
#if PY_VERSION_HEX >= 0x030a0000
	CFrame *cframe;
#endif
};

struct job {
	ucontext_t context;
	struct state state;
	PyObject *function, *result;
	int ended;
	char *stack;
};

static struct job jobs[JOBS_MAX];
static ucontext_t main_context;
static struct job *current;

static struct state get(void)
{
	PyThreadState *tstate = PyThreadState_GET();

	return (struct state)
	{
		.frame = tstate->frame, .recursion_depth = tstate->recursion_depth,
#if PY_VERSION_HEX >= 0x030a0000
		.cframe = tstate->cframe,
#endif
	};
}

static void set(const struct state *state)
{
	PyThreadState *tstate = PyThreadState_GET();

	tstate->frame = state->frame;
	tstate->recursion_depth = state->recursion_depth;
#if PY_VERSION_HEX >= 0x030a0000
	tstate->cframe = state->cframe;
#endif
}

static void work(void)
{
	struct job *job = current;

	job->result = PyObject_CallObject(job->function, NULL);
	if (!job->result) {
		PyObject *type, *value, *traceback;

		PyErr_Fetch(&type, &value, &traceback);
		job->result = PyUnicode_FromString(((PyTypeObject *)type)->tp_name);
		Py_XDECREF(type);
		Py_XDECREF(value);
		Py_XDECREF(traceback);
	}
	job->ended = 1;
	swapcontext(&job->context, &main_context);
}

static void resume(struct job *job)
{
	struct state mine = get();

	set(&job->state);
	current = job;
	swapcontext(&main_context, &job->context);
	current = NULL;
	job->state = get();
	set(&mine);
}

static PyObject *turn(PyObject *self, PyObject *args)
{
	struct job *job = current;

	(void)self;
	(void)args;
	swapcontext(&job->context, &main_context);
	Py_RETURN_NONE;
}

static Py_ssize_t prepare(PyObject *functions)
{
	Py_ssize_t n = PyList_Size(functions);

	n = n < JOBS_MAX ? n : JOBS_MAX;
	for (Py_ssize_t i = 0; i < n; i++) {
		struct job *job = &jobs[i];

		*job = (struct job){ .state = get(), .function = PyList_GetItem(functions, i) };
		job->state.frame = NULL;
#if PY_VERSION_HEX >= 0x030a0000
		job->state.cframe = &PyThreadState_GET()->root_cframe;
#endif
		job->stack = malloc(STACK_BYTES);
		getcontext(&job->context);
		job->context.uc_stack.ss_sp = job->stack;
		job->context.uc_stack.ss_size = STACK_BYTES;
		makecontext(&job->context, work, 0);
	}
	return n;
}

static PyObject *start(PyObject *self, PyObject *functions)
{
	Py_ssize_t n = prepare(functions);

	(void)self;
	for (Py_ssize_t i = 0; i < n; i++) {
		Py_INCREF(jobs[i].function);
		resume(&jobs[i]);
	}
	Py_RETURN_NONE;
}

static PyObject *drop(PyObject *self, PyObject *args)
{
	(void)self;
	(void)args;
	for (Py_ssize_t i = 0; i < JOBS_MAX && jobs[i].stack; i++) {
		PyFrameObject *frame = (PyFrameObject *)jobs[i].state.frame, *back;

		for (; frame; frame = back) {
			back = frame->f_back;
			Py_DECREF(frame);
		}
		free(jobs[i].stack);
		jobs[i].stack = NULL;
	}
	Py_RETURN_NONE;
}

static PyObject *run(PyObject *self, PyObject *functions)
{
	Py_ssize_t n = prepare(functions), left;
	PyObject *results = PyList_New(0);

	(void)self;
	do {
		left = 0;
		for (Py_ssize_t i = 0; i < n; i++) {
			if (jobs[i].ended)
				continue;
			resume(&jobs[i]);
			left++;
		}
	} while (left);
	for (Py_ssize_t i = 0; i < n; i++) {
		PyList_Append(results, jobs[i].result);
		Py_DECREF(jobs[i].result);
		free(jobs[i].stack);
		jobs[i].stack = NULL;
	}
	return results;
}

static PyMethodDef methods[] = {
	{ "run", run, METH_O, NULL },     { "turn", turn, METH_NOARGS, NULL },
	{ "start", start, METH_O, NULL }, { "drop", drop, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "_greenlet", NULL, -1, methods, NULL, NULL, NULL, NULL
};

PyMODINIT_FUNC PyInit__greenlet(void)
{
	return PyModule_Create(&module);
}
