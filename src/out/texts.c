/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame texts of a profile.
 * Input: its locations.  Output: their texts, and the rank of each.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/profile.h"
#include "out/texts.h"

struct text_key {
	const char *text;
	uint32_t loc;
	uint8_t class;
};

static int compare_keys(const void *a, const void *b)
{
	const struct text_key *x = a, *y = b;
	int by_text = strcmp(x->text, y->text);

	return by_text ? by_text : x->class - y->class;
}

static struct pv_err *rank_texts(struct pv_texts *texts, size_t n, const uint8_t *class)
{
	_pv_free_ struct text_key *keys = calloc(n + 1, sizeof(*keys));

	if (!keys)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++)
		keys[i] = (struct text_key){ .text = texts->bytes.data + texts->offset[i],
					     .loc = i,
					     .class = class ? class[i] : 0 };
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < n; i++) {
		if (!i || compare_keys(&keys[i], &keys[i - 1]))
			texts->loc[texts->n++] = keys[i].loc;
		texts->rank[keys[i].loc] = texts->n - 1;
	}
	return NULL;
}

struct pv_err *pv_texts_init(struct pv_texts *texts, const struct pv_profile *profile,
			     enum pv_escape escape, const uint8_t *class)
{
	size_t n = profile->locs.n;
	struct pv_err *err = NULL;

	*texts = (struct pv_texts){ .offset = calloc(n + 1, sizeof(*texts->offset)),
				    .rank = calloc(n + 1, sizeof(*texts->rank)),
				    .loc = calloc(n + 1, sizeof(*texts->loc)) };
	if (!texts->offset || !texts->rank || !texts->loc)
		err = &pv_enomem;
	for (size_t i = 0; i < n && !err; i++) {
		err = pv_frame_text(profile->strings, pv_vec_at(&profile->locs, i), escape,
				    &texts->bytes);
		if (!err)
			err = pv_str_append(&texts->bytes, "", 1);
		texts->offset[i + 1] = texts->bytes.n;
	}
	if (!err)
		err = rank_texts(texts, n, class);
	if (err)
		pv_texts_deinit(texts);
	return err;
}

void pv_texts_deinit(struct pv_texts *texts)
{
	pv_str_deinit(&texts->bytes);
	free(texts->offset);
	free(texts->rank);
	free(texts->loc);
	*texts = (struct pv_texts){ 0 };
}
