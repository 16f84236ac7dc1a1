/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code objects by key.
 * Input: PV_EVENT_CODE and PV_EVENT_PIECE records, from a ring buffer or a file: untrusted.
 * Output: qualified name, file and line of a Python frame, for session/.
 */
#include "symbol/python.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "abi/layout.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/strings.h"
#include "python/lines.h"

enum part_state {
	PART_LOST, /* could not be read in the target, or makes no sense */
	PART_OPEN, /* bytes are missing */
	PART_DONE,
};

/* A part of which some bytes are missing. */
struct part_open {
	uint32_t missing; /* bytes */
	uint8_t *seen;    /* one bit a byte, behind the bytes */
	uint8_t bytes[];
};

struct code_part {
	uint32_t size; /* bytes, as they stand in the target */
	uint32_t state;
	union {
		struct part_open *open; /* PART_OPEN; NULL until the first piece */
		uint32_t text;          /* PART_DONE; id in codes->texts */
	};
};

struct code {
	uint64_t key;
	uint32_t next; /* index + 1 of another one of the same process, or of a free one */
	uint32_t firstlineno;
	uint8_t char_size[2]; /* of the two string parts */
	uint8_t linetable_kind;
	struct code_part parts[PV_PIECE_MAX];
};

struct pv_codes {
	struct pv_map index;      /* key -> index in codes */
	struct pv_map by_pid;     /* pid -> index + 1 of its last one */
	struct pv_vec codes;      /* struct code */
	uint32_t free_first;      /* index + 1 of a forgotten one, 0: none */
	uint32_t n_tasks;         /* names of tasks, those of ended processes among them */
	bool tasks_dropped;       /* there were more */
	struct pv_strings *texts; /* names, files and line tables: most come many times */
	struct pv_str scratch;
};

struct pv_err *pv_codes_create(struct pv_codes **ret)
{
	struct pv_codes *codes = malloc(sizeof(*codes));

	if (!codes)
		return &pv_enomem;
	*codes = (struct pv_codes){ .codes = PV_VEC(struct code) };

	struct pv_err *err = pv_strings_create(&codes->texts);

	if (err) {
		free(codes);
		return err;
	}
	*ret = codes;
	return NULL;
}

static void code_deinit(struct code *code)
{
	for (int piece = 0; piece < PV_PIECE_MAX; piece++) {
		if (code->parts[piece].state == PART_OPEN)
			free(code->parts[piece].open);
	}
	*code = (struct code){ 0 };
}

void pv_codes_destroy(struct pv_codes *codes)
{
	if (!codes)
		return;
	for (size_t i = 0; i < codes->codes.n; i++)
		code_deinit(pv_vec_at(&codes->codes, i));
	pv_vec_deinit(&codes->codes);
	pv_map_deinit(&codes->index);
	pv_map_deinit(&codes->by_pid);
	pv_strings_destroy(codes->texts);
	pv_str_deinit(&codes->scratch);
	free(codes);
}

static struct code *codes_find(const struct pv_codes *codes, uint64_t key)
{
	uint64_t index;

	if (!pv_map_get(&codes->index, key, &index))
		return NULL;
	return pv_vec_at(&codes->codes, index);
}

static uint32_t char_at(const uint8_t *bytes, size_t i, unsigned int char_size)
{
	uint16_t two;
	uint32_t four;

	switch (char_size) {
	case 2:
		memcpy(&two, bytes + i * 2, 2);
		return two;
	case 4:
		memcpy(&four, bytes + i * 4, 4);
		return four;
	default:
		return bytes[i];
	}
}

