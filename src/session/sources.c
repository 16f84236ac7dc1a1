/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Source texts.  Input: new Python locations of a profile, and the files as
 * their process sees them.  Output: pv_source.
 */
#include "session/sources.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "abi/loss.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "model/profile.h"
#include "model/strings.h"
#include "target/file.h"
#include "target/process.h"

struct pv_sources {
	struct pv_profile *profile;
	size_t n_locs;       /* looked at so far */
	struct pv_map known; /* files: string id -> 1 */
	size_t n_bytes;      /* kept so far */
};

struct pv_err *pv_sources_create(struct pv_profile *profile, struct pv_sources **ret)
{
	struct pv_sources *sources = calloc(1, sizeof(*sources));

	if (!sources)
		return &pv_enomem;
	sources->profile = profile;
	*ret = sources;
	return NULL;
}

void pv_sources_destroy(struct pv_sources *sources)
{
	if (!sources)
		return;
	pv_map_deinit(&sources->known);
	free(sources);
}

/* "<string>" and "<frozen os>" are no files. */
static bool may_be_file(const char *path, size_t n)
{
	return n && n < PATH_MAX && *path != '<' && strlen(path) == n;
}

static struct pv_err *keep(struct pv_sources *s, uint32_t file_id, const struct pv_file *file,
			   pid_t pid)
{
	uint64_t since_ns;
	/* one that has ended meanwhile: nobody knows */
	bool changed = !pv_process_program_ns(pid, &since_ns) || file->mtime_ns > since_ns;

	s->n_bytes += file->n;
	return pv_profile_add_source(s->profile, file_id, file->text, file->n, changed);
}

static struct pv_err *take_file(struct pv_sources *s, uint32_t file_id, pid_t pid)
{
	const struct pv_strings *strings = s->profile->strings;
	const char *path = pv_strings_get(strings, file_id);
	struct pv_file file = { .state = PV_FILE_NONE };
	size_t room = PV_SOURCE_ALL_MAX - s->n_bytes;
	struct pv_err *err = NULL;
	uint64_t known;

	if (pv_map_get(&s->known, file_id, &known))
		return NULL;
	if (may_be_file(path, pv_strings_length(strings, file_id)))
		err = pv_file_read(pid, path, room < PV_SOURCE_FILE_MAX ? room : PV_SOURCE_FILE_MAX,
				   &file);
	if (err)
		return err;
	if (file.state == PV_FILE_LARGE)
		s->profile->losses.count[PV_LOSS_SOURCE]++;
	if (file.state == PV_FILE_READ)
		err = keep(s, file_id, &file, pid);
	free(file.text);
	/* another process, or another line, may still show it */
	if (err || file.state == PV_FILE_GONE)
		return err;
	return pv_map_set(&s->known, file_id, 1);
}

struct pv_err *pv_sources_take(struct pv_sources *s, pid_t pid)
{
	struct pv_err *err = NULL;

	for (; s && !err && s->n_locs < s->profile->locs.n; s->n_locs++) {
		const struct pv_loc *loc = pv_vec_at(&s->profile->locs, s->n_locs);

		if (loc->kind == PV_LOC_PYTHON)
			err = take_file(s, loc->file, pid);
	}
	return err;
}
