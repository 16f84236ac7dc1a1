/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flame graph as one SVG file: no script, no network, root on top, the
 * heaviest callee first.
 * Input: a profile.
 * Output: SVG 1.1 with presentation attributes only, so that each viewer shows
 * it; names are escaped to valid XML 1.0, whatever bytes they hold.
 */
#include "out/svg.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/frame.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/about.h"
#include "out/calls.h"
#include "out/texts.h"
#include "out/tree.h"

/* Pixels. */
enum {
	WIDTH = 1200,
	MARGIN = 16,
	ROW = 20,
	LINE = 18,
	FONT = 12,
	TITLE_FONT = 16,
	TITLE_ROOM = 19, /* the size whose regular letters are as wide as the bold title's */
	PADDING = 4,
	LEGEND_STEP = 150,
};
static const double narrowest = 0.5;

/* How a box looks; a colour says what runs, strong or pale whose code it is. */
enum look {
	LOOK_PYTHON_OWN,
	LOOK_PYTHON,
	LOOK_NATIVE_OWN,
	LOOK_NATIVE,
	LOOK_KERNEL,
	LOOK_MARKER,
	LOOK_MISSING, /* hatched: something is not there */
};

static const struct {
	const char *fill, *text;
} looks[] = {
	[LOOK_PYTHON_OWN] = { "#3f7cb5", "#fff" },       [LOOK_PYTHON] = { "#a9c9e6", "#1b2430" },
	[LOOK_NATIVE_OWN] = { "#e09a3a", "#1b2430" },    [LOOK_NATIVE] = { "#f2cf9b", "#1b2430" },
	[LOOK_KERNEL] = { "#d9b7d6", "#1b2430" },        [LOOK_MARKER] = { "#b5bcc5", "#1b2430" },
	[LOOK_MISSING] = { "url(#missing)", "#1b2430" },
};

/*
 * Advance widths of ' ' to '~' in hundredths of an em, the larger of Verdana's
 * and DejaVu Sans's: the fonts that the file asks for.
 */
static const uint8_t advances[] = {
	36, 41, 46, 84, 64, 108, 78, 28, 46, 46, 64, 84, 37, 46,  37, 46, 64, 64, 64,
	64, 64, 64, 64, 64, 64,  64, 46, 46, 84, 84, 84, 55, 100, 69, 69, 70, 78, 64,
	58, 78, 76, 43, 46, 70,  56, 87, 75, 79, 61, 79, 70, 69,  62, 74, 69, 99, 69,
	62, 69, 46, 46, 46, 84,  64, 64, 62, 64, 55, 64, 62, 36,  64, 64, 28, 35, 60,
	28, 98, 64, 62, 64, 64,  43, 53, 40, 64, 60, 82, 60, 60,  53, 64, 46, 64, 84,
};
enum { ELLIPSIS_ADVANCE = 100 };

struct box {
	uint32_t rank, depth;
	uint64_t x; /* samples to its left */
	uint64_t self, total;
};

struct svg {
	FILE *file;
	const struct pv_profile *profile;
	struct pv_texts texts;
	struct pv_about about;
	uint8_t *look;       /* by location: enum look */
	struct pv_vec boxes; /* struct box, the root first */
	struct pv_vec x;     /* uint64_t by depth: where the next box begins */
	uint64_t total;      /* samples */
	uint64_t dropped;    /* frames too narrow */
	uint32_t lifted;     /* nodes that are how the interpreter calls */
	uint32_t depth;      /* of the deepest box */
	struct pv_str text;  /* scratch */
};

static void svg_deinit(struct svg *svg)
{
	pv_texts_deinit(&svg->texts);
	pv_about_deinit(&svg->about);
	free(svg->look);
	pv_vec_deinit(&svg->boxes);
	pv_vec_deinit(&svg->x);
	pv_str_deinit(&svg->text);
}

static enum look loc_look(const struct pv_profile *profile, const struct pv_loc *loc)
{
	bool own = pv_loc_is_own(profile, loc);

	switch (loc->kind) {
	case PV_LOC_PYTHON:
		return own ? LOOK_PYTHON_OWN : LOOK_PYTHON;
	case PV_LOC_NATIVE:
	case PV_LOC_INLINED:
		return own ? LOOK_NATIVE_OWN : LOOK_NATIVE;
	case PV_LOC_KERNEL:
		return LOOK_KERNEL;
	case PV_LOC_THREAD:
	case PV_LOC_PROCESS:
	case PV_LOC_LABEL:
		return LOOK_MARKER;
	default:
		return pv_frame_is_gc(profile, loc) ? LOOK_NATIVE : LOOK_MISSING;
	}
}

