/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Modules of a profile.  Input: paths and build ids of objects.  Output:
 * pv_module with unique names, as pv_loc.module wants them.
 */
#include "session/modules.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/strings.h"

/* The end of path that holds so many of its components. */
static const char *last_components(const char *path, unsigned int n)
{
	const char *at = path + strlen(path);

	while (at > path) {
		if (at[-1] == '/' && !--n)
			break;
		at--;
	}
	return at;
}

/* Adds the module under that name, unless another one has it. */
static struct pv_err *try_name(struct pv_profile *profile, struct pv_module *module,
			       const char *name, bool *taken_ret)
{
	const struct pv_module *have;
	struct pv_err *err;
	uint32_t id;

	*taken_ret = true;
	/* the empty text is no name: a path may end in a slash */
	if (!*name)
		return NULL;
	err = pv_strings_add(profile->strings, name, strlen(name), &module->name);
	if (!err)
		err = pv_profile_module(profile, module, &id);
	if (err)
		return err;
	have = pv_vec_at(&profile->modules, id);
	*taken_ret = have->path != module->path || have->build_id != module->build_id;
	return NULL;
}

struct pv_err *pv_modules_add(struct pv_profile *profile, const char *path, const char *build_id,
			      uint32_t *name_ret)
{
	struct pv_str full PV_CLEANUP(pv_str_deinit) = { 0 };
	const char *names[] = { last_components(path, 1), last_components(path, 2), path, NULL };
	struct pv_module module = { 0 };
	bool taken = true;
	struct pv_err *err;

	err = pv_strings_add(profile->strings, path, strlen(path), &module.path);
	if (!err)
		err = pv_strings_add(profile->strings, build_id, strlen(build_id),
				     &module.build_id);
	if (!err)
		err = pv_str_appendf(&full, "%s (%s)", path, build_id);
	names[3] = pv_str_text(&full);
	for (size_t i = 0; !err && taken && i < sizeof(names) / sizeof(*names); i++)
		err = try_name(profile, &module, names[i], &taken);
	if (!err)
		*name_ret = module.name;
	return err;
}
