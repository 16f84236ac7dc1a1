/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Allocations of a process: which blocks were taken and not given back, each with the stack that
 * took it.  Input: probes where pools are looked at (python/allocators.h) and at entries and
 * ends of C functions (probe/ends.h).  Output: `live` and `totals`; in `ring` for each new stack a
 * PV_EVENT_SAMPLE and a PV_EVENT_ALLOC_STACK; a record in `events` when user space must act at
 * once.
 *
 * No result of a function is guessed, and none is waited for by a uretprobe.  A block of a pool is
 * known before it is taken: it is the first of the pool's free list, and whoever looks at the pool
 * holds the GIL until it has it.  What C functions return is read where they return.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/allocs.h"
#include "abi/native.h"
#include "bpf/here.bpf.h"
#include "bpf/line.bpf.h"
#include "bpf/probe.bpf.h"

enum {
	NO_PREALLOC = 1,      /* include/uapi/linux/bpf.h: BPF_F_NO_PREALLOC */
	RING_SPARE = 1 << 18, /* bytes that must be free for a sample and its code objects */
	POOL_OVERHEAD = 48,
	EEXIST = 17,
};

#define ERRNO_MAX   4095ULL
#define CHUNK_BITS  7ULL
#define CHUNK_LEAST 32ULL

const volatile __u32 stack_kind; /* enum pv_alloc_stacks */
const volatile __u32 pool_bytes; /* a power of two */
const volatile bool with_pools;  /* pools are wanted, and no blocks */
const volatile bool keeps_all;   /* and when there is no room, a share of them */

struct pv_alloc_state alloc_state; /* in .bss, which user space has, too */

/* What was allocated while armed and is not freed; its size is set at load. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64); /* address */
	__type(value, struct pv_alloc);
} live SEC(".maps");

/* By key of the stack; those that are here have been sent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, NO_PREALLOC);
	__uint(max_entries, PV_ALLOC_STACKS_MAX);
	__type(key, __u64);
	__type(value, struct pv_alloc_totals);
} totals SEC(".maps");

/* By place: what it takes, if only some of them are wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_ALLOC_TAKES_MAX);
	__type(key, __u64); /* address of the instruction */
	__type(value, struct pv_alloc_take);
} takes SEC(".maps");

/* Where calls of C functions return to that are given blocks. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_ALLOC_BACKS_MAX);
	__type(key, __u64); /* address */
	__type(value, struct pv_alloc_back);
} backs SEC(".maps");

/* How often a pool was taken in this window. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_ALLOC_POOLS_MAX);
	__type(key, __u64); /* address */
	__type(value, __u64);
} pools SEC(".maps");

/* C functions that threads are in: what they were asked for. */
struct entered {
	__u64 sp;      /* of the return address */
	__u64 size;    /* bytes */
	__u64 address; /* REALLOC: the old block, POSIX: of the result */
	__u64 function;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PV_PROBE_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct entered);
} inner SEC(".maps");

/* struct pool_header (CPython Objects/obmalloc.c, Include/internal/pycore_obmalloc.h) */
struct pool {
	__u64 count, freeblock, nextpool, prevpool;
	__u32 arena, size_class, next_offset,
		last_offset; /* last: pool_bytes less a block's size */
};

static __noinline void disarm(__u64 now_ns)
{
	if (__sync_val_compare_and_swap(&alloc_state.armed, PV_ALLOC_ON, PV_ALLOC_FREES) !=
	    PV_ALLOC_ON)
		return;
	alloc_state.end_ns = now_ns;
	tell(PV_PROBE_EVENT_ENOUGH, 0);
}

static long mix_word(__u32 i, struct pv_ctx *c)
{
	__u64 *sum = c->home;

	*sum = pv_mix(*sum, c->w->words[pv_masked(i, PV_WALK_WORDS)]);
	return 0;
}