static struct pv_err *svg_init(struct svg *svg)
{
	const struct pv_profile *profile = svg->profile;
	struct pv_err *err;

	svg->look = calloc(profile->locs.n + 1, sizeof(*svg->look));
	if (!svg->look)
		return &pv_enomem;
	for (size_t i = 0; i < profile->locs.n; i++)
		svg->look[i] = loc_look(profile, pv_vec_at(&profile->locs, i));
	err = pv_texts_init(&svg->texts, profile, PV_ESCAPE_TEXT, svg->look);
	return err ? err : pv_about_init(&svg->about, profile);
}

static double scale(const struct svg *svg)
{
	return svg->total ? (double)(WIDTH - 2 * MARGIN) / svg->total : 0;
}

/* Boxes come before those below them: theirs begin where it begins. */
static struct pv_err *svg_enter(void *ctx, const struct pv_tree_frame *frame)
{
	struct svg *svg = ctx;
	struct box box = { frame->rank, frame->depth, 0, frame->self, frame->total };
	struct pv_err *err = NULL;

	if (!frame->depth)
		svg->total = frame->total;
	/* what is below a narrow one is no wider */
	if (frame->depth && frame->total * scale(svg) < narrowest) {
		svg->dropped++;
		return NULL;
	}
	while (svg->x.n < frame->depth + 2 && !err)
		err = pv_vec_append(&svg->x, NULL, 1, NULL);
	if (err)
		return err;
	box.x = ((uint64_t *)svg->x.data)[frame->depth];
	((uint64_t *)svg->x.data)[frame->depth] += frame->total;
	((uint64_t *)svg->x.data)[frame->depth + 1] = box.x;
	if (frame->depth > svg->depth)
		svg->depth = frame->depth;
	return pv_vec_append(&svg->boxes, &box, 1, NULL);
}

static void put_xml(FILE *file, const char *text, size_t n)
{
	const char *end = text + n;

	for (; text < end; text++) {
		if (*text == '&')
			fputs("&amp;", file);
		else if (*text == '<')
			fputs("&lt;", file);
		else if (*text == '>')
			fputs("&gt;", file);
		else
			fputc(*text, file);
	}
}

/* Hundredths of an em that the character at text takes at most; its bytes. */
static unsigned int advance(const char *text, size_t *n_ret)
{
	unsigned char c = *text;

	*n_ret = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (c >= ' ' && c <= '~')
		return advances[c - ' '];
	/* Latin, Greek and the like; from U+2000 on mostly square ones; emoji */
	return *n_ret == 2 ? 85 : *n_ret == 3 ? 105 : 140;
}

/* Bytes of text that fit into so many hundredths of an em; all of them: *fits. */
static size_t fitting(const char *text, size_t n, int room, bool *fits)
{
	size_t at = 0, cut = 0, step;
	int used = 0;

	while (at < n) {
		used += advance(text + at, &step);
		at += step;
		if (used + ELLIPSIS_ADVANCE <= room)
			cut = at;
		if (used > room)
			break;
	}
	*fits = used <= room;
	return *fits ? n : cut;
}

/* Bytes of the text in front of the place: " (app.py:5)". */
static struct pv_err *name_length(struct svg *svg, uint32_t loc_id, size_t n, size_t *ret)
{
	const struct pv_loc *loc = pv_vec_at(&svg->profile->locs, loc_id);
	struct pv_err *err;

	*ret = n;
	if (loc->kind > PV_LOC_INLINED)
		return NULL;
	pv_str_clear(&svg->text);
	err = pv_escape_text(&svg->text, pv_strings_get(svg->profile->strings, loc->function),
			     pv_strings_length(svg->profile->strings, loc->function),
			     PV_ESCAPE_TEXT);
	if (!err && svg->text.n && svg->text.n < n)
		*ret = svg->text.n;
	return err;
}

