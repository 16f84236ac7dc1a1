/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a verdict names on made-up hunts: places of which there is proof, types that are a part of
 * the growth, holders that hold what grew.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/leak.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"

enum { LOOKS = 10, HOME = 41 };

static struct pv_memory *memory;
static struct pv_leak leak;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void setup(void)
{
	ok(pv_memory_create(&memory));
	memory->profile->pid = 42;
	for (uint64_t i = 0; i < LOOKS; i++) {
		const struct pv_memory_look look = { .kind = PV_LOOK_CENSUS,
						     .at_ns = i * 1000000000 };
		uint32_t ret;

		ok(pv_memory_look(memory, &look, &ret));
	}
	memory->rungs[PV_RUNG_HOLDERS].state = PV_RUNG_CLIMBED;
	memory->rungs[PV_RUNG_BURSTS].took_ns = 1000000000;
}

static void teardown(void)
{
	pv_leak_deinit(&leak);
	pv_memory_destroy(memory);
}

static void judge(void)
{
	pv_leak_deinit(&leak);
	ok(pv_leak_of(memory, &leak));
}

/* First so many, then more at every look; of so many bytes. */
static uint32_t counted(enum pv_memory_type_kind kind, const char *name, const char *module,
			uint64_t first, uint64_t more, uint64_t bytes)
{
	uint32_t type;

	ok(pv_memory_type_named(memory, kind, name, module, kind == PV_TYPE_OBJECT ? 0 : bytes, 0,
				&type));
	for (uint32_t i = 0; i < LOOKS; i++) {
		uint64_t n = first + i * more;

		ok(pv_memory_count_type(memory, i, type, n, bytes * n));
	}
	return type;
}

/* A line of app.py; 0: no place. */
static uint32_t place(int32_t line)
{
	struct pv_profile *profile = memory->profile;
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = line };
	uint32_t id, node;

	if (!line)
		return 0;
	ok(pv_strings_add(profile->strings, "handle", 6, &loc.function));
	ok(pv_strings_add(profile->strings, "/srv/app/app.py", 15, &loc.file));
	ok(pv_profile_loc(profile, &loc, &id));
	ok(pv_profile_node(profile, 0, id, &node));
	return node;
}

static void site(enum pv_memory_domain domain, int32_t line, uint32_t type, uint64_t seen,
		 uint64_t left, uint64_t bytes)
{
	const struct pv_memory_site one = {
		.source = PV_SITE_BURST,
		.domain = domain,
		.node = place(line),
		.type = type,
		.seen_count = seen,
		.seen_bytes = seen * bytes,
		.weight = 1,
		.bursts = 5,
		.bursts_survived = 5,
	};
	const struct pv_memory_look look = { .kind = PV_LOOK_SITES,
					     .source = PV_SITE_BURST,
					     .at_ns = 9500000000 };
	uint32_t at = pv_memory_last_sites(memory, PV_SITE_BURST), ret;

	if (at == PV_MEMORY_NONE)
		ok(pv_memory_look(memory, &look, &at));
	ok(pv_memory_site(memory, &one, &ret));
	ok(pv_memory_count_site(memory, at, ret, left, left * bytes));
}

static uint32_t subject(uint32_t type, uint64_t objects)
{
	const struct pv_memory_subject one = {
		.type = type, .objects = objects, .of = objects, .looks = 2
	};

	ok(pv_vec_append(&memory->subjects, &one, 1, NULL));
	return (uint32_t)(memory->subjects.n - 1);
}

static void holder(uint32_t of, enum pv_holder_kind kind, const char *text, uint32_t type,
		   uint64_t objects)
{
	struct pv_memory_holder one = {
		.subject = of, .kind = kind, .type = type, .references = objects, .objects = objects
	};

	ok(pv_strings_add(memory->profile->strings, text, strlen(text), &one.text));
	ok(pv_vec_append(&memory->holders, &one, 1, NULL));
}

static void says(const char *text)
{
	ck_assert_msg(strstr(pv_str_text(&leak.text), text), "\"%s\" is not in:\n%s", text,
		      pv_str_text(&leak.text));
}

static void says_no(const char *text)
{
	ck_assert_msg(!strstr(pv_str_text(&leak.text), text), "\"%s\" is in:\n%s", text,
		      pv_str_text(&leak.text));
}

