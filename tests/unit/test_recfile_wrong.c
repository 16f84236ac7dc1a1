/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recordings that are none, that a newer pitviper has written, or that lie: read as far as they
 * are right; and one of stacks as deep as can be.  Input: bytes made here.  Output: Check's report.
 */
#include <errno.h>
#include <unistd.h>

#include "captures.h"
#include "model/memory.h"

START_TEST(not_recordings)
{
	static const struct {
		const char *data, *says;
	} cases[] = {
		{ "", "cannot read x.pvr: it is empty" },
		{ "\x89", "it breaks off before anything was recorded" },
		{ "\x89PVR\r\n\x1a", "it breaks off before anything was recorded" },
		{ "\x89PVR\n\x1a\n", "it is not a recording of pitviper (.pvr)" },
		{ "main;f 12\nmain;g 7\n", "it is not a recording of pitviper (.pvr)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct memory memory = { .data = (char *)cases[i].data,
					 .n = strlen(cases[i].data) };
		struct pv_profile *read = NULL;
		struct pv_err *err = read_memory(&memory, &read);

		ck_assert_ptr_nonnull(err);
		ck_assert_int_eq(err->kind, PV_ERR_FAILED);
		ck_assert_msg(strstr(err->message, cases[i].says) != NULL, "%s", err->message);
		ck_assert_ptr_null(read);
		pv_err_destroy(err);
	}
}
END_TEST

START_TEST(a_pipe_cannot_be_read)
{
	struct pv_profile *read = NULL;
	struct pv_err *err;
	int fds[2];
	FILE *file;

	ck_assert_int_eq(pipe(fds), 0);
	file = fdopen(fds[0], "r");
	err = pv_recfile_read(file, "x.pvr", 0, &read);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->errnum, ESPIPE);
	pv_err_destroy(err);
	fclose(file);
	close(fds[1]);
}
END_TEST

#define CHUNK(memory, type, bytes) put_chunk(memory, type, 0, bytes, sizeof(bytes) - 1)

/* Strings "f", "p"; a location, a process, a thread, a node. */
static struct memory by_hand(void)
{
	struct memory memory = { 0 };

	put_magic(&memory);
	CHUNK(&memory, 1, "\1\1f\1p");
	CHUNK(&memory, 3, "\0\0\1\0\0\2");
	CHUNK(&memory, 4, "\0\1\0\1\2\0\0\0");
	CHUNK(&memory, 5, "\0\0\1\2");
	CHUNK(&memory, 7, "\1\1\0");
	return memory;
}

START_TEST(unknown_chunks_are_skipped)
{
	struct memory memory = by_hand();
	struct pv_profile *read;

	CHUNK(&memory, 900, "whatever");
	put_chunk(&memory, 32, 2, "\0\1\0", 3); /* a flag of later times */
	CHUNK(&memory, 900, "");
	CHUNK(&memory, 0, "");
	CHUNK(&memory, 32, "\0\1\0");
	CHUNK(&memory, 127, "\1");
	ok(read_memory(&memory, &read));
	ck_assert(!read->cut);
	ck_assert_uint_eq(total(read), 1);
	ck_assert_str_eq(note_of(read),
			 "4 parts of the recording (chunks of type 900, 32, 0) are left out, "
			 "because this version of pitviper does not know them");
	pv_profile_destroy(read);
	free(memory.data);
}
END_TEST

START_TEST(later_fields_kinds_and_causes)
{
	struct memory memory = by_hand();
	struct pv_profile *read;

	CHUNK(&memory, 3, "\1\144\1\0\0\2");           /* kind 100 */
	CHUNK(&memory, 7, "\2\1\1");                   /* a node of it */
	CHUNK(&memory, 8, "\100\1n\1t\1\4NAME\4text"); /* cause 64, cause 1 */
	CHUNK(&memory, 32, "\0\2\0");
	CHUNK(&memory, 64, "\3\7\17\1\300\2\5\201\2\6\200\100\7"); /* 3, 15, 320, 257, 8192 */
	CHUNK(&memory, 127, "\1");
	CHUNK(&memory, 32, "\0\2\0");
	ok(read_memory(&memory, &read));
	ck_assert(!read->cut);
	ck_assert_uint_eq(read->pid, 7);
	ck_assert_uint_eq(read->losses.count[1], 6);
	ck_assert_str_eq(read->losses.text[1], "text");
	ck_assert_str_eq(read->losses.name[1], "NAME");
	ck_assert_uint_eq(((struct pv_loc *)pv_vec_at(&read->locs, 1))->kind, PV_LOC_MARKER);
	ck_assert_uint_eq(total(read), 1);
	says(read, "1 locations are of a kind that this version of pitviper does not know");
	says(read, "5 more losses have causes that this version of pitviper does not know");
	says(read, "15 bytes behind its end are not read");
	pv_profile_destroy(read);
	free(memory.data);
}
END_TEST

