/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of symbol/python.h: code objects that arrive in pieces.
 * Input: events made here; expected bytes and lines come from CPython itself
 * (str.encode, code.co_lines of 3.12).
 * Output: Check's report.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "abi/layout.h"
#include "symbol/python.h"

/* def outer(n):; total = 0; for ...:; (blank); total += i; return total -- at line 2, 3.12.1 */
static const char linetable[] =
	"\x80\x00\xd8\x0c\x0d\x80\x45\xdc\x0d\x12\x90\x31\x8b\x58\xf2\x00\x02\x05\x13\x88\x01\xe0"
	"\x08\x0d\x90\x11\x89\x0a\x89\x05\xf0\x05\x02\x05\x13\xf0\x06\x00\x0c\x11\x80\x4c";

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static struct pv_event_code code_event(uint64_t key, uint32_t file_n, uint32_t name_n,
				       uint32_t lines_n)
{
	return (struct pv_event_code){
		.hdr = { .type = PV_EVENT_CODE, .size = sizeof(struct pv_event_code) },
		.key = key,
		.firstlineno = 2,
		.size = { file_n, name_n, lines_n },
		.char_size = { 1, 1 },
		.linetable_kind = PV_LINES_LOCATIONS,
	};
}

static void piece(struct pv_codes *codes, uint64_t key, enum pv_piece which, uint32_t offset,
		  const void *bytes, size_t n)
{
	/* Just as large as the record, so that ASan sees a read beyond it. */
	struct pv_event_piece *event = malloc(sizeof(*event) + n);

	*event = (struct pv_event_piece){
		.hdr = { .type = PV_EVENT_PIECE, .size = (uint32_t)(sizeof(*event) + n) },
		.key = key,
		.offset = offset,
		.n = (uint16_t)n,
		.piece = (uint8_t)which,
	};
	memcpy(event + 1, bytes, n);
	ok(pv_codes_add_piece(codes, event));
	free(event);
}

static struct pv_code_place place(struct pv_codes *codes, uint64_t key, uint32_t lasti)
{
	struct pv_code_place ret = { 0 };

	ck_assert(pv_codes_place(codes, key, lasti, &ret));
	return ret;
}

static void text_expect(const char *got, size_t n, const char *expected, size_t expected_n)
{
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(n, expected_n);
	ck_assert_mem_eq(got, expected, n);
	ck_assert_int_eq(got[n], '\0');
}

/* Each task may have a name of its own: so many are kept, the first ones, and no others. */
START_TEST(names_of_tasks_have_a_limit)
{
	struct pv_code_place ret = { 0 };
	struct pv_codes *codes;
	char name[16];

	ok(pv_codes_create(&codes));
	for (uint32_t i = 0; i < PV_TASK_NAMES_MAX + 3; i++) {
		size_t n = (size_t)snprintf(name, sizeof(name), "Task-%u", i);
		struct pv_event_code event = code_event(1000 + i, 0, (uint32_t)n, 0);

		ck_assert(pv_codes_keeps_task(codes, 1000 + i) == (i <= PV_TASK_NAMES_MAX));
		event.is_task = 1;
		event.pid = i % 2;
		ok(pv_codes_add(codes, &event));
		piece(codes, 1000 + i, PV_PIECE_NAME, 0, name, n);
		ck_assert(pv_codes_keeps_task(codes, 1000 + i) == (i < PV_TASK_NAMES_MAX));
	}
	ck_assert_str_eq(place(codes, 1000, 0).qualname, "Task-0");
	ck_assert_str_eq(place(codes, 999 + PV_TASK_NAMES_MAX, 0).qualname, "Task-65535");
	ck_assert(!pv_codes_place(codes, 1000 + PV_TASK_NAMES_MAX, 0, &ret));
	/* one that is known may come again, and so may code objects */
	struct pv_event_code again = code_event(1000, 0, 6, 0), code = code_event(1, 1, 1, 0);

	again.is_task = 1;
	ok(pv_codes_add(codes, &again));
	ck_assert_str_eq(place(codes, 1000, 0).qualname, "Task-0");
	ok(pv_codes_add(codes, &code));
	ck_assert(pv_codes_place(codes, 1, 0, &ret));
	/* those of processes that are gone count: their names are in the profile */
	pv_codes_forget(codes, 0);
	again.key = 7;
	ok(pv_codes_add(codes, &again));
	ck_assert(!pv_codes_place(codes, 7, 0, &ret));
	pv_codes_destroy(codes);
}
END_TEST