START_TEST(one_block_is_no_proof_of_a_place)
{
	uint32_t job = counted(PV_TYPE_OBJECT, "Job", "app", 100, 50, 100);

	site(PV_DOMAIN_OBJECT, HOME, job, 1, 1, 100);
	judge();
	ck_assert(!leak.has_site);
	says_no("allocated at");
	/* of one place three are: it may be that */
	site(PV_DOMAIN_OBJECT, HOME + 1, job, 3, 3, 100);
	judge();
	says("most likely allocated at app.py:42");
}
END_TEST

START_TEST(next_to_nothing_that_stays_is_no_proof)
{
	site(PV_DOMAIN_OBJECT, HOME, counted(PV_TYPE_OBJECT, "dict", NULL, 100, 50, 100), 4000, 6,
	     100);
	judge();
	ck_assert(!leak.has_site);
}
END_TEST

START_TEST(no_place_is_not_named)
{
	uint32_t job = counted(PV_TYPE_OBJECT, "Job", "app", 100, 50, 100);

	site(PV_DOMAIN_OBJECT, 0, job, 2000, 2000, 100);
	judge();
	ck_assert(!leak.has_site);
	says("is `app.Job`.");
	says_no("unknown");
	/* what has one is, be it less */
	site(PV_DOMAIN_OBJECT, HOME, job, 20, 20, 100);
	judge();
	says("allocated at app.py:41");
}
END_TEST

START_TEST(reserves_and_stacks_are_no_objects)
{
	counted(PV_TYPE_OBJECT, "dict", NULL, 100, 50, 100);
	/* an arena of malloc(), of which nothing is touched; stacks of threads that live */
	site(PV_DOMAIN_MMAP, HOME, PV_MEMORY_NONE, 1, 1, 64 << 20);
	site(PV_DOMAIN_MMAP, HOME + 1, PV_MEMORY_NONE, 6, 6, 8 << 20);
	judge();
	ck_assert(!leak.has_site);
	ck_assert_double_eq(((const struct pv_suspect *)pv_vec_at(&leak.suspects, 0))->score, 0);
}
END_TEST

START_TEST(large_blocks_are_mapped)
{
	counted(PV_TYPE_HEAP_BLOCK, "", NULL, 10, 5, 1 << 20);
	site(PV_DOMAIN_MMAP, HOME, PV_MEMORY_NONE, 6, 6, (1 << 20) - 100);
	judge();
	says("allocated at app.py:41");
}
END_TEST

START_TEST(a_few_strings_are_not_what_grows)
{
	uint32_t str, of;

	counted(PV_TYPE_HEAP_BLOCK, "", NULL, 600, 50, 3072);
	str = counted(PV_TYPE_OBJECT, "str", NULL, 23000, 2, 60);
	of = subject(str, 23000);
	holder(of, PV_HOLDER_BLOCK, "tuple", PV_MEMORY_NONE, 12000);
	judge();
	ck_assert_uint_eq(leak.n_types, 1);
	says("is C blocks up to 3.07 kB");
	says_no("str");
	says_no("held by");
	says_no("who holds it");
	/* nor by a name */
	holder(of, PV_HOLDER_NAMED, "module html.entities -> html5", PV_MEMORY_NONE, 22000);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says_no("held by");
}
END_TEST

START_TEST(a_holder_is_one_of_what_grew)
{
	uint32_t str = counted(PV_TYPE_OBJECT, "str", NULL, 23000, 60, 90),
		 of = subject(str, 23540);

	holder(of, PV_HOLDER_BLOCK, "tuple", PV_MEMORY_NONE, 14000);
	judge();
	says("is `str`");
	says_no("held by");
	says_no("who holds it");
	/* so many that there is no room for others */
	holder(of, PV_HOLDER_NAMED, "module app -> _names", PV_MEMORY_NONE, 23400);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> _names.");
}
END_TEST

START_TEST(objects_of_ones_own_are_alike)
{
	uint32_t session = counted(PV_TYPE_OBJECT, "Session", "app", 23000, 60, 90);

	holder(subject(session, 23540), PV_HOLDER_NAMED, "module app -> _all", PV_MEMORY_NONE,
	       14000);
	judge();
	says("held by module app -> _all.");
}
END_TEST

/* By bytes it is next to nothing, but each block hangs on one. */
START_TEST(what_holds_the_bytes_may_be_small)
{
	uint32_t session = counted(PV_TYPE_OBJECT, "Session", "app", 100, 50, 48);

	counted(PV_TYPE_HEAP_BLOCK, "", NULL, 100, 50, 65536);
	holder(subject(session, 550), PV_HOLDER_NAMED, "module app -> _all", PV_MEMORY_NONE, 540);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says_no("not come to yet");
}
END_TEST