/* The last TOTALS counts, whole; a note is shown to people. */
START_TEST(totals_replace_totals)
{
	struct memory memory = by_hand();
	struct pv_profile *read;

	CHUNK(&memory, 1, "\3\12a\33[31m\n\377\302\205");
	CHUNK(&memory, 64, "\3\7\43\5\100\3\101\2\201\2\6");
	CHUNK(&memory, 64, "\43\6\10\3");
	CHUNK(&memory, 127, "\0");
	ok(read_memory(&memory, &read));
	ck_assert_uint_eq(read->pid, 0);
	ck_assert_uint_eq(read->period_ns, 6);
	ck_assert_uint_eq(read->quality.samples + read->quality.complete, 0);
	ck_assert_uint_eq(read->losses.count[1], 0);
	ck_assert_str_eq(note_of(read), "a?[31m????");
	pv_profile_destroy(read);
	free(memory.data);
}
END_TEST

/* Samples behind the last totals are counted as what they are: those before it are known of. */
START_TEST(a_break_behind_totals)
{
	struct memory memory = by_hand();
	struct pv_profile *read;

	CHUNK(&memory, 32, "\0\1\0\2\1\0");
	CHUNK(&memory, 64, "\100\2\101\2");
	ok(read_memory(&memory, &read));
	says(read, "it has no end");
	ck_assert_msg(!strstr(note_of(read), "of its last"), "%s", note_of(read));
	pv_profile_destroy(read);
	CHUNK(&memory, 32, "\0\1\0\2\1\0\2\1\0");
	ok(read_memory(&memory, &read));
	ck_assert_uint_eq(total(read), 5);
	says(read, "of its last 3 samples it is not known how many are complete");
	pv_profile_destroy(read);
	free(memory.data);
}
END_TEST

struct wrong {
	unsigned int type, flags;
	const char *payload;
	size_t n;
	const char *says;
};
#define WRONG(type, flags, payload, says)                                                          \
	{                                                                                          \
		type, flags, payload, sizeof(payload) - 1, says                                    \
	}

static const struct wrong wrongs[] = {
	WRONG(1, 0, "", "does not hold what its type says"),
	WRONG(1, 0, "\4\1x", "ids of a dictionary do not count up"),
	WRONG(1, 0, "\2\1x", "ids of a dictionary do not count up"),
	WRONG(1, 0, "\3\2x", "does not hold what its type says"),
	WRONG(1, 0, "\3\377\377\377\377\377\377\377\377\377\1x", "does not hold"),
	WRONG(1, 0, "\203", "does not hold what its type says"),
	WRONG(1, 0, "\203\200\200\200\200\200\200\200\200\2", "does not hold"),
	WRONG(2, 0, "\0\1\2\3", "names a string that is not there"),
	WRONG(2, 0, "\1\1\2\2", "ids of a dictionary do not count up"),
	WRONG(3, 0, "\1\0\3\0\0\2", "names a string that is not there"),
	WRONG(3, 0, "\1\0\1\0\0", "does not hold what its type says"),
	WRONG(4, 0, "\2\1\0\2\2\0\0\0", "ids of processes do not count up"),
	WRONG(4, 0, "\0\1\0\2\2\0\0\0", "ids of processes do not count up"),
	WRONG(4, 0, "\1\2\0\1\3\0\0\0", "names a string that is not there"),
	WRONG(4, 0, "\1\200\200\200\200\20\0\1\1\0\0\0", "does not hold what its type says"),
	WRONG(5, 0, "\1\1\1\2", "names a process that is not there"),
	WRONG(5, 0, "\2\0\2\2", "ids of threads do not count up"),
	WRONG(5, 0, "\0\0\2\2", "ids of threads do not count up"),
	WRONG(5, 0, "\1\0\2\3", "names a string that is not there"),
	WRONG(6, 0, "\3\0x", "names a string that is not there"),
	WRONG(6, 0, "\1", "does not hold what its type says"),
	WRONG(6, 1, "\0\0", "does not hold what its type says"),
	WRONG(6, 1, "\0\0\0\0", "does not hold what its type says"),
	WRONG(6, 1, "\3\0\0\0abcd", "does not hold what its type says"),
	WRONG(6, 1, "\377\377\377\377\170\1\3\0\0\0\0\1", "does not hold"), /* grows too much */
	WRONG(7, 0, "\2\0\0", "names a caller that is not there"),
	WRONG(7, 0, "\2\3\0", "names a caller that is not there"),
	WRONG(7, 0, "\2\1\1", "names a location that is not there"),
	WRONG(7, 0, "\1\1\0", "ids of a dictionary do not count up"),
	WRONG(8, 0, "\1\1n", "does not hold what its type says"),
	WRONG(32, 0, "\0\2\0", "names a stack that is not there"),
	WRONG(32, 0, "\0\1\2", "names a thread or a time that is not there"),
	WRONG(32, 0, "\1\1\0", "names a thread or a time that is not there"), /* -1 */
	WRONG(32, 0, "\0\1", "does not hold what its type says"),
	WRONG(32, 0, "\0\1\1\0", "a number of samples is not possible"),
	WRONG(33, 0, "\2\0\1", "names a stack that is not there"),
	WRONG(33, 0, "\1\1\1", "names a thread that is not there"),
	WRONG(33, 0, "\1\0\0", "a number of samples is not possible"),
	WRONG(33, 0, "\1\0\200\200\200\200\200\200\200\20", "a number of samples is not possible"),
	WRONG(64, 0, "\1\3", "names a string that is not there"),
	WRONG(64, 0, "\3", "does not hold what its type says"),
	WRONG(127, 0, "\0", "its end tells of more or fewer samples than there are"),
	WRONG(127, 0, "", "does not hold what its type says"),
};

