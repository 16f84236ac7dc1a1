/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a ledger does not tell.  Input: a struct pv_refs.  Output: sentences, a line each.
 */
#include "base/str.h"
#include "base/text.h"
#include "model/profile.h"
#include "model/refs.h"
#include "model/strings.h"
#include "out/refs.h"

static struct pv_err *say(struct pv_str *str, uint64_t n, const char *one, const char *many)
{
	if (!n)
		return NULL;
	return pv_str_appendf(str, "%s %s\n", pv_text_number(n).text, n == 1 ? one : many);
}

static uint64_t count_flag(const struct pv_refs *refs, uint32_t flag)
{
	uint64_t n = 0;

	for (size_t i = 0; i < refs->changes.n; i++)
		n += !!(((struct pv_change *)pv_vec_at(&refs->changes, i))->flags & flag);
	return n;
}

struct pv_err *pv_refs_doubts(const struct pv_refs *refs, struct pv_str *str)
{
	struct pv_err *err;

	err = say(str, refs->lost, "change was lost: the ring had no room for it",
		  "changes were lost: the ring had no room for them");
	if (!err)
		err = say(str, refs->unseen, "write was not told: its change is in the next one's",
			  "writes were not told: their changes are in the next ones'");
	if (!err)
		err = say(str, count_flag(refs, PV_REF_NO_STACK), "change has no stack",
			  "changes have no stack");
	if (!err)
		err = say(str, count_flag(refs, PV_REF_PARTIAL),
			  "stack is not whole: the calls under way then are not judged",
			  "stacks are not whole: the calls under way then are not judged");
	if (!err && refs->unusable)
		err = pv_str_appendf(str, "%s: so no watchpoint was used, but --or-lines\n",
				     pv_strings_get(refs->profile->strings, refs->unusable));
	if (!err && refs->by_lines)
		err = pv_str_appendf(
			str,
			"seen are the changes within one function alone (--lines), each at the "
			"line that was executed before it showed; the compiler may have moved "
			"it\n");
	if (!err && refs->borrows && !refs->field_size)
		err = pv_str_appendf(
			str, "since Python 3.14 the interpreter borrows where it can: reading a "
			     "local variable does not always change the count\n");
	if (!err && refs->split)
		err = pv_str_appendf(
			str, "this build has no GIL: the count is the owner's part and that of the "
			     "other threads; changes of two threads at once may be told as one\n");
	return err;
}
