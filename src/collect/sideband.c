/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads side-band records.  Input: one perf ring buffer a CPU
 * (perf_event_open(2), "MMAP layout").  Output: pv_side_event, sorted by time.
 */
#include "collect/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/vec.h"

enum {
	RING_PAGES = 64, /* power of two; a record is about 100 bytes */
	RECORD_MAX = 1 << 16,
	ROUNDS_MAX = 16, /* of one drain */
};

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
	uint64_t size;
};

struct pv_sideband {
	struct ring *rings;
	size_t n;
	size_t page_size;
	uint64_t lost;
	struct pv_vec events; /* struct pv_side_event, not handed over yet */
};

/* The fields of sample_id_all for sample_type TID | TIME, at the end of each record. */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time;
};

static struct pv_err *open_ring(int cpu, int epoll_fd, size_t page_size, struct ring *ring)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	struct epoll_event watch = { .events = EPOLLIN };

	ring->fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring->fd < 0)
		return pv_err_errno(errno, "cannot watch mappings and forks on CPU %d", cpu);
	ring->size = page_size * RING_PAGES;
	ring->page =
		mmap(NULL, page_size + ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (ring->page == MAP_FAILED) {
		ring->page = NULL;
		return pv_err_errno(errno, "cannot map the side-band buffer of CPU %d", cpu);
	}
	watch.data.fd = ring->fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ring->fd, &watch))
		return pv_err_errno(errno, "cannot watch the side-band buffer of CPU %d", cpu);
	return NULL;
}

struct pv_err *pv_sideband_create(int epoll_fd, struct pv_sideband **ret)
{
	long cpu, n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct pv_sideband *sideband = calloc(1, sizeof(*sideband));
	struct pv_err *err = NULL;

	if (!sideband)
		return &pv_enomem;
	sideband->page_size = sysconf(_SC_PAGESIZE);
	sideband->events = (struct pv_vec)PV_VEC(struct pv_side_event);
	sideband->rings = calloc(n_cpus, sizeof(*sideband->rings));
	if (!sideband->rings)
		err = &pv_enomem;
	for (cpu = 0; !err && cpu < n_cpus; cpu++) {
		struct ring *ring = &sideband->rings[sideband->n++];

		err = open_ring(cpu, epoll_fd, sideband->page_size, ring);
		if (err && err->errnum == ENODEV && n_cpus > 1) {
			/* an offline CPU */
			pv_err_destroy(err);
			err = NULL;
			sideband->n--;
		}
	}
	if (err) {
		pv_sideband_destroy(sideband);
		return err;
	}
	*ret = sideband;
	return NULL;
}

void pv_sideband_destroy(struct pv_sideband *sideband)
{
	size_t i;

	if (!sideband)
		return;
	for (i = 0; i < sideband->n; i++) {
		struct ring *ring = &sideband->rings[i];

		if (ring->page)
			munmap(ring->page, sideband->page_size + ring->size);
		if (ring->fd >= 0)
			close(ring->fd);
	}
	pv_vec_deinit(&sideband->events);
	free(sideband->rings);
	free(sideband);
}

static void copy_out(const struct ring *ring, size_t page_size, uint64_t at, void *dst, size_t n)
{
	const char *data = (const char *)ring->page + page_size;
	uint64_t offset = at & (ring->size - 1);
	size_t first = ring->size - offset < n ? ring->size - offset : n;

	memcpy(dst, data + offset, first);
	memcpy((char *)dst + first, data, n - first);
}

