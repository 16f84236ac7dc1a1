/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds an object.  Input: a choice, heap/.  Output: struct pv_chosen.
 */
#include "session/chosen.h"

#include <stdlib.h>
#include <string.h>

#include "heap/object.h"
#include "session/probed.h"
#include "target/mem.h"

void pv_chosen_deinit(struct pv_chosen *chosen)
{
	free(chosen->type_name);
	free(chosen->note);
}

static struct pv_err *describe(const struct pv_heap_object *object, struct pv_chosen *ret)
{
	ret->address = object->address;
	ret->type = object->type->address;
	ret->count = (int64_t)object->refcount;
	ret->type_name = strdup(object->type->name);
	ret->note = strdup("");
	return ret->type_name && ret->note ? NULL : &pv_enomem;
}

static struct pv_err *no_object(struct pv_mem *mem, uint64_t address)
{
	uint64_t word;

	if (pv_mem_read_u64(mem, address, &word))
		return pv_err_create(PV_ERR_USAGE, "there is no memory at 0x%llx of the process",
				     (unsigned long long)address);
	return pv_err_create(PV_ERR_USAGE,
			     "there is no Python object at 0x%llx of the process, or there is none "
			     "any more: id() of a living one is such an address",
			     (unsigned long long)address);
}

static struct pv_err *check(const struct pv_heap_object *object)
{
	if (!object->immortal)
		return NULL;
	return pv_err_create(PV_ERR_USAGE,
			     "the `%s` at 0x%llx is immortal: since Python 3.12 such objects (None, "
			     "small ints, interned strings, static types) are not counted, so that "
			     "nothing changes it",
			     object->type->name, (unsigned long long)object->address);
}

static struct pv_err *choose_address(struct pv_heap *heap, uint64_t address,
				     struct pv_heap_object *ret)
{
	if (address % 8)
		return pv_err_create(PV_ERR_USAGE,
				     "0x%llx is no object's address: these are multiples of 8",
				     (unsigned long long)address);
	return pv_heap_object(heap, address, ret) ? NULL : no_object(pv_heap_mem(heap), address);
}

static struct pv_err *choose(struct pv_heap *heap, const struct pv_choice *choice,
			     struct pv_heap_object *ret)
{
	switch (choice->kind) {
	case PV_CHOICE_ADDRESS:
		return choose_address(heap, choice->address, ret);
	default:
		return pv_err_create(PV_ERR_USAGE, "this choice of an object is not built in yet: "
						   "give its address, as id() says it");
	}
}

struct pv_err *pv_choose(struct pv_probed *probed, const struct pv_choice *choice, bool any,
			 struct pv_chosen *ret)
{
	struct pv_heap_object object;
	struct pv_heap *heap;
	struct pv_err *err = pv_heap_create(probed->mem, &probed->image.python, &heap);

	if (err)
		return err;
	err = choose(heap, choice, &object);
	if (!err && !any)
		err = check(&object);
	if (!err)
		err = describe(&object, ret);
	pv_heap_destroy(heap);
	return err;
}
