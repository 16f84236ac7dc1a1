/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Return places.  Input: addresses in the process.  Output: places in files.
 */
#include "session/returns.h"

#include <stdlib.h>
#include <string.h>

#include "abi/native.h"
#include "abi/probe.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "collect/probes.h"
#include "probe/native.h"
#include "session/natives.h"
#include "session/probed.h"
#include "snap/objects.h"

/* One address, for its caller's name. */
struct place {
	const struct pv_object *object;
	char *name;
	uint64_t address;
	uint64_t key; /* the first address in the same function */
	uint64_t vaddr;
	bool gone; /* something else is there now */
};

/* A place that is to be added. */
struct addition {
	struct pv_native_module *module;
	uint64_t offset, cookie;
};

struct pv_returns {
	struct pv_natives *natives;
	struct pv_map by_address; /* index in places + 1 */
	struct pv_vec places;     /* struct place */
	struct pv_map probed;     /* hash of object and offset: has a probe */
	size_t room;
	unsigned int keep; /* registers besides those that a callee saves */
};

struct pv_err *pv_returns_create(struct pv_natives *natives, struct pv_returns **ret)
{
	struct pv_returns *returns = calloc(1, sizeof(*returns));

	if (!returns)
		return &pv_enomem;
	returns->natives = natives;
	returns->places = (struct pv_vec)PV_VEC(struct place);
	*ret = returns;
	return NULL;
}

void pv_returns_keep_results(struct pv_returns *returns)
{
	returns->keep = PV_NATIVE_RESULT;
}

void pv_returns_destroy(struct pv_returns *returns)
{
	if (!returns)
		return;
	for (size_t i = 0; i < returns->places.n; i++)
		free(((struct place *)pv_vec_at(&returns->places, i))->name);
	pv_vec_deinit(&returns->places);
	pv_map_deinit(&returns->by_address);
	pv_map_deinit(&returns->probed);
	free(returns);
}

/* Does all of it lie in what is mapped now?  If not, the image is to be read anew. */
static bool all_mapped(struct pv_returns *returns, const struct pv_vec *addresses)
{
	for (size_t i = 0; i < addresses->n; i++) {
		if (!pv_natives_at(returns->natives, *(uint64_t *)pv_vec_at(addresses, i)))
			return false;
	}
	return true;
}

/* Objects are few, and files smaller than 2^40. */
static uint64_t probed_key(uint32_t object, uint64_t offset)
{
	return (uint64_t)object << 40 | (offset & ((1ULL << 40) - 1));
}

static struct pv_err *name_place(struct pv_returns *returns, struct pv_native_module *module,
				 uint64_t address)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str name = { 0 };
	struct place place = { .object = module->object };
	struct pv_err *err;

	/* the call is the last instruction of some: the address itself is the next function's */
	err = pv_natives_name(module, address - module->bias - 1, &name, &place.vaddr);
	if (err)
		return err;
	place.address = place.key = address;
	for (size_t i = 0; i < returns->places.n; i++) {
		const struct place *known = pv_vec_at(&returns->places, i);

		if (known->object == place.object && known->vaddr == place.vaddr)
			place.key = known->key;
	}
	place.name = strdup(pv_str_text(&name));
	err = place.name ? pv_vec_append(&returns->places, &place, 1, NULL) : &pv_enomem;
	if (err) {
		free(place.name);
		return err;
	}
	return pv_map_set(&returns->by_address, address, returns->places.n);
}

/* found_ret: it has a probe, or gets one by an addition. */
static struct pv_err *find_place(struct pv_returns *returns, uint64_t address,
				 struct pv_vec *additions, bool *found_ret)
{
	struct pv_native_module *module = pv_natives_at(returns->natives, address);
	const struct pv_native_code *code;
	struct addition addition = { .module = module };
	struct pv_native_site site;
	struct pv_err *err;
	const char *why;
	uint64_t known;

	*found_ret = false;
	/* in no file: code of a JIT compiler, or the vdso */
	if (!module)
		return NULL;
	err = name_place(returns, module, address);
	if (!err)
		err = pv_natives_code(module, &code);
	if (err)
		return err;
	if (!pv_native_return(code, address - module->bias, PV_NATIVE_SAVED | returns->keep, &site,
			      &why))
		return NULL;
	if (pv_map_get(&returns->probed, probed_key(module->object->id, site.offset), &known)) {
		*found_ret = true;
		return NULL;
	}
	/* this kernel can hold no more probes (before Linux 6.10) */
	if (additions->n >= returns->room)
		return NULL;
	*found_ret = true;
	addition.offset = site.offset;
	addition.cookie = PV_PROBE_NATIVE_LEAVE | (site.emulated ? 0 : PV_PROBE_STEPPED) |
			  (uint64_t)(site.pushed / 8) << PV_NATIVE_PUSHED_SHIFT;
	err = pv_map_set(&returns->probed, probed_key(module->object->id, site.offset), 1);
	return err ? err : pv_vec_append(additions, &addition, 1, NULL);
}

