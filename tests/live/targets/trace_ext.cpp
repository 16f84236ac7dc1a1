// SPDX-License-Identifier: BSD-2-Clause
// An extension module for trace_native.py whose native functions call each other and Python,
// and count their own calls; all that is hard for probes is in it: exceptions, longjmp,
// switched stacks, a jump to another function.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <setjmp.h>
#include <stdint.h>
#include <ucontext.h>

#include <string>

enum { LEAF, MIDDLE, TAIL, CALL_BACK, THROWS, JUMPS, SWITCHES, FUNCTIONS };

static uint64_t calls[FUNCTIONS];
static volatile int sink;
static jmp_buf out;
static ucontext_t home, other;

#define NATIVE extern "C" __attribute__((noinline, visibility("default")))

NATIVE int nat_leaf(int x)
{
	calls[LEAF]++;
	return x * 3 + sink;
}

NATIVE int nat_middle(int n)
{
	int sum = 0;

	calls[MIDDLE]++;
	for (int i = 0; i < n; i++)
		sum += nat_leaf(i);
	return sum + 1;
}

// Ends by a jump to nat_leaf.
NATIVE int nat_tail(int x)
{
	calls[TAIL]++;
	return nat_leaf(x + 1);
}

NATIVE PyObject *nat_call_back(PyObject *fn, int n)
{
	PyObject *last = nullptr;

	calls[CALL_BACK]++;
	for (int i = 0; i < n; i++) {
		Py_XDECREF(last);
		last = PyObject_CallObject(fn, nullptr);
		if (!last)
			return nullptr;
	}
	sink += nat_leaf(n);
	return last;
}

NATIVE int nat_throws(int x)
{
	calls[THROWS]++;
	if (x & 1)
		throw std::string("odd");
	return nat_leaf(x) + 1;
}

NATIVE int nat_jumps(int x)
{
	calls[JUMPS]++;
	if (x & 1)
		longjmp(out, 1);
	return nat_leaf(x) + 1;
}

NATIVE int nat_switches(int x)
{
	calls[SWITCHES]++;
	swapcontext(&other, &home);
	return nat_leaf(x) + 1;
}

static void on_other_stack(int x)
{
	sink += nat_switches(x);
}

static PyObject *py_middle(PyObject *, PyObject *args)
{
	int n;

	if (!PyArg_ParseTuple(args, "i", &n))
		return nullptr;
	sink = nat_tail(n);
	return PyLong_FromLong(nat_middle(n) + 1);
}

static PyObject *py_call_back(PyObject *, PyObject *args)
{
	PyObject *fn;
	int n;

	if (!PyArg_ParseTuple(args, "Oi", &fn, &n))
		return nullptr;
	return nat_call_back(fn, n);
}

static PyObject *py_throws(PyObject *, PyObject *args)
{
	int n, caught = 0;

	if (!PyArg_ParseTuple(args, "i", &n))
		return nullptr;
	for (int i = 0; i < n; i++) {
		try {
			sink += nat_throws(i);
		} catch (const std::string &) {
			caught++;
			sink += nat_middle(1);
		}
	}
	return PyLong_FromLong(caught);
}

// Not traced: what it calls begins further down the stack than the call that was left.
static __attribute__((noinline)) int deeper(int x)
{
	return nat_middle(x) + sink;
}

static PyObject *py_jumps(PyObject *, PyObject *args)
{
	static volatile int i, n;
	int all;

	if (!PyArg_ParseTuple(args, "i", &all))
		return nullptr;
	n = all;
	for (i = 0; i < n; i = i + 1) {
		if (!setjmp(out))
			sink += nat_jumps(i);
		else
			sink += deeper(1);
	}
	return PyLong_FromLong(n);
}

static PyObject *py_switches(PyObject *, PyObject *args)
{
	static char stack[256 * 1024];
	int n;

	if (!PyArg_ParseTuple(args, "i", &n))
		return nullptr;
	for (int i = 0; i < n; i++) {
		getcontext(&other);
		other.uc_stack.ss_sp = stack;
		other.uc_stack.ss_size = sizeof(stack);
		other.uc_link = &home;
		makecontext(&other, (void (*)())on_other_stack, 1, i);
		swapcontext(&home, &other);
		sink += nat_middle(1);
		swapcontext(&home, &other);
	}
	return PyLong_FromLong(n);
}

static PyObject *py_counts(PyObject *, PyObject *)
{
	PyObject *list = PyList_New(FUNCTIONS);

	for (int i = 0; list && i < FUNCTIONS; i++)
		PyList_SetItem(list, i, PyLong_FromUnsignedLongLong(calls[i]));
	return list;
}

static PyMethodDef methods[] = {
	{ "middle", py_middle, METH_VARARGS, nullptr },
	{ "call_back", py_call_back, METH_VARARGS, nullptr },
	{ "throws", py_throws, METH_VARARGS, nullptr },
	{ "jumps", py_jumps, METH_VARARGS, nullptr },
	{ "switches", py_switches, METH_VARARGS, nullptr },
	{ "counts", py_counts, METH_NOARGS, nullptr },
	{ nullptr, nullptr, 0, nullptr },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "trace_ext", nullptr, -1, methods,
				     nullptr, nullptr, nullptr, nullptr };

PyMODINIT_FUNC PyInit_trace_ext(void)
{
	return PyModule_Create(&module);
}