START_TEST(cycles_through_dicts_and_values)
{
	uint32_t node = counted(PV_TYPE_OBJECT, "Node", "__main__", 100, 50, 48);
	uint32_t dict = counted(PV_TYPE_OBJECT, "dict", NULL, 100, 50, 48);
	uint32_t of = subject(node, 550);

	holder(of, PV_HOLDER_BLOCK, "block of 32 bytes", PV_MEMORY_NONE, 200);
	holder(of, PV_HOLDER_BLOCK, "dict +216", dict, 320);
	holder(of, PV_HOLDER_NAMED, "module copy_reg -> dict[...]", PV_MEMORY_NONE, 4);
	holder(of, PV_HOLDER_STACK, "stack of thread 42", PV_MEMORY_NONE, 4);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says("held by dict +216, to which no name leads.\n");
	says("cycles that the garbage collector has not come to yet are held so, too: look longer");
	memory->gc_disabled = true;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	says("held by each other alone, and the garbage collector is disabled");
	says_no("not come to yet");
	/* some programs collect by hand */
	says("cycles, which nothing frees but gc.collect(), if it is called.");
	says_no("never freed");
	/* a name leads to many of them */
	holder(of, PV_HOLDER_NAMED, "module app -> _all", PV_MEMORY_NONE, 100);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
}
END_TEST

/* --holders alone: no look, no point. */
START_TEST(growth_that_nobody_asked_for)
{
	struct pv_memory_subject *one;
	uint32_t type;

	pv_memory_destroy(memory);
	ok(pv_memory_create(&memory));
	memory->profile->pid = 42;
	ok(pv_memory_type_named(memory, PV_TYPE_OBJECT, "Job", "app", 0, 0, &type));
	subject(type, 400);
	judge();
	ck_assert_str_eq(pv_leak_name(leak.kind), "not asked");
	says("only who holds it was looked at");
	says_no("too short");
	one = pv_vec_at(&memory->subjects, 0);
	one->lost_objects = one->lost_references = 390;
	judge();
	ck_assert_str_eq(pv_leak_name(leak.kind), "not asked");
	says("390 of these `app.Job` have one reference more than anyone holds");
	ck_assert_str_eq(pv_str_text(&leak.next),
			 "sudo pitviper refs -p 42 --alloc '*' --type Job");
	/* it was asked for: that is too little */
	memory->rungs[PV_RUNG_TREND].state = PV_RUNG_CLIMBED;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_UNKNOWN);
}
END_TEST

/* A parser's bound methods, six of each, and what they are bound to. */
START_TEST(a_class_tells_more_than_what_hangs_on_it)
{
	uint32_t method =
		counted(PV_TYPE_OBJECT, "builtin_function_or_method", NULL, 2000, 600, 72);
	uint32_t builder =
		counted(PV_TYPE_OBJECT, "TreeBuilder", "xml.etree.ElementTree", 300, 100, 80);
	struct pv_memory_subject *one;

	one = pv_vec_at(&memory->subjects, subject(method, 7400));
	one->lost_objects = one->lost_references = 7000;
	one = pv_vec_at(&memory->subjects, subject(builder, 1200));
	one->lost_objects = one->lost_references = 1190;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert_uint_eq(leak.types[0], builder);
	/* whichever comes first */
	((struct pv_memory_subject *)pv_vec_at(&memory->subjects, 0))->type = builder;
	((struct pv_memory_subject *)pv_vec_at(&memory->subjects, 0))->of = 1200;
	((struct pv_memory_subject *)pv_vec_at(&memory->subjects, 0))->objects = 1200;
	((struct pv_memory_subject *)pv_vec_at(&memory->subjects, 0))->lost_objects = 1190;
	one->type = method;
	one->of = one->objects = 7400;
	one->lost_objects = one->lost_references = 7000;
	judge();
	ck_assert_uint_eq(leak.types[0], builder);
	/* next to none of the class */
	((struct pv_memory_subject *)pv_vec_at(&memory->subjects, 0))->lost_objects = 200;
	judge();
	ck_assert_uint_eq(leak.types[0], method);
}
END_TEST

