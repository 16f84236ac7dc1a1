/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Code objects: their identity, and the copy of names and line table at first
 * sight.  Input: the address of a code object.  Output: its key, and
 * PV_EVENT_CODE + PV_EVENT_PIECE records through pv_env_emit().
 *
 * The identity (architecture.md, law 5) is process, exec generation, address,
 * the pointers to filename, name or qualname and line table, first line, and
 * one proof of the contents: from 3.12 co_version, a serial number that each
 * new code object gets (CPython 3.12 Objects/codeobject.c init_code()); before,
 * or when that counter has run over, a checksum over the line table's and the
 * two strings' lengths and bytes.  Pointers alone collide: freed code objects
 * are replaced at the same addresses.
 */
#ifndef PV_WALK_CODE_H
#define PV_WALK_CODE_H

#include "walk/walk.h"

enum {
	PV_CODE_SUM_LINES = 64, /* bytes of the line table in the checksum */
	PV_CODE_SUM_TEXT = 32,  /* last bytes of a string in the checksum */
	PV_CODE_COPY_STEPS = 2048,
	PV_CODE_TRIES = 4,            /* copies that fail before it is given up */
	PV_CODE_COPY_BYTES = 1 << 18, /* in one sample; what is left is copied when seen again */
};

/*
 * PyASCIIObject from ob_type on: 3.8 to 3.15 Include/cpython/unicodeobject.h; the
 * same in 2.7's PyStringObject, but for the meaning of its state.
 */
struct pv_py_string {
	__u64 type;
	__u64 length; /* code points */
	__u64 hash;   /* all ones: not computed yet */
	__u32 state;  /* interned:2 kind:3 compact:1 ascii:1; 3.14t: interned:8 */
	__u32 pad;
};

/*
 * Numbers without a pattern for the sums of a key.  Words are multiplied by one each and
 * added: no step waits for the one before, as in a chain of pv_mix().
 */
#define PV_CODE_WEIGHTS                                                                            \
	{                                                                                          \
		0x47985630bb8f58cbULL, 0x2be38ea5fc62fe45ULL, 0xf4558a86e23bdc9bULL,               \
			0x2ba4fa762b41fd6fULL, 0x44f826d6432a8a11ULL, 0x50911c61c0594a5dULL,       \
			0x40a5a919d960e79bULL, 0x8de0c7b57acbd48fULL                               \
	}
#define PV_CODE_PROCESS  0x718666df44ef67dbULL
#define PV_CODE_ADDRESS  0xeb5eb8c74845acf7ULL
#define PV_CODE_FILENAME 0xa89a044a96f45bffULL
#define PV_CODE_NAME     0xfb35c62aba729abfULL
#define PV_CODE_LINES    0x589704293e3cff47ULL
#define PV_CODE_FIRST    0x365ded3d7b76def3ULL
#define PV_CODE_LENGTH   0xc3945ae5101cc2dbULL
#define PV_CODE_HASH     0x9cfe9afefe052ac1ULL

/* The upper half goes into the lower one first: a product's upper bits tell little of a weight. */
static inline __u64 pv_code_weigh(__u64 word, __u64 weight)
{
	return (word ^ word >> 32) * weight;
}

/* Bytes a character. */
static inline __u32 pv_py_string_kind(const struct pv_ctx *c, __u32 state)
{
	const struct pv_pylayout *py = &c->proc->py;

	return py->str_state == PV_OFF_NONE ? 1 : state >> (py->str_kind_shift & 15) & 7;
}

/* Address of the characters of the string object at addr; 0 = unreadable. */
static inline __u64 pv_py_string_data(struct pv_ctx *c, __u64 addr, __u32 state)
{
	const struct pv_pylayout *py = &c->proc->py;
	__u64 data = 0;

	if (py->str_state == PV_OFF_NONE)
		return addr + py->bytes_data;
	state >>= py->str_kind_shift & 15;
	if (state >> 3 & 1)
		return addr + (state >> 4 & 1 ? py->str_ascii_data : py->str_compact_data);
	if (pv_read(c, &data, 8, addr + py->str_compact_data))
		return 0;
	return data;
}