/* What one process had is gone, half-arrived parts too; others' stays; the memory is used again. */
START_TEST(forget_a_process)
{
	struct pv_codes *codes = NULL;
	struct pv_code_place got;

	ok(pv_codes_create(&codes));
	for (unsigned int round = 0; round < 3; round++) {
		for (uint64_t key = 1; key <= 20; key++) {
			struct pv_event_code event = code_event(key, 4, 5, 0);

			event.pid = 100 + key % 2;
			ok(pv_codes_add(codes, &event));
			piece(codes, key, PV_PIECE_FILENAME, 0, "a.py", 4);
			piece(codes, key, PV_PIECE_NAME, 0, "na", 2);
		}
		pv_codes_forget(codes, 100);
		pv_codes_forget(codes, 7);
		for (uint64_t key = 1; key <= 20; key++)
			ck_assert(pv_codes_place(codes, key, 0, &got) == (key % 2 == 1));
		got = place(codes, 3, 0);
		text_expect(got.file, got.file_n, "a.py", 4);
	}
	piece(codes, 3, PV_PIECE_NAME, 2, "me!", 3);
	got = place(codes, 3, 0);
	text_expect(got.qualname, got.qualname_n, "name!", 5);
	pv_codes_forget(codes, 101);
	ck_assert(!pv_codes_place(codes, 3, 0, &got));
	pv_codes_destroy(codes);
}
END_TEST

START_TEST(whole_code_in_any_order)
{
	struct pv_codes *codes = NULL;

	ok(pv_codes_create(&codes));
	struct pv_event_code event = code_event(7, 4, 5, sizeof(linetable) - 1);
	struct pv_code_place got;

	ck_assert(!pv_codes_place(codes, 7, 0, &got));
	piece(codes, 7, PV_PIECE_NAME, 0, "early", 5); /* nobody knows it yet */
	ck_assert(!pv_codes_place(codes, 7, 0, &got));
	ok(pv_codes_add(codes, &event));
	got = place(codes, 7, 6);
	ck_assert_ptr_null(got.file);
	ck_assert_ptr_null(got.qualname);
	ck_assert_int_eq(got.line, 0);
	ck_assert_int_eq(place(codes, 7, PV_LASTI_NONE).line, 2);
	piece(codes, 7, PV_PIECE_LINETABLE, 20, linetable + 20, sizeof(linetable) - 21);
	piece(codes, 7, PV_PIECE_NAME, 0, "outer", 5);
	piece(codes, 7, PV_PIECE_LINETABLE, 20, linetable + 20, sizeof(linetable) - 21);
	ck_assert_int_eq(place(codes, 7, 6).line, 0);
	piece(codes, 7, PV_PIECE_LINETABLE, 0, linetable, 20);
	piece(codes, 7, PV_PIECE_FILENAME, 0, "x.py", 4);
	got = place(codes, 7, 6);
	text_expect(got.file, got.file_n, "x.py", 4);
	text_expect(got.qualname, got.qualname_n, "outer", 5);
	ck_assert_uint_eq(got.firstlineno, 2);
	static const int lines[][2] = { { 0, 2 },  { 2, 3 },  { 4, 3 },  { 6, 4 },
					{ 32, 4 }, { 34, 6 }, { 46, 4 }, { 48, 7 } };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ck_assert_int_eq(place(codes, 7, (uint32_t)lines[i][0]).line, lines[i][1]);
	ck_assert_int_eq(place(codes, 7, PV_LASTI_UNKNOWN).line, 0);
	ck_assert(!pv_codes_place(codes, 8, 0, &got));
	pv_codes_destroy(codes);
	pv_codes_destroy(NULL);
}
END_TEST

