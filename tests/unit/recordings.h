/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of recordings share: profiles compared, chunks made by hand, files in memory. */
#ifndef PV_TESTS_RECORDINGS_H
#define PV_TESTS_RECORDINGS_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/err.h"
#include "model/profile.h"
#include "model/strings.h"
#include "recfile/recfile.h"

static inline void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

struct memory {
	char *data;
	size_t n;
};

static inline uint32_t string_n(struct pv_profile *profile, const char *text, size_t n)
{
	uint32_t id;

	ok(pv_strings_add(profile->strings, text, n, &id));
	return id;
}

static inline uint32_t string(struct pv_profile *profile, const char *text)
{
	return string_n(profile, text, strlen(text));
}

static inline uint32_t frame(struct pv_profile *profile, uint32_t parent, uint32_t kind,
			     const char *function, const char *file, int line)
{
	struct pv_loc loc = { .kind = kind, .line = line };
	uint32_t id, node;

	loc.function = string(profile, function);
	loc.file = string(profile, file);
	ok(pv_profile_loc(profile, &loc, &id));
	ok(pv_profile_node(profile, parent, id, &node));
	return node;
}

static inline struct pv_err *read_memory(const struct memory *memory, struct pv_profile **ret)
{
	/* fmemopen() refuses 0 bytes */
	FILE *file = memory->n ? fmemopen(memory->data, memory->n, "r") : fopen("/dev/null", "r");
	struct pv_err *err;

	ck_assert_ptr_nonnull(file);
	err = pv_recfile_read(file, "x.pvr", 0, ret);
	fclose(file);
	return err;
}

static inline const char *note_of(const struct pv_profile *profile)
{
	return pv_strings_get(profile->strings, profile->note);
}

static inline void says(const struct pv_profile *profile, const char *what)
{
	ck_assert_msg(strstr(note_of(profile), what) != NULL, "\"%s\" is not in \"%s\"", what,
		      note_of(profile));
}

static inline struct memory written(const struct pv_profile *profile)
{
	struct memory memory = { 0 };
	FILE *file = open_memstream(&memory.data, &memory.n);

	ck_assert_ptr_nonnull(file);
	ok(pv_recfile_write(profile, file));
	ck_assert_int_eq(fclose(file), 0);
	return memory;
}

/* Chunks by hand. */
static inline void put(struct memory *memory, const void *data, size_t n)
{
	memory->data = realloc(memory->data, memory->n + n + 1);
	ck_assert_ptr_nonnull(memory->data);
	if (n)
		memcpy(memory->data + memory->n, data, n);
	memory->n += n;
}

static inline void put_magic(struct memory *memory)
{
	put(memory, "\x89PVR\r\n\x1a\n", 8);
}

static inline void put_chunk(struct memory *memory, unsigned int type, unsigned int flags,
			     const void *payload, size_t n)
{
	uint8_t header[12];
	uint32_t crc;

	for (unsigned int i = 0; i < 2; i++) {
		header[i] = type >> 8 * i;
		header[2 + i] = flags >> 8 * i;
	}
	for (unsigned int i = 0; i < 4; i++)
		header[4 + i] = n >> 8 * i;
	crc = crc32(crc32(0, NULL, 0), header, 8);
	if (n)
		crc = crc32(crc, payload, n);
	for (unsigned int i = 0; i < 4; i++)
		header[8 + i] = crc >> 8 * i;
	put(memory, header, sizeof(header));
	put(memory, payload, n);
}

/* Texts of a stack, leaf first, for comparing across profiles: "leaf;...;root". */
static inline void stack_text(const struct pv_profile *profile, uint32_t node, char *text,
			      size_t size)
{
	size_t n = 0;

	*text = '\0';
	while (node) {
		const struct pv_stack_node *at = pv_vec_at(&profile->nodes, node);
		const struct pv_loc *loc = pv_vec_at(&profile->locs, at->loc);

		n += snprintf(text + n, size - n, "%u %s %s:%d;", loc->kind,
			      pv_strings_get(profile->strings, loc->function),
			      pv_strings_get(profile->strings, loc->file), loc->line);
		ck_assert_uint_lt(n, size);
		node = at->parent;
	}
}

#endif