static void check_wrong(const struct wrong *wrong)
{
	struct memory memory = by_hand();
	struct pv_profile *read;
	char at[64];

	CHUNK(&memory, 32, "\0\1\0\2\1\0");
	snprintf(at, sizeof(at), "at byte %zu of", memory.n);
	put_chunk(&memory, wrong->type, wrong->flags, wrong->payload, wrong->n);
	CHUNK(&memory, 32, "\0\1\0");
	CHUNK(&memory, 127, "\3");
	ok(read_memory(&memory, &read));
	ck_assert(read->cut);
	ck_assert_uint_eq(total(read), 2);
	ck_assert_uint_eq(read->quality.samples, 2);
	says(read, wrong->says);
	says(read, at);
	pv_profile_destroy(read);
	free(memory.data);
}

/* Every rule, broken by a chunk whose checksum is right. */
START_TEST(wrong_chunks_end_it)
{
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++)
		check_wrong(&wrongs[i]);
}
END_TEST

/* A hunt of a census that counts five, and of a look at sites; holders: of a subject one. */
static struct memory hunt_by_hand(bool holders)
{
	struct memory memory = by_hand();

	CHUNK(&memory, 96, "\1\0");
	CHUNK(&memory, 100, "\0\0\1\0\0\0\0\0\1\0\1\0\0\0\0\0");
	CHUNK(&memory, 101, "\0\1\0\0\0");
	CHUNK(&memory, 103, "\0\0\5\12");
	CHUNK(&memory, 106, "\1\0\0\1\1\2\0\0\0\0\0\0\0\0");
	if (holders)
		CHUNK(&memory, 107, "\0\0\1\0\1\1");
	return memory;
}

static struct pv_memory *read_hunt(struct memory *memory)
{
	const struct pv_recfile_options options = { 0 };
	struct pv_profile *profile;
	struct pv_memory *hunt;
	FILE *file;

	CHUNK(memory, 127, "\0");
	file = fmemopen(memory->data, memory->n, "r");
	ck_assert_ptr_nonnull(file);
	ok(pv_recfile_read_any(file, "x.pvr", &options, &profile, &hunt));
	ck_assert_ptr_nonnull(hunt);
	fclose(file);
	free(memory->data);
	return hunt;
}

START_TEST(what_waits_and_what_holders_have)
{
	struct memory memory = hunt_by_hand(true);
	const struct pv_memory_holder *holder;
	const struct pv_memory_look *look;
	struct pv_memory *hunt;

	CHUNK(&memory, 109, "\0\1\3\4\5\6\2");
	CHUNK(&memory, 110, "\0\1\0\1\2\3\1\4\5");
	CHUNK(&memory, 111, "\0\0\5");
	hunt = read_hunt(&memory);
	ck_assert(!hunt->profile->cut);
	holder = pv_vec_at(&hunt->holders, 0);
	ck_assert(holder->own == 1 && holder->gained == -2 && holder->over_ns == 4);
	ck_assert(holder->used == 5 && holder->limit == 6 && holder->used_gained == 1);
	look = pv_vec_at(&hunt->looks, 0);
	ck_assert(look->has_garbage && look->collector.full == 2 && look->collector.pending == 5);
	ck_assert_uint_eq(pv_memory_type_at(hunt, 0, 0).garbage, 5);
	pv_memory_destroy(hunt);
}
END_TEST

