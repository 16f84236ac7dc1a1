/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the summaries of the golden tests: profiles whose shares a person can
 * count, in several widths, with and without colours.
 * Input: the profiles made here and in tests/unit/stacks.h.
 * Output: text on standard output, ESC as "\e"; with the argument "json" instead
 * of each text the JSON of the same profile, a line.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/wait.h"
#include "cmd/summary.h"
#include "../unit/stacks.h"
#include "tui/term.h"

#include "synthetic.h"

/* What to show: the text, or the JSON. */
static bool as_json;

static void show(const char *name, const struct pv_profile *profile, const struct pv_live *live,
		 unsigned int width, bool colours)
{
	static const char *const outputs[] = { "pitviper-gunicorn-4127.html", "a\nb.pvr" };
	char *text = NULL;
	size_t n = 0;
	FILE *file = open_memstream(&text, &n);
	struct pv_term term = pv_term_fixed(file, width, colours);

	printf("==== %s, %u columns%s\n", name, width, colours ? ", colours" : "");
	if (as_json)
		ok(pv_summary_json(profile, live, outputs, live ? 2 : 1, file));
	else
		ok(pv_summary_print(profile, live, outputs, live ? 2 : 1, &term));
	fclose(file);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\033')
			fputs("\\e", stdout);
		else
			putchar(text[i]);
	}
	putchar('\n');
	free(text);
}

/* Names that a terminal would obey, or that do not fit. */
static struct pv_profile *odd_profile(void)
{
	struct pv_profile *p = profile_of(10);
	char stack[4096], name[201];

	memset(name, 'n', 200);
	name[200] = '\0';
	p->title = string_of(p, "\\x1b]0;title\\x07");
	add(p, 300, "p \\x1b[31mred\\x1b[0m /srv/\\x1b[2J.py 3");
	add(p, 200, "p two\\x0alines /srv/a\\x0db.py 4");
	add(p, 150, "p \u202eesrever /srv/\u200binvisible.py 5");
	add(p, 100, "p größe /srv/日本語.py 6|n 関数の名前 lib日本.so 0");
	snprintf(stack, sizeof(stack), "p %s /srv/long.py 7", name);
	add(p, 80, stack);
	snprintf(stack, sizeof(stack), "p f /srv/%s.py 8", name);
	add(p, 70, stack);
	add(p, 60, "p b\xc3(d\xff /srv/c\x9b.py 9");
	return p;
}

/* gunicorn's workers: losses, missing samples, a recording that breaks off. */
static struct pv_profile *processes_profile(void)
{
	struct pv_profile *p = profile_of(20);
	uint32_t id;

	for (uint32_t i = 0; i < 10; i++) {
		struct pv_profile_process process = { .pid = 100 + i, .generation = 1 };

		process.title = string_of(p, i ? "gunicorn:~worker~[app:app]" : "gunicorn:~master");
		process.interpreter = string_of(p, "CPython~3.12.1");
		ok(pv_profile_process(p, &process, &id));
		if (i)
			add_of(p, 100 + i, 100 + i, 400 - 10 * i,
			       "P process~worker - 0|p view /srv/app.py 12|n dumps _json.so 0");
		/* add_of() knows no titles */
		ok(pv_profile_process(p, &process, &id));
	}
	p->children = true;
	p->cut = true;
	p->target_cpu_ns = 3600 * p->period_ns;
	p->quality.complete -= 40;
	p->quality.truncated = 12;
	p->quality.marked = 20;
	p->quality.bridged = 8;
	p->own_cpu_ns = 1230000000;
	p->losses.name[4] = "PY_TORN";
	p->losses.text[4] = "samples in the interpreter's frame-switch window";
	p->losses.count[4] = 1020;
	p->losses.name[48] = "RING_SAMPLE";
	p->losses.text[48] = "samples dropped (ring buffer full)";
	p->losses.count[48] = 30;
	/* of a later version, whose recording breaks off before it names its causes */
	p->losses.count[60] = 7;
	return p;
}