/*
 * Copies a string object from ob_type on to text_bytes: of PV_WALK_TEXT bytes where its characters
 * are likely to be needed and the read cannot reach into another page, else what tells where they
 * are.  Returns how many bytes there are.
 */
static inline __u32 pv_code_read_string(struct pv_ctx *c, __u64 at, bool with_text)
{
	struct pv_walk *w = c->w;

	if (with_text && (at & 4095) + PV_WALK_TEXT <= 4096 &&
	    !pv_read(c, w->text_bytes, PV_WALK_TEXT, at))
		return PV_WALK_TEXT;
	return pv_read(c, w->text_bytes, sizeof(struct pv_py_string), at)
		       ? 0
		       : sizeof(struct pv_py_string);
}

/* Of the n last characters of a string, of which bytes from `offset` on stand in text_bytes. */
static inline __u64 pv_code_sum_near(const struct pv_walk *w, __u32 offset, __u32 n)
{
	static const __u64 weights[8] = PV_CODE_WEIGHTS;
	__u64 sum = 0, word;
	__u32 i;

	for (i = 0; i < PV_CODE_SUM_TEXT / 8 && 8 * i < n; i++) {
		word = PV_FIELD(__u64, w->text_bytes, PV_WALK_TEXT, offset + 8 * i);
		if (n - 8 * i < 8)
			word &= (1ULL << 8 * (n - 8 * i)) - 1;
		sum += pv_code_weigh(word, weights[i]);
	}
	return sum;
}

/*
 * Of length and last characters of a string, or of the hash that CPython keeps of them: of
 * qualified names and files mostly it keeps none.
 */
static inline __u64 pv_code_sum_string(struct pv_ctx *c, __u64 addr, bool with_text)
{
	struct pv_walk *w = c->w;
	__u64 at = addr + c->proc->py.ob_type, data, bytes, sum, hash;
	__u32 have = pv_code_read_string(c, at, with_text), state, n;

	if (!have)
		return 1;
	hash = PV_FIELD(__u64, w->text_bytes, PV_WALK_TEXT,
			__builtin_offsetof(struct pv_py_string, hash));
	state = PV_FIELD(__u32, w->text_bytes, PV_WALK_TEXT,
			 __builtin_offsetof(struct pv_py_string, state));
	bytes = PV_FIELD(__u64, w->text_bytes, PV_WALK_TEXT,
			 __builtin_offsetof(struct pv_py_string, length));
	sum = pv_code_weigh(bytes, PV_CODE_LENGTH);
	if (hash != ~0ULL)
		return sum + pv_code_weigh(hash, PV_CODE_HASH);
	data = pv_py_string_data(c, addr, state);
	bytes *= pv_py_string_kind(c, state);
	n = pv_bounded(bytes, PV_CODE_SUM_TEXT);
	if (data > at && data - at < have && bytes <= have - (data - at))
		return sum + pv_code_sum_near(w, (__u32)(data - at + bytes) - n, n);
	if (!data || !n || pv_read(c, w->text_bytes, n, data + bytes - n))
		return sum + 2;
	return sum + pv_code_sum_near(w, 0, n);
}

/* Neighbours on a stack are often of one file. */
static inline __u64 pv_code_sum_file(struct pv_ctx *c, __u64 addr)
{
	struct pv_walk *w = c->w;

	if (w->file_sum_of != addr || w->file_sum_serial != w->serial) {
		w->file_sum = pv_code_sum_string(c, addr, true);
		w->file_sum_of = addr;
		w->file_sum_serial = w->serial;
	}
	return w->file_sum;
}

