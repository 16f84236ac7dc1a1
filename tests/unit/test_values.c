/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values out of memory that is made here: what lies is unread, what is right is read to
 * the last bit; results where they stand and where they do not; and their text.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "session/values.h"
#include "snap/values.h"
#include "target/mem.h"

/* As of no CPython: each offset is another. */
enum {
	TYPE = 8,
	SIZE = 16,
	BYTES_DATA = 32,
	LENGTH = 16,
	STATE = 24,
	ASCII_DATA = 40,
	COMPACT_DATA = 56,
	DIGITS = 24,
	FLOAT = 16,
	CELL = 16,
	NAME = 24,
	ITEMS = 32,
	LOCALS = 80,
	CODE = 0,
	INSTR = 56,
	NLOCALS = 72,
	CONSTS = 24,
	EXCEPTION = 112,
	EXECUTOR = 120,
	RETURN_VALUE = 36,
	RETURN_CONST = 103,
	EXTENDED_ARG = 71,
};

enum { ROOM = 8192 };
#define BASE      0x10000
#define LONG_TYPE 0x11000
#define STR_TYPE  0x11100
#define RAW_TYPE  0x11200
#define REAL_TYPE 0x11300
#define BOOL_TYPE 0x11400
#define CELL_TYPE 0x11500
#define NONE      0x11600
#define OBJECT    0x10100
#define FRAME     0x10400
#define CODE_AT   0x10600
#define TUPLE     0x10800
#define BYTECODE  0x10700
#define TSTATE    0x10a00

struct made {
	struct pv_mem mem;
	uint8_t bytes[ROOM];
	struct pv_value_layout layout;
};

static int made_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct made *made = (struct made *)mem;

	if (addr < BASE || addr - BASE > ROOM || n > ROOM - (addr - BASE))
		return -EFAULT;
	memcpy(dst, made->bytes + (addr - BASE), n);
	return 0;
}

static void put(struct made *made, uint64_t at, uint64_t value, size_t n)
{
	ck_assert_uint_le(at - BASE + n, ROOM);
	memcpy(made->bytes + (at - BASE), &value, n);
}

static struct made *make(void)
{
	struct made *made = calloc(1, sizeof(*made));

	ck_assert_ptr_nonnull(made);
	made->mem.read = made_read;
	memset(&made->layout.py, 0xff, sizeof(made->layout.py));
	made->layout.py.code_tag_mask = 0;
	made->layout.py.ob_type = TYPE;
	made->layout.py.var_size = SIZE;
	made->layout.py.bytes_data = BYTES_DATA;
	made->layout.py.str_length = LENGTH;
	made->layout.py.str_state = STATE;
	made->layout.py.str_ascii_data = ASCII_DATA;
	made->layout.py.str_compact_data = COMPACT_DATA;
	made->layout.py.str_kind_shift = 2;
	made->layout.py.long_tag = SIZE;
	made->layout.py.long_digits = DIGITS;
	made->layout.py.float_value = FLOAT;
	made->layout.py.cell_value = CELL;
	made->layout.py.tp_name = NAME;
	made->layout.py.tuple_items = ITEMS;
	made->layout.py.fr_locals = LOCALS;
	made->layout.py.fr_code = CODE;
	made->layout.py.fr_instr = INSTR;
	made->layout.py.co_nlocals = NLOCALS;
	made->layout.py.co_consts = CONSTS;
	made->layout.py.ts_exception = EXCEPTION;
	made->layout.py.ts_executor = EXECUTOR;
	made->layout.types = (struct pv_value_types){
		.long_type = LONG_TYPE,
		.bool_type = BOOL_TYPE,
		.float_type = REAL_TYPE,
		.unicode_type = STR_TYPE,
		.bytes_type = RAW_TYPE,
		.cell_type = CELL_TYPE,
		.none = NONE,
	};
	made->layout.opcodes = (struct pv_value_opcodes){
		.return_value = RETURN_VALUE,
		.return_const = RETURN_CONST,
		.extended_arg = EXTENDED_ARG,
	};
	return made;
}

/* The object at OBJECT, as text. */
static char *text_of(struct made *made)
{
	struct pv_values values;
	struct pv_str text = {};
	char *ret;

	pv_snap_result_of_eval(&made->mem, &made->layout, OBJECT, &values);
	ck_assert_ptr_null(pv_result_append(&text, &values, 0));
	ret = strdup(pv_str_text(&text));
	pv_str_deinit(&text);
	return ret;
}