START_TEST(characters_of_each_width)
{
	static const struct {
		uint8_t char_size;
		const char *in;
		size_t in_n;
		const char *out;
		size_t out_n;
	} cases[] = {
#define CASE(size, in, out) { size, in, sizeof(in) - 1, out, sizeof(out) - 1 }
		CASE(1, "f\xe4", "f\xc3\xa4"),
		CASE(1, "a\0b", "a\0b"),
		CASE(1, "", ""),
		CASE(2, "\x36\x04", "\xd0\xb6"),
		CASE(2, "a\0\0\0b\0", "a\0b"),
		CASE(2, "\xff\xff", "\xef\xbf\xbf"),
		CASE(2,
		     "a\0\xff\xdc"
		     "b\0",
		     "a\xff"
		     "b"), /* surrogateescape */
		CASE(2, "\xe9\xdc", "\xe9"),
		CASE(2, "\x00\xd8x\0", "\xef\xbf\xbdx"), /* another lone surrogate */
		CASE(2, "\x7f\xdc", "\xef\xbf\xbd"),     /* below the escapes */
		CASE(4, "\x00\xf6\x01\x00", "\xf0\x9f\x98\x80"),
		CASE(4, "\xe9\xdc\0\0\x36\x04\0\0", "\xe9\xd0\xb6"),
		CASE(4, "\xff\xff\x10\0", "\xf4\x8f\xbf\xbf"),
		CASE(4, "\0\0\x11\0", "\xef\xbf\xbd"), /* beyond Unicode */
		CASE(4, "\xff\xff\xff\xff", "\xef\xbf\xbd"),
#undef CASE
	};
	struct pv_codes *codes = NULL;

	ok(pv_codes_create(&codes));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_event_code event =
			code_event(i, (uint32_t)cases[i].in_n, (uint32_t)cases[i].in_n, 0);

		event.char_size[0] = event.char_size[1] = cases[i].char_size;
		ok(pv_codes_add(codes, &event));
		piece(codes, i, PV_PIECE_NAME, 0, cases[i].in, cases[i].in_n);
		piece(codes, i, PV_PIECE_FILENAME, 0, cases[i].in, cases[i].in_n);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_code_place got = place(codes, i, 0);

		text_expect(got.qualname, got.qualname_n, cases[i].out, cases[i].out_n);
		text_expect(got.file, got.file_n, cases[i].out, cases[i].out_n);
	}
	pv_codes_destroy(codes);
}
END_TEST

START_TEST(long_strings_in_many_pieces)
{
	enum { CHARS = 100001 };
	struct pv_codes *codes = NULL;
	uint16_t *in = malloc(CHARS * 2);
	char *out = malloc(CHARS * 2);

	/* alternating one and two bytes of UTF-8; pieces split neither evenly nor in order */
	size_t out_n = 0;

	for (size_t i = 0; i < CHARS; i++) {
		in[i] = i % 2 ? 0x436 : (uint16_t)('a' + i % 26);
		if (i % 2) {
			out[out_n++] = '\xd0';
			out[out_n++] = '\xb6';
		} else {
			out[out_n++] = (char)('a' + i % 26);
		}
	}
	ok(pv_codes_create(&codes));
	struct pv_event_code event = code_event(1, 1, CHARS * 2, 0);

	event.char_size[PV_PIECE_NAME] = 2;
	ok(pv_codes_add(codes, &event));
	for (size_t end = CHARS * 2; end > 0;) {
		size_t n = end < 4093 ? end : 4093;

		ck_assert_ptr_null(place(codes, 1, 0).qualname);
		piece(codes, 1, PV_PIECE_NAME, (uint32_t)(end - n), (const char *)in + end - n, n);
		end -= n;
	}
	struct pv_code_place got = place(codes, 1, 0);

	text_expect(got.qualname, got.qualname_n, out, out_n);
	ck_assert_ptr_null(got.file);
	pv_codes_destroy(codes);
	free(in);
	free(out);
}
END_TEST

