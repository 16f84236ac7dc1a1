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

static struct pv_err *doubt_lives(const struct pv_refs *refs, struct pv_str *str)
{
	const struct pv_lives *lives = &refs->lives;
	struct pv_err *err;

	err = pv_str_appendf(str, "%s birth%s of such objects seen at %s addresses, %zu at a time",
			     pv_text_number(lives->n_births).text, lives->n_births == 1 ? "" : "s",
			     pv_text_number(lives->n_aims).text, lives->n_slots);
	if (!err && lives->n_other + lives->n_passed)
		err = pv_str_appendf(str, "; %s of them elsewhere",
				     pv_text_number(lives->n_other + lives->n_passed).text);
	if (!err && lives->n_passed)
		err = pv_str_appendf(str,
				     ", as far as the Python line tells that had led there before "
				     "in %s",
				     pv_text_number(lives->n_passed).text);
	if (!err)
		err = pv_str_append(str, "\n", 1);
	if (!err)
		err = say(str, lives->n_broken, "life is not judged: changes of it are missing",
			  "lives are not judged: changes of them are missing");
	if (!err)
		err = say(str, lives->n_gone,
			  "life is not judged: its end was not seen, and something else is there",
			  "lives are not judged: their ends were not seen, and something else is "
			  "there");
	if (!err)
		err = say(str, lives->n_held, "object stays, and may be held by somebody",
			  "objects stay, and may be held by somebody");
	return err ? err
		   : say(str, lives->n_pauses, "time nothing was watched, to keep to --budget",
			 "times nothing was watched, to keep to --budget");
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
	if (!err && refs->lives.on)
		err = doubt_lives(refs, str);
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