/* Is the stack known already, or can it be made so?  new_ret: it must be sent. */
static inline bool know_stack(__u64 key, bool *new_ret)
{
	struct pv_alloc_totals none = {};

	*new_ret = false;
	if (bpf_map_lookup_elem(&totals, &key))
		return true;
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) + RING_SPARE >
		    bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) ||
	    bpf_map_update_elem(&totals, &key, &none, BPF_NOEXIST))
		return bpf_map_lookup_elem(&totals, &key) != NULL;
	*new_ret = true;
	return true;
}

/* Says which stack the sample before is.  Global: its event is not on the stack of a walk. */
__noinline int send_key(__u64 key, __u64 time_ns, __u32 tid, __u32 domain)
{
	struct pv_event_alloc_stack event = {
		.hdr.type = PV_EVENT_ALLOC_STACK,
		.hdr.size = sizeof(event),
		.key = key,
		.time_ns = time_ns,
		.tid = tid,
		.domain = domain,
	};

	if (bpf_ringbuf_output(&ring, &event, sizeof(event), pv_ring_flags())) {
		bpf_map_delete_elem(&totals, &key);
		count(&alloc_state.no_stack);
	}
	return 0;
}

/* The key of the stack that was walked, or as; sent at its first sight.  Apart from the walk. */
static __noinline __u64 tell_stack(struct pv_ctx *c, __u32 domain, __u64 as)
{
	struct pv_ctx own = *c; /* no pointer to our own stack may stand in the caller's */
	__u64 sum = 0;
	bool is_new;

	own.home = &sum;
	bpf_loop(
		pv_bounded(2 * (__u32)c->w->sample.n_python + c->w->sample.n_native, PV_WALK_WORDS),
		mix_word, &own, 0);
	sum = as ? as : sum | 1ULL << 63;
	if (!know_stack(sum, &is_new)) {
		count(&alloc_state.no_stack);
		sum = 0;
	} else if (is_new) {
		pv_emit_sample(c, pv_ring_flags());
		send_key(sum, c->w->sample.time_ns, c->w->sample.tid, domain);
	}
	count(&alloc_state.walks);
	return sum;
}

/*
 * The key of the stack that the thread has now, which is sent at its first sight; as: a key that it
 * is known by, or 0.  0: it could not be taken.  Global: the verifier looks at it once.
 */
__noinline __u64 walk_stack(__u32 tid, __u32 domain, __u64 as)
{
	struct pv_ctx c = {};
	__u64 sum = 0;
	__u32 index = 0;

	c.proc = find_target();
	c.w = claim(&index, &alloc_state.no_stack);
	if (!c.w)
		return 0;
	if (c.proc) {
		walk_here(&c, tid);
		sum = tell_stack(&c, domain, as);
	}
	release(index);
	return sum;
}

static __noinline __u64 line_of(__u32 tid, __u32 domain)
{
	__u64 key = line_key();

	return bpf_map_lookup_elem(&totals, &key) ? key : walk_stack(tid, domain, key);
}

static inline void add_scaled(__u64 *to, __u64 n)
{
	__sync_fetch_and_add(to, n << (alloc_state.shift & 31));
}

static __noinline void add_totals(const struct pv_alloc *block)
{
	__u64 key = block->stack;
	struct pv_alloc_totals *total = bpf_map_lookup_elem(&totals, &key);

	if (!total)
		return;
	add_scaled(&total->allocs, 1);
	add_scaled(&total->bytes, block->size);
}

/* Half of those that are kept will do; user space takes out the others before it is half of that.
 */
static __noinline void keep_fewer(void)
{
	__u32 shift = alloc_state.shift;

	if (keeps_all && shift < PV_ALLOC_SHIFT_MAX && alloc_state.thinned == shift &&
	    __sync_val_compare_and_swap(&alloc_state.shift, shift, shift + 1) == shift)
		tell(PV_PROBE_EVENT_ENOUGH, 0);
}

