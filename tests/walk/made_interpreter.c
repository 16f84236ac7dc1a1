/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that looks like a free-threaded CPython 3.14 or 3.15, made of CPython's own
 * structs; for versions of which no build is at hand.  Two threads run the same code objects,
 * each in its own copy of the bytecode, and are blocked for good.
 *
 * Input: CPython's headers when compiled, by tools/record-fixture:
 *   cc -fno-omit-frame-pointer -DPy_BUILD_CORE -DPy_GIL_DISABLED -I.../python3.14 ...
 * Output: one line of JSON, as tests/walk/target.py writes it: what the stacks are.
 */
#include <Python.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pycore_code.h"
#include "pycore_debug_offsets.h"
#include "pycore_interpframe_structs.h"
#include "pycore_runtime_structs.h"
#include "pycore_stackref.h"
#include "pycore_tstate.h"

enum {
	UNITS = 8, /* of 2 bytes, in each code object's bytecode */
	COPIES = 3,
	N_CODES = 5,
	N_FRAMES = 6, /* of a thread: two in the outer eval frame, four in the inner one */
	OUTER = 2,
	GENERATOR = 3, /* one of them is a generator's */
};

static const char file[] = "/made/interpreter.py";

/* How a frame is: its code object, at which unit, and the line of that unit. */
static const struct {
	int code, unit;
} shape[N_FRAMES] = { { 0, 3 }, { 1, 1 }, { 2, 7 }, { 3, 5 }, { 4, 1 }, { 1, 6 } };

static const struct {
	const char *text; /* as JSON */
	int kind, length, first;
	const void *data;
} names[N_CODES] = {
	{ "<module>", 1, 8, 1, "<module>" },
	{ "f", 1, 1, 10, "f" },
	{ "Gr\\u00f6\\u00dfe", 1, 5, 100,
	  "Gr\xf6\xdf"
	  "e" },
	{ "\\u540d", 2, 1, 70000, "\x0d\x54\0" },
	{ "\\ud83d\\udc0d", 4, 1, 7, "\x0d\xf4\x01\0" },
};

const unsigned long Py_Version = PY_VERSION_HEX;
PyTypeObject PyCode_Type, PyBytes_Type, PyUnicode_Type;
_PyRuntimeState _PyRuntime = { .debug_offsets = _Py_DebugOffsets_INIT("xdebugpy") };
static PyInterpreterState interpreter;
static PyCodeObject *codes[N_CODES];
static sem_t ready;
static pid_t tids[2];
static volatile int blocked = 1;

#if PY_VERSION_HEX >= 0x030f0000
static _Thread_local PyThreadState *own_state;

PyThreadState *PyGILState_GetThisThreadState(void)
{
	return own_state;
}

static void own_state_set(PyThreadState *tstate)
{
	own_state = tstate;
}
#else
static void own_state_set(PyThreadState *tstate)
{
	pthread_setspecific(_PyRuntime.autoTSSkey._key, tstate);
}
#endif

/* owned: by this thread, else with a deferred count, as code objects mostly are */
static void object_init(PyObject *object, PyTypeObject *type, int owned)
{
	object->ob_type = type;
	object->ob_tid = owned ? pthread_self() : 0;
	object->ob_ref_local = owned;
	object->ob_ref_shared = owned ? 0 : (Py_ssize_t)1 << 60;
}

static PyObject *string_create(int kind, int length, const void *data)
{
	int ascii = kind == 1;
	PyCompactUnicodeObject *string = calloc(1, sizeof(*string) + 256);

	for (int i = 0; kind == 1 && i < length; i++)
		ascii &= !(((const char *)data)[i] & 0x80);
	object_init((PyObject *)string, &PyUnicode_Type, 0);
	string->_base.length = length;
	string->_base.hash = -1;
	string->_base.state.interned = 3;
	string->_base.state.kind = kind;
	string->_base.state.compact = 1;
	string->_base.state.ascii = ascii;
	memcpy(ascii ? (char *)(&string->_base + 1) : (char *)(string + 1), data,
	       (size_t)kind * length);
	return (PyObject *)string;
}

/* Objects/locations.md: each unit is on the line after that of the one before, no columns. */
static PyObject *line_table_create(void)
{
	PyBytesObject *table = calloc(1, sizeof(*table) + 2 * UNITS);

	object_init((PyObject *)table, &PyBytes_Type, 0);
	table->ob_base.ob_size = 2 * UNITS;
	for (int i = 0; i < UNITS; i++) {
		table->ob_sval[2 * i] = (char)(0x80 | 13 << 3);
		table->ob_sval[2 * i + 1] = 1 << 1;
	}
	return (PyObject *)table;
}

static void code_create(int i)
{
	PyCodeObject *code = calloc(1, sizeof(*code) + 2 * UNITS);
	_PyCodeArray *copies = calloc(1, sizeof(*copies) + COPIES * sizeof(char *));

	object_init((PyObject *)code, &PyCode_Type, i & 1);
	code->ob_base.ob_size = UNITS;
	code->co_filename = string_create(1, sizeof(file) - 1, file);
	code->co_name = code->co_qualname =
		string_create(names[i].kind, names[i].length, names[i].data);
	code->co_linetable = line_table_create();
	code->co_firstlineno = names[i].first;
	code->_co_firsttraceable = 1;
	code->co_version = i ? 1000 + i : 0;
	copies->size = COPIES;
	copies->entries[0] = code->co_code_adaptive;
	copies->entries[2] = calloc(UNITS, 2); /* no thread has number 1 */
	code->co_tlbc = copies;
	codes[i] = code;
}