static int compare_additions(const void *a, const void *b)
{
	const struct addition *x = a, *y = b;

	if (x->module != y->module)
		return x->module->object->id < y->module->object->id ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Those of one file, from the first on; how many is *n_ret. */
static struct pv_err *add_file(struct pv_returns *returns, const struct addition *first, size_t n,
			       struct pv_probes *probes, size_t *n_ret)
{
	_pv_free_ uint64_t *offsets = malloc(8 * n), *cookies = malloc(8 * n);
	struct pv_err *err;
	size_t k = 0;
	int fd;

	if (!offsets || !cookies)
		return &pv_enomem;
	for (; k < n && first[k].module == first->module; k++) {
		offsets[k] = first[k].offset;
		cookies[k] = first[k].cookie;
	}
	*n_ret = k;
	err = pv_natives_open(returns->natives, first->module, &fd);
	return err ? err : pv_probes_add(probes, fd, offsets, cookies, k);
}

/*
 * Adds the places of addresses (uint64_t) to the probes, each once, to be attached.
 * probed_ret: as many bool as addresses; false: no probe can be there.
 */
static struct pv_err *add(struct pv_returns *returns, const struct pv_vec *addresses,
			  struct pv_probes *probes, bool *probed_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec additions = PV_VEC(struct addition);
	struct pv_err *err = NULL;

	returns->room = pv_probes_room(probes);
	for (size_t i = 0; !err && i < addresses->n; i++)
		err = find_place(returns, *(uint64_t *)pv_vec_at(addresses, i), &additions,
				 &probed_ret[i]);
	if (!err && additions.n)
		qsort(additions.data, additions.n, sizeof(struct addition), compare_additions);
	for (size_t i = 0, n = 0; !err && i < additions.n; i += n)
		err = add_file(returns, pv_vec_at(&additions, i), additions.n - i, probes, &n);
	return err;
}

/* Appends the addresses that other code than then is mapped at now, and forgets them. */
static struct pv_err *take_gone(struct pv_returns *returns, struct pv_vec *addresses)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < returns->places.n; i++) {
		struct place *place = pv_vec_at(&returns->places, i);
		const struct pv_native_module *module =
			pv_natives_at(returns->natives, place->address);

		/* where nothing is now, the same may come again */
		if (place->gone || !module || module->object == place->object)
			continue;
		place->gone = true;
		err = pv_vec_append(addresses, &place->address, 1, NULL);
	}
	return err;
}

struct pv_err *pv_returns_refresh(struct pv_returns *returns, struct pv_probed *probed,
				  const struct pv_returns_side *side)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec gone = PV_VEC(uint64_t);
	struct pv_err *err = pv_probed_refresh(probed);

	if (!err)
		err = pv_natives_update(returns->natives, &probed->image);
	if (!err)
		err = take_gone(returns, &gone);
	for (size_t i = 0; !err && i < gone.n; i++)
		side->forget(side->ctx, *(uint64_t *)pv_vec_at(&gone, i));
	return err;
}

struct pv_err *pv_returns_take(struct pv_returns *returns, struct pv_probed *probed,
			       struct pv_probes *probes, const struct pv_returns_side *side)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec addresses = PV_VEC(uint64_t);
	struct pv_err *err = pv_probes_returns(probes, &addresses);
	_pv_free_ bool *have = calloc(addresses.n + 1, sizeof(*have));

	if (err || !addresses.n)
		return err;
	if (!have)
		return &pv_enomem;
	if (!all_mapped(returns, &addresses))
		err = pv_returns_refresh(returns, probed, side);
	if (!err)
		err = add(returns, &addresses, probes, have);
	if (!err)
		err = pv_probes_attach_more(probes);
	for (size_t i = 0; !err && i < addresses.n; i++)
		err = side->tell(side->ctx, *(uint64_t *)pv_vec_at(&addresses, i),
				 have[i] ? PV_NATIVE_RETURN_PROBED : PV_NATIVE_RETURN_NEVER);
	return err;
}

bool pv_returns_caller(const struct pv_returns *returns, uint64_t address, struct pv_caller *ret)
{
	const struct place *place;
	uint64_t index;

	if (!pv_map_get(&returns->by_address, address, &index))
		return false;
	place = pv_vec_at(&returns->places, index - 1);
	*ret = (struct pv_caller){
		.name = place->name,
		.library = place->object->name,
		.path = place->object->path,
		.key = place->key,
		.vaddr = place->vaddr,
	};
	return true;
}