static __noinline void drop(__u64 address)
{
	struct pv_alloc *block = bpf_map_lookup_elem(&live, &address);
	struct pv_alloc_totals *total;
	__u64 key, size;

	if (!block)
		return;
	key = block->stack;
	size = block->size;
	if (bpf_map_delete_elem(&live, &address))
		return;
	__sync_fetch_and_add(&alloc_state.live, -1);
	count(&alloc_state.dropped);
	total = bpf_map_lookup_elem(&totals, &key);
	if (!total)
		return;
	add_scaled(&total->frees, 1);
	add_scaled(&total->freed_bytes, size);
}

static __noinline void keep(__u64 address, const struct pv_alloc *block)
{
	long error = bpf_map_update_elem(&live, &address, block, BPF_NOEXIST);

	add_totals(block);
	if (error == -EEXIST) {
		/* what was there before was given back, in a way that was not seen */
		drop(address);
		error = bpf_map_update_elem(&live, &address, block, BPF_ANY);
	}
	if (error) {
		count(&alloc_state.no_room);
		keep_fewer();
		return;
	}
	__sync_fetch_and_add(&alloc_state.live, 1);
}

/* An allocation that a hit has told of. */
struct hit {
	__u64 address; /* 0: none */
	__u64 size;
	__u32 domain, tid;
};

/* Where only blocks of some sizes are looked for, the others cost no stack. */
static inline bool is_wanted(const struct hit *hit)
{
	__u32 i;

	if (!alloc_state.aimed || hit->domain == PV_ALLOC_MAPPING)
		return true;
	if (hit->domain == PV_ALLOC_OBJECT)
		return alloc_state.classes & pv_alloc_class(hit->size);
	for (i = 0; i < PV_ALLOC_SIZES_MAX && i < alloc_state.n_sizes; i++) {
		if (hit->size >= alloc_state.sizes[i].least &&
		    hit->size <= alloc_state.sizes[i].most)
			return true;
	}
	return false;
}

static __always_inline void add(const struct hit *hit)
{
	struct pv_alloc block = { .size = hit->size, .domain = hit->domain, .tid = hit->tid };
	__u64 n, start_ns;

	if (!is_wanted(hit))
		return;
	if (alloc_state.armed != PV_ALLOC_ON) {
		/* what was there is gone, if nobody saw it go */
		if (alloc_state.aimed)
			drop(hit->address);
		return;
	}
	n = __sync_fetch_and_add(&alloc_state.allocs, 1) + 1;
	__sync_fetch_and_add(&alloc_state.bytes, block.size);
	if (stack_kind == PV_ALLOC_COUNT)
		return;
	start_ns = bpf_ktime_get_ns();
	if (stack_kind == PV_ALLOC_LINE) {
		block.stack = line_of(block.tid, block.domain);
		add_totals(&block);
	} else if (pv_alloc_is_kept(hit->address, alloc_state.shift)) {
		block.stack = walk_stack(block.tid, block.domain, 0);
		block.time_ns = start_ns;
		keep(hit->address, &block);
	}
	if ((alloc_state.n_max && n + alloc_state.thrash >= alloc_state.n_max) ||
	    (alloc_state.until_ns && start_ns > alloc_state.until_ns))
		disarm(start_ns);
	/* it is the target's time: the budget knows of it */
	start_ns = bpf_ktime_get_ns() - start_ns;
	__sync_fetch_and_add(&alloc_state.added_ns, start_ns);
	probe_state.debt_ns += start_ns;
}

static inline bool is_block(const struct pool *pool, __u64 at, __u64 block)
{
	return !(at & (pool_bytes - 1)) && block - at >= POOL_OVERHEAD && block - at < pool_bytes &&
	       pool->last_offset < pool_bytes;
}

/* Two that come at once may lose a count or, for a while, a class: the next one brings it. */
static __noinline void note_take(__u64 place, __u64 bytes)
{
	struct pv_alloc_take first = { 1, pv_alloc_class(bytes) };
	struct pv_alloc_take *known = bpf_map_lookup_elem(&takes, &place);

	if (known) {
		known->count++;
		known->classes |= first.classes;
	} else {
		bpf_map_update_elem(&takes, &place, &first, BPF_NOEXIST);
	}
}