/* Keeps the records that we know something to do with. */
static struct pv_err *take(struct pv_sideband *sideband, const struct perf_event_header *header,
			   const char *record)
{
	const uint32_t *word = (const uint32_t *)(record + sizeof(*header));
	struct pv_side_event event = {};
	struct sample_id id;
	size_t n;

	if (header->size < sizeof(*header) + 16 + sizeof(id))
		return NULL;
	memcpy(&id, record + header->size - sizeof(id), sizeof(id));
	event.time_ns = id.time;
	event.pid = word[0];
	switch (header->type) {
	case PERF_RECORD_MMAP2:
		event.tid = word[1];
		event.type = PV_SIDE_MMAP;
		break;
	case PERF_RECORD_COMM:
		event.tid = word[1];
		event.type =
			header->misc & PERF_RECORD_MISC_COMM_EXEC ? PV_SIDE_EXEC : PV_SIDE_NAME;
		n = header->size - sizeof(*header) - 8 - sizeof(id);
		memcpy(event.name, word + 2,
		       n < sizeof(event.name) - 1 ? n : sizeof(event.name) - 1);
		break;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		event.parent_pid = word[1];
		event.tid = word[2];
		event.parent_tid = word[3];
		event.type = header->type == PERF_RECORD_FORK ? PV_SIDE_FORK : PV_SIDE_EXIT;
		break;
	case PERF_RECORD_LOST: {
		uint64_t lost;

		memcpy(&lost, record + sizeof(*header) + 8, 8);
		sideband->lost += lost;
		event.pid = 0;
		event.type = PV_SIDE_LOST;
		break;
	}
	default:
		return NULL;
	}
	return pv_vec_append(&sideband->events, &event, 1, NULL);
}

static struct pv_err *drain_ring(struct pv_sideband *sideband, struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;
	_Alignas(8) char record[RECORD_MAX];
	struct pv_err *err = NULL;

	while (!err && tail < head) {
		struct perf_event_header header;

		copy_out(ring, sideband->page_size, tail, &header, sizeof(header));
		if (header.size < sizeof(header) || header.size > head - tail)
			break;
		copy_out(ring, sideband->page_size, tail, record, header.size);
		err = take(sideband, &header, record);
		tail += header.size;
	}
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
	return err;
}

static int by_time(const void *a, const void *b)
{
	const struct pv_side_event *x = a, *y = b;

	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static struct pv_err *drain_rings(struct pv_sideband *sideband)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < sideband->n; i++)
		err = drain_ring(sideband, &sideband->rings[i]);
	return err;
}

/* Hands over the events up to a time, in order; the others stay. */
static struct pv_err *hand_over(struct pv_sideband *sideband, uint64_t until_ns,
				const struct pv_collect_handlers *handlers)
{
	struct pv_side_event *events = sideband->events.data;
	size_t n = sideband->events.n, i = 0;
	struct pv_err *err = NULL;

	qsort(events, n, sizeof(*events), by_time);
	while (!err && i < n && events[i].time_ns <= until_ns)
		err = handlers->side(handlers->ctx, &events[i++]);
	sideband->events.n = n - i;
	memmove(events, events + i, (n - i) * sizeof(*events));
	return err;
}

/*
 * The rings are read one after the other: a birth on a CPU that was read first
 * may be missing while what the child did then on another CPU is there.  A
 * second look at all of them brings what led to anything of the first.
 */
struct pv_err *pv_sideband_drain(struct pv_sideband *sideband,
				 const struct pv_collect_handlers *handlers)
{
	struct pv_err *err = NULL;
	unsigned int round;
	size_t i;

	for (round = 0; !err && round < ROUNDS_MAX; round++) {
		uint64_t until_ns = 0;

		err = drain_rings(sideband);
		if (err || !sideband->events.n)
			break;
		for (i = 0; i < sideband->events.n; i++) {
			const struct pv_side_event *event = pv_vec_at(&sideband->events, i);

			if (event->time_ns > until_ns)
				until_ns = event->time_ns;
		}
		err = drain_rings(sideband);
		if (!err)
			err = hand_over(sideband, until_ns, handlers);
		if (!sideband->events.n)
			break;
	}
	return err;
}

uint64_t pv_sideband_lost(const struct pv_sideband *sideband)
{
	return sideband->lost;
}