/*
 * Copies size and first bytes of a line table to line_bytes, as they stand in the bytes
 * object from ob_size on.  In one read where that cannot reach into another page; what is
 * behind the object is not looked at.
 */
static inline long pv_code_read_lines(struct pv_ctx *c, __u64 addr, __u32 head)
{
	const struct pv_pylayout *py = &c->proc->py;
	struct pv_walk *w = c->w;
	__u32 n = head + PV_CODE_SUM_LINES;

	addr += py->var_size;
	if (n > PV_WALK_LINES)
		return -1;
	if ((addr & 4095) + n <= 4096 && !pv_read(c, w->line_bytes, n, addr))
		return 0;
	if (pv_read(c, w->line_bytes, 8, addr))
		return -1;
	n = pv_bounded(PV_FIELD(__u64, w->line_bytes, PV_WALK_LINES, 0), PV_CODE_SUM_LINES);
	if (head > PV_WALK_LINES - PV_CODE_SUM_LINES)
		return -1;
	/* the check again, on the register that is used: Linux 6.1 lost it in a spill */
	head = pv_bounded(head, PV_WALK_LINES - PV_CODE_SUM_LINES);
	return pv_read(c, &w->line_bytes[head], n, addr + head);
}

/* Of length and first bytes of the line table. */
static inline __u64 pv_code_sum_lines(struct pv_ctx *c, __u64 addr)
{
	static const __u64 weights[PV_CODE_SUM_LINES / 8] = PV_CODE_WEIGHTS;
	struct pv_walk *w = c->w;
	__u32 head = c->proc->py.bytes_data - c->proc->py.var_size, n, i;
	__u64 size, word, sum;

	if (pv_code_read_lines(c, addr, head))
		return 3;
	size = PV_FIELD(__u64, w->line_bytes, PV_WALK_LINES, 0);
	sum = pv_code_weigh(size, PV_CODE_LENGTH);
	n = pv_bounded(size, PV_CODE_SUM_LINES);
	for (i = 0; i < PV_CODE_SUM_LINES / 8 && 8 * i < n; i++) {
		word = PV_FIELD(__u64, w->line_bytes, PV_WALK_LINES, head + 8 * i);
		if (n - 8 * i < 8)
			word &= (1ULL << 8 * (n - 8 * i)) - 1;
		sum += pv_code_weigh(word, weights[i]);
	}
	return sum;
}

/*
 * Does the object in code_bytes live?  Free-threaded: the owner's and the others' references,
 * the lowest two bits of which are flags (3.13 Include/internal/pycore_object.h,
 * _Py_MergeZeroLocalRefcount(); deferred ones count there); both are 0 in one that is freed.
 */
static inline bool pv_code_lives(const struct pv_walk *w, const struct pv_pylayout *py)
{
	__u64 refcnt;

	if (py->free_threaded)
		return PV_FIELD(__u32, w->code_bytes, PV_WALK_CODE, py->ob_ref_local) ||
		       PV_FIELD(__u64, w->code_bytes, PV_WALK_CODE, py->ob_ref_shared) >> 2;
	/*
	 * A freed pymalloc block begins with a pointer or NULL: obmalloc.c.  From 3.14
	 * the upper 16 bits are flags: Include/refcount.h.
	 */
	refcnt = PV_FIELD(__u64, w->code_bytes, PV_WALK_CODE, py->ob_refcnt);
	return refcnt && (refcnt >> 33 & 0x7fff) == 0;
}

/* Reads a code object into code_bytes and checks that it is one that lives. */
static inline long pv_code_read(struct pv_ctx *c, __u64 address)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u32 n = py->co_len;

	if (n > PV_WALK_CODE || pv_read(c, w->code_bytes, n, address))
		return -1;
	if (PV_FIELD(__u64, w->code_bytes, PV_WALK_CODE, py->ob_type) != c->proc->code_type)
		return -1;
	return pv_code_lives(w, py) ? 0 : -1;
}