#define check_text(made, text)                                                                     \
	do {                                                                                       \
		char *_text = text_of(made);                                                       \
		ck_assert_str_eq(_text, text);                                                     \
		free(_text);                                                                       \
	} while (0)

static void put_long(struct made *made, uint64_t tag, uint32_t d0, uint32_t d1, uint32_t d2)
{
	put(made, OBJECT + TYPE, LONG_TYPE, 8);
	put(made, OBJECT + SIZE, tag, 8);
	put(made, OBJECT + DIGITS, d0, 4);
	put(made, OBJECT + DIGITS + 4, d1, 4);
	put(made, OBJECT + DIGITS + 8, d2, 4);
}

START_TEST(test_ints)
{
	struct made *made = make();

	put_long(made, 1, 7, 7, 7);
	check_text(made, "0");
	put_long(made, 1 << 3 | 2, 5, 7, 7);
	check_text(made, "-5");
	/* the flag that small ints have from 3.14 on */
	put_long(made, 1 << 3 | 4, 5, 7, 7);
	check_text(made, "5");
	put_long(made, 3 << 3, 0x3fffffff, 0x3fffffff, 15);
	check_text(made, "18446744073709551615");
	put_long(made, 3 << 3 | 2, 0, 0, 16);
	check_text(made, "<negative int of 65 bits>");
	/* no such object: signs that contradict, digits that are too large, leading zeros */
	put_long(made, 0, 5, 0, 0);
	check_text(made, "<unread>");
	put_long(made, 1 << 3 | 1, 5, 0, 0);
	check_text(made, "<unread>");
	put_long(made, 1 << 3 | 3, 5, 0, 0);
	check_text(made, "<unread>");
	put_long(made, 1 << 3, 0x40000000, 0, 0);
	check_text(made, "<unread>");
	put_long(made, 2 << 3, 0x40000000, 1, 0);
	check_text(made, "<unread>");
	put_long(made, 2 << 3, 1, 0, 0);
	check_text(made, "<unread>");
	put_long(made, 1ULL << 60, 1, 1, 1);
	check_text(made, "<unread>");
	free(made);
}
END_TEST

/* Before 3.12 ob_size has the sign. */
START_TEST(test_old_ints)
{
	struct made *made = make();

	made->layout.py.long_tag = PV_OFF_NONE;
	put_long(made, 0, 7, 7, 7);
	check_text(made, "0");
	put_long(made, (uint64_t)-2, 3, 1, 7);
	check_text(made, "-1073741827");
	put_long(made, 1ULL << 63, 3, 1, 7);
	check_text(made, "<unread>");
	free(made);
}
END_TEST

static void put_str(struct made *made, uint64_t length, uint32_t kind, uint32_t rest)
{
	put(made, OBJECT + TYPE, STR_TYPE, 8);
	put(made, OBJECT + LENGTH, length, 8);
	put(made, OBJECT + STATE, (kind | rest) << 2, 4);
}

START_TEST(test_texts)
{
	enum { COMPACT = 8, ASCII = 16 };
	struct made *made = make();

	memcpy(&made->bytes[OBJECT - BASE + ASCII_DATA], "plain \xe2\x80\xae", 9);
	memcpy(&made->bytes[OBJECT - BASE + COMPACT_DATA], "\xe9\x16\x04\x41\x00", 6);
	put_str(made, 5, 1, COMPACT | ASCII);
	check_text(made, "'plain'");
	put_str(made, 1, 1, COMPACT);
	check_text(made, "'\xc3\xa9'");
	/* not compact: a pointer is there */
	put_str(made, 3, 1, 0);
	put(made, OBJECT + COMPACT_DATA, OBJECT + ASCII_DATA, 8);
	check_text(made, "'pla'");
	/* what is obeyed is shown */
	put_str(made, 2, 2, COMPACT);
	put(made, OBJECT + COMPACT_DATA, 0x202e | 0x1b << 16, 4);
	check_text(made, "'\\u202e\\x1b'");
	put_str(made, 1, 4, COMPACT);
	put(made, OBJECT + COMPACT_DATA, 0x110000, 4);
	check_text(made, "'\\U00110000'");
	put_str(made, 0, 4, COMPACT);
	check_text(made, "''");
	/* lengths and kinds that cannot be, and characters that are not there */
	put_str(made, 1ULL << 41, 1, COMPACT);
	check_text(made, "<unread>");
	put_str(made, 1, 3, COMPACT);
	check_text(made, "<unread>");
	put_str(made, 3, 1, 0);
	put(made, OBJECT + COMPACT_DATA, BASE + ROOM - 2, 8);
	check_text(made, "<unread>");
	free(made);
}
END_TEST

