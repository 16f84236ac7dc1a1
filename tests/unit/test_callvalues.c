/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments and results on their way to their calls: what belongs to another event, did not
 * come, or is not whole, is lost and never shown with a call.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "abi/trace.h"
#include "base/str.h"
#include "session/callvalues.h"

static struct pv_call_values *all;

static void start(void)
{
	ck_assert_ptr_null(pv_call_values_create(&all));
}

static void stop(void)
{
	pv_call_values_destroy(all);
}

/* A record with one value, less so many bytes at its end. */
static void take(uint16_t type, uint64_t key, uint32_t number, uint32_t sequence,
		 struct pv_value value, size_t less)
{
	struct {
		struct pv_event_values head;
		struct pv_values values;
	} record = { .head = { .hdr = { .type = type }, key, number, sequence },
		     .values = { .n = 1, .result = PV_RESULT_RETURNED, .list = { value } } };
	size_t size = sizeof(record.head) + offsetof(struct pv_values, list) + sizeof(value) - less;
	struct pv_event *copy = malloc(size);

	record.head.hdr.size = (uint32_t)size;
	memcpy(copy, &record, size);
	ck_assert_ptr_null(pv_call_values_take(all, copy, size));
	free(copy);
}

static void check_text(uint64_t key, uint32_t number, uint32_t sequence, uint16_t flags,
		       const char *expected)
{
	struct pv_event_call call = {
		.key = key, .number = number, .sequence = sequence, .flags = flags
	};
	struct pv_str text = {};

	ck_assert_ptr_null(pv_call_values_append(all, &call, NULL, &text));
	ck_assert_str_eq(pv_str_text(&text), expected);
	pv_str_deinit(&text);
}

START_TEST(test_values)
{
	const struct pv_value three = { .tag = PV_VALUE_INT, .number = 3 };
	const struct pv_value four = { .tag = PV_VALUE_INT, .number = 4 };
	const struct pv_value name = {
		.tag = PV_VALUE_STR, .width = 1, .n = 1, .size = 1, .bytes = "n"
	};
	const uint16_t with = PV_CALL_EVENT_VALUES, end = PV_CALL_EVENT_END;

	take(PV_EVENT_VALUES, 0, 1, 0, three, 0);
	take(PV_EVENT_VALUES, 0, 2, 0, four, 0);
	/* the name did not come */
	check_text(7, 1, 0, with, "arg1=3");
	take(PV_EVENT_NAMES, 7, 0, 0, name, 0);
	check_text(7, 1, 0, with, "n=3");
	check_text(8, 1, 0, with, "arg1=3");
	check_text(7, 2, 0, with, "n=4");
	/* without the flag it has none, whatever is there */
	check_text(7, 1, 0, 0, "");
	check_text(0, 1, 1, end, "");
	/* of another event, of another execution */
	check_text(7, 1, 1, with, "<lost>");
	check_text(7, 3, 0, with, "<lost>");
	take(PV_EVENT_VALUES, 0, 1, 1, four, 0);
	check_text(0, 1, 1, with | end, "4");
	/* one that is cut off is none */
	take(PV_EVENT_VALUES, 0, 1, 2, three, 1);
	check_text(0, 1, 2, with | end, "<lost>");
	take(PV_EVENT_VALUES, 0, 1, 2, three, sizeof(three) + 1);
	check_text(0, 1, 2, with | end, "<lost>");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("callvalues");
	TCase *tc = tcase_create("callvalues");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, test_values);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