static inline __u64 pv_code_pointer(const struct pv_walk *w, __u32 offset)
{
	return PV_FIELD(__u64, w->code_bytes, PV_WALK_CODE, offset);
}

static inline __u32 pv_code_name_offset(const struct pv_pylayout *py)
{
	return py->co_qualname != PV_OFF_NONE ? py->co_qualname : py->co_name;
}

/*
 * The proof of the code object in code_bytes that has no serial number.  Each is mixed alone, so
 * that what is in one cannot stand for another's.  What is read again for it need not be kept
 * meanwhile: all that a program's functions keep on the stack must fit 512 bytes.
 */
static inline __u64 pv_code_prove(struct pv_ctx *c, __u64 key)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;

	key = pv_mix(key, pv_code_sum_lines(c, pv_code_pointer(w, py->co_linetable)));
	key = pv_mix(key, pv_code_sum_file(c, pv_code_pointer(w, py->co_filename)));
	return pv_mix(key, pv_code_sum_string(c, pv_code_pointer(w, pv_code_name_offset(py)),
					      py->co_qualname != PV_OFF_NONE));
}

/* The key of the code object in code_bytes; never 0. */
static inline __u64 pv_code_key(struct pv_ctx *c, __u64 address)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u64 key = (__u64)w->sample.pid << 32 | w->sample.generation;
	__u64 first = PV_FIELD(__u32, w->code_bytes, PV_WALK_CODE, py->co_firstlineno);
	__u32 serial = 0;

	if (py->co_version != PV_OFF_NONE)
		serial = PV_FIELD(__u32, w->code_bytes, PV_WALK_CODE, py->co_version);
	key = pv_code_weigh(key, PV_CODE_PROCESS);
	key += pv_code_weigh(address, PV_CODE_ADDRESS);
	key += pv_code_weigh(pv_code_pointer(w, py->co_filename), PV_CODE_FILENAME);
	key += pv_code_weigh(pv_code_pointer(w, pv_code_name_offset(py)), PV_CODE_NAME);
	key += pv_code_weigh(pv_code_pointer(w, py->co_linetable), PV_CODE_LINES);
	key += pv_code_weigh(first | (__u64)serial << 32, PV_CODE_FIRST);
	if (!serial)
		key = pv_code_prove(c, key);
	key = pv_mix(0x7069747669706572ULL, key);
	return key ? key : 1;
}

/* On its way or there, or given up. */
static inline bool pv_code_known(struct pv_ctx *c, __u64 key)
{
	return pv_env_code_state(c, key) >= PV_CODE_TRIES;
}

/*
 * 3.14t: where the copy of the bytecode with this index is, 0 = unreadable
 * (Include/cpython/code.h: _PyCodeArray, a size and pointers; the first one is
 * co_code_adaptive).
 */
static inline __u64 pv_code_copy_of(struct pv_ctx *c, struct pv_walk_code *known, __s32 index)
{
	__u64 size = 0, copy = 0;

	if (index == known->tlbc_index)
		return known->tlbc_code;
	if (index < 0 || pv_read(c, &size, 8, known->tlbc) || (__u32)index >= size ||
	    pv_read(c, &copy, 8, known->tlbc + 8 + 8 * (__u64)(__u32)index))
		return 0;
	known->tlbc_index = index;
	known->tlbc_code = copy;
	return copy;
}

/*
 * What this sample knows of the code object at address: within one sample it
 * cannot change, since the thread that runs it stands still.  NULL only where
 * the verifier needs it.
 */