static void show_idle(void)
{
	struct pv_wait wait = { .found = true, .main = true, .n_others = 3 };
	struct pv_live live = {};
	struct pv_profile *p = profile_of(10);

	ok(pv_str_appendf(&wait.function, "epoll_wait"));
	ok(pv_str_appendf(&wait.place, "app.py:41"));
	wait.tid = p->pid;
	ok(pv_wait_put(&wait, p));
	p->own_cpu_ns = 80000000;
	show("idle", p, &live, 80, false);
	p->n_unwatched = 2;
	p->unwatched_cpu_ns = 2040000000;
	show("idle, with busy children", p, &live, 80, true);
	p->unwatched_least = true;
	p->unwatched_cpu_ns = 520000000;
	show("idle, with busy children that have ended", p, &live, 80, false);
	p->unwatched_cpu_ns = 0;
	add(p, 12, "p tick /srv/app.py 60");
	show("nearly idle", p, &live, 100, true);
	pv_wait_deinit(&wait);
	pv_profile_destroy(p);
}

static void show_others(void)
{
	struct pv_profile *p = profile_of(10);

	module_of(p, "prog", "/srv/bin/prog");
	p->interpreter = 0;
	p->target_name = string_of(p, "prog\x1b");
	add(p, 700, "n _start prog 0|n main prog 0|i max prog 0");
	add(p, 200, "n _start prog 0|n main prog 0|k copy_page - 0");
	show("no Python", p, NULL, 80, false);
	p->problem = string_of(p, "CPython 3.7 is not supported (3.8 to 3.13 are)");
	show("a Python that cannot be read", p, NULL, 80, false);
	pv_profile_destroy(p);
	/* the first process is none, the one that is shown is */
	p = profile_of(10);
	p->interpreter = 0;
	p->target_name = string_of(p, "sh");
	add(p, 100, "p main /srv/a.py 3");
	p->quality.with_python = 100;
	show("Python in a child", p, NULL, 80, false);
	pv_profile_destroy(p);
	p = profile_of(10);
	p->no_native = true;
	p->no_kernel = true;
	add(p, 2600, "p main /srv/a.py 3|p f /srv/a.py 9");
	show("four CPUs, Python only", p, NULL, 80, false);
	pv_profile_destroy(p);
	p = profile_of(10);
	add(p, 700, "p main /srv/a.py 3|p f /srv/a.py 9");
	add(p, 25, "m [truncated] - 0");
	show("stacks that are a mark alone", p, NULL, 80, false);
	pv_profile_destroy(p);

	/* what is not all is not shown as if it were, nor what is not nothing */
	p = profile_of(30);
	add(p, 5998, "p main /srv/a.py 3|p f /srv/a.py 9");
	add(p, 1, "p main /srv/a.py 3|p g /srv/a.py 12");
	add(p, 1, "m [truncated] - 0");
	show("nearly all and nearly nothing", p, NULL, 100, false);
	pv_profile_destroy(p);
}

int main(int argc, char **argv)
{
	static const unsigned int widths[] = { 60, 80, 100, 140 };
	struct pv_profile *p;

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	if (argc > 1 && strcmp(argv[1], "json"))
		return 2;
	as_json = argc > 1;
	p = screens_profile();
	for (size_t i = 0; i < sizeof(widths) / sizeof(*widths); i++)
		show("screens", p, NULL, widths[i], false);
	show("screens", p, NULL, 80, true);
	pv_profile_destroy(p);
	p = odd_profile();
	show("odd names", p, NULL, 80, false);
	show("odd names", p, NULL, 120, true);
	pv_profile_destroy(p);
	p = processes_profile();
	show("processes", p, &(struct pv_live){}, 100, false);
	show("processes", p, &(struct pv_live){}, 80, true);
	show("processes", p, &(struct pv_live){ .cut_output = "full/x.pvr" }, 30, true);
	pv_profile_destroy(p);
	show_idle();
	show_others();
	p = synthetic_profile(20000, 500);
	show("synthetic", p, NULL, 120, false);
	pv_profile_destroy(p);
	return fflush(stdout) || ferror(stdout);
}
