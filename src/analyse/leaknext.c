/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that find out more, to be copied into a shell.  Input: what a verdict speaks of.
 * Output: text, in which no word of the target's can become anything else.
 */
#include <string.h>

#include "analyse/leak.h"
#include "model/profile.h"
#include "model/strings.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
/* that stand between ' and ', and are themselves in a pattern of refs --alloc */
static const char quotable[] = "<>()-+,=@%~ ";

static bool consists_of(const char *text, const char *some, const char *others)
{
	for (const char *at = text; *at; at++) {
		if (!strchr(some, *at) && !strchr(others, *at))
			return false;
	}
	return *text;
}

/* Only a type's plain name makes a word of a shell; NULL: it is none, or its objects are gone. */
static const char *plain_type(const struct pv_memory *memory, uint32_t type)
{
	const struct pv_memory_type *one;
	const char *name;

	if (type >= memory->types.n || memory->end == PV_MEMORY_TARGET_ENDED ||
	    memory->end == PV_MEMORY_REPLACED)
		return NULL;
	one = pv_vec_at(&memory->types, type);
	name = pv_strings_get(memory->profile->strings, one->name);
	return one->kind == PV_TYPE_OBJECT && consists_of(name, letters, "") ? name : NULL;
}

static bool is_lost(const struct pv_memory *memory, uint32_t type)
{
	for (uint32_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_vec_at(&memory->subjects, i);

		if (one->type == type && one->lost_objects && one->looks >= 2)
			return true;
	}
	return false;
}

/*
 * What is lost nobody has, so that nothing will change it any more: the next ones are followed from
 * their births, wherever these are, since blocks that are used again have hidden the place.
 */
static struct pv_err *append_births(const struct pv_memory *memory, const char *type,
				    struct pv_str *str)
{
	return pv_str_appendf(str, "sudo pitviper refs -p %u --alloc '*' --type %s",
			      memory->profile->pid, type);
}

struct pv_err *pv_leak_refs_type(const struct pv_memory *memory, uint32_t type, struct pv_str *str)
{
	const char *name = plain_type(memory, type);

	if (!name)
		return NULL;
	if (is_lost(memory, type))
		return append_births(memory, name, str);
	return pv_str_appendf(str, "sudo pitviper refs -p %u --type %s --newest",
			      memory->profile->pid, name);
}

struct pv_err *pv_leak_refs_place(const struct pv_memory *memory, const struct pv_suspect *one,
				  struct pv_str *str)
{
	const char *name = plain_type(memory, one->type), *file, *slash;
	const struct pv_loc *loc;

	/* what is no object has no references */
	if (!name || one->spot.python == PV_MEMORY_NONE)
		return NULL;
	loc = pv_vec_at(&memory->profile->locs, one->spot.python);
	file = pv_strings_get(memory->profile->strings, loc->file);
	slash = strrchr(file, '/');
	file = slash ? slash + 1 : file;
	if (loc->line <= 0 || !consists_of(file, letters, quotable))
		return NULL;
	return pv_str_appendf(str, "sudo pitviper refs -p %u --alloc '%s:%d' --type %s",
			      memory->profile->pid, file, (int)loc->line, name);
}

/* The C function that allocated what is lost: the lines to look at where nothing can be watched. */
static struct pv_err *append_lines(const struct pv_memory *memory, const struct pv_leak *leak,
				   struct pv_str *str)
{
	const struct pv_suspect *first = leak->has_site ? pv_vec_at(&leak->suspects, 0) : NULL;
	const struct pv_strings *strings = memory->profile->strings;
	const char *function, *module;
	const struct pv_loc *loc;

	if (!first || first->spot.native == PV_MEMORY_NONE)
		return NULL;
	loc = pv_vec_at(&memory->profile->locs, first->spot.native);
	function = pv_strings_get(strings, loc->function);
	module = pv_strings_get(strings, loc->module);
	if (!consists_of(function, letters, "") || !consists_of(module, letters, "-"))
		return NULL;
	return pv_str_appendf(str, " --or-lines %s:%s", module, function);
}

struct pv_err *pv_leak_next(const struct pv_memory *memory, const struct pv_leak *leak,
			    struct pv_str *str)
{
	uint32_t type = PV_MEMORY_NONE;
	struct pv_err *err;

	if (leak->kind == PV_LEAK_NOT_ASKED && leak->subject != PV_MEMORY_NONE)
		type = ((const struct pv_memory_subject *)pv_vec_at(&memory->subjects,
								    leak->subject))
			       ->type;
	else if (leak->kind == PV_LEAK_LOST && leak->n_types)
		type = leak->types[0];
	if (!plain_type(memory, type) || leak->holder != PV_MEMORY_NONE)
		return NULL;
	err = append_births(memory, plain_type(memory, type), str);
	return err ? err : append_lines(memory, leak, str);
}