START_TEST(second_first_sight)
{
	struct pv_codes *codes = NULL;
	struct pv_event_code event = code_event(1, 4, 8, 0);

	ok(pv_codes_create(&codes));
	ok(pv_codes_add(codes, &event));
	piece(codes, 1, PV_PIECE_FILENAME, 0, "a.py", 4);
	piece(codes, 1, PV_PIECE_NAME, 0, "old_", 4); /* the rest was lost */
	const char *file = place(codes, 1, 0).file;

	ok(pv_codes_add(codes, &event));
	piece(codes, 1, PV_PIECE_FILENAME, 0, "b.py", 4);
	piece(codes, 1, PV_PIECE_NAME, 4, "name", 4);
	ck_assert_ptr_null(place(codes, 1, 0).qualname); /* not mixed of two sets */
	piece(codes, 1, PV_PIECE_NAME, 0, "new_", 4);
	struct pv_code_place got = place(codes, 1, 0);

	text_expect(got.qualname, got.qualname_n, "new_name", 8);
	ck_assert_ptr_eq(got.file, file);
	ck_assert_str_eq(file, "a.py");

	/* a whole one stays */
	event.size[PV_PIECE_NAME] = 3;
	event.firstlineno = 99;
	ok(pv_codes_add(codes, &event));
	piece(codes, 1, PV_PIECE_NAME, 0, "xyz", 3);
	got = place(codes, 1, 0);
	text_expect(got.qualname, got.qualname_n, "new_name", 8);

	/* unreadable at first, there later */
	struct pv_event_code lost = code_event(2, PV_PIECE_LOST, 1, PV_PIECE_LOST);

	ok(pv_codes_add(codes, &lost));
	piece(codes, 2, PV_PIECE_FILENAME, 0, "a.py", 4);
	ck_assert_ptr_null(place(codes, 2, 0).file);
	ck_assert_int_eq(place(codes, 2, 0).line, 0);
	lost.size[PV_PIECE_FILENAME] = 4;
	ok(pv_codes_add(codes, &lost));
	piece(codes, 2, PV_PIECE_FILENAME, 0, "a.py", 4);
	ck_assert_str_eq(place(codes, 2, 0).file, "a.py");
	pv_codes_destroy(codes);
}
END_TEST

/* Names of 2.7 are bytes: not made UTF-8 a second time. */
START_TEST(bytes_stay_as_they_are)
{
	static const char name[] = "gr\xc3\xb6\xc3\x9f\xff";
	struct pv_codes *codes = NULL;
	struct pv_event_code event = code_event(1, 4, sizeof(name) - 1, 0);

	ok(pv_codes_create(&codes));
	event.char_size[PV_PIECE_NAME] = 0;
	ok(pv_codes_add(codes, &event));
	piece(codes, 1, PV_PIECE_FILENAME, 0, "a.py", 4);
	piece(codes, 1, PV_PIECE_NAME, 0, name, sizeof(name) - 1);
	ck_assert_str_eq(place(codes, 1, 0).qualname, name);
	pv_codes_destroy(codes);
}
END_TEST