/* The block of a dict that stays was another's before, where that was first allocated. */
START_TEST(what_is_reused_is_no_proof_for_another_type)
{
	uint32_t builder =
		counted(PV_TYPE_OBJECT, "TreeBuilder", "xml.etree.ElementTree", 300, 100, 80);
	uint32_t dict = counted(PV_TYPE_OBJECT, "dict", NULL, 5000, 200, 64);
	struct pv_memory_subject *one = pv_vec_at(&memory->subjects, subject(builder, 1200));
	uint32_t block;

	one->lost_objects = one->lost_references = 1190;
	site(PV_DOMAIN_OBJECT, HOME, dict, 20, 15, 64);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert(!leak.has_site);
	says_no("allocated at");
	site(PV_DOMAIN_OBJECT, HOME + 1, builder, 5, 3, 80);
	judge();
	says("allocated at app.py:42");
	/* the line that makes it makes most dicts, too */
	site(PV_DOMAIN_OBJECT, HOME + 1, dict, 40, 20, 64);
	judge();
	says("allocated at app.py:42");
	says_no("are used again");
	/* nor for its own: of 200 that grow while bursts watch it had 15 */
	one->lost_objects = one->lost_references = 0;
	one = pv_vec_at(&memory->subjects, subject(dict, 7000));
	one->lost_objects = one->lost_references = 6000;
	judge();
	ck_assert_uint_eq(leak.types[0], dict);
	says_no("app.py:41");
	/* among blocks of a line, either */
	ok(pv_memory_type_named(memory, PV_TYPE_POOL_BLOCK, NULL, NULL, 32, 0, &block));
	site(PV_DOMAIN_OBJECT, HOME + 3, block, 400, 200, 32);
	site(PV_DOMAIN_OBJECT, HOME + 3, dict, 20, 3, 64);
	judge();
	says_no("app.py:44");
	site(PV_DOMAIN_OBJECT, HOME + 2, dict, 200, 190, 64);
	judge();
	says("in blocks first used at app.py:43");
	says_no("allocated at");
	/* a dict that is let go there leaves its block to the next place that wants one */
	says("blocks of `dict` are used again: it may be another place that runs after that one.");
}
END_TEST

/* Ints of dicts of a module's dict: it is the dicts that are put there, of which there are more. */
START_TEST(what_holds_growth_is_held_itself)
{
	uint32_t dict = counted(PV_TYPE_OBJECT, "dict", NULL, 4000, 200, 200);
	uint32_t number = counted(PV_TYPE_OBJECT, "int", NULL, 2000, 400, 32);
	uint32_t of = subject(dict, 5800), other;

	holder(of, PV_HOLDER_NAMED, "module app -> _all -> dict", PV_MEMORY_NONE, 3500);
	other = subject(number, 5600);
	holder(other, PV_HOLDER_NAMED, "module app -> _all -> dict[...] -> dict", PV_MEMORY_NONE,
	       5000);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	ck_assert_uint_eq(leak.types[0], dict);
	says("held by module app -> _all -> dict.");
	/* another name only begins alike */
	((struct pv_memory_holder *)pv_vec_at(&memory->holders, 0))->text = 0;
	ok(pv_strings_add(memory->profile->strings, "module app -> _all -> di", 24,
			  &((struct pv_memory_holder *)pv_vec_at(&memory->holders, 0))->text));
	judge();
	ck_assert_uint_eq(leak.types[0], number);
}
END_TEST

/* One allocation in 300 is seen, of 20 a second, and in half of the time there are bursts. */
START_TEST(what_is_rare_wants_time)
{
	uint32_t type = counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 20, 1280);

	memory->rungs[PV_RUNG_BURSTS].state = PV_RUNG_CLIMBED;
	site(PV_DOMAIN_LIBC, HOME, type, 10, 0, 1280);
	site(PV_DOMAIN_OBJECT, HOME + 1, PV_MEMORY_NONE, 10, 0, 64);
	((struct pv_memory_site *)pv_vec_at(&memory->sites, 0))->weight = 300;
	((struct pv_memory_site *)pv_vec_at(&memory->sites, 1))->weight = 9000;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	ck_assert(!leak.has_site);
	says("where it is allocated was not seen: look longer, -d 300.");
	/* nobody asked for bursts */
	memory->rungs[PV_RUNG_BURSTS].state = PV_RUNG_NOT_ASKED;
	judge();
	says_no("look longer");
	ck_assert_uint_eq(pv_leak_longer(0, 0), 30);
	ck_assert_uint_eq(pv_leak_longer(61, 15), 120);
	ck_assert_uint_eq(pv_leak_longer(10, 60), 120);
	ck_assert_uint_eq(pv_leak_longer(1e9, 1e9), 86400);
}
END_TEST

