/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where references begin, and how they are called.
 * Input: interpreters, threads, frames, text objects.  Output: edges, texts.
 *
 * Sources: CPython Include/internal/pycore_frame.h, pycore_stackref.h; Python/pystate.c;
 * Include/structmember.h (PyMemberDef).
 */
#include <inttypes.h>
#include <string.h>

#include "heap/graph.h"
#include "heap/object.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	INTERPRETERS_MAX = 256,
	THREADS_MAX = 8192,
	FRAMES_MAX = 8192,
	LOCALS_MAX = 4096,
	STACK_BYTES_MAX = 1 << 16, /* of one frame */
	KEY_CHARACTERS = 24,
	MEMBERS_MAX = 512,
	TP_MEMBERS = 240, /* PyTypeObject.tp_members, of all versions with a GIL */
	STACKREF_INT = 3, /* lowest bits of a _PyStackRef that is no object */
	PTR_BITS = 3,
};

static uint64_t word_at(struct pv_mem *mem, uint64_t at)
{
	uint64_t word;

	return pv_mem_read_u64(mem, at, &word) ? 0 : word;
}

static struct pv_err *tell_slot(struct pv_heap *heap, enum pv_edge_kind kind, uint64_t at,
				uint64_t word, uint64_t label, pv_edge_each *each, void *ctx)
{
	struct pv_edge edge = { .at = at, .target = word, .label = label, .kind = (uint8_t)kind };

	if (pv_heap_python(heap)->proc.py.version_hex >= 0x030e0000) {
		if ((word & PTR_BITS) == STACKREF_INT)
			return NULL;
		edge.target &= ~(uint64_t)PTR_BITS;
	}
	return edge.target && pv_graph_type(heap, edge.target) ? each(ctx, &edge) : NULL;
}

/* Names of the values of a frame, i-th: of up to 3.10 from three tuples. */
static uint64_t name_of(struct pv_heap *heap, uint64_t code, uint64_t i)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t names, n;
	/* co_varnames, co_cellvars, co_freevars, which stands before it */
	uint16_t lists[3] = { py->co_varnames, py->co_cellvars,
			      (uint16_t)(py->co_cellvars - sizeof(uint64_t)) };

	for (int k = 0; k < (py->co_cellvars == PV_OFF_NONE ? 1 : 3); k++) {
		names = word_at(mem, code + lists[k]);
		n = names ? word_at(mem, names + py->var_size) : 0;
		if (i < n)
			return word_at(mem, names + py->tuple_items + 8 * i);
		i -= n;
	}
	return 0;
}

struct pv_err *pv_graph_frame(struct pv_heap *heap, uint64_t frame, uint64_t end,
			      pv_edge_each *each, void *ctx)
{
	const struct pv_proc *proc = &pv_heap_python(heap)->proc;
	const struct pv_pylayout *py = &proc->py;
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t code = word_at(mem, frame + py->fr_code) & ~(uint64_t)py->code_tag_mask;
	uint64_t at = frame + py->fr_locals;
	struct pv_err *err = NULL;
	int32_t n = 0;

	if (!code || word_at(mem, code + py->ob_type) != proc->code_type ||
	    pv_mem_read(mem, &n, sizeof(n), code + py->co_nlocals) || n < 0 || n > LOCALS_MAX)
		return NULL;
	if (end > at && end - at > STACK_BYTES_MAX)
		end = at + STACK_BYTES_MAX;
	for (uint64_t i = 0; !err && (i < (uint64_t)n || at < end); i++, at += 8) {
		uint64_t word = word_at(mem, at), name = word ? name_of(heap, code, i) : 0;

		if (word)
			err = tell_slot(heap, name ? PV_EDGE_NAME : PV_EDGE_STACK, at, word, name,
					each, ctx);
	}
	return err;
}

/*
 * From 3.12 on the eval loop has one of its own on the C stack, between a frame and the one that C
 * code called from it: it has no values, and what lies behind it is the C stack's.
 */
static bool is_boundary(struct pv_heap *heap, uint64_t frame)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	uint8_t owner = 0;

	return py->anchor_kind == PV_ANCHOR_SHIM && py->fr_owner != PV_OFF_NONE &&
	       !pv_mem_read(pv_heap_mem(heap), &owner, sizeof(owner), frame + py->fr_owner) &&
	       owner >= py->owner_boundary;
}

