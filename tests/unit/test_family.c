/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session/family, births, images: what becomes of processes as side-band events tell.
 * Input: events made by hand, a kernel's side made of an array.  Output: Check's report.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/loss.h"
#include "abi/process.h"
#include "base/clock.h"
#include "collect/collect.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/kin.h"
#include "snap/objects.h"
#include "symbol/python.h"

/* Numbers that no process has: pid_max is 4194304 at most. */
enum {
	TOP = 5000001,
	CHILD = 5000002,
	OTHER = 5000003,
	SECOND = 1000000000,
	KNOWN_MAX = 16,
};

/* The kernel's side. */
struct known {
	pid_t pid; /* 0: none */
	struct pv_watch watch;
	uint32_t shared; /* the image that it was given: its generation */
	bool put;
};

struct pv_collect {
	struct known known[KNOWN_MAX];
	size_t room, n_unwatched, n_forgotten;
	bool no_image;                  /* nobody has one to share */
	struct pv_side_event events[8]; /* on their way */
	size_t n_events;
	pid_t execs; /* becomes another program when it is asked for the second time */
	unsigned int asked;
};

static struct pv_collect kernel;
static struct pv_family *family;
static struct pv_family_parts parts;

static struct known *known(pid_t pid)
{
	size_t i;

	for (i = 0; i < KNOWN_MAX; i++) {
		if (kernel.known[i].pid == pid)
			return &kernel.known[i];
	}
	return NULL;
}

/* What the BPF programs do at a fork. */
static struct known *kernel_takes(pid_t pid, pid_t parent, uint32_t generation)
{
	struct known *entry = known(0);

	*entry = (struct known){ .pid = pid };
	entry->watch = (struct pv_watch){ .generation = generation, .parent = parent };
	return entry;
}

struct pv_err *pv_collect_follow(struct pv_collect *collect)
{
	(void)collect;
	return NULL;
}

struct pv_err *pv_collect_add(struct pv_collect *collect, pid_t pid, bool *added_ret)
{
	*added_ret = known(pid) || collect->room;
	if (!known(pid) && collect->room) {
		collect->room--;
		kernel_takes(pid, 0, PV_GENERATION_FIRST);
	}
	return NULL;
}

void pv_collect_remove(struct pv_collect *collect, pid_t pid)
{
	(void)collect;
	if (known(pid))
		known(pid)->pid = 0;
}

void pv_collect_forget(struct pv_collect *collect, pid_t pid)
{
	(void)pid;
	collect->n_forgotten++;
}

bool pv_collect_watched(struct pv_collect *collect, pid_t pid, struct pv_watch *ret)
{
	if (pid == collect->execs && ++collect->asked == 2)
		known(pid)->watch.generation++;
	if (known(pid))
		*ret = known(pid)->watch;
	return known(pid);
}

struct pv_err *pv_collect_list(struct pv_collect *collect, struct pv_vec *pids)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < KNOWN_MAX; i++) {
		if (collect->known[i].pid)
			err = pv_vec_append(pids, &collect->known[i].pid, 1, NULL);
	}
	return err;
}

struct pv_err *pv_collect_put(struct pv_collect *collect, const struct pv_image *image,
			      const struct pv_objects *objects, uint32_t generation)
{
	(void)collect;
	(void)objects;
	ck_assert_uint_eq(known(image->pid)->watch.generation, generation);
	known(image->pid)->put = true;
	return NULL;
}

struct pv_err *pv_collect_share(struct pv_collect *collect, pid_t parent, pid_t child,
				uint32_t generation, bool *shared_ret)
{
	(void)parent;
	*shared_ret = !collect->no_image;
	if (*shared_ret && known(child))
		known(child)->shared = generation;
	return NULL;
}

struct pv_err *pv_collect_watch(struct pv_collect *collect, int fd)
{
	(void)collect;
	ck_assert_int_ge(fd, 0);
	return NULL;
}

