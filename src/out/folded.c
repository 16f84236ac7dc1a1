/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Folded stacks: "frame;frame;... COUNT" a line, root first, equal lines
 * joined, sorted, so that two outputs can be compared with diff(1).
 * Input: a profile.  Output: lines of UTF-8 text.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/profile.h"
#include "out/folded.h"

/* A stack of texts: two locations with the same text are one here. */
struct folded_node {
	uint32_t parent; /* index, 0 = root */
	uint32_t rank;   /* of its text among all texts */
	uint32_t depth;
	uint32_t child, sibling; /* lists in the order of the ranks, 0 = end */
	uint64_t count;
};

struct folded {
	char **texts;        /* by location, NULL-safe to free */
	uint32_t *rank;      /* by location */
	const char **ranked; /* by rank: one of texts */
	struct pv_vec nodes; /* struct folded_node */
};

static void folded_deinit(struct folded *folded, const struct pv_profile *profile)
{
	for (size_t i = 0; folded->texts && i < profile->locs.n; i++)
		free(folded->texts[i]);
	free(folded->texts);
	free(folded->rank);
	free(folded->ranked);
	pv_vec_deinit(&folded->nodes);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(**(char **const *)a, **(char **const *)b);
}

static struct pv_err *rank_texts(struct folded *folded, size_t n)
{
	_pv_free_ char ***order = calloc(n + 1, sizeof(*order));
	uint32_t rank = 0;

	if (!order)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++)
		order[i] = &folded->texts[i];
	qsort(order, n, sizeof(*order), compare_text);
	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(*order[i], *order[i - 1]))
			rank++;
		folded->rank[order[i] - folded->texts] = rank;
		folded->ranked[rank] = *order[i];
	}
	return NULL;
}

static struct pv_err *folded_texts(struct folded *folded, const struct pv_profile *profile)
{
	size_t n = profile->locs.n;

	folded->texts = calloc(n + 1, sizeof(*folded->texts));
	folded->rank = calloc(n + 1, sizeof(*folded->rank));
	folded->ranked = calloc(n + 1, sizeof(*folded->ranked));
	if (!folded->texts || !folded->rank || !folded->ranked)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++) {
		struct pv_str text = { 0 };
		struct pv_err *err =
			pv_frame_text(profile->strings, pv_vec_at(&profile->locs, i), true, &text);

		if (err) {
			pv_str_deinit(&text);
			return err;
		}
		folded->texts[i] = text.data;
	}
	return rank_texts(folded, n);
}

/* The node of the joined tree for each node of the profile's tree, with the counts. */
static struct pv_err *join_nodes(struct folded *folded, const struct pv_profile *profile)
{
	size_t n = profile->nodes.n;
	_pv_free_ uint32_t *joined = calloc(n, sizeof(*joined));
	struct pv_map index PV_CLEANUP(pv_map_deinit) = { 0 };
	struct pv_err *err;

	if (!joined)
		return &pv_enomem;
	err = pv_vec_append(&folded->nodes, NULL, 1, NULL);
	/* A parent stands before its children. */
	for (size_t i = 1; i < n && !err; i++) {
		const struct pv_stack_node *node = pv_vec_at(&profile->nodes, i);
		struct folded_node add = { .parent = joined[node->parent],
					   .rank = folded->rank[node->loc],
					   .depth = node->depth };
		uint64_t key = (uint64_t)add.parent << 32 | add.rank, id;

		if (!pv_map_get(&index, key, &id)) {
			id = folded->nodes.n;
			err = pv_map_set(&index, key, id);
			if (!err)
				err = pv_vec_append(&folded->nodes, &add, 1, NULL);
		}
		joined[i] = id;
	}
	for (size_t i = 0; i < profile->samples.n && !err; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);
		struct folded_node *node = pv_vec_at(&folded->nodes, joined[sample->node]);

		node->count += sample->count;
	}
	return err;
}

static int compare_rank_down(const void *a, const void *b)
{
	const struct folded_node *x = *(const struct folded_node *const *)a;
	const struct folded_node *y = *(const struct folded_node *const *)b;

	return x->rank > y->rank ? -1 : x->rank < y->rank;
}

/* Makes the lists of children, each in the order of the texts. */
static struct pv_err *link_children(struct folded *folded)
{
	size_t n = folded->nodes.n;
	_pv_free_ struct folded_node **order = calloc(n, sizeof(*order));
	struct folded_node *nodes = folded->nodes.data;

	if (!order)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++)
		order[i] = &nodes[i];
	/* The root stays in front; the others are pushed last text first. */
	qsort(order + 1, n - 1, sizeof(*order), compare_rank_down);
	for (size_t i = 1; i < n; i++) {
		struct folded_node *parent = &nodes[order[i]->parent];

		order[i]->sibling = parent->child;
		parent->child = order[i] - nodes;
	}
	return NULL;
}

/*
 * Walks the tree depth first; path_end[d] is the length of the line up to the
 * frame at depth d, so that going up is cutting the line.
 */
static struct pv_err *write_lines(const struct folded *folded, FILE *file)
{
	struct pv_str line PV_CLEANUP(pv_str_deinit) = { 0 };
	struct pv_vec path_end PV_CLEANUP(pv_vec_deinit) = PV_VEC(size_t);
	const struct folded_node *nodes = folded->nodes.data;
	struct pv_err *err = pv_vec_append(&path_end, NULL, 1, NULL);

	for (uint32_t at = nodes[0].child; at && !err;) {
		const struct folded_node *node = &nodes[at];
		const char *text = folded->ranked[node->rank];

		path_end.n = node->depth;
		line.n = *(size_t *)pv_vec_at(&path_end, node->depth - 1);
		if (node->depth > 1)
			err = pv_str_append(&line, ";", 1);
		if (!err)
			err = pv_str_append(&line, text, strlen(text));
		if (!err)
			err = pv_vec_append(&path_end, &line.n, 1, NULL);
		if (node->count)
			fprintf(file, "%s %" PRIu64 "\n", pv_str_text(&line), node->count);
		if (node->child) {
			at = node->child;
			continue;
		}
		while (at && !nodes[at].sibling)
			at = nodes[at].parent;
		at = nodes[at].sibling;
	}
	return err;
}

static struct pv_err *folded_write(const struct pv_profile *profile, FILE *file)
{
	struct folded folded = { .nodes = PV_VEC(struct folded_node) };
	struct pv_err *err = folded_texts(&folded, profile);

	if (!err)
		err = join_nodes(&folded, profile);
	if (!err)
		err = link_children(&folded);
	if (!err) {
		const struct folded_node *root = folded.nodes.data;

		/* Samples without any frame are still samples. */
		if (root->count)
			fprintf(file, "[unknown] %" PRIu64 "\n", root->count);
		err = write_lines(&folded, file);
	}
	folded_deinit(&folded, profile);
	return err;
}

static const char *const folded_suffixes[] = { ".folded", ".txt", NULL };

const struct pv_format pv_format_folded = {
	.name = "folded",
	.suffixes = folded_suffixes,
	.help = "one stack a line, root first, for flame graph tools and grep",
	.write = folded_write,
};