START_TEST(test_types)
{
	struct made *made = make();
	const uint64_t type = 0x11700;

	put(made, OBJECT + TYPE, type, 8);
	put(made, type + NAME, type + 64, 8);
	memcpy(&made->bytes[type + 64 - BASE], "a.B\x1b", 5);
	check_text(made, "<a.B\\x1b>");
	put(made, type + NAME, BASE + ROOM - 2, 8);
	put(made, BASE + ROOM - 2, 'C', 2);
	check_text(made, "<C>");
	put(made, BASE + ROOM - 2, 'C' | 'D' << 8, 2);
	check_text(made, "<unread>");
	put(made, type + NAME, 0, 8);
	check_text(made, "<unread>");
	put(made, OBJECT + TYPE, 0, 8);
	check_text(made, "<unread>");
	/* a bool is 0 or 1 */
	put_long(made, 1 << 3, 1, 0, 0);
	put(made, OBJECT + TYPE, BOOL_TYPE, 8);
	check_text(made, "True");
	put_long(made, 1 << 3, 2, 0, 0);
	put(made, OBJECT + TYPE, BOOL_TYPE, 8);
	check_text(made, "<unread>");
	free(made);
}
END_TEST

/* A frame of 3 local variables at RETURN_VALUE, and what it returns: 5. */
static struct made *make_frame(uint8_t opcode, uint8_t oparg)
{
	struct made *made = make();

	put_long(made, 1 << 3, 5, 0, 0);
	put(made, FRAME + CODE, CODE_AT, 8);
	put(made, FRAME + INSTR, BYTECODE + 2, 8);
	put(made, FRAME + LOCALS + 24, OBJECT, 8);
	put(made, CODE_AT + NLOCALS, 3, 4);
	put(made, CODE_AT + CONSTS, TUPLE, 8);
	put(made, TUPLE + SIZE, 2, 8);
	put(made, TUPLE + ITEMS, NONE, 8);
	put(made, TUPLE + ITEMS + 8, OBJECT, 8);
	put(made, BYTECODE + 2, opcode, 1);
	put(made, BYTECODE + 3, oparg, 1);
	return made;
}

static void check_result(struct made *made, uint32_t result, const char *expected)
{
	struct pv_values values;
	struct pv_str text = {};

	pv_snap_result_at_clear(&made->mem, &made->layout, TSTATE, FRAME, &values);
	ck_assert_uint_eq(values.result, result);
	ck_assert_ptr_null(pv_result_append(&text, &values, 0));
	ck_assert_str_eq(pv_str_text(&text), expected);
	pv_str_deinit(&text);
}

START_TEST(test_return_value)
{
	struct made *made = make_frame(RETURN_VALUE, 0);

	check_result(made, PV_RESULT_RETURNED, "5");
	/* code of the JIT compiler: its stack is in registers */
	put(made, TSTATE + EXECUTOR, 1, 8);
	check_result(made, PV_RESULT_NOT_SEEN, "");
	put(made, TSTATE + EXECUTOR, 0, 8);
	/* an exception all the same: sys.monitoring's callback raised it */
	put(made, TSTATE + EXCEPTION, 1, 8);
	check_result(made, PV_RESULT_RAISED, "");
	put(made, TSTATE + EXCEPTION, 0, 8);
	put(made, FRAME + LOCALS + 24, 0, 8);
	check_result(made, PV_RESULT_NOT_SEEN, "");
	put(made, CODE_AT + NLOCALS, 0xffffffff, 4);
	check_result(made, PV_RESULT_NOT_SEEN, "");
	free(made);
	/* another instruction: 3.11 has no other ends than these two */
	made = make_frame(1, 0);
	check_result(made, PV_RESULT_NOT_SEEN, "");
	made->layout.py.ts_exception = made->layout.py.ts_executor = PV_OFF_NONE;
	check_result(made, PV_RESULT_RAISED, "");
	free(made);
}
END_TEST