struct pv_err *pv_collect_unwatch(struct pv_collect *collect, int fd)
{
	ck_assert_int_ge(fd, 0);
	collect->n_unwatched++;
	return NULL;
}

struct pv_err *pv_collect_drain_side(struct pv_collect *collect,
				     const struct pv_collect_handlers *handlers)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < collect->n_events; i++)
		err = handlers->side(handlers->ctx, &collect->events[i]);
	collect->n_events = 0;
	return err;
}

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void tell(const struct pv_side_event *event)
{
	ok(pv_family_side(family, event));
}

static struct pv_side_event birth(pid_t pid, pid_t parent, uint64_t time_ns)
{
	return (struct pv_side_event){ .type = PV_SIDE_FORK,
				       .pid = pid,
				       .tid = pid,
				       .parent_pid = parent,
				       .parent_tid = parent,
				       .time_ns = time_ns };
}

static void born(pid_t pid, pid_t parent, uint64_t time_ns)
{
	struct pv_side_event event = birth(pid, parent, time_ns);

	tell(&event);
}

static void thread_born(pid_t pid, pid_t tid)
{
	tell(&(struct pv_side_event){
		.type = PV_SIDE_FORK, .pid = pid, .tid = tid, .parent_pid = pid });
}

static void thread_gone(pid_t pid, pid_t tid)
{
	tell(&(struct pv_side_event){ .type = PV_SIDE_EXIT, .pid = pid, .tid = tid });
}

static void becomes(pid_t pid, const char *name, uint64_t time_ns)
{
	struct pv_side_event event = { .type = PV_SIDE_EXEC, .pid = pid, .tid = pid };

	event.time_ns = time_ns;
	strcpy(event.name, name);
	tell(&event);
}

static uint64_t lost(enum pv_loss loss)
{
	return parts.profile->losses.count[loss];
}

static struct pv_program_run *now(pid_t pid)
{
	ck_assert_ptr_nonnull(pv_family_get(family, pid));
	return pv_watched_now(pv_family_get(family, pid));
}

/* One that the user named, watched since a time, called top; the kernel has it. */
static struct pv_watched *name_one(pid_t pid, uint64_t since_ns)
{
	struct pv_watched *watched;

	ok(pv_watched_create(pid, 1, "top", &watched));
	ok(pv_kin_insert(family, watched));
	watched->named = true;
	watched->since_ns = since_ns;
	ok(pv_kin_thread_born(family, watched, pid));
	kernel_takes(pid, 0, PV_GENERATION_FIRST);
	return watched;
}

static void begin(bool children)
{
	pv_family_destroy(family);
	parts.children = parts.frames = children;
	ok(pv_family_create(&parts, &family));
}

static void setup(void)
{
	kernel = (struct pv_collect){ .room = KNOWN_MAX };
	parts = (struct pv_family_parts){ .collect = &kernel };
	ok(pv_codes_create(&parts.codes));
	ok(pv_objects_create(NULL, &parts.objects));
	ok(pv_profile_create(&parts.profile));
	begin(true);
}

static void teardown(void)
{
	pv_family_destroy(family);
	family = NULL;
	pv_objects_destroy(parts.objects);
	pv_codes_destroy(parts.codes);
	pv_profile_destroy(parts.profile);
}

/* Rests until what has ended is gone, the time that it is kept for having gone by. */
static void rest(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < 40 && pv_family_get(family, pid); i++) {
		pv_family_get(family, pid)->ended_ns = pv_now_ns() - SECOND / 10;
		ok(pv_family_rest(family));
	}
	ck_assert_ptr_null(pv_family_get(family, pid));
}

/* ---- births */