START_TEST(lies_are_bounded)
{
	struct pv_codes *codes = NULL;
	struct pv_event_code event = code_event(1, PV_PIECE_TOTAL_MAX + 1, 3, 4);

	ok(pv_codes_create(&codes));
	event.char_size[PV_PIECE_NAME] = 2; /* three bytes of two-byte characters */
	event.linetable_kind = 200;
	ok(pv_codes_add(codes, &event));
	static char block[1 << 15];

	for (uint32_t at = 0; at < PV_PIECE_TOTAL_MAX; at += sizeof(block))
		piece(codes, 1, PV_PIECE_FILENAME, at, block, sizeof(block));
	piece(codes, 1, PV_PIECE_FILENAME, PV_PIECE_TOTAL_MAX, "a", 1);
	piece(codes, 1, PV_PIECE_NAME, 0, "abc", 3);
	piece(codes, 1, PV_PIECE_LINETABLE, 0, "abcd", 4);
	struct pv_code_place got = place(codes, 1, 0);

	ck_assert_ptr_null(got.file);
	ck_assert_ptr_null(got.qualname);
	ck_assert_int_eq(got.line, 0);
	for (int char_size = 0; char_size < 256; char_size++) {
		event = code_event(2, 1, 12, 0);
		event.key = (uint64_t)(100 + char_size);
		event.char_size[PV_PIECE_NAME] = (uint8_t)char_size;
		ok(pv_codes_add(codes, &event));
		piece(codes, event.key, PV_PIECE_NAME, 0, "a\0\0\0b\0\0\0c\0\0\0", 12);
		bool valid = char_size <= 2 || char_size == 4;

		ck_assert_int_eq(place(codes, event.key, 0).qualname != NULL, valid);
	}
	event = code_event(3, 4, 8, 0);
	ok(pv_codes_add(codes, &event));
	piece(codes, 3, PV_PIECE_NAME, 0, "abcdefghi", 9);
	piece(codes, 3, PV_PIECE_NAME, 7, "ab", 2);
	piece(codes, 3, PV_PIECE_NAME, 0xffffffff, "ab", 2);
	piece(codes, 3, PV_PIECE_NAME, 8, "", 0);
	piece(codes, 3, PV_PIECE_MAX, 0, "abcdefgh", 8);
	piece(codes, 3, 255, 0, "abcdefgh", 8);
	ck_assert_ptr_null(place(codes, 3, 0).qualname);

	struct pv_event_piece liar = {
		.hdr = { .type = PV_EVENT_PIECE, .size = sizeof(liar) },
		.key = 3,
		.n = 4,
		.piece = PV_PIECE_FILENAME,
	};

	ok(pv_codes_add_piece(codes, &liar)); /* claims bytes beyond the record */
	ck_assert_ptr_null(place(codes, 3, 0).file);
	pv_codes_destroy(codes);
}
END_TEST

START_TEST(many_codes_keep_their_text)
{
	enum { N = 20000 };
	struct pv_codes *codes = NULL;
	const char *first = NULL;
	char name[32];

	ok(pv_codes_create(&codes));
	for (uint64_t key = 1; key <= N; key++) {
		int n = snprintf(name, sizeof(name), "f%d", (int)key);
		struct pv_event_code event = code_event(key, 4, (uint32_t)n, 0);

		ok(pv_codes_add(codes, &event));
		piece(codes, key, PV_PIECE_FILENAME, 0, "a.py", 4);
		piece(codes, key, PV_PIECE_NAME, 0, name, (size_t)n);
		if (key == 1)
			first = place(codes, key, 0).qualname;
	}
	ck_assert_str_eq(first, "f1");
	for (uint64_t key = 1; key <= N; key++) {
		snprintf(name, sizeof(name), "f%d", (int)key);
		ck_assert_str_eq(place(codes, key, 0).qualname, name);
	}
	pv_codes_destroy(codes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("codes");
	TCase *tcase = tcase_create("codes");

	tcase_add_test(tcase, whole_code_in_any_order);
	tcase_add_test(tcase, forget_a_process);
	tcase_add_test(tcase, names_of_tasks_have_a_limit);
	tcase_add_test(tcase, characters_of_each_width);
	tcase_add_test(tcase, long_strings_in_many_pieces);
	tcase_add_test(tcase, second_first_sight);
	tcase_add_test(tcase, bytes_stay_as_they_are);
	tcase_add_test(tcase, lies_are_bounded);
	tcase_add_test(tcase, many_codes_keep_their_text);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