START_TEST(test_tagged_result)
{
	struct made *made = make_frame(RETURN_VALUE, 0);

	made->layout.py.code_tag_mask = 3;
	put(made, FRAME + LOCALS + 24, OBJECT | 1, 8);
	check_result(made, PV_RESULT_RETURNED, "5");
	put(made, FRAME + LOCALS + 24, -9ULL << 2 | 3, 8);
	check_result(made, PV_RESULT_RETURNED, "-9");
	put(made, FRAME + LOCALS + 24, 1, 8);
	check_result(made, PV_RESULT_NOT_SEEN, "");
	free(made);
}
END_TEST

START_TEST(test_return_const)
{
	struct made *made = make_frame(RETURN_CONST, 1);

	check_result(made, PV_RESULT_RETURNED, "5");
	put(made, BYTECODE + 3, 0, 1);
	check_result(made, PV_RESULT_RETURNED, "None");
	put(made, BYTECODE + 3, 2, 1);
	check_result(made, PV_RESULT_NOT_SEEN, "");
	/* looks like an EXTENDED_ARG, which two constants do not need: an inline cache */
	put(made, BYTECODE + 3, 1, 1);
	put(made, BYTECODE, EXTENDED_ARG, 1);
	check_result(made, PV_RESULT_RETURNED, "5");
	put(made, TUPLE + SIZE, 257, 8);
	check_result(made, PV_RESULT_NOT_SEEN, "");
	put(made, BYTECODE, EXTENDED_ARG + 1, 1);
	check_result(made, PV_RESULT_RETURNED, "5");
	free(made);
}
END_TEST

START_TEST(test_registers)
{
	struct made *made = make();
	struct pv_signature signature = { .n = 6,
					  .argument = { PV_REGISTER_S32, PV_REGISTER_SKIPPED,
							PV_REGISTER_HEX, PV_REGISTER_STRING,
							PV_REGISTER_CHAR, PV_REGISTER_U32 } };
	/* the upper halves of ints are whatever was there */
	uint64_t registers[] = { 0x12345678fffffffe, 1, 0xbeef, OBJECT, 'q', 0xfffffffffffffffe };
	struct pv_values values;
	struct pv_str text = {};

	memcpy(&made->bytes[OBJECT - BASE], "say \"no\"\xff", 10);
	pv_snap_registers(&made->mem, &signature, registers, &values);
	ck_assert_ptr_null(pv_registers_append(&text, &values, &signature));
	ck_assert_str_eq(pv_str_text(&text), "arg1=-2, arg3=0xbeef, arg4=\"say \\\"no\\\"\\xff\", "
					     "arg5='q', arg6=4294967294");
	pv_str_clear(&text);
	signature = (struct pv_signature){ .n = 5,
					   .argument = { PV_REGISTER_U64, PV_REGISTER_S64,
							 PV_REGISTER_POINTER, PV_REGISTER_STRING,
							 PV_REGISTER_BOOL } };
	registers[0] = registers[1] = UINT64_MAX;
	registers[2] = registers[3] = 0;
	registers[4] = 0xff00;
	pv_snap_registers(&made->mem, &signature, registers, &values);
	ck_assert_ptr_null(pv_registers_append(&text, &values, &signature));
	ck_assert_str_eq(pv_str_text(&text), "arg1=18446744073709551615, arg2=-1, arg3=0x0, "
					     "arg4=NULL, arg5=false");
	pv_str_clear(&text);
	registers[3] = 8;
	pv_snap_registers(&made->mem, &signature, registers, &values);
	ck_assert_ptr_null(pv_value_append(&text, &values.list[3], PV_REGISTER_STRING));
	ck_assert_str_eq(pv_str_text(&text), "<unread>");
	pv_str_clear(&text);
	registers[3] = OBJECT;
	memset(&made->bytes[OBJECT - BASE], 'l', 65);
	pv_snap_registers(&made->mem, &signature, registers, &values);
	ck_assert_ptr_null(pv_value_append(&text, &values.list[3], PV_REGISTER_STRING));
	ck_assert_uint_eq(text.n, 2 + 64 + 3);
	ck_assert_str_eq(pv_str_text(&text) + 65, "\"…");
	pv_str_deinit(&text);
	free(made);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("values");
	TCase *tc = tcase_create("values");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_ints);
	tcase_add_test(tc, test_old_ints);
	tcase_add_test(tc, test_texts);
	tcase_add_test(tc, test_types);
	tcase_add_test(tc, test_return_value);
	tcase_add_test(tc, test_tagged_result);
	tcase_add_test(tc, test_return_const);
	tcase_add_test(tc, test_registers);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