START_TEST(a_child_is_its_parent_at_first)
{
	name_one(TOP, 0);
	now(TOP)->generation = 3;
	now(TOP)->merge.counted = true;
	kernel_takes(CHILD, TOP, 3);
	born(CHILD, TOP, 10);
	ck_assert_uint_eq(now(CHILD)->generation, 3);
	ck_assert_str_eq(now(CHILD)->name, "top");
	ck_assert(now(CHILD)->merge.counted);
	ck_assert_uint_eq(now(CHILD)->number, 1);
	ck_assert_int_eq(pv_family_get(family, CHILD)->parent, TOP);
	ck_assert_uint_eq(known(CHILD)->shared, 3);
	ck_assert(!pv_family_hurry(family));
	/* and once: it may be told of twice */
	born(CHILD, TOP, 10);
	ck_assert_uint_eq(family->all.n, 2);
}
END_TEST

START_TEST(children_are_followed_only_if_wanted)
{
	begin(false);
	name_one(TOP, 0);
	born(CHILD, TOP, 10);
	ck_assert_ptr_null(pv_family_get(family, CHILD));
	/* and never those of others */
	begin(true);
	name_one(TOP, 0);
	born(CHILD, OTHER, 10);
	ck_assert_ptr_null(pv_family_get(family, CHILD));
}
END_TEST

START_TEST(a_child_without_an_image_to_share_is_read)
{
	name_one(TOP, 0);
	kernel.no_image = true;
	born(CHILD, TOP, 10);
	ck_assert(pv_family_get(family, CHILD)->stale && pv_family_hurry(family));
}
END_TEST

/* The kernel's side knew the parent only later, so that it has not taken in the child. */
START_TEST(a_child_from_before_its_parent_was_watched)
{
	name_one(TOP, 20);
	now(TOP)->generation = 2;
	born(CHILD, TOP, 10);
	ck_assert_ptr_nonnull(known(CHILD));
	ck_assert_uint_eq(now(CHILD)->generation, PV_GENERATION_FIRST);
	ck_assert_uint_gt(pv_family_get(family, CHILD)->since_ns, 20);
}
END_TEST

START_TEST(no_room_for_a_child)
{
	name_one(TOP, 20);
	kernel.room = 0;
	born(CHILD, TOP, 10);
	ck_assert_uint_eq(lost(PV_LOSS_CHILD), 1);
	ck_assert_ptr_null(known(CHILD));
	/* the capture goes on, and so does what happens to that child */
	thread_gone(CHILD, CHILD);
	rest(CHILD);
	ck_assert_uint_eq(pv_family_cpu_ns(family, false), 0);
	born(OTHER, TOP, 11);
	ck_assert_uint_eq(lost(PV_LOSS_CHILD), 2);
}
END_TEST

START_TEST(no_room_for_one_that_was_named)
{
	struct pv_watched *watched = name_one(TOP, 0);
	struct pv_err *err;

	pv_collect_remove(&kernel, TOP);
	kernel.room = 0;
	err = pv_kin_hand_over(family, watched);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, "cannot watch process 5000001: 16384 others are watched "
				       "already, which is the limit");
	pv_err_destroy(err);
	ck_assert_uint_eq(lost(PV_LOSS_CHILD), 0);
}
END_TEST

/* ---- threads and ends */

START_TEST(a_process_ends_with_its_last_thread)
{
	struct pv_watched *child;

	name_one(TOP, 0);
	kernel_takes(CHILD, TOP, 1);
	born(CHILD, TOP, 10);
	child = pv_family_get(family, CHILD);
	thread_born(CHILD, CHILD + 50);
	thread_born(CHILD, CHILD + 50); /* found before it was told */
	ck_assert_uint_eq(child->n_threads, 2);
	thread_gone(CHILD, CHILD);
	thread_gone(CHILD, CHILD);
	thread_gone(TOP, CHILD + 50); /* not one of its own */
	ck_assert_uint_eq(child->n_threads, 1);
	ck_assert(!child->ended);
	thread_gone(CHILD, CHILD + 50);
	ck_assert(child->ended);
	/* its last samples may still come */
	ok(pv_family_rest(family));
	ck_assert_ptr_nonnull(pv_family_get(family, CHILD));
	known(CHILD)->watch.freed = 1;
	known(CHILD)->watch.ended_ns = 7000;
	rest(CHILD);
	ck_assert_ptr_null(known(CHILD));
	ck_assert_uint_eq(pv_family_cpu_ns(family, false), 7000);
}
END_TEST