static const struct wrong wrong_hunts[] = {
	WRONG(109, 0, "\1\0\0\0\0\0\0", "a number of a hunt is not possible"),
	WRONG(109, 0, "\0\0\0", "does not hold what its type says"),
	WRONG(109, 1, "\0\0\0\0\0\0\0", "does not hold what its type says"),
	WRONG(110, 0, "\2\0\0\0\0\0\0\0\0", "a count names a look that is not there"),
	WRONG(110, 0, "\1\0\0\0\0\0\0\0\0", "a count names a look of another kind"),
	WRONG(110, 0, "\0\2\0\0\0\0\0\0\0", "a number of a hunt is not possible"),
	WRONG(110, 0, "\0\0\0\1\377\377\377\377\377\377\377\77\0\0\0\0",
	      "a number of a hunt is not possible"),
	WRONG(111, 0, "\1\0\1", "a count names a look of another kind"),
	WRONG(111, 0, "\0\1\1", "a count names a type that is not there"),
	WRONG(111, 0, "\0\0\6", "a count of a hunt is not possible"),
	WRONG(111, 0, "\0\0\1\0\0\1", "a count of a hunt is not possible"),
};

static void check_wrong_hunt(bool holders, const struct wrong *wrong)
{
	struct memory memory = hunt_by_hand(holders);
	struct pv_memory *hunt;

	put_chunk(&memory, wrong->type, wrong->flags, wrong->payload, wrong->n);
	hunt = read_hunt(&memory);
	ck_assert(hunt->profile->cut);
	says(hunt->profile, wrong->says);
	pv_memory_destroy(hunt);
}

START_TEST(wrong_chunks_end_a_hunt)
{
	static const struct wrong nobody =
		WRONG(109, 0, "\0\0\0\0\0\0\0", "what a holder has names one that is not there");

	for (size_t i = 0; i < sizeof(wrong_hunts) / sizeof(*wrong_hunts); i++)
		check_wrong_hunt(true, &wrong_hunts[i]);
	check_wrong_hunt(false, &nobody);
}
END_TEST

/* The payload of a compressed source: n bytes that hardly can be compressed, then zeros. */
static size_t pack_source(unsigned int n, uLong n_plain, uint8_t *payload, uLongf size)
{
	uint8_t *plain = calloc(1, n_plain);
	uint32_t noise = 1;

	plain[0] = 1; /* the file: string 1; no flags */
	for (unsigned int i = 2; i < n; i++) {
		noise = noise * 1664525 + 1013904223;
		plain[i] = noise >> 24;
	}
	for (unsigned int i = 0; i < 4; i++)
		payload[i] = n_plain >> 8 * i;
	size -= 4;
	ck_assert_int_eq(compress2(payload + 4, &size, plain, n_plain, 9), Z_OK);
	free(plain);
	return 4 + size;
}

/* A chunk grows 64 times at most, whatever else is right about it (docs/recording.md). */
START_TEST(chunks_that_grow_too_much)
{
	static const uLong sizes[] = { 10000, 100000 };

	for (size_t i = 0; i < 2; i++) {
		struct memory memory = by_hand();
		struct pv_profile *read;
		uint8_t payload[4096];
		size_t n = pack_source(300, sizes[i], payload, sizeof(payload));

		ck_assert_int_eq(sizes[i] / 64 > n - 4, i); /* or this tests nothing */
		put_chunk(&memory, 6, 1, payload, n);
		CHUNK(&memory, 127, "\0");
		ok(read_memory(&memory, &read));
		ck_assert_int_eq(read->cut, i);
		ck_assert_uint_eq(read->sources.n, i ? 0 : 1);
		if (i)
			says(read, "a chunk does not hold what its type says");
		pv_profile_destroy(read);
		free(memory.data);
	}
}
END_TEST

START_TEST(deep_stacks)
{
	static char nodes[1 + 2 * 16384] = { 2 };
	struct pv_profile *read;

	for (size_t n = 16384; n <= 16385; n++) {
		struct memory memory = by_hand();

		for (size_t i = 1; i < n; i++)
			nodes[2 * i - 1] = 1; /* the one before; location 0 */
		put_chunk(&memory, 7, 0, nodes, 2 * n - 1);
		CHUNK(&memory, 127, "\0");
		ok(read_memory(&memory, &read));
		ck_assert_int_eq(read->cut, n > 16384);
		if (n > 16384)
			says(read, "a stack is deeper than any can be");
		pv_profile_destroy(read);
		free(memory.data);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recfile_wrong");
	TCase *tcase = tcase_create("recfile_wrong");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, not_recordings);
	tcase_add_test(tcase, a_pipe_cannot_be_read);
	tcase_add_test(tcase, unknown_chunks_are_skipped);
	tcase_add_test(tcase, later_fields_kinds_and_causes);
	tcase_add_test(tcase, totals_replace_totals);
	tcase_add_test(tcase, a_break_behind_totals);
	tcase_add_test(tcase, wrong_chunks_end_it);
	tcase_add_test(tcase, what_waits_and_what_holders_have);
	tcase_add_test(tcase, wrong_chunks_end_a_hunt);
	tcase_add_test(tcase, chunks_that_grow_too_much);
	tcase_add_test(tcase, deep_stacks);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