/* A burst of 30 ms in ten seconds meets a leak of two a second once in 17 hunts: this is not it. */
START_TEST(what_bursts_cannot_have_met)
{
	uint32_t type = counted(PV_TYPE_OBJECT, "Job", "app", 1000, 2, 100);
	struct pv_memory_subject *one = pv_vec_at(&memory->subjects, subject(type, 1018));
	struct pv_memory_site *first;

	one->lost_objects = one->lost_references = 18;
	memory->rungs[PV_RUNG_BURSTS].state = PV_RUNG_CLIMBED;
	site(PV_DOMAIN_OBJECT, HOME, type, 8, 8, 100);
	first = pv_vec_at(&memory->sites, 0);
	first->weight = 300;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert(!leak.has_site);
	says("where it is allocated was not seen: look longer, -d 1800.");
	first->weight = 1.5;
	judge();
	says("allocated at app.py:41");
}
END_TEST

/* Blocks as an Invoice's values are made for others, too, and far more of them stay than of it. */
START_TEST(the_owners_place_counts_however_little)
{
	uint32_t invoice = counted(PV_TYPE_OBJECT, "Invoice", "app", 300, 200, 64);
	uint32_t values = counted(PV_TYPE_POOL_BLOCK, NULL, NULL, 300, 200, 48);
	struct pv_memory_subject *one = pv_vec_at(&memory->subjects, subject(invoice, 2100));

	one->lost_objects = one->lost_references = 2000;
	site(PV_DOMAIN_OBJECT, HOME, values, 2000, 500, 48);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert(!leak.has_site);
	site(PV_DOMAIN_OBJECT, HOME + 1, invoice, 16, 4, 64);
	judge();
	says("most likely allocated at app.py:42");
}
END_TEST

static void mapped(uint64_t seen, uint64_t left)
{
	const struct pv_memory_look now = { .kind = PV_LOOK_SITES, .source = PV_SITE_MAPPED };
	const struct pv_memory_site one = {
		.source = PV_SITE_MAPPED,
		.domain = PV_DOMAIN_MMAP,
		.node = place(HOME),
		.type = PV_MEMORY_NONE,
		.seen_count = seen,
		.seen_bytes = seen << 15,
		.weight = 1,
	};
	uint32_t look, ret;

	ok(pv_memory_look(memory, &now, &look));
	ok(pv_memory_site(memory, &one, &ret));
	ok(pv_memory_count_site(memory, look, ret, left, left << 15));
}

/* Of what was mapped each is known: one of a thousand that stays is what grows, or a few are not.
 */
START_TEST(what_is_mapped_may_be_seldom)
{
	for (uint64_t i = 0; i < 16; i++) {
		struct pv_memory_point point = { .at_ns = i * 1000000000 };

		point.mapped[PV_MEMORY_ANON] = (100 << 20) + (i << 16);
		ok(pv_vec_append(&memory->points, &point, 1, NULL));
	}
	memory->rungs[PV_RUNG_TREND].took_ns = 15000000000;
	mapped(30000, 28);
	judge();
	ck_assert_int_eq(leak.where, PV_LEAK_MAPPINGS);
	says("was mapped at app.py:41");
	mapped(30000, 3);
	judge();
	ck_assert(!leak.has_site);
}
END_TEST

/* Whoever looks did not run for nine seconds: that is no gulp. */
START_TEST(a_gap_in_time_is_no_gulp)
{
	const double late[] = { 0, 1, 2, 3, 5, 14, 15, 16 };
	const double even[] = { 0, 2, 4, 6, 8, 10, 12, 14 };
	double values[8];

	for (size_t i = 0; i < 8; i++)
		values[i] = 1e8 + 1e6 * late[i];
	ck_assert(pv_slope_of(late, values, 8, 1000).grows);
	ck_assert(!pv_slope_of(even, values, 8, 1000).grows);
}
END_TEST

/*
 * One bad request of a thousand: of what its line allocates next to nothing stays, but as much as
 * grows.  Twelve a second, of which half a second was watched: six.
 */