START_TEST(a_thread_that_calls_itself_something)
{
	struct pv_watched *top = name_one(TOP, 0);
	struct pv_side_event event = { .type = PV_SIDE_NAME, .pid = TOP, .name = "pool" };
	uint64_t id;

	thread_born(TOP, TOP + 50);
	event.tid = TOP + 50;
	tell(&event);
	ck_assert(pv_map_get(&top->names, TOP + 50, &id));
	ck_assert_str_eq(pv_strings_get(parts.profile->strings, id), "pool");
	ck_assert_str_eq(now(TOP)->name, "top");
	/* it is gone, its samples may still come; another has its number then */
	thread_gone(TOP, TOP + 50);
	ck_assert(pv_map_get(&top->names, TOP + 50, &id));
	thread_born(TOP, TOP + 50);
	ck_assert(!pv_map_get(&top->names, TOP + 50, &id));
	/* the first one's is the process's, too */
	event.tid = TOP;
	tell(&event);
	ck_assert_str_eq(now(TOP)->name, "pool");
}
END_TEST

/* What the profile has of it is brought up to date before it is forgotten. */
START_TEST(what_has_ended_is_described)
{
	const struct pv_profile_process *process;

	name_one(TOP, 0);
	born(CHILD, TOP, 10);
	ok(pv_watched_describe(pv_family_get(family, CHILD), now(CHILD), true, parts.profile));
	strcpy(now(CHILD)->interpreter, "CPython 3.99");
	thread_gone(CHILD, CHILD);
	rest(CHILD);
	process = pv_vec_at(&parts.profile->processes, 0);
	ck_assert_str_eq(pv_strings_get(parts.profile->strings, process->interpreter),
			 "CPython 3.99");
}
END_TEST

START_TEST(one_that_was_named_stays)
{
	struct pv_watched *top = name_one(TOP, 0);
	unsigned int i;

	thread_gone(TOP, TOP);
	ck_assert(top->ended);
	for (i = 0; i < 40; i++) {
		top->ended_ns = 1;
		ok(pv_family_rest(family));
	}
	ck_assert_uint_eq(family->all.n, 1);
	ck_assert_ptr_eq(pv_family_first(family), top);
}
END_TEST

/* A number is given again: programs are counted on, and the old one's are not the new one's. */
START_TEST(a_number_that_another_process_had)
{
	name_one(TOP, 0);
	kernel_takes(CHILD, TOP, 1);
	born(CHILD, TOP, 10);
	becomes(CHILD, "one", 11);
	ck_assert_uint_eq(now(CHILD)->number, 2);
	thread_gone(CHILD, CHILD);
	born(CHILD, TOP, 12);
	ck_assert_uint_eq(kernel.n_forgotten, 1);
	ck_assert_uint_eq(now(CHILD)->number, 3);
	ck_assert_uint_eq(pv_family_get(family, CHILD)->programs.n, 1);
	ck_assert_uint_eq(family->all.n, 2);
	/* that of one that was named: it stays for what is to be said of it */
	thread_gone(TOP, TOP);
	born(TOP, CHILD, 13);
	ck_assert_uint_eq(family->all.n, 3);
	ck_assert(pv_family_first(family)->named && pv_family_first(family)->settled);
	ck_assert(!pv_family_get(family, TOP)->named);
}
END_TEST

/* ---- programs */