static inline struct pv_walk_code *pv_code_see(struct pv_ctx *c, __u64 address)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	struct pv_walk_code *known;
	__u32 i;

	known = &w->codes[(address >> 4 ^ address >> 9) & (PV_WALK_CODES - 1)];
	if (known->address == address && known->serial == w->serial)
		return known;
	known->address = address;
	known->serial = w->serial;
	known->first_traceable = 0;
	known->key = 0;
	known->bad = 1;
	if (pv_code_read(c, address))
		return known;
	known->bad = 0;
	known->key = pv_code_key(c, address);
	known->tlbc_index = 0;
	if (py->co_tlbc != PV_OFF_NONE) {
		known->tlbc = pv_code_pointer(w, py->co_tlbc);
		known->n_bytes = 2 * PV_FIELD(__u32, w->code_bytes, PV_WALK_CODE, py->var_size);
	}
	if (py->co_firsttraceable != PV_OFF_NONE)
		known->first_traceable =
			2 * PV_FIELD(__u32, w->code_bytes, PV_WALK_CODE, py->co_firsttraceable);
	if (!pv_code_known(c, known->key) && w->n_new < PV_WALK_NEW) {
		/* more than that in one sample: they are copied when seen again */
		i = w->n_new++ & (PV_WALK_NEW - 1);
		w->new_code[i] = address;
		w->new_key[i] = known->key;
	}
	return known;
}

/* Fills size and data of one string of the code object in code_bytes. */
static inline void pv_code_string(struct pv_ctx *c, __u32 piece, __u64 addr)
{
	struct pv_walk *w = c->w;
	struct pv_py_string string = {};
	__u32 kind;
	__u64 data;

	piece &= 1;
	w->copy_code.size[piece] = PV_PIECE_LOST;
	w->copy_code.char_size[piece] = 1;
	w->copy_data[piece] = 0;
	if (pv_read(c, &string, sizeof(string), addr + c->proc->py.ob_type) ||
	    string.type != c->proc->unicode_type)
		return;
	kind = pv_py_string_kind(c, string.state);
	if ((kind != 1 && kind != 2 && kind != 4) || string.length > PV_PIECE_TOTAL_MAX / 4)
		return;
	data = pv_py_string_data(c, addr, string.state);
	if (!data)
		return;
	w->copy_code.size[piece] = string.length * kind;
	w->copy_code.char_size[piece] = c->proc->py.str_state == PV_OFF_NONE ? 0 : kind;
	w->copy_data[piece] = data;
}

static inline void pv_code_lines(struct pv_ctx *c, __u64 addr)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u64 type = 0, size = 0;

	w->copy_code.size[PV_PIECE_LINETABLE] = PV_PIECE_LOST;
	w->copy_data[PV_PIECE_LINETABLE] = 0;
	if (pv_read(c, &type, 8, addr + py->ob_type) || type != c->proc->bytes_type ||
	    pv_read(c, &size, 8, addr + py->var_size) || size > PV_PIECE_TOTAL_MAX)
		return;
	w->copy_code.size[PV_PIECE_LINETABLE] = size;
	w->copy_data[PV_PIECE_LINETABLE] = addr + py->bytes_data;
}

/* Begins the copy of new code object copy_i: emits its PV_EVENT_CODE. */
static inline long pv_code_copy_begin(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u32 i = w->copy_i & (PV_WALK_NEW - 1);
	struct pv_event_code *code = &w->copy_code;

	if (pv_code_known(c, w->new_key[i]) || pv_code_read(c, w->new_code[i]))
		return -1;
	code->hdr.type = PV_EVENT_CODE;
	code->hdr.reserved = 0;
	code->hdr.size = sizeof(*code);
	code->key = w->new_key[i];
	code->address = w->new_code[i];
	code->pid = w->sample.pid;
	code->generation = w->sample.generation;
	code->firstlineno = PV_FIELD(__u32, w->code_bytes, PV_WALK_CODE, py->co_firstlineno);
	code->linetable_kind = py->linetable_kind;
	code->is_task = 0;
	code->reserved2 = 0;
	pv_code_string(c, PV_PIECE_FILENAME, pv_code_pointer(w, py->co_filename));
	pv_code_string(c, PV_PIECE_NAME, pv_code_pointer(w, pv_code_name_offset(py)));
	pv_code_lines(c, pv_code_pointer(w, py->co_linetable));
	w->copy_failed = code->size[0] == PV_PIECE_LOST || code->size[1] == PV_PIECE_LOST ||
			 code->size[2] == PV_PIECE_LOST;
	if (pv_env_emit(c, code, sizeof(*code))) {
		pv_env_lost(c, PV_LOSS_RING_CODE);
		return -1;
	}
	return 0;
}