/* Before a block is taken of a pool, if there is one; else new_pool() will see it. */
static __noinline void take(__u64 at, __u64 place, struct hit *hit)
{
	struct pool pool;

	if (bpf_probe_read_user(&pool, sizeof(pool), (const void *)at)) {
		count(&alloc_state.unread);
		return;
	}
	if (pool.nextpool == at)
		return;
	if (!is_block(&pool, at, pool.freeblock)) {
		count(&alloc_state.unread);
		return;
	}
	hit->address = pool.freeblock;
	hit->size = pool_bytes - pool.last_offset;
	hit->domain = PV_ALLOC_OBJECT;
	note_take(place, hit->size);
}

/* How often this pool was taken in this window; false: so often that it only goes to and fro. */
static inline bool see_pool(__u64 at)
{
	__u64 first = 1, *times = bpf_map_lookup_elem(&pools, &at);

	if (!times) {
		bpf_map_update_elem(&pools, &at, &first, BPF_NOEXIST);
		return true;
	}
	if (__sync_fetch_and_add(times, 1) + 1 < PV_ALLOC_THRASH)
		return true;
	if (*times == PV_ALLOC_THRASH)
		drop(at);
	/* it tells nothing, and the target pays for each: they count for the end, too */
	count(&alloc_state.thrash);
	if (alloc_state.n_max && alloc_state.armed == PV_ALLOC_ON &&
	    alloc_state.allocs + alloc_state.thrash >= alloc_state.n_max)
		disarm(bpf_ktime_get_ns());
	return false;
}

/* allocate_from_new_pool() has the first block of a pool. */
static __noinline void new_pool(__u64 block, struct hit *hit)
{
	__u64 at = block & ~((__u64)pool_bytes - 1);
	struct pool pool;

	if (!block)
		return;
	count(&alloc_state.new_pools);
	if (with_pools) {
		hit->address = see_pool(at) ? at : 0;
		hit->size = pool_bytes;
		hit->domain = PV_ALLOC_POOL;
		return;
	}
	if (bpf_probe_read_user(&pool, sizeof(pool), (const void *)at) ||
	    !is_block(&pool, at, block)) {
		count(&alloc_state.unread);
		return;
	}
	hit->address = block;
	hit->size = pool_bytes - pool.last_offset;
	hit->domain = PV_ALLOC_OBJECT;
}

/* Up to 3.8 nobody knows yet which pool that will be: it counts for its stack alone. */
static inline void slow_pool(struct hit *hit)
{
	__u64 n = __sync_fetch_and_add(&alloc_state.new_pools, 1);

	if (!with_pools)
		return;
	hit->address = ~n;
	hit->size = pool_bytes;
	hit->domain = PV_ALLOC_POOL;
}

static __noinline void note_back(__u64 sp, __u64 bytes)
{
	struct pv_alloc_back first = { 1, bytes, bytes }, *known;
	__u64 back = read_u64(sp);

	known = bpf_map_lookup_elem(&backs, &back);
	if (known) {
		known->count++;
		if (bytes < known->least)
			known->least = bytes;
		if (bytes > known->most)
			known->most = bytes;
	} else if (back) {
		bpf_map_update_elem(&backs, &back, &first, BPF_NOEXIST);
	}
}

/*
 * A call of a C function has returned there.  How much was asked for is not known any more, but how
 * large the chunk is stands before it (glibc malloc/malloc.c: mchunk_size).
 */
static __noinline void come_back(__u64 block, struct hit *hit)
{
	__u64 chunk;

	if (!block || block % 16 || bpf_probe_read_user(&chunk, 8, (const void *)(block - 8)))
		return;
	chunk &= ~CHUNK_BITS;
	if (chunk < CHUNK_LEAST)
		return;
	hit->address = block;
	hit->size = chunk - 8;
	hit->domain = PV_ALLOC_C;
}

static inline void give(__u64 at)
{
	__u64 block = read_u64(at + 8);

	count(&alloc_state.frees);
	if (block)
		drop(block);
}