START_TEST(an_exec_is_another_program)
{
	struct pv_watched *top = name_one(TOP, 5);

	thread_born(TOP, TOP + 50);
	becomes(TOP, "next", 10);
	ck_assert_uint_eq(now(TOP)->generation, 2);
	ck_assert_uint_eq(now(TOP)->number, 2);
	ck_assert_str_eq(now(TOP)->name, "next");
	ck_assert_uint_eq(top->programs.n, 2);
	ck_assert_uint_eq(top->n_threads, 1);
	ck_assert(top->stale && top->named_anew);
}
END_TEST

START_TEST(an_exec_from_before_we_looked_is_none)
{
	struct pv_watched *top = name_one(TOP, 10);

	becomes(TOP, "next", 5);
	ck_assert_uint_eq(now(TOP)->generation, PV_GENERATION_FIRST);
	ck_assert_uint_eq(top->programs.n, 1);
	ck_assert_str_eq(now(TOP)->name, "next");
}
END_TEST

/* Told of before the kernel's side counts it: it is read when that has. */
START_TEST(in_the_midst_of_an_exec)
{
	struct pv_watched *top = name_one(getpid(), 0);

	becomes(getpid(), "next", pv_now_ns());
	ok(pv_family_refresh(family));
	ck_assert(top->stale && pv_family_hurry(family) && !known(getpid())->put);
	known(getpid())->watch.generation++;
	ok(pv_family_refresh(family));
	ck_assert(!top->stale && !pv_family_hurry(family) && known(getpid())->put);
	ck_assert_uint_eq(top->image_generation, 2);
	/* one that never comes, as when the exec failed */
	becomes(getpid(), "none", pv_now_ns() - 2ULL * SECOND);
	ok(pv_family_refresh(family));
	ck_assert(!top->stale);
	ck_assert_uint_eq(now(getpid())->generation, 2);
}
END_TEST

START_TEST(another_program_while_it_is_read)
{
	struct pv_watched *top = name_one(getpid(), 0);

	ok(pv_kin_set_stale(family, top));
	kernel.execs = getpid();
	ok(pv_family_refresh(family));
	/* what was read is not the new one's, which the next events tell */
	ck_assert(!known(getpid())->put && !top->image_generation && !top->stale);
}
END_TEST

/* A process that is gone has no image, and that is no loss. */
START_TEST(gone_while_it_is_read)
{
	struct pv_watched *top = name_one(TOP, 0);

	ok(pv_kin_set_stale(family, top));
	ok(pv_family_refresh(family));
	ck_assert(!top->stale && !known(TOP)->put);
	ck_assert_uint_eq(lost(PV_LOSS_IMAGE) + lost(PV_LOSS_PROCESS), 0);
}
END_TEST

/* ---- what was not told */

START_TEST(a_sample_of_an_unknown_process)
{
	struct pv_watched *found;

	name_one(TOP, 0);
	/* on its way: the birth, then the exec */
	kernel_takes(CHILD, TOP, 1);
	kernel.events[0] = birth(CHILD, TOP, 10);
	kernel.events[1] = (struct pv_side_event){
		.type = PV_SIDE_EXEC, .pid = CHILD, .tid = CHILD, .time_ns = 11, .name = "next"
	};
	kernel.n_events = 2;
	ok(pv_family_find(family, CHILD, 2, 12, &found));
	ck_assert_int_eq(found->pid, CHILD);
	ck_assert_str_eq(now(CHILD)->name, "next");
	/* lost: what it is the kernel's side knows */
	kernel_takes(OTHER, CHILD, 2);
	ok(pv_family_find(family, OTHER, 2, 13, &found));
	ck_assert_int_eq(found->pid, OTHER);
	ck_assert_int_eq(found->parent, CHILD);
	ck_assert_str_eq(now(OTHER)->name, "next");
	/* an exec that was lost */
	ok(pv_family_find(family, OTHER, 3, 14, &found));
	ck_assert_uint_eq(now(OTHER)->generation, 3);
	ck_assert_uint_eq(now(OTHER)->exec_ns, 14);
	/* not watched at all */
	ok(pv_family_find(family, OTHER + 1, 1, 15, &found));
	ck_assert_ptr_null(found);
}
END_TEST

