/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The price of probes.  Input: two functions of our own, one that begins with an
 * instruction which the kernel emulates, one with another.
 * Output: nanoseconds a hit.
 */
#include "collect/price.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/multi.h"
#include "target/maps.h"

/* x86-64: insn/site.h has the kinds. */
__asm__(".pushsection .text\n"
	".globl pv_price_emulated\n"
	".type pv_price_emulated, @function\n"
	"pv_price_emulated:\n\tnop\n\tret\n"
	".size pv_price_emulated, . - pv_price_emulated\n"
	".globl pv_price_stepped\n"
	".type pv_price_stepped, @function\n"
	"pv_price_stepped:\n\tmov %eax, %eax\n\tret\n"
	".size pv_price_stepped, . - pv_price_stepped\n"
	".popsection\n");
void pv_price_emulated(void);
void pv_price_stepped(void);

enum { BATCHES = 15, CALLS = 48 };

struct prices {
	uint64_t emulated_ns, stepped_ns;
};

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median of the batches: our CPU may be taken away in some of them. */
static uint64_t measure(void (*function)(void))
{
	uint64_t batches[BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start_ns = pv_now_ns();

		for (int k = 0; k < CALLS; k++)
			function();
		batches[i] = (pv_now_ns() - start_ns) / CALLS;
	}
	qsort(batches, BATCHES, sizeof(batches[0]), compare_u64);
	return batches[BATCHES / 2];
}

static void *measure_both(void *arg)
{
	struct prices *prices = arg;

	prices->emulated_ns = measure(pv_price_emulated);
	prices->stepped_ns = measure(pv_price_stepped);
	return NULL;
}

static struct pv_err *run_thread(struct prices *ret)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, measure_both, ret);

	if (error)
		return pv_err_errno(error, "cannot start a thread");
	pthread_join(thread, NULL);
	return NULL;
}

static struct pv_err *attach(int program_fd, const struct pv_maps *maps, int *link_ret)
{
	uint64_t at = (uintptr_t)pv_price_emulated, cookies[2] = { 0, 0 };
	const struct pv_map_entry *entry = pv_maps_find(maps, at);
	_pv_close_ int fd = -1;
	struct pv_err *err;
	uint64_t offsets[2];

	if (!entry)
		return pv_err_create(PV_ERR_FAILED, "cannot find our own code in memory");
	err = pv_map_entry_open(getpid(), entry, &fd);
	if (err)
		return err;
	offsets[0] = at - entry->start + entry->offset;
	offsets[1] = (uintptr_t)pv_price_stepped - entry->start + entry->offset;
	return pv_multi_link(program_fd, fd, getpid(), offsets, cookies, 2, link_ret);
}

struct pv_err *pv_price_measure(int program_fd, const volatile uint64_t *hits,
				uint64_t *emulated_ns_ret, uint64_t *stepped_ns_ret)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct prices prices = { 0 };
	_pv_close_ int link = -1;
	uint64_t before = *hits;
	struct pv_err *err = pv_maps_read(getpid(), &maps);

	if (!err)
		err = attach(program_fd, &maps, &link);
	if (!err)
		err = run_thread(&prices);
	if (err)
		return err;
	if (*hits - before != 2UL * BATCHES * CALLS)
		return pv_err_create(
			PV_ERR_FAILED,
			"cannot probe functions: this kernel tells only of some hits "
			"(%llu of %d); Linux 6.6 to 6.9 miss all threads but the first",
			(unsigned long long)(*hits - before), 2 * BATCHES * CALLS);
	*emulated_ns_ret = prices.emulated_ns;
	*stepped_ns_ret = prices.stepped_ns;
	return NULL;
}