static __noinline void enter_c(struct pt_regs *ctx, __u64 cookie, __u32 tid)
{
	struct entered call = {
		.sp = ctx->sp + 8 * (cookie >> PV_ALLOC_PUSHED_SHIFT & PV_ALLOC_PUSHED_MASK),
		.function = cookie >> PV_ALLOC_WHAT_SHIFT & PV_ALLOC_WHAT_MASK,
	};

	switch (call.function) {
	case PV_ALLOC_FREE:
		count(&alloc_state.frees);
		if (ctx->di)
			drop(ctx->di);
		return;
	case PV_ALLOC_MALLOC:
		call.size = ctx->di;
		break;
	case PV_ALLOC_CALLOC:
		call.size = ctx->di * ctx->si;
		break;
	case PV_ALLOC_REALLOC:
		call.address = ctx->di;
		call.size = ctx->si;
		break;
	case PV_ALLOC_POSIX:
		call.address = ctx->di;
		call.size = ctx->dx;
		break;
	case PV_ALLOC_MMAP:
		/* address space that is only put aside: stacks and heaps of threads */
		if (!ctx->dx)
			return;
		call.size = ctx->si;
		break;
	default:
		call.size = ctx->si;
	}
	bpf_map_update_elem(&inner, &tid, &call, BPF_ANY);
}

/* result: what the function gives back. */
static inline void leave_c(__u64 sp, __u64 result, struct hit *hit)
{
	struct entered *call = bpf_map_lookup_elem(&inner, &hit->tid);
	__u64 old;

	/* others end there, too: functions that the C library calls itself */
	if (!call || call->sp != sp) {
		count(&alloc_state.unmatched);
		return;
	}
	call->sp = 0;
	hit->size = call->size;
	hit->domain = PV_ALLOC_C;
	old = call->address;
	switch (call->function) {
	case PV_ALLOC_POSIX:
		result = result ? 0 : read_u64(old);
		break;
	case PV_ALLOC_REALLOC:
		/* a block of no bytes is none (glibc) */
		if (old && old != result && (result || !hit->size))
			drop(old);
		break;
	case PV_ALLOC_MMAP:
		hit->domain = PV_ALLOC_MAPPING;
		if (result > ~0ULL - ERRNO_MAX)
			result = 0;
	}
	hit->address = result;
	if (!result)
		count(&alloc_state.failed);
	else
		note_back(sp, hit->size);
}

SEC("kprobe")
int on_site(struct pt_regs *ctx)
{
	__u64 pid_tid = pv_current_ids(), cookie = bpf_get_attach_cookie(ctx);
	__u32 kind = pv_probe_hit(ctx, pid_tid);
	struct hit hit = { .tid = pid_tid };

	if (alloc_state.armed == PV_ALLOC_OFF)
		return 0;
	switch (kind) {
	case PV_PROBE_POOL_TAKE:
		take(get_register(ctx, cookie >> PV_ALLOC_WHAT_SHIFT & 15), ctx->ip, &hit);
		break;
	case PV_PROBE_POOL_GIVE:
		give(get_register(ctx, cookie >> PV_ALLOC_WHAT_SHIFT & 15));
		break;
	case PV_PROBE_POOL_NEW:
		new_pool(ctx->ax, &hit);
		break;
	case PV_PROBE_POOL_SLOW:
		slow_pool(&hit);
		break;
	case PV_PROBE_ALLOC_ENTER:
		enter_c(ctx, cookie, hit.tid);
		break;
	case PV_PROBE_ALLOC_LEAVE:
		leave_c(ctx->sp, ctx->ax, &hit);
		break;
	case PV_PROBE_ALLOC_JUMP:
		leave_c(ctx->sp, ctx->di, &hit);
		break;
	case PV_PROBE_ALLOC_BACK:
		come_back(ctx->ax, &hit);
		break;
	}
	if (hit.address)
		add(&hit);
	return 0;
}

/* bpf_probe_read_user and others are for GPL-compatible programs */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