START_TEST(a_line_that_leaks_one_of_a_thousand)
{
	uint32_t blocks = counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 12, 1408);

	memory->rungs[PV_RUNG_BURSTS].state = PV_RUNG_CLIMBED;
	site(PV_DOMAIN_LIBC, HOME, blocks, 6000, 6, 1400);
	((struct pv_memory_site *)pv_vec_at(&memory->sites, 0))->weight = 2;
	judge();
	says("allocated at app.py:41");
	ck_assert(pv_leak_accuses(&leak, pv_vec_at(&leak.suspects, 0)));
	/* so much is of something else: a cache that is turned over */
	site(PV_DOMAIN_LIBC, HOME, blocks, 6000, 40, 1400);
	judge();
	ck_assert(!leak.has_site);
	ck_assert(!pv_leak_accuses(&leak, pv_vec_at(&leak.suspects, 0)));
}
END_TEST

/* Half of it is found elsewhere: it may be either, or none. */
START_TEST(two_lines_that_may_leak)
{
	uint32_t blocks = counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 24, 1408);

	memory->rungs[PV_RUNG_BURSTS].state = PV_RUNG_CLIMBED;
	site(PV_DOMAIN_LIBC, HOME, blocks, 9000, 9, 1400);
	site(PV_DOMAIN_LIBC, HOME + 1, blocks, 9000, 6, 1400);
	for (size_t i = 0; i < 2; i++)
		((struct pv_memory_site *)pv_vec_at(&memory->sites, i))->weight = 2;
	judge();
	ck_assert(!leak.has_site);
	says("was not seen: look longer");
}
END_TEST

/* Much less is found than grows: it is not that, or not that alone. */
START_TEST(less_than_grows_is_no_account)
{
	uint32_t blocks = counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 24, 1408);

	memory->rungs[PV_RUNG_BURSTS].state = PV_RUNG_CLIMBED;
	site(PV_DOMAIN_LIBC, HOME, blocks, 9000, 5, 1400);
	judge();
	ck_assert(!leak.has_site);
	((struct pv_memory_site *)pv_vec_at(&memory->sites, 0))->weight = 3;
	judge();
	ck_assert(leak.has_site);
}
END_TEST

/* A place is credited with what was seen to be made there, and with no other type that grows. */
START_TEST(a_place_makes_what_was_seen_there)
{
	uint32_t job = counted(PV_TYPE_OBJECT, "Job", "app", 100, 50, 100);
	uint32_t line = counted(PV_TYPE_OBJECT, "Line", "app", 100, 50, 90);

	site(PV_DOMAIN_OBJECT, HOME, job, 40, 40, 100);
	judge();
	says("100 % of that is `app.Job` and `app.Line`, the `app.Job` allocated at app.py:41");
	site(PV_DOMAIN_OBJECT, HOME, line, 40, 40, 90);
	judge();
	says("`app.Job` and `app.Line`, allocated at app.py:41");
}
END_TEST

/* Blocks that hang on what grows. */
START_TEST(a_place_makes_parts_of_it)
{
	uint32_t blocks;

	counted(PV_TYPE_OBJECT, "Job", "app", 100, 50, 400);
	ok(pv_memory_type_named(memory, PV_TYPE_POOL_BLOCK, NULL, NULL, 64, 0, &blocks));
	site(PV_DOMAIN_OBJECT, HOME, blocks, 40, 40, 64);
	judge();
	says("100 % of that is `app.Job`, parts of it allocated at app.py:41");
}
END_TEST

/* What bursts are aimed at: the types that grow, in the order of sought(). */
static struct pv_vec sought_types = PV_VEC(uint32_t);

static size_t sought(void)
{
	pv_vec_deinit(&sought_types);
	sought_types = (struct pv_vec)PV_VEC(uint32_t);
	ok(pv_growth_sought(memory, &sought_types));
	return sought_types.n;
}

static uint64_t sought_size(size_t i)
{
	uint32_t type = *(uint32_t *)pv_vec_at(&sought_types, i);

	return ((const struct pv_memory_type *)pv_vec_at(&memory->types, type))->size;
}

/* At blocks of the C library only while nothing else of any size grows. */
START_TEST(blocks_alone_grow)
{
	counted(PV_TYPE_OBJECT, "str", NULL, 20000, 0, 60);
	counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 100, 80);
	counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 100, 1280);
	ck_assert_uint_eq(sought(), 2);
	ck_assert_uint_eq(sought_size(0), 1280);
	ck_assert_uint_eq(sought_size(1), 80);
	/* one of the blocks that is next to nothing, and so few objects */
	counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 20, 32);
	counted(PV_TYPE_OBJECT, "Line", "app", 1000, 2, 100);
	ck_assert_uint_eq(sought(), 2);
	counted(PV_TYPE_OBJECT, "Job", "app", 1000, 80, 100);
	ck_assert_uint_eq(sought(), 0);
	pv_vec_deinit(&sought_types);
}
END_TEST

