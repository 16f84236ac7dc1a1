/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key of a code object (law 5 of docs/architecture.md): another object at the same address,
 * with strings and a table at the same addresses, must have another one.  Input: objects made by
 * hand, as CPython 3.8 to 3.11 has them.  Output: Check's report.
 */
#include "run.h"

enum {
	BASE = 0x10000,
	BYTES = 0x3000,
	CODE = 0x100,
	NAME = 0x400,
	FILENAME = 0x800,
	LINES = 0xc00,
	ACROSS = 0x2000 - 48, /* the characters are in the next page */
	CODE_TYPE = 0x111100,
	OB_TYPE = 8,
	OB_SIZE = 16,
	LENGTH = 16,
	HASH = 24,
	STATE = 32,
	TEXT = 48,       /* of a compact ASCII string */
	LINES_DATA = 32, /* of a bytes object */
	COMPACT_ASCII = 1 << 2 | 1 << 5 | 1 << 6,
	CO_FILENAME = 16,
	CO_NAME = 24,
	CO_LINES = 32,
	CO_FIRST = 40,
	CO_VERSION = 44,
};

struct machine {
	struct pv_mem mem;
	unsigned char bytes[BYTES];
	struct pv_snap *snap;
};

static int machine_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct machine *m = (struct machine *)mem;

	if (addr < BASE || addr + n > BASE + BYTES)
		return -EFAULT;
	memcpy(dst, m->bytes + (addr - BASE), n);
	return 0;
}

static void put(struct machine *m, uint32_t at, uint64_t value, size_t n)
{
	memcpy(m->bytes + at, &value, n);
}

static void put_string(struct machine *m, uint32_t at, const char *text, uint64_t hash)
{
	put(m, at + LENGTH, strlen(text), 8);
	put(m, at + HASH, hash, 8);
	put(m, at + STATE, COMPACT_ASCII, 4);
	memcpy(m->bytes + at + TEXT, text, strlen(text));
}

static void machine_init(struct machine *m, uint32_t name, const char *text, uint64_t hash)
{
	struct pv_snap_source source = { .mem = &m->mem };
	struct pv_pylayout *py = &source.proc.py;

	memset(m, 0, sizeof(*m));
	m->mem.read = machine_read;
	put(m, CODE, 1, 8);
	put(m, CODE + OB_TYPE, CODE_TYPE, 8);
	put(m, CODE + CO_FILENAME, BASE + FILENAME, 8);
	put(m, CODE + CO_NAME, BASE + name, 8);
	put(m, CODE + CO_LINES, BASE + LINES, 8);
	put(m, CODE + CO_FIRST, 7, 4);
	put_string(m, name, text, hash);
	put_string(m, FILENAME, "/usr/lib/a_folder/and_another/file.py", ~0ULL);
	put(m, LINES + OB_SIZE, 70, 8);
	for (int i = 0; i < 70; i++)
		m->bytes[LINES + LINES_DATA + i] = i;

	memset(py, 0xff, sizeof(*py));
	py->free_threaded = 0;
	py->ob_refcnt = 0;
	py->ob_type = OB_TYPE;
	py->var_size = OB_SIZE;
	py->bytes_data = LINES_DATA;
	py->str_length = LENGTH;
	py->str_state = STATE;
	py->str_ascii_data = TEXT;
	py->str_compact_data = 72;
	py->str_kind_shift = 2;
	py->co_len = 64;
	py->co_filename = CO_FILENAME;
	py->co_name = CO_NAME;
	py->co_qualname = CO_NAME;
	py->co_linetable = CO_LINES;
	py->co_firstlineno = CO_FIRST;
	source.proc.code_type = CODE_TYPE;
	ok(pv_snap_create(&source, NULL, &m->snap));
}

static uint64_t key_of(struct machine *m)
{
	uint64_t key = 0;

	ok(pv_snap_code(m->snap, 42, BASE + CODE, &key));
	ck_assert_uint_ne(key, 0);
	return key;
}

/* Changes each byte of a part in turn: every key must be a new one. */
static void each_byte(struct machine *m, uint64_t *keys, size_t *n, uint32_t at, uint32_t size)
{
	for (uint32_t i = at; i < at + size; i++) {
		m->bytes[i] ^= 0x11;
		keys[*n] = key_of(m);
		m->bytes[i] ^= 0x11;
		for (size_t k = 0; k < *n; k++)
			ck_assert_msg(keys[k] != keys[*n], "byte 0x%x", i);
		++*n;
	}
}

static const char *const texts[] = { "f", "Class.method", "a_name_of_exactly_32_characters_",
				     "Some.quite_long_class_of_somebody.and_a_method_of_it" };

START_TEST(every_byte_of_the_proof_counts)
{
	uint32_t name = _i & 1 ? ACROSS : NAME;
	const char *text = texts[_i / 2 % 4];
	bool hashed = _i >= 8;
	uint32_t length = strlen(text), tail = length < 32 ? length : 32;
	uint64_t keys[512];
	struct machine m;
	size_t n = 1;

	machine_init(&m, name, text, hashed ? 0x1234567812345678ULL : ~0ULL);
	keys[0] = key_of(&m);
	if (hashed)
		each_byte(&m, keys, &n, name + HASH, 8);
	else
		each_byte(&m, keys, &n, name + TEXT + length - tail, tail);
	each_byte(&m, keys, &n, FILENAME + TEXT + 5, 32);
	each_byte(&m, keys, &n, LINES + LINES_DATA, 64);
	each_byte(&m, keys, &n, LINES + OB_SIZE, 2);
	each_byte(&m, keys, &n, CODE + CO_FIRST, 4);
	ck_assert_uint_eq(key_of(&m), keys[0]);
	/* what is exchanged, too: words of the table, and what is in one string for the other's */
	for (int word = 0; word < 7; word++) {
		unsigned char *a = &m.bytes[LINES + LINES_DATA + 8 * word], swap[8];

		memcpy(swap, a, 8);
		memcpy(a, a + 8, 8);
		memcpy(a + 8, swap, 8);
		keys[n] = key_of(&m);
		for (size_t k = 0; k < n; k++)
			ck_assert_uint_ne(keys[k], keys[n]);
		n++;
		memcpy(a + 8, a, 8);
		memcpy(a, swap, 8);
	}
	pv_snap_destroy(m.snap);
}
END_TEST

/* What is in memory behind a short string, or beyond the first 64 bytes of the table, is of others.
 */
START_TEST(what_is_behind_does_not_count)
{
	uint32_t name = _i & 1 ? ACROSS : NAME;
	const char *text = texts[_i / 2];
	struct machine m;
	uint64_t key;

	machine_init(&m, name, text, ~0ULL);
	key = key_of(&m);
	memset(m.bytes + name + TEXT + strlen(text), 'x', 64);
	ck_assert_uint_eq(key_of(&m), key);
	put(&m, LINES + OB_SIZE, 5, 8);
	key = key_of(&m);
	memset(m.bytes + LINES + LINES_DATA + 5, 0xaa, 100);
	ck_assert_uint_eq(key_of(&m), key);
	pv_snap_destroy(m.snap);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("code");
	TCase *cases = tcase_create("code");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(cases, every_byte_of_the_proof_counts, 0, 16);
	tcase_add_loop_test(cases, what_is_behind_does_not_count, 0, 8);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
