/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The price of probes.  Input: two functions of our own, one that begins with an
 * instruction which the kernel emulates, one with another.
 * Output: nanoseconds a hit.
 */
#include "collect/price.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/load.h"
#include "target/maps.h"

#include "price.skel.h"

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

enum { BATCHES = 15, CALLS = 48, HITS = 2 * BATCHES * CALLS };

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
	struct pv_prices *prices = arg;

	prices->ns[0] = measure(pv_price_emulated);
	prices->ns[1] = measure(pv_price_stepped);
	return NULL;
}

static struct pv_err *run_thread(struct pv_prices *ret)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, measure_both, ret);

	if (error)
		return pv_err_errno(error, "cannot start a thread");
	pthread_join(thread, NULL);
	return NULL;
}

static struct pv_err *attach(enum pv_link_way way, int program_fd, struct pv_link **link_ret)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	uint64_t at = (uintptr_t)pv_price_emulated, cookies[2] = { 0, 0 }, offsets[2];
	const struct pv_map_entry *entry;
	struct pv_err *err = pv_maps_read(getpid(), &maps);
	_pv_close_ int fd = -1;

	if (err)
		return err;
	entry = pv_maps_find(&maps, at);
	if (!entry)
		return pv_err_create(PV_ERR_FAILED, "cannot find our own code in memory");
	err = pv_map_entry_open(getpid(), entry, &fd);
	if (err)
		return err;
	offsets[0] = at - entry->start + entry->offset;
	offsets[1] = (uintptr_t)pv_price_stepped - entry->start + entry->offset;
	return pv_link_create(way, program_fd, fd, getpid(), offsets, cookies, 2, link_ret);
}

/* By one way; hits_ret: how many of HITS were told. */
static struct pv_err *try_way(struct pv_prices *prices, uint64_t *hits_ret)
{
	struct price_bpf *bpf = price_bpf__open();
	struct pv_link *link = NULL;
	struct pv_err *err = NULL;
	int error;

	if (!bpf)
		return pv_err_errno(errno, "cannot open the BPF program");
	pv_link_prepare(prices->way, bpf->progs.on_calibration);
	error = price_bpf__load(bpf);
	if (error)
		err = pv_load_error(error);
	if (!err)
		err = attach(prices->way, bpf_program__fd(bpf->progs.on_calibration), &link);
	if (!err)
		err = run_thread(prices);
	*hits_ret = bpf->bss ? *(volatile __u64 *)&bpf->bss->calibrated : 0;
	pv_link_destroy(link);
	price_bpf__destroy(bpf);
	return err;
}

struct pv_err *pv_price_measure(struct pv_prices *ret)
{
	struct pv_prices prices = { .way = pv_link_way() };
	uint64_t hits = 0;
	struct pv_err *err = try_way(&prices, &hits);

	if (!err && hits != HITS && prices.way == PV_LINK_MULTI) {
		prices.way = PV_LINK_SINGLE;
		err = try_way(&prices, &hits);
	}
	if (!err && hits != HITS)
		err = pv_err_create(PV_ERR_FAILED,
				    "cannot probe functions: this kernel tells only of some hits "
				    "(%llu of %d)",
				    (unsigned long long)hits, HITS);
	if (!err)
		*ret = prices;
	return err;
}