/* At anything that is rare: bursts of all would meet none of it. */
START_TEST(what_is_rare_is_sought)
{
	uint32_t line;

	counted(PV_TYPE_OBJECT, "str", NULL, 20000, 0, 60);
	line = counted(PV_TYPE_OBJECT, "Line", "app", 1000, 4, 100);
	counted(PV_TYPE_POOL_BLOCK, NULL, NULL, 1000, 2, 48);
	ck_assert_uint_eq(sought(), 2);
	ck_assert_uint_eq(*(uint32_t *)pv_vec_at(&sought_types, 0), line);
	ck_assert_uint_eq(sought_size(1), 48);
	/* what hangs on them tells less */
	counted(PV_TYPE_OBJECT, "bytes", NULL, 2000, 4, 60);
	counted(PV_TYPE_OBJECT, "dict", NULL, 2000, 4, 60);
	ck_assert_uint_eq(sought(), 2);
	counted(PV_TYPE_OBJECT, "Job", "app", 1000, 200, 100);
	ck_assert_uint_eq(sought(), 0);
	pv_vec_deinit(&sought_types);
}
END_TEST

/* Where nothing else grows it must do. */
START_TEST(what_tells_little_is_sought_alone)
{
	counted(PV_TYPE_OBJECT, "bytes", NULL, 2000, 4, 60);
	counted(PV_TYPE_OBJECT, "dict", NULL, 2000, 4, 60);
	ck_assert_uint_eq(sought(), 2);
	pv_vec_deinit(&sought_types);
}
END_TEST

START_TEST(nothing_grows_that_could_be_aimed_at)
{
	counted(PV_TYPE_OBJECT, "str", NULL, 20000, 0, 60);
	counted(PV_TYPE_HEAP_BLOCK, NULL, NULL, 2000, 0, 1280);
	ck_assert_uint_eq(sought(), 0);
	pv_vec_deinit(&sought_types);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leak_evidence");
	TCase *tcase = tcase_create("leak_evidence");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, one_block_is_no_proof_of_a_place);
	tcase_add_test(tcase, next_to_nothing_that_stays_is_no_proof);
	tcase_add_test(tcase, no_place_is_not_named);
	tcase_add_test(tcase, reserves_and_stacks_are_no_objects);
	tcase_add_test(tcase, large_blocks_are_mapped);
	tcase_add_test(tcase, a_few_strings_are_not_what_grows);
	tcase_add_test(tcase, a_holder_is_one_of_what_grew);
	tcase_add_test(tcase, objects_of_ones_own_are_alike);
	tcase_add_test(tcase, what_holds_the_bytes_may_be_small);
	tcase_add_test(tcase, cycles_through_dicts_and_values);
	tcase_add_test(tcase, growth_that_nobody_asked_for);
	tcase_add_test(tcase, a_class_tells_more_than_what_hangs_on_it);
	tcase_add_test(tcase, what_is_reused_is_no_proof_for_another_type);
	tcase_add_test(tcase, what_holds_growth_is_held_itself);
	tcase_add_test(tcase, what_is_rare_wants_time);
	tcase_add_test(tcase, what_bursts_cannot_have_met);
	tcase_add_test(tcase, the_owners_place_counts_however_little);
	tcase_add_test(tcase, what_is_mapped_may_be_seldom);
	tcase_add_test(tcase, a_gap_in_time_is_no_gulp);
	tcase_add_test(tcase, a_place_makes_what_was_seen_there);
	tcase_add_test(tcase, a_place_makes_parts_of_it);
	tcase_add_test(tcase, a_line_that_leaks_one_of_a_thousand);
	tcase_add_test(tcase, two_lines_that_may_leak);
	tcase_add_test(tcase, less_than_grows_is_no_account);
	tcase_add_test(tcase, blocks_alone_grow);
	tcase_add_test(tcase, what_is_rare_is_sought);
	tcase_add_test(tcase, what_tells_little_is_sought_alone);
	tcase_add_test(tcase, nothing_grows_that_could_be_aimed_at);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