static size_t utf8_put(char *out, uint32_t c)
{
	/*
	 * os.fsdecode() makes byte 0x80..0xff that is no UTF-8 a U+DC80..U+DCFF
	 * (PEP 383).  Other surrogates and what is beyond Unicode have no UTF-8.
	 */
	if (c >= 0xdc80 && c <= 0xdcff) {
		out[0] = (char)(c - 0xdc00);
		return 1;
	}
	if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		c = 0xfffd;
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/*
 * The characters of a Python string, PEP 393, as UTF-8 in codes->scratch; what is
 * bytes (2.7) stays as it is.
 */
static struct pv_err *text_decode(struct pv_codes *codes, const uint8_t *bytes, size_t size,
				  unsigned int char_size)
{
	enum { BATCH = 256 };
	char out[BATCH + 4];
	size_t n_out = 0;
	struct pv_err *err;

	pv_str_clear(&codes->scratch);
	if (!char_size)
		return pv_str_append(&codes->scratch, (const char *)bytes, size);
	for (size_t i = 0; i < size / char_size; i++) {
		n_out += utf8_put(out + n_out, char_at(bytes, i, char_size));
		if (n_out < BATCH)
			continue;
		err = pv_str_append(&codes->scratch, out, n_out);
		if (err)
			return err;
		n_out = 0;
	}
	return pv_str_append(&codes->scratch, out, n_out);
}

/* All bytes are there. */
static struct pv_err *part_finish(struct pv_codes *codes, struct code *code, enum pv_piece piece,
				  const uint8_t *bytes)
{
	struct code_part *part = &code->parts[piece];
	struct pv_err *err;
	uint32_t text;

	if (piece == PV_PIECE_LINETABLE) {
		err = pv_strings_add(codes->texts, (const char *)bytes, part->size, &text);
	} else {
		err = text_decode(codes, bytes, part->size, code->char_size[piece]);
		if (!err)
			err = pv_strings_add(codes->texts, pv_str_text(&codes->scratch),
					     codes->scratch.n, &text);
	}
	if (err)
		return err;
	free(part->open);
	part->state = PART_DONE;
	part->text = text;
	return NULL;
}

static bool string_size_valid(uint32_t size, uint8_t char_size)
{
	return !char_size ||
	       ((char_size == 1 || char_size == 2 || char_size == 4) && size % char_size == 0);
}

/* Begins a part anew, unless it is whole: pointers to its text are out there. */
static struct pv_err *part_begin(struct pv_codes *codes, struct code *code, enum pv_piece piece,
				 const struct pv_event_code *event)
{
	struct code_part *part = &code->parts[piece];
	uint32_t size = event->size[piece];

	if (part->state == PART_DONE)
		return NULL;
	if (part->state == PART_OPEN)
		free(part->open);
	*part = (struct code_part){ .size = size, .state = PART_LOST };
	if (size > PV_PIECE_TOTAL_MAX)
		return NULL;
	if (piece == PV_PIECE_LINETABLE) {
		code->linetable_kind = event->linetable_kind;
		if (event->linetable_kind > PV_LINES_LOCATIONS)
			return NULL;
	} else {
		code->char_size[piece] = event->char_size[piece];
		if (!string_size_valid(size, event->char_size[piece]))
			return NULL;
	}
	part->state = PART_OPEN;
	return size == 0 ? part_finish(codes, code, piece, (const uint8_t *)"") : NULL;
}

/* A place for a new code object, on no list. */
static struct pv_err *code_allocate(struct pv_codes *codes, uint32_t *ret)
{
	struct pv_err *err;

	if (codes->free_first) {
		struct code *code = pv_vec_at(&codes->codes, codes->free_first - 1);

		*ret = codes->free_first - 1;
		codes->free_first = code->next;
		return NULL;
	}
	err = pv_vec_append(&codes->codes, NULL, 1, NULL);
	if (!err)
		*ret = codes->codes.n - 1;
	return err;
}

static void code_free(struct pv_codes *codes, uint32_t index)
{
	struct code *code = pv_vec_at(&codes->codes, index);

	code_deinit(code);
	code->next = codes->free_first;
	codes->free_first = index + 1;
}

static struct pv_err *code_create(struct pv_codes *codes, const struct pv_event_code *event,
				  struct code **ret)
{
	uint64_t next = 0;
	struct code *code;
	struct pv_err *err;
	uint32_t index;

	err = code_allocate(codes, &index);
	if (err)
		return err;
	code = pv_vec_at(&codes->codes, index);
	pv_map_get(&codes->by_pid, event->pid, &next);
	*code = (struct code){ .key = event->key,
			       .next = (uint32_t)next,
			       .firstlineno = event->firstlineno };
	err = pv_map_set(&codes->index, event->key, index);
	if (!err)
		err = pv_map_set(&codes->by_pid, event->pid, index + 1);
	if (err) {
		pv_map_remove(&codes->index, event->key);
		code_free(codes, index);
		return err;
	}
	*ret = code;
	return NULL;
}

void pv_codes_forget(struct pv_codes *codes, uint32_t pid)
{
	uint64_t at = 0;

	pv_map_get(&codes->by_pid, pid, &at);
	pv_map_remove(&codes->by_pid, pid);
	while (at) {
		const struct code *code = pv_vec_at(&codes->codes, at - 1);
		uint32_t next = code->next;

		pv_map_remove(&codes->index, code->key);
		code_free(codes, (uint32_t)at - 1);
		at = next;
	}
}

struct pv_err *pv_codes_add(struct pv_codes *codes, const struct pv_event_code *event)
{
	struct code *code = codes_find(codes, event->key);
	struct pv_err *err = NULL;

	if (!code && event->is_task) {
		if (codes->n_tasks == PV_TASK_NAMES_MAX) {
			codes->tasks_dropped = true;
			return NULL;
		}
		codes->n_tasks++;
	}
	if (!code)
		err = code_create(codes, event, &code);
	if (err)
		return err;
	for (int piece = 0; piece < PV_PIECE_MAX; piece++) {
		err = part_begin(codes, code, piece, event);
		if (err)
			return err;
	}
	return NULL;
}

bool pv_codes_keeps_task(const struct pv_codes *codes, uint64_t key)
{
	return !codes->tasks_dropped || codes_find(codes, key);
}

static struct pv_err *part_allocate(struct code_part *part)
{
	size_t n_seen = (part->size + 7) / 8;
	struct part_open *open = calloc(1, sizeof(*open) + part->size + n_seen);

	if (!open)
		return &pv_enomem;
	open->missing = part->size;
	open->seen = open->bytes + part->size;
	part->open = open;
	return NULL;
}

static void part_fill(struct part_open *open, uint32_t offset, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = offset; i < offset + n; i++) {
		uint8_t bit = (uint8_t)(1 << (i & 7));

		open->bytes[i] = bytes[i - offset];
		if (!(open->seen[i / 8] & bit))
			open->missing--;
		open->seen[i / 8] |= bit;
	}
}