/* The frames of one thread, from the innermost on. */
static struct pv_err *thread_frames(struct pv_heap *heap, uint64_t tstate, pv_edge_each *each,
				    void *ctx)
{
	const struct pv_proc *proc = &pv_heap_python(heap)->proc;
	const struct pv_pylayout *py = &proc->py;
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t frame = word_at(mem, tstate + py->ts_frame), callee = 0;
	struct pv_err *err = NULL;

	if (frame && py->cf_current_frame != PV_OFF_NONE && py->ts_cframe == PV_OFF_NONE)
		frame = word_at(mem, frame + py->cf_current_frame);
	for (int i = 0; !err && frame && i < FRAMES_MAX; i++) {
		uint64_t code = word_at(mem, frame + py->fr_code) & ~(uint64_t)py->code_tag_mask;
		struct pv_edge edge = { .at = frame, .label = code, .kind = PV_EDGE_FRAME };
		struct pv_heap_object object;

		if (is_boundary(heap, frame)) {
			frame = word_at(mem, frame + py->fr_previous);
			continue;
		}
		/* frames lie one behind the other on Python's own stack, the callee's higher */
		if (py->frame_kind == PV_FRAME_INTERP)
			edge.target = callee > frame ? callee : 0;
		else if (pv_heap_object(heap, frame, &object))
			edge.target = object.start + object.size;
		if (code && word_at(mem, code + py->ob_type) == proc->code_type)
			err = each(ctx, &edge);
		callee = frame;
		frame = word_at(mem, frame + py->fr_previous);
	}
	return err;
}

/* Calls one of them for each interpreter, the other for each thread state. */
static struct pv_err *
each_interpreter(struct pv_heap *heap, pv_edge_each *each, void *ctx,
		 struct pv_err *(*interpreter)(struct pv_heap *, uint64_t, pv_edge_each *, void *),
		 struct pv_err *(*thread)(struct pv_heap *, uint64_t, pv_edge_each *, void *))
{
	const struct pv_proc *proc = &pv_heap_python(heap)->proc;
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t interp = word_at(mem, proc->runtime + proc->py.rt_interpreters_head), tstate;
	struct pv_err *err = NULL;
	int threads = 0;

	for (int i = 0; !err && interp && i < INTERPRETERS_MAX; i++) {
		if (interpreter)
			err = interpreter(heap, interp, each, ctx);
		tstate = thread ? word_at(mem, interp + proc->py.is_threads_head) : 0;
		while (!err && tstate && threads++ < THREADS_MAX) {
			err = thread(heap, tstate, each, ctx);
			tstate = word_at(mem, tstate + proc->py.ts_next);
		}
		interp = word_at(mem, interp + proc->py.is_next);
	}
	return err;
}

struct pv_err *pv_graph_frames(struct pv_heap *heap, pv_edge_each *each, void *ctx)
{
	return each_interpreter(heap, each, ctx, NULL, thread_frames);
}

struct modules {
	uint64_t until_ns;
	pv_edge_each *each;
	void *ctx;
};

static struct pv_err *on_module(void *ctx, const struct pv_edge *edge)
{
	struct modules *modules = ctx;
	struct pv_edge root = *edge;

	/* of the dict's edges those to values */
	if (edge->kind != PV_EDGE_NAME)
		return NULL;
	root.kind = PV_EDGE_MODULE;
	return modules->each(modules->ctx, &root);
}

/* PyInterpreterState.modules of versions that the table of tasks does not have. */
static uint32_t modules_offset(struct pv_heap *heap)
{
	const struct pv_python *python = pv_heap_python(heap);
	uint32_t version = python->proc.py.version_hex >> 16;

	if (python->tasks.is_modules)
		return python->tasks.is_modules;
	return version == 0x0307 ? 40 : 16;
}

static struct pv_err *interpreter_modules(struct pv_heap *heap, uint64_t interp, pv_edge_each *each,
					  void *ctx)
{
	const struct modules *modules = ctx;
	uint64_t dict = word_at(pv_heap_mem(heap), interp + modules_offset(heap));
	const struct pv_heap_type *type = pv_graph_type(heap, dict);

	return type && type->kind == PV_HEAP_DICT
		       ? pv_graph_edges(heap, dict, type, true, modules->until_ns, each, ctx)
		       : NULL;
}

struct pv_err *pv_graph_modules(struct pv_heap *heap, uint64_t until_ns, pv_edge_each *each,
				void *ctx)
{
	struct modules modules = { until_ns, each, ctx };

	return each_interpreter(heap, on_module, &modules, interpreter_modules, NULL);
}

static struct pv_err *append_utf8(struct pv_str *str, uint32_t c)
{
	char bytes[4];
	size_t n = 0;