/* Sends the next bytes of piece copy_piece; leaves the loop of pieces by setting copy_piece. */
static inline void pv_code_copy_piece(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	__u32 piece = w->copy_piece, total, offset = w->copy_offset, n;

	if (piece >= PV_PIECE_MAX)
		return;
	total = w->copy_code.size[piece];
	if (total == PV_PIECE_LOST || offset >= total) {
		w->copy_piece = piece + 1;
		w->copy_offset = 0;
		return;
	}
	n = pv_bounded(total - offset, PV_PIECE_BYTES);
	if (pv_read(c, w->copy_bytes, n, w->copy_data[piece] + offset)) {
		w->copy_failed = 1;
		w->copy_piece = piece + 1;
		w->copy_offset = 0;
		return;
	}
	w->copy_header.hdr.type = PV_EVENT_PIECE;
	w->copy_header.hdr.reserved = 0;
	w->copy_header.hdr.size = sizeof(w->copy_header) + n;
	w->copy_header.key = w->copy_code.key;
	w->copy_header.offset = offset;
	w->copy_header.n = n;
	w->copy_header.piece = piece;
	w->copy_header.reserved = 0;
	if (pv_env_emit(c, &w->copy_header, sizeof(w->copy_header) + n)) {
		pv_env_lost(c, PV_LOSS_RING_CODE);
		pv_env_code_forget(c, w->copy_code.key);
		w->copy_failed = 0;
		w->copy_piece = PV_PIECE_MAX;
		return;
	}
	w->copy_offset = offset + n;
	w->copy_total += n;
}

/*
 * One step of the copy of all new code objects, flattened into one loop: the
 * start of an object, or one piece.  An object whose bytes could not all be
 * read is marked so by the size or the missing piece, and tried again when seen
 * again: the thread may have been in the page fault that copies that page after a fork.
 */
static long pv_code_copy_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;

	(void)index;
	if (w->copy_i >= w->n_new)
		return 1;
	if (w->copy_piece == PV_PIECE_MAX + 1) {
		if (w->copy_total > PV_CODE_COPY_BYTES)
			return 1;
		w->copy_offset = 0;
		w->copy_piece = 0;
		if (pv_code_copy_begin(c)) {
			w->copy_i++;
			w->copy_piece = PV_PIECE_MAX + 1;
			return 0;
		}
		w->copy_failures = pv_env_code_state(c, w->copy_code.key);
		pv_env_code_mark(c, w->copy_code.key, PV_CODE_SENT);
		return 0;
	}
	if (w->copy_piece < PV_PIECE_MAX) {
		pv_code_copy_piece(c);
		return 0;
	}
	if (w->copy_failed) {
		pv_env_lost(c, PV_LOSS_CODE_READ);
		pv_env_code_mark(c, w->copy_code.key, w->copy_failures + 1);
	}
	w->copy_i++;
	w->copy_piece = PV_PIECE_MAX + 1;
	return 0;
}

/* Copies the names and line tables of the code objects that were new in this sample. */
static inline void pv_code_copy_new(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;

	if (!w->n_new)
		return;
	w->copy_i = 0;
	w->copy_total = 0;
	w->copy_piece = PV_PIECE_MAX + 1;
	pv_loop(PV_CODE_COPY_STEPS, pv_code_copy_step, c);
	/* cut off within an object: all of it again when it is seen again */
	if (w->copy_piece < PV_PIECE_MAX && w->copy_i < w->n_new)
		pv_env_code_forget(c, w->copy_code.key);
}

#endif