START_TEST(events_were_lost)
{
	name_one(TOP, 0);
	born(CHILD, TOP, 10);
	kernel_takes(OTHER, TOP, 1);
	tell(&(struct pv_side_event){ .type = PV_SIDE_LOST });
	ok(pv_family_rest(family));
	/* a birth and two ends among them */
	ck_assert_ptr_nonnull(pv_family_get(family, OTHER));
	ck_assert(pv_family_get(family, OTHER)->ended);
	ck_assert(pv_family_get(family, CHILD)->ended);
	rest(CHILD);
	known(OTHER)->watch.freed = 1;
	rest(OTHER);
}
END_TEST

/* ---- a process that is there */

static pid_t start(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	while (!pid)
		pause();
	return pid;
}

START_TEST(a_process_that_is_there)
{
	pid_t pid = start();
	bool ended = true;

	begin(true);
	ok(pv_family_add(family, pid));
	ok(pv_family_add(family, pid));
	ck_assert_uint_eq(family->all.n, 1);
	ok(pv_family_read(family));
	ok(pv_family_attach(family));
	ck_assert(known(pid) && known(pid)->put);
	ok(pv_family_ended(family, &ended));
	ck_assert(!ended);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ok(pv_family_ended(family, &ended));
	ck_assert(ended);
	/* told once, or it would wake us for ever */
	ok(pv_family_ended(family, &ended));
	ck_assert_uint_eq(kernel.n_unwatched, 1);
}
END_TEST

/* Ours: the list of all processes has them under our number. */
START_TEST(children_that_are_there)
{
	pid_t pids[2] = { start(), start() };
	size_t i;

	name_one(getpid(), 0);
	kernel.room = 1;
	ok(pv_family_read(family));
	ok(pv_family_attach(family));
	for (i = 0; i < 2; i++) {
		ck_assert_ptr_nonnull(pv_family_get(family, pids[i]));
		ck_assert_uint_eq(pv_family_get(family, pids[i])->n_threads, 1);
		kill(pids[i], SIGKILL);
		ck_assert_int_eq(waitpid(pids[i], NULL, 0), pids[i]);
	}
	ck_assert(!known(pids[0]) != !known(pids[1]));
	ck_assert_uint_eq(lost(PV_LOSS_CHILD), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("family");
	TCase *tcase = tcase_create("family");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_child_is_its_parent_at_first);
	tcase_add_test(tcase, children_are_followed_only_if_wanted);
	tcase_add_test(tcase, a_child_without_an_image_to_share_is_read);
	tcase_add_test(tcase, a_child_from_before_its_parent_was_watched);
	tcase_add_test(tcase, no_room_for_a_child);
	tcase_add_test(tcase, no_room_for_one_that_was_named);
	tcase_add_test(tcase, a_process_ends_with_its_last_thread);
	tcase_add_test(tcase, a_thread_that_calls_itself_something);
	tcase_add_test(tcase, what_has_ended_is_described);
	tcase_add_test(tcase, one_that_was_named_stays);
	tcase_add_test(tcase, a_number_that_another_process_had);
	tcase_add_test(tcase, an_exec_is_another_program);
	tcase_add_test(tcase, an_exec_from_before_we_looked_is_none);
	tcase_add_test(tcase, in_the_midst_of_an_exec);
	tcase_add_test(tcase, another_program_while_it_is_read);
	tcase_add_test(tcase, gone_while_it_is_read);
	tcase_add_test(tcase, a_sample_of_an_unknown_process);
	tcase_add_test(tcase, events_were_lost);
	tcase_add_test(tcase, a_process_that_is_there);
	tcase_add_test(tcase, children_that_are_there);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
