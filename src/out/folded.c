/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Folded stacks: "frame;frame;... COUNT" a line, root first, equal lines
 * joined, sorted, so that two outputs can be compared with diff(1).
 * Input: a profile.  Output: lines of UTF-8 text.
 */
#include <inttypes.h>

#include "base/str.h"
#include "base/vec.h"
#include "out/folded.h"
#include "out/texts.h"
#include "out/tree.h"

struct folded {
	FILE *file;
	struct pv_texts texts;
	struct pv_str line;     /* the frames from the root to the one at hand */
	struct pv_vec path_end; /* size_t by depth: where the line ends there */
};

/* Going up is cutting the line. */
static struct pv_err *put_frame(struct folded *folded, const struct pv_tree_frame *frame)
{
	struct pv_err *err = NULL;
	const char *text;
	size_t n;

	folded->path_end.n = frame->depth;
	folded->line.n = *(size_t *)pv_vec_at(&folded->path_end, frame->depth - 1);
	text = pv_texts_get(&folded->texts, folded->texts.loc[frame->rank], &n);
	if (frame->depth > 1)
		err = pv_str_append(&folded->line, ";", 1);
	if (!err)
		err = pv_str_append(&folded->line, text, n);
	return err ? err : pv_vec_append(&folded->path_end, &folded->line.n, 1, NULL);
}

static struct pv_err *folded_enter(void *ctx, const struct pv_tree_frame *frame)
{
	struct folded *folded = ctx;
	struct pv_err *err;

	if (!frame->depth) {
		/* Samples without any frame are still samples. */
		if (frame->self)
			fprintf(folded->file, "[unknown] %" PRIu64 "\n", frame->self);
		return NULL;
	}
	err = put_frame(folded, frame);
	if (!err && frame->self) {
		fwrite(folded->line.data, 1, folded->line.n, folded->file);
		fprintf(folded->file, " %" PRIu64 "\n", frame->self);
	}
	return err;
}

static struct pv_err *folded_write(const struct pv_profile *profile, FILE *file)
{
	struct folded folded = { .file = file, .path_end = PV_VEC(size_t) };
	struct pv_err *err = pv_texts_init(&folded.texts, profile, PV_ESCAPE_LINE, NULL);

	if (!err)
		err = pv_vec_append(&folded.path_end, NULL, 1, NULL);
	if (!err)
		err = pv_tree_walk(profile, folded.texts.rank, PV_TREE_BY_RANK, folded_enter,
				   &folded);
	pv_texts_deinit(&folded.texts);
	pv_str_deinit(&folded.line);
	pv_vec_deinit(&folded.path_end);
	return err;
}

static const char *const folded_suffixes[] = { ".folded", ".txt", NULL };

const struct pv_format pv_format_folded = {
	.name = "folded",
	.suffixes = folded_suffixes,
	.help = "one stack a line, root first, for flame graph tools and grep",
	.write = folded_write,
};
