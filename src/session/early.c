/* SPDX-License-Identifier: BSD-2-Clause */
/* Early points of a trend.  Input: mappings.  Output: points of a pv_memory. */
#include "session/early.h"

#include <string.h>

#include "model/memory.h"
#include "session/mappings.h"
#include "target/smaps.h"

void pv_early_init(struct pv_early *early, size_t bytes_max)
{
	*early = (struct pv_early){ .kept = PV_VEC(struct pv_vec), .bytes_max = bytes_max };
}

static void drop(struct pv_early *early, size_t n)
{
	struct pv_vec *kept = early->kept.data;

	for (size_t i = 0; i < n; i++) {
		early->bytes -= kept[i].n * sizeof(struct pv_smap);
		pv_vec_deinit(&kept[i]);
	}
	early->kept.n -= n;
	memmove(kept, kept + n, early->kept.n * sizeof(*kept));
}

void pv_early_deinit(struct pv_early *early)
{
	if (early->kept.n)
		drop(early, early->kept.n);
	pv_vec_deinit(&early->kept);
}

struct pv_err *pv_early_keep(struct pv_early *early, const struct pv_vec *smaps)
{
	struct pv_vec one = PV_VEC(struct pv_smap);
	struct pv_err *err = pv_vec_append(&one, smaps->data, smaps->n, NULL);

	if (!err)
		err = pv_vec_append(&early->kept, &one, 1, NULL);
	if (err) {
		pv_vec_deinit(&one);
		return err;
	}
	early->bytes += smaps->n * sizeof(struct pv_smap);
	while (early->bytes > early->bytes_max && early->kept.n > 1) {
		drop(early, 1);
		early->n_dropped++;
	}
	return NULL;
}

void pv_early_recount(struct pv_early *early, const struct pv_mappings_hints *hints,
		      struct pv_vec *points, size_t *dropped_ret)
{
	struct pv_memory_point *all = points->data;
	size_t n_dropped = early->n_dropped;

	for (size_t i = 0; i < early->kept.n; i++) {
		struct pv_memory_point *point = &all[n_dropped + i];

		memset(point->resident, 0, sizeof(point->resident));
		memset(point->mapped, 0, sizeof(point->mapped));
		pv_mappings_count(pv_vec_at(&early->kept, i), hints, point);
	}
	if (n_dropped) {
		points->n -= n_dropped;
		memmove(all, all + n_dropped, points->n * sizeof(*all));
	}
	if (early->kept.n)
		drop(early, early->kept.n);
	early->n_dropped = 0;
	*dropped_ret = n_dropped;
}
