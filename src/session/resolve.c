/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes by name.  Input: /proc.  Output: process ids.
 */
#include "session/resolve.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "target/place.h"
#include "target/process.h"
#include "target/title.h"

enum { LISTED_MAX = 8 };

/* A process that the word fits. */
struct candidate {
	struct pv_process_line line;
	char title[PV_TITLE_BYTES];
};

static struct pv_err *add_pid(struct pv_vec *pids, pid_t pid)
{
	size_t i;

	for (i = 0; i < pids->n; i++) {
		if (*(pid_t *)pv_vec_at(pids, i) == pid)
			return NULL;
	}
	return pv_vec_append(pids, &pid, 1, NULL);
}

static struct pv_err *add_number(const char *word, struct pv_vec *pids)
{
	long pid;

	errno = 0;
	pid = strtol(word, NULL, 10);
	if (errno || pid <= 0 || pid > INT_MAX)
		return pv_err_create(PV_ERR_USAGE, "`%s` is not a process id", word);
	return add_pid(pids, pid);
}

static bool is_number(const char *word)
{
	size_t i;

	for (i = 0; word[i]; i++) {
		if (!isdigit((unsigned char)word[i]))
			return false;
	}
	return i > 0;
}

/* The base name of the file that a process runs; "" if that cannot be read. */
static void read_exe(pid_t pid, char *ret, size_t size)
{
	static const char deleted[] = " (deleted)";
	char link[32], path[PATH_MAX + 1];
	size_t n_name;
	const char *slash;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	n -= sizeof(deleted) - 1;
	if (n > 0 && !strcmp(path + n, deleted))
		path[n] = '\0';
	slash = strrchr(path, '/');
	n_name = strnlen(slash ? slash + 1 : path, size - 1);
	memcpy(ret, slash ? slash + 1 : path, n_name);
	ret[n_name] = '\0';
}

/* Is the process called so?  One that ends meanwhile is not. */
static struct pv_err *fits(const struct pv_process_line *line, const char *word,
			   struct pv_command_words *words, bool *ret)
{
	struct pv_err *err = pv_process_words(line->pid, line->name, words);
	char exe[NAME_MAX + 1];

	*ret = false;
	if (err && err != &pv_enomem) {
		pv_err_destroy(err);
		return NULL;
	}
	if (err)
		return err;
	read_exe(line->pid, exe, sizeof(exe));
	*ret = !strcmp(line->name, word) || !strcmp(exe, word) || !strcmp(words->program, word) ||
	       !strcmp(words->script, word);
	return NULL;
}

/* All that the word fits; never ourselves, nor what has no program. */
static struct pv_err *find(const struct pv_vec *lines, const char *word, struct pv_vec *found)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < lines->n; i++) {
		struct candidate candidate = {
			.line = *(const struct pv_process_line *)pv_vec_at(lines, i),
		};
		struct pv_command_words words;
		bool fit;

		if (candidate.line.kernel_thread || candidate.line.state == 'Z' ||
		    candidate.line.pid == getpid())
			continue;
		err = fits(&candidate.line, word, &words, &fit);
		if (err || !fit)
			continue;
		memcpy(candidate.title, words.title, sizeof(candidate.title));
		err = pv_vec_append(found, &candidate, 1, NULL);
	}
	return err;
}

static pid_t parent_of(const struct pv_vec *lines, pid_t pid)
{
	size_t i;

	for (i = 0; i < lines->n; i++) {
		const struct pv_process_line *line = pv_vec_at(lines, i);

		if (line->pid == pid)
			return line->parent;
	}
	return 0;
}

static bool descends(const struct pv_vec *lines, pid_t pid, pid_t ancestor)
{
	size_t steps;

	/* the list was not read at one moment: it may hold a circle */
	for (steps = 0; pid && steps <= lines->n; steps++) {
		if (pid == ancestor)
			return true;
		pid = parent_of(lines, pid);
	}
	return false;
}

/* The one that is the ancestor of all others; 0: there is none. */
static pid_t find_top(const struct pv_vec *lines, const struct pv_vec *found)
{
	size_t i, k;

	for (i = 0; i < found->n; i++) {
		const struct candidate *top = pv_vec_at(found, i);

		for (k = 0; k < found->n; k++) {
			const struct candidate *other = pv_vec_at(found, k);

			if (!descends(lines, other->line.pid, top->line.pid))
				break;
		}
		if (k == found->n)
			return top->line.pid;
	}
	return 0;
}

/* "3 minutes" */
static void age_text(uint64_t start_ticks, char *ret, size_t size)
{
	static const struct {
		unsigned long seconds;
		const char *unit;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	struct timespec now;
	unsigned long age, n;
	size_t i = 0;

	clock_gettime(CLOCK_BOOTTIME, &now);
	age = now.tv_sec - start_ticks / sysconf(_SC_CLK_TCK);
	while (i < 3 && age < units[i].seconds)
		i++;
	n = age / units[i].seconds;
	snprintf(ret, size, "%lu %s%s", n, units[i].unit, n == 1 ? "" : "s");
}

/* top: as find_top() says. */
static struct pv_err *ambiguous(const char *word, const struct pv_vec *found, pid_t top)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = {};
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < found->n && i < LISTED_MAX; i++) {
		const struct candidate *candidate = pv_vec_at(found, i);
		char age[32];

		age_text(candidate->line.start_ticks, age, sizeof(age));
		err = pv_str_appendf(&text, "%s%d (%s, for %s%s)", i ? ", " : "",
				     candidate->line.pid, candidate->title, age,
				     candidate->line.pid == top ? ", parent of the others" : "");
	}
	if (!err && found->n > LISTED_MAX)
		err = pv_str_appendf(&text, " and %zu more", found->n - LISTED_MAX);
	return err ? err
		   : pv_err_create(PV_ERR_USAGE,
				   "`%s` is the name of %zu processes: %s; name one by its number",
				   word, found->n, pv_str_text(&text));
}

struct pv_err *pv_resolve(const char *word, bool one, struct pv_vec *pids)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec lines = PV_VEC(struct pv_process_line);
	PV_CLEANUP(pv_vec_deinit) struct pv_vec found = PV_VEC(struct candidate);
	struct pv_err *err;
	pid_t top = 0;
	size_t i;

	err = pv_place_check();
	if (err || is_number(word))
		return err ? err : add_number(word, pids);
	if (!*word)
		return pv_err_create(PV_ERR_USAGE, "an empty word names no process");
	err = pv_process_list(&lines);
	if (!err)
		err = find(&lines, word, &found);
	if (!err && !found.n)
		err = pv_err_create(PV_ERR_NOPROC, "no process is called `%s`", word);
	if (!err)
		top = find_top(&lines, &found);
	if (!err && found.n > 1 && (one || !top))
		err = ambiguous(word, &found, top);
	for (i = 0; !err && i < found.n; i++)
		err = add_pid(pids, ((struct candidate *)pv_vec_at(&found, i))->line.pid);
	return err;
}
