/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lives as text: what each function added and took in the one that is shown and in those that
 * ended. Input: a struct pv_refs with lives.  Output: a table.
 */
#include <inttypes.h>
#include <string.h>

#include "analyse/lifenet.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/refs.h"
#include "out/refs.h"
#include "tui/rows.h"
#include "tui/term.h"

enum { ROWS = 24 };

static void cleanup_net(struct pv_lifenet **net)
{
	pv_lifenet_destroy(*net);
}

static struct pv_err *add_place(const struct pv_refs *refs, const struct pv_lifenet *net,
				const struct pv_lifenet_place *place, struct pv_rows *rows)
{
	const struct pv_lifenet_owner *owner = pv_vec_at(&net->owners, place->owner);
	const struct pv_loc *loc = pv_vec_at(&refs->profile->locs, owner->function);
	struct pv_row *row;
	struct pv_err *err = pv_rows_add(rows, &row);

	if (err)
		return err;
	if (refs->lives.fate == PV_LIFE_ENDED)
		snprintf(row->numbers, sizeof(row->numbers), "  %+11" PRId64 " in %-8s  ",
			 place->sign * (int64_t)place->n_ended, pv_text_number(place->lives).text);
	else
		snprintf(row->numbers, sizeof(row->numbers),
			 "  %+6" PRId64 "  %+12" PRId64 " in %-8s  ",
			 place->sign * (int64_t)place->n, place->sign * (int64_t)place->n_ended,
			 pv_text_number(place->lives).text);
	row->colour = owner->python ? PV_COLOUR_PYTHON : PV_COLOUR_NATIVE;
	row->bold = net->accused == place->owner;
	err = pv_frame_function(refs->profile, loc, &row->name);
	/* two libraries may have a function of one name each */
	if (!err && !owner->python)
		err = pv_str_append(&row->name, " ", 1);
	if (!err && !owner->python)
		err = pv_frame_place(refs->profile, loc, 0, 0, &row->name);
	return err ? err : pv_lifenet_place_text(refs, place, &row->place);
}

struct pv_err *pv_refs_lives_put(const struct pv_refs *refs, const struct pv_refnet *calls,
				 const struct pv_term *term, bool all, bool *accused_ret)
{
	PV_CLEANUP(cleanup_net) struct pv_lifenet *net = NULL;
	struct pv_err *err = pv_lifenet_create(refs, &net);
	const char *head = refs->lives.fate == PV_LIFE_ENDED
				   ? "      in lives that ended  who did it"
				   : "  in this one, in lives that ended  who did it";
	struct pv_rows rows;
	size_t i;

	if (err)
		return err;
	*accused_ret = net->accused != PV_LIFENET_NONE;
	/* another one is, which is none of the table's */
	if (pv_lifenet_is_less(net, calls))
		net->accused = PV_LIFENET_NONE;
	if (!net->places.n)
		return NULL;
	fputc('\n', term->file);
	pv_term_put(term, head, strlen(head), PV_COLOUR_NONE, true);
	fputc('\n', term->file);
	pv_rows_init(&rows);
	for (i = 0; !err && i < net->places.n && (all || i < ROWS); i++)
		err = add_place(refs, net, pv_vec_at(&net->places, i), &rows);
	if (!err)
		err = pv_rows_print(&rows, term);
	pv_rows_deinit(&rows);
	if (!err && i < net->places.n)
		fprintf(term->file, "  ... %zu more ...\n", net->places.n - i);
	return err;
}