struct thread {
	_PyThreadStateImpl state;
	_PyInterpreterFrame frames[N_FRAMES];
	int copy; /* of the bytecode */
};

static void frame_init(struct thread *thread, int i)
{
	_PyInterpreterFrame *frame = &thread->frames[i];
	PyCodeObject *code = codes[shape[i].code];

	/* a borrowed reference and one that is counted: the tag is in the lowest bits */
	frame->f_executable.bits = (uintptr_t)code | (i & 1 ? Py_TAG_REFCNT : 0);
	frame->owner = i == GENERATOR ? FRAME_OWNED_BY_GENERATOR : FRAME_OWNED_BY_THREAD;
	frame->tlbc_index = thread->copy;
	frame->instr_ptr = (_Py_CODEUNIT *)code->co_tlbc->entries[thread->copy] + shape[i].unit;
}

static PyObject *call_python(PyThreadState *tstate, _PyInterpreterFrame *frame, int n);

/* Runs frames first to last: called once for each of them that C code enters. */
__attribute__((noipa)) PyObject *_PyEval_EvalFrameDefault(PyThreadState *tstate,
							  _PyInterpreterFrame *frame, int n)
{
	_PyInterpreterFrame entry = { .owner = FRAME_OWNED_BY_INTERPRETER,
				      .previous = tstate->current_frame };

	/* the real one is larger than any prologue */
	__asm__ volatile(".skip 0x400, 0x90");
	frame[0].previous = &entry;
	for (int i = 1; i < n; i++)
		frame[i].previous = &frame[i - 1];
	tstate->current_frame = &frame[n - 1];
	if (n == OUTER) {
		call_python(tstate, frame + n, N_FRAMES - OUTER);
	} else {
		sem_post(&ready);
		while (blocked)
			pause();
	}
	__asm__ volatile("" : : "r"(&entry) : "memory");
	return NULL;
}

/* C code between the two, as there always is. */
__attribute__((noipa)) static PyObject *call_python(PyThreadState *tstate,
						    _PyInterpreterFrame *frame, int n)
{
	PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, n);

	__asm__ volatile("" : : : "memory");
	return result;
}

static void *thread_run(void *arg)
{
	struct thread *thread = arg;
	PyThreadState *tstate = &thread->state.base;
	int second = thread->copy != 0;

	tids[second] = (pid_t)syscall(SYS_gettid);
	tstate->interp = &interpreter;
	tstate->thread_id = pthread_self();
	tstate->native_thread_id = tids[second];
	tstate->_status.active = !second;
	tstate->state = second ? _Py_THREAD_SUSPENDED : _Py_THREAD_ATTACHED;
	thread->state.tlbc_index = thread->copy;
#if PY_VERSION_HEX >= 0x030f0000
	thread->state.base_frame.owner = FRAME_OWNED_BY_INTERPRETER;
	tstate->base_frame = tstate->current_frame = &thread->state.base_frame;
#endif
	own_state_set(tstate);
	for (int i = 0; i < N_FRAMES; i++)
		frame_init(thread, i);
	_PyEval_EvalFrameDefault(tstate, thread->frames, OUTER);
	return NULL;
}

static void thread_start(int copy)
{
	struct thread *thread = calloc(1, sizeof(*thread));
	pthread_t id;

	thread->copy = copy;
	thread->state.base.next = interpreter.threads.head;
	interpreter.threads.head = &thread->state.base;
	if (pthread_create(&id, NULL, thread_run, thread))
		exit(1);
	sem_wait(&ready);
}

static void say_thread(const char *name, int i)
{
	printf("\"%s\": {\"tid\": %d, \"stacks\": [[", name, tids[i]);
	for (int k = 0; k < N_FRAMES; k++)
		printf("%s[\"%s\", \"%s\", %d]", k ? ", " : "", file, names[shape[k].code].text,
		       names[shape[k].code].first + shape[k].unit + 1);
	printf("]]}");
}

int main(void)
{
	sem_init(&ready, 0, 0);
	_PyRuntime.interpreters.head = _PyRuntime.interpreters.main = &interpreter;
	_PyRuntime.initialized = 1;
	interpreter.ceval.gil = &interpreter._gil;
#if PY_VERSION_HEX < 0x030f0000
	_PyRuntime.autoTSSkey._is_initialized = 1;
	pthread_key_create(&_PyRuntime.autoTSSkey._key, NULL);
#endif
	for (int i = 0; i < N_CODES; i++)
		code_create(i);
	thread_start(0);
	thread_start(2);
	printf("{\"pid\": %d, \"version\": \"%s\", \"threads\": {", getpid(), PY_VERSION);
	say_thread("blocked", 1);
	printf(", ");
	say_thread("blocked_too", 0);
	printf("}}\n");
	fflush(stdout);
	getchar();
	return 0;
}
