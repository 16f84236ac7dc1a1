/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a path says of the code in it.
 * Input: paths as the target sees them.  Output: what to show of them, and
 * whether the code is the user's own.
 */
#include <string.h>

#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

/* The position after the last needle in path, 0 if there is none. */
static size_t after_last(const char *path, size_t n, const char *needle)
{
	size_t length = strlen(needle), found = 0;
	const char *at = path;

	while ((at = memmem(at, n - (at - path), needle, length))) {
		at += length;
		found = at - path;
	}
	return found;
}

/* The same of whichever stands last. */
static size_t after_last_of(const char *path, size_t n, const char *const needles[2])
{
	size_t a = after_last(path, n, needles[0]), b = after_last(path, n, needles[1]);

	return a > b ? a : b;
}

static const char *const packages[2] = { "/site-packages/", "/dist-packages/" };

/* Where an interpreter's library is in its prefix; 64: Fedora and its kin. */
static const char *const stdlibs[2] = { "/lib/python", "/lib64/python" };

/* After ".../lib/python3.N/", 0 if path is not in a standard library. */
static size_t after_stdlib(const char *path, size_t n)
{
	size_t at = after_last_of(path, n, stdlibs);
	const char *slash = at ? memchr(path + at, '/', n - at) : NULL;

	return slash ? (size_t)(slash + 1 - path) : 0;
}

size_t pv_path_prefix(const char *path, size_t n)
{
	size_t first = 0;

	for (size_t i = 0; i < 2; i++) {
		const char *at = memmem(path, n, stdlibs[i], strlen(stdlibs[i]));
		const char *version = at ? at + strlen(stdlibs[i]) : NULL;

		if (version && version < path + n && *version >= '0' && *version <= '9' &&
		    (!first || (size_t)(at - path) < first))
			first = at - path;
	}
	return first;
}

/* Where the base name begins; "<string>" and the like are no paths. */
static size_t base_name(const char *path, size_t n)
{
	const char *slash = *path == '<' ? NULL : memrchr(path, '/', n);

	return slash && slash + 1 < path + n ? (size_t)(slash + 1 - path) : 0;
}

size_t pv_path_skip(const char *path, size_t n)
{
	size_t base = base_name(path, n), skip;

	if (!base)
		return 0;
	skip = after_last_of(path, n, packages);
	if (!skip)
		skip = after_stdlib(path, n);
	if (skip && skip < n)
		return skip;
	if (!strncmp(path + base, "__", 2) && base > 1)
		return base_name(path, base - 1);
	return base;
}

static bool starts_with(const char *path, size_t n, const char *start)
{
	size_t length = strlen(start);

	return n >= length && !memcmp(path, start, length);
}

/* Code that a library makes up as it runs; of "<string>" and the like nobody knows. */
static bool is_generated(const char *path, size_t n)
{
	/* importlib; numpy < 1.25; attrs; the decorator package */
	static const char *const starts[] = { "<frozen ", "<__array_function__ internals>",
					      "<attrs generated ", "<decorator-gen-" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (starts_with(path, n, starts[i]))
			return true;
	}
	return false;
}

/* Where the system and its packages put programs, not /usr/src or /usr/local. */
static bool is_system(const char *path, size_t n)
{
	static const char *const roots[] = { "/usr/bin/",   "/usr/sbin/",    "/usr/lib/",
					     "/usr/lib64/", "/usr/libexec/", "/usr/share/",
					     "/bin/",       "/sbin/",        "/lib/",
					     "/lib64/",     "/nix/store/",   "[vdso]" };

	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		if (starts_with(path, n, roots[i]))
			return true;
	}
	return false;
}

static bool is_library(const char *path, size_t n)
{
	return after_last_of(path, n, packages) || after_stdlib(path, n) || is_system(path, n) ||
	       is_generated(path, n);
}

bool pv_path_is_interpreter(const char *name)
{
	static const char python[] = "python";

	if (!strncmp(name, "lib", 3))
		name += 3;
	if (strncmp(name, python, sizeof(python) - 1))
		return false;
	name += sizeof(python) - 1;
	return !*name || strchr("-.0123456789", *name);
}

/*
 * What an installer put beside an interpreter: PREFIX/bin/NAME of a PREFIX whose
 * library the profile has code of.  It has no suffix, as console scripts do not
 * (Python Packaging: entry points); a script of one's own, elsewhere or with one,
 * stays one's own.
 */
static bool is_installed_script(const struct pv_profile *profile, const char *path, size_t n)
{
	static const char bin[] = "/bin/";
	size_t base = base_name(path, n), length = sizeof(bin) - 1;

	if (base < length || memcmp(path + base - length, bin, length) ||
	    (n > 3 && !memcmp(path + n - 3, ".py", 3)))
		return false;
	for (size_t i = 0; i < profile->prefixes.n; i++) {
		const struct pv_prefix *prefix = pv_vec_at(&profile->prefixes, i);

		if (prefix->n == base - length &&
		    !memcmp(pv_strings_get(profile->strings, prefix->file), path, prefix->n))
			return true;
	}
	return false;
}

static bool is_string(const struct pv_profile *profile, uint32_t id, const char *text)
{
	return pv_strings_length(profile->strings, id) == strlen(text) &&
	       !memcmp(pv_strings_get(profile->strings, id), text, strlen(text));
}

bool pv_loc_is_spawned(const struct pv_profile *profile, const struct pv_loc *loc)
{
	/* Lib/multiprocessing/spawn.py get_command_line(); the others start helpers likewise */
	static const struct {
		const char *function, *file;
	} entries[] = {
		{ "spawn_main", "/multiprocessing/spawn.py" },
		{ "main", "/multiprocessing/forkserver.py" },
		{ "main", "/multiprocessing/resource_tracker.py" },
		{ "main", "/multiprocessing/semaphore_tracker.py" }, /* up to 3.7 */
	};
	const char *path = pv_strings_get(profile->strings, loc->file);
	size_t n = pv_strings_length(profile->strings, loc->file);

	for (size_t i = 0; loc->kind == PV_LOC_PYTHON && i < sizeof(entries) / sizeof(*entries);
	     i++) {
		size_t length = strlen(entries[i].file);

		if (n > length && !memcmp(path + n - length, entries[i].file, length) &&
		    is_string(profile, loc->function, entries[i].function))
			return true;
	}
	return false;
}

/* Of a command with more lines than one only the first could be taken for it. */
static bool is_spawning(const struct pv_profile *profile, const struct pv_loc *loc)
{
	return profile->has_spawned && loc->line <= 1 &&
	       is_string(profile, loc->file, "<string>") &&
	       is_string(profile, loc->function, "<module>");
}

bool pv_loc_is_own(const struct pv_profile *profile, const struct pv_loc *loc)
{
	const struct pv_module *module;
	const char *path, *base;
	size_t n;

	if (loc->kind == PV_LOC_PYTHON) {
		path = pv_strings_get(profile->strings, loc->file);
		n = pv_strings_length(profile->strings, loc->file);
		return n && !is_library(path, n) && !is_installed_script(profile, path, n) &&
		       !is_spawning(profile, loc);
	}
	if (loc->kind != PV_LOC_NATIVE && loc->kind != PV_LOC_INLINED)
		return false;
	module = pv_profile_module_of(profile, loc);
	if (!module)
		return false;
	path = pv_strings_get(profile->strings, module->path);
	n = pv_strings_length(profile->strings, module->path);
	base = path + base_name(path, n);
	return n && !is_library(path, n) && !pv_path_is_interpreter(base);
}