/* Text is cut at its end: the file goes first, then the name is shortened. */
static struct pv_err *put_label(struct svg *svg, const struct box *box, const char *text, size_t n,
				double x, int y, const char *fill)
{
	double width = box->total * scale(svg);
	int room = (width - 2 * PADDING) * 100 / FONT;
	size_t shown, name = n;
	struct pv_err *err;
	bool fits;

	shown = fitting(text, n, room, &fits);
	if (!fits && box->depth) {
		err = name_length(svg, svg->texts.loc[box->rank], n, &name);
		if (err)
			return err;
		shown = fitting(text, name, room, &fits);
	}
	/* not even one letter and the dots */
	if (!shown)
		return NULL;
	fprintf(svg->file, "<text x=\"%.2f\" y=\"%d\" fill=\"%s\">", x + PADDING, y + 14, fill);
	put_xml(svg->file, text, shown);
	fputs(fits ? "</text>" : "…</text>", svg->file);
	return NULL;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

/* "0.28 s, 12.50 %, 28 samples" */
static struct pv_err *append_amount(struct svg *svg, struct pv_str *str, uint64_t samples)
{
	struct pv_err *err = pv_about_seconds(str, svg->profile, samples);

	if (!err && svg->profile->period_ns)
		err = pv_str_append(str, ", ", 2);
	if (!err)
		err = pv_str_appendf(str, "%.2f %%, ", percent(samples, svg->total));
	if (!err)
		err = pv_about_count(str, samples);
	return err ? err : pv_str_appendf(str, " sample%s", samples == 1 ? "" : "s");
}

static struct pv_err *put_tooltip(struct svg *svg, const struct box *box, const char *text,
				  size_t n)
{
	struct pv_err *err;

	pv_str_clear(&svg->text);
	err = append_amount(svg, &svg->text, box->total);
	if (!err && box->self && box->self != box->total) {
		err = pv_str_appendf(&svg->text, "\nitself ");
		if (!err)
			err = append_amount(svg, &svg->text, box->self);
	}
	fputs("<g><title>", svg->file);
	put_xml(svg->file, text, n);
	fputc('\n', svg->file);
	put_xml(svg->file, svg->text.data, svg->text.n);
	fputs("</title>", svg->file);
	return err;
}

static struct pv_err *put_box(struct svg *svg, const struct box *box, int top)
{
	double x = MARGIN + box->x * scale(svg), width = box->total * scale(svg);
	enum look look = LOOK_MARKER;
	const char *text = pv_str_text(&svg->about.target);
	size_t n = svg->about.target.n;
	int y = top + box->depth * ROW;
	struct pv_err *err;

	if (box->depth) {
		look = svg->look[svg->texts.loc[box->rank]];
		text = pv_texts_get(&svg->texts, svg->texts.loc[box->rank], &n);
	}
	err = put_tooltip(svg, box, text, n);
	fprintf(svg->file, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\"/>",
		x, y, width > 1 ? width - 0.5 : width / 2, ROW - 1, looks[look].fill);
	if (!err)
		err = put_label(svg, box, text, n, x, y, looks[look].text);
	fputs("</g>\n", svg->file);
	return err;
}

static void put_line(struct svg *svg, int y, int font, const char *attributes,
		     const struct pv_str *text)
{
	bool fits;
	size_t n = fitting(pv_str_text(text), text->n, (WIDTH - 2 * MARGIN) * 100 / font, &fits);

	fprintf(svg->file, "<text x=\"%d\" y=\"%d\"%s>", MARGIN, y, attributes);
	put_xml(svg->file, pv_str_text(text), n);
	fputs(fits ? "</text>\n" : "…</text>\n", svg->file);
}

static void put_legend(struct svg *svg, int y)
{
	struct pv_layers layers = pv_profile_layers(svg->profile);
	const struct {
		enum look look;
		const char *name;
		uint64_t samples;
	} entries[] = {
		{ LOOK_PYTHON_OWN, "Python", layers.python },
		{ LOOK_NATIVE_OWN, "native", layers.native },
		{ LOOK_KERNEL, "kernel", layers.kernel },
		{ LOOK_MISSING, "missing", layers.other },
	};
	size_t i, n = sizeof(entries) / sizeof(*entries);

	for (i = 0; i < n; i++) {
		int x = MARGIN + i * LEGEND_STEP;

		fprintf(svg->file,
			"<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>"
			"<text x=\"%d\" y=\"%d\">%s %.1f %%</text>\n",
			x, y - 10, looks[entries[i].look].fill, x + 18, y, entries[i].name,
			percent(entries[i].samples, svg->total));
	}
	fprintf(svg->file,
		"<text x=\"%zu\" y=\"%d\" fill=\"#5f6b7a\">strong: own code, pale: libraries; "
		"width: time, the heaviest first; shares by what ran itself</text>\n",
		MARGIN + n * LEGEND_STEP, y);
}

static void put_open(struct svg *svg, int height)
{
	fprintf(svg->file,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
		"height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"Verdana, 'DejaVu Sans', "
		"sans-serif\" font-size=\"%d\" fill=\"#1b2430\">\n<title>",
		WIDTH, height, WIDTH, height, FONT);
	put_xml(svg->file, pv_str_text(&svg->about.target), svg->about.target.n);
	fprintf(svg->file,
		"</title>\n<defs><pattern id=\"missing\" width=\"6\" height=\"6\" "
		"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
		"<rect width=\"6\" height=\"6\" fill=\"#cdd2d9\"/>"
		"<rect width=\"2\" height=\"6\" fill=\"#a3abb6\"/></pattern></defs>\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		WIDTH, height);
}

/* What is not drawn. */
static struct pv_err *put_left_out(struct svg *svg, int y)
{
	struct pv_err *err = NULL;

	pv_str_clear(&svg->text);
	if (svg->lifted)
		err = pv_str_appendf(&svg->text,
				     "C frames of how the interpreter calls Python are left out, "
				     "their own time is not%s",
				     svg->dropped ? "; " : "");
	if (!err && svg->dropped)
		err = pv_about_count(&svg->text, svg->dropped);
	if (!err && svg->dropped)
		err = pv_str_appendf(&svg->text, " frame%s narrower than half a pixel %s not drawn",
				     svg->dropped == 1 ? "" : "s",
				     svg->dropped == 1 ? "is" : "are");
	if (!err && svg->text.n)
		put_line(svg, y, FONT, " fill=\"#5f6b7a\"", &svg->text);
	return err;
}

static struct pv_err *svg_put(struct svg *svg)
{
	size_t notes = svg->about.notes.n, i;
	int top = 104 + notes * LINE, bottom = top + (svg->depth + 1) * ROW + 24;
	bool well = svg->about.well;
	const char *colour = !well ? " fill=\"#8a5300\"" : " fill=\"#1f7a34\"";
	const char *note = !well ? colour : " fill=\"#5f6b7a\"";
	struct pv_err *err = NULL;
	char bold[64];

	put_open(svg, bottom + LINE + 12);
	snprintf(bold, sizeof(bold), " font-size=\"%d\" font-weight=\"bold\"", TITLE_FONT);
	put_line(svg, 30, TITLE_ROOM, bold, &svg->about.target);
	put_line(svg, 52, FONT, "", &svg->about.time);
	put_line(svg, 70, FONT, colour, &svg->about.quality);
	for (i = 0; i < notes; i++)
		put_line(svg, 70 + (i + 1) * LINE, FONT, note, pv_vec_at(&svg->about.notes, i));
	put_legend(svg, top - 14);
	for (i = 0; i < svg->boxes.n && !err; i++)
		err = put_box(svg, pv_vec_at(&svg->boxes, i), top);
	if (!err)
		err = put_left_out(svg, bottom);
	put_line(svg, bottom + LINE, FONT, " fill=\"#5f6b7a\"", &svg->about.origin);
	fputs("</svg>\n", svg->file);
	return err;
}

static struct pv_err *svg_write(const struct pv_profile *profile, FILE *file)
{
	struct svg svg = {
		.file = file, .profile = profile, .boxes = PV_VEC(struct box), .x = PV_VEC(uint64_t)
	};
	struct pv_profile shown = *profile;
	struct pv_vec nodes PV_CLEANUP(pv_vec_deinit) = PV_VEC(struct pv_stack_node);
	struct pv_vec samples PV_CLEANUP(pv_vec_deinit) = PV_VEC(struct pv_sample);
	struct pv_err *err = svg_init(&svg);

	if (!err)
		err = pv_calls_lift(profile, &nodes, &samples, &svg.lifted);
	shown.nodes = nodes;
	shown.samples = samples;
	if (!err)
		err = pv_tree_walk(&shown, svg.texts.rank, PV_TREE_BY_TOTAL, svg_enter, &svg);
	if (!err)
		err = svg_put(&svg);
	svg_deinit(&svg);
	return err;
}

static const char *const svg_suffixes[] = { ".svg", NULL };

const struct pv_format pv_format_svg = {
	.name = "svg",
	.suffixes = svg_suffixes,
	.help = "flame graph as a picture, without script",
	.write = svg_write,
};