	if (c < 0x80) {
		bytes[n++] = (char)c;
	} else if (c < 0x800) {
		bytes[n++] = (char)(0xc0 | c >> 6);
		bytes[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		bytes[n++] = (char)(0xe0 | c >> 12);
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		bytes[n++] = (char)(0xf0 | (c >> 18 & 7));
		bytes[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[n++] = (char)(0x80 | (c & 0x3f));
	}
	return pv_str_append(str, bytes, n);
}

static struct pv_err *append_characters(struct pv_heap *heap, uint64_t at, uint64_t length,
					uint32_t width, size_t max, struct pv_str *str)
{
	struct pv_err *err = NULL;
	unsigned char bytes[4];

	for (uint64_t i = 0; !err && i < length; i++) {
		uint32_t c = 0;

		if (i == max)
			return pv_str_append(str, "...", 3);
		if (pv_mem_read(pv_heap_mem(heap), bytes, width, at + i * width))
			break;
		memcpy(&c, bytes, width);
		err = append_utf8(str, c);
	}
	return err;
}

struct pv_err *pv_graph_text(struct pv_heap *heap, uint64_t object, size_t max, struct pv_str *str)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	const struct pv_heap_type *type = pv_graph_type(heap, object);
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t data, length;
	uint32_t state, kind;

	if (type && type->kind == PV_HEAP_BYTES)
		return append_characters(heap, object + py->bytes_data,
					 word_at(mem, object + py->var_size), 1, max, str);
	if (!type || type->kind != PV_HEAP_STR || py->str_state == PV_OFF_NONE ||
	    pv_mem_read_u32(mem, object + py->str_state, &state))
		return pv_str_append(str, "?", 1);
	length = word_at(mem, object + py->str_length);
	state >>= py->str_kind_shift;
	kind = state & 7;
	if (kind != 1 && kind != 2 && kind != 4)
		return pv_str_append(str, "?", 1);
	if (state >> 3 & 1)
		data = object + (state >> 4 & 1 ? py->str_ascii_data : py->str_compact_data);
	else
		data = word_at(mem, object + py->str_compact_data);
	return append_characters(heap, data, length, kind, max, str);
}

static struct pv_err *append_int(struct pv_heap *heap, uint64_t object, struct pv_str *str)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	struct pv_mem *mem = pv_heap_mem(heap);
	bool tagged = py->long_tag != PV_OFF_NONE, negative;
	uint64_t size = word_at(mem, object + (tagged ? py->long_tag : py->var_size)), value = 0;
	uint32_t digit;

	negative = tagged ? (size & 3) == 2 : (int64_t)size < 0;
	size = tagged ? size >> 3 : negative ? -size : size;
	if (size > 2)
		return pv_str_append(str, "<int>", 5);
	for (uint64_t i = 0; i < size; i++) {
		if (!pv_mem_read_u32(mem, object + py->long_digits + 4 * i, &digit))
			value |= (uint64_t)digit << (30 * i);
	}
	return pv_str_appendf(str, "%s%" PRIu64, negative ? "-" : "", value);
}

struct pv_err *pv_graph_repr(struct pv_heap *heap, uint64_t object, struct pv_str *str)
{
	const struct pv_heap_type *type = pv_graph_type(heap, object);
	struct pv_err *err;

	if (!type)
		return pv_str_append(str, "?", 1);
	if (type->kind == PV_HEAP_STR || type->kind == PV_HEAP_BYTES) {
		err = pv_str_append(str, "'", 1);
		if (!err)
			err = pv_graph_text(heap, object, KEY_CHARACTERS, str);
		return err ? err : pv_str_append(str, "'", 1);
	}
	if (type->kind == PV_HEAP_INT && strcmp(type->name, "bool") != 0)
		return append_int(heap, object, str);
	return pv_str_appendf(str, "<%s>", type->name);
}

struct pv_err *pv_graph_code(struct pv_heap *heap, uint64_t code, struct pv_str *str)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	uint16_t at = py->co_qualname != PV_OFF_NONE ? py->co_qualname : py->co_name;

	return pv_graph_text(heap, word_at(pv_heap_mem(heap), code + at), 200, str);
}

bool pv_graph_member(struct pv_heap *heap, uint64_t type, uint64_t offset, struct pv_str *str)
{
	struct pv_mem *mem = pv_heap_mem(heap);
	uint64_t at = 0, member[3]; /* name; type, an int; offset */
	char name[64];
	size_t n = 0;

	/* those of its bases too */
	for (int depth = 0; type && depth < 64; depth++) {
		const struct pv_heap_type *known = pv_heap_type(heap, type);

		at = word_at(mem, type + TP_MEMBERS);
		for (int i = 0; at && i < MEMBERS_MAX; i++, at += 40) {
			if (pv_mem_read(mem, member, sizeof(member), at) || !member[0])
				break;
			if (member[2] != offset)
				continue;
			while (n < sizeof(name) - 1 &&
			       !pv_mem_read(mem, &name[n], 1, member[0] + n) && name[n] > ' ' &&
			       name[n] < 0x7f)
				n++;
			return n && !pv_str_append(str, name, n);
		}
		type = known ? known->base : 0;
	}
	return false;
}