struct pv_err *pv_codes_add_piece(struct pv_codes *codes, const struct pv_event_piece *event)
{
	struct code *code = codes_find(codes, event->key);
	const uint8_t *bytes = (const uint8_t *)(event + 1);

	if (!code || event->piece >= PV_PIECE_MAX || event->n == 0 ||
	    event->hdr.size < sizeof(*event) + event->n)
		return NULL;

	struct code_part *part = &code->parts[event->piece];

	if (part->state != PART_OPEN || event->offset > part->size ||
	    event->n > part->size - event->offset)
		return NULL;
	if (event->n == part->size)
		return part_finish(codes, code, event->piece, bytes);
	if (!part->open) {
		struct pv_err *err = part_allocate(part);

		if (err)
			return err;
	}
	part_fill(part->open, event->offset, bytes, event->n);
	if (part->open->missing)
		return NULL;
	return part_finish(codes, code, event->piece, part->open->bytes);
}

bool pv_codes_take(struct pv_codes *codes, const struct pv_event *event, size_t size,
		   struct pv_err **err_ret)
{
	const struct pv_event_piece *piece = (const struct pv_event_piece *)event;

	if (event->type == PV_EVENT_CODE && size >= sizeof(struct pv_event_code))
		*err_ret = pv_codes_add(codes, (const struct pv_event_code *)event);
	else if (event->type == PV_EVENT_PIECE && size >= sizeof(*piece) &&
		 size - sizeof(*piece) >= piece->n)
		*err_ret = pv_codes_add_piece(codes, piece);
	else
		return false;
	return true;
}

static const char *part_text(const struct pv_codes *codes, const struct code_part *part,
			     size_t *n_ret)
{
	if (part->state != PART_DONE) {
		*n_ret = 0;
		return NULL;
	}
	*n_ret = pv_strings_length(codes->texts, part->text);
	return pv_strings_get(codes->texts, part->text);
}

static int code_line(const struct pv_codes *codes, const struct code *code, uint32_t lasti)
{
	size_t n;
	const char *table = part_text(codes, &code->parts[PV_PIECE_LINETABLE], &n);

	if (lasti == PV_LASTI_UNKNOWN)
		return 0;
	if (table)
		return pv_python_line(code->linetable_kind, (const uint8_t *)table, n,
				      code->firstlineno, lasti);
	/* Not started: on its first line, which needs no table. */
	if (lasti == PV_LASTI_NONE && code->firstlineno <= INT_MAX)
		return (int)code->firstlineno;
	return 0;
}

bool pv_codes_place(struct pv_codes *codes, uint64_t key, uint32_t lasti, struct pv_code_place *ret)
{
	const struct code *code = codes_find(codes, key);

	if (!code)
		return false;

	struct pv_code_place place = {
		.line = code_line(codes, code, lasti),
		.firstlineno = code->firstlineno,
	};

	place.qualname = part_text(codes, &code->parts[PV_PIECE_NAME], &place.qualname_n);
	place.file = part_text(codes, &code->parts[PV_PIECE_FILENAME], &place.file_n);
	*ret = place;
	return true;
}
