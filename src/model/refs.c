/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of one word.  Input: what session/ledger.c adds.  Output: a struct pv_refs.
 */
#include "model/refs.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/text.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

struct pv_err *pv_refs_create(struct pv_refs **ret)
{
	struct pv_refs *refs = calloc(1, sizeof(*refs));
	struct pv_err *err;

	if (!refs)
		return &pv_enomem;
	refs->changes = (struct pv_vec)PV_VEC(struct pv_change);
	refs->frames = (struct pv_vec)PV_VEC(struct pv_ref_frame);
	refs->sites = (struct pv_vec)PV_VEC(struct pv_ref_site);
	refs->functions = (struct pv_vec)PV_VEC(struct pv_ref_function);
	refs->ended = (struct pv_vec)PV_VEC(struct pv_life);
	refs->others = (struct pv_vec)PV_VEC(struct pv_change);
	err = pv_profile_create(&refs->profile);
	if (err) {
		pv_refs_destroy(refs);
		return err;
	}
	*ret = refs;
	return NULL;
}

void pv_refs_destroy(struct pv_refs *refs)
{
	if (!refs)
		return;
	pv_profile_destroy(refs->profile);
	pv_vec_deinit(&refs->changes);
	pv_vec_deinit(&refs->frames);
	pv_vec_deinit(&refs->sites);
	pv_vec_deinit(&refs->functions);
	pv_vec_deinit(&refs->ended);
	pv_vec_deinit(&refs->others);
	free(refs);
}

struct pv_err *pv_ref_site_text(const struct pv_refs *refs, const struct pv_ref_site *site,
				struct pv_str *str)
{
	const struct pv_strings *strings = refs->profile->strings;
	const struct pv_loc *loc = pv_vec_at(&refs->profile->locs, site->function);
	const char *file = pv_strings_get(strings, site->file);
	size_t n = pv_strings_length(strings, site->file), skip;
	struct pv_err *err;

	if (site->file && site->line) {
		skip = pv_path_skip(file, n);
		err = pv_text_append(str, file + skip, n - skip);
		return err ? err : pv_str_appendf(str, ":%u", site->line);
	}
	err = pv_text_append(str, pv_strings_get(strings, loc->function),
			     pv_strings_length(strings, loc->function));
	if (err || site->offset == UINT64_MAX)
		return err;
	return pv_str_appendf(str, "+0x%llx", (unsigned long long)site->offset);
}
