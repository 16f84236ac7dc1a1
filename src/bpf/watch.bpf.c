/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every change of one word of a process, mostly an object's reference count: who made it, and
 * the stack that led there.  Input: hardware watchpoints on the word, one in each thread;
 * probes at the entries of native functions whose calls are told apart.  Output: for each
 * change PV_EVENT_SAMPLE, after the code objects that it names, then PV_EVENT_CHANGE.
 *
 * The processor traps after the instruction that wrote (Intel SDM, volume 3, 18.2.4), in the
 * thread that wrote: what stands in the word then is the new value.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define PV_WALK_WITH_PLACES

#include "abi/native.h"
#include "abi/refs.h"
#include "bpf/here.bpf.h"
#include "bpf/line.bpf.h"

const volatile struct pv_count_constants counted;

struct pv_count_state count_state; /* in .bss, which user space has, too */
struct pv_count_object count_object;
struct pv_count_calls calls_of[PV_CHANGE_FUNCTIONS_MAX];
struct pv_lives_state lives;
struct pv_life_slot life_slots[PV_LIVES_SLOTS];

/* The calls under way of the functions that are probed, by their CFA. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64); /* as in pv_event_change.numbers */
} calls SEC(".maps");

/* By user space: what came of births by a way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PV_LIVES_WAYS_MAX);
	__type(key, __u64);
	__type(value, struct pv_life_way);
} ways SEC(".maps");

enum {
	GIVEN_WORDS = 4,      /* of an array of arguments */
	WAY_TRIES = 16,       /* births by a way that are looked at, none being wanted */
	WAY_EACH = 16,        /* of those that come then: who calls the line may be another */
	SAME_TRAP_NS = 100000 /* one write that two watchpoints of a thread tell of */
};

/* What the program must know of a hit. */
struct hit {
	__u64 ip, sp, bp;
	__u64 type; /* what the object says of itself now */
	__s64 before, after;
	__u64 sequence;
	__u32 tid, flags;
	__u64 way, object; /* of a life */
	__u32 life;
};

static inline void end(__u64 why)
{
	__sync_val_compare_and_swap(&count_state.end, PV_COUNT_GOES_ON, why);
}

/* Of the object's head as it was read. */
static inline __s64 split_count(__u32 local, __s64 shared)
{
	/* the owner's part goes into the other before it is set to 0 */
	return (shared & 3) == PV_COUNT_MERGED ? shared >> 2 : local + (shared >> 2);
}

static inline bool read_split(struct hit *hit)
{
	__s64 shared = 0;
	__u32 local = 0;

	if (bpf_probe_read_user(&local, 4,
				(const void *)(count_object.address + counted.local_at)) ||
	    bpf_probe_read_user(&shared, 8,
				(const void *)(count_object.address + counted.shared_at)))
		return false;
	if (local == ~0U)
		end(PV_COUNT_IMMORTAL);
	hit->after = split_count(local, shared);
	return true;
}

static inline bool read_field(struct hit *hit)
{
	const void *at = (const void *)count_object.address;
	__u64 value = 0;
	long error;

	if (counted.size == 8)
		error = bpf_probe_read_user(&value, 8, at);
	else if (counted.size == 4)
		error = bpf_probe_read_user(&value, 4, at);
	else if (counted.size == 2)
		error = bpf_probe_read_user(&value, 2, at);
	else
		error = bpf_probe_read_user(&value, 1, at);
	hit->after = value;
	return !error;
}

static inline bool read_word(struct hit *hit)
{
	const void *at = (const void *)(count_object.address + counted.count_at);
	__u64 word = 0;

	switch (counted.format) {
	case PV_COUNT_WHOLE:
	case PV_COUNT_LOW:
		if (bpf_probe_read_user(&word, 8, at))
			return false;
		if (word & PV_COUNT_NO_BITS) {
			end(PV_COUNT_REPLACED);
			return false;
		}
		if (counted.format == PV_COUNT_LOW && (__s32)word < 0)
			end(PV_COUNT_IMMORTAL);
		hit->after = counted.format == PV_COUNT_LOW ? (__u32)word : word;
		return true;
	case PV_COUNT_SPLIT:
		return read_split(hit);
	default:
		return read_field(hit);
	}
}

/* Is it still what it was?  Memory that is used again begins with another type. */
static inline bool is_same(void)
{
	__u64 type = 0;

	if (!count_object.type)
		return true;
	return !bpf_probe_read_user(&type, 8,
				    (const void *)(count_object.object + counted.type_at)) &&
	       type == count_object.type;
}

/* Of a field: has its object no references any more, as far as its count can be read? */
static inline bool is_dead(void)
{
	__u64 word = 0;

	if (!counted.whole_head ||
	    bpf_probe_read_user(&word, 8, (const void *)(count_object.object + counted.count_at)))
		return false;
	return !word || word & PV_COUNT_NO_BITS;
}

/* Which calls the native frames are of. */
static inline void number_calls(struct pv_walk *w)
{
	__u32 i, n = w->sample.n_python;
	__u64 *found, cfa;

	if (n > PV_CHANGE_PLACES)
		n = PV_CHANGE_PLACES;
	for (i = 0; i < PV_CHANGE_NUMBERS; i++) {
		w->change.numbers[i] = 0;
		if (!count_state.resolve || i >= w->sample.n_native)
			continue;
		cfa = w->places[(n + i) & (2 * PV_CHANGE_PLACES - 1)];
		found = cfa ? bpf_map_lookup_elem(&calls, &cfa) : NULL;
		if (found)
			w->change.numbers[i] = *found;
	}
}

/* The change behind its sample, in the scratch. */
static inline void send(struct pv_walk *w, const struct hit *hit, __u64 flags)
{
	struct pv_event_change *change = &w->change;
	__u32 n_python = pv_bounded(w->sample.n_python, PV_CHANGE_PLACES);
	__u32 n_native = pv_bounded(w->sample.n_native, PV_CHANGE_PLACES), size;

	number_calls(w);
	size = sizeof(*change) + 8 * (n_python + n_native);
	change->hdr.type = PV_EVENT_CHANGE;
	change->hdr.reserved = 0;
	change->hdr.size = size;
	change->time_ns = w->sample.time_ns;
	change->sequence = hit->sequence;
	change->before = hit->before;
	change->after = hit->after;
	change->ip = hit->ip;
	change->sp = hit->sp;
	change->tid = hit->tid;
	change->flags = hit->flags;
	change->n_python = n_python;
	change->n_native = n_native;
	change->life = hit->life;
	change->way = hit->way;
	change->object = hit->object;
	barrier_var(size);
	if (size > sizeof(w->change) + sizeof(w->places))
		return;
	if (bpf_ringbuf_output(&ring, change, size, flags))
		count(&count_state.lost);
}

/* The change alone: there is no scratch for a walk. */
static inline void send_bare(const struct hit *hit)
{
	struct pv_event_change *change = bpf_ringbuf_reserve(&ring, sizeof(*change), 0);

	if (!change) {
		count(&count_state.lost);
		return;
	}
	__builtin_memset(change, 0, sizeof(*change));
	change->hdr.type = PV_EVENT_CHANGE;
	change->hdr.size = sizeof(*change);
	change->time_ns = bpf_ktime_get_ns();
	change->sequence = hit->sequence;
	change->before = hit->before;
	change->after = hit->after;
	change->ip = hit->ip;
	change->sp = hit->sp;
	change->tid = hit->tid;
	change->flags = hit->flags | PV_CHANGE_NO_STACK;
	change->life = hit->life;
	change->way = hit->way;
	change->object = hit->object;
	bpf_ringbuf_submit(change, BPF_RB_FORCE_WAKEUP);
}

static inline void record_at(const struct hit *hit, __u64 ip, __u64 bp)
{
	struct pv_ctx c = {};
	__u32 index = 0;

	c.proc = find_target();
	c.w = c.proc ? claim(&index, &count_state.no_scratch) : NULL;
	if (!c.w) {
		send_bare(hit);
		return;
	}
	walk_at(&c, ip, hit->sp, bp, hit->tid);
	pv_emit_sample(&c, BPF_RB_NO_WAKEUP);
	send(c.w, hit, count_state.end ? BPF_RB_FORCE_WAKEUP : pv_ring_flags());
	release(index);
}

/* The registers of the user's code: a system call may have written for it. */
static inline void read_registers(struct bpf_perf_event_data *ctx, struct hit *hit)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	/* a u64 load: clang narrows "cs & 3" to a width that the context refuses */
	if (!(*(volatile __u64 *)&ctx->regs.cs & 3))
		hit->flags |= PV_CHANGE_KERNEL;
	hit->ip = regs->ip;
	hit->sp = regs->sp;
	hit->bp = regs->bp;
}

/* A change that is wanted: its number, if there is room for it. */
static inline bool wanted(struct hit *hit)
{
	if (hit->before == hit->after && counted.format != PV_COUNT_FIELD) {
		count(&count_state.unchanged);
		return false;
	}
	if (counted.zero_only && hit->after)
		return false;
	hit->sequence = __sync_fetch_and_add(&count_state.changes, 1);
	if (hit->sequence + 1 >= counted.changes_max)
		end(PV_COUNT_ENOUGH);
	return hit->sequence < counted.changes_max;
}

/* ---- lines */

/* Which of the places that calls return to are known, by address: enum pv_native_return. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_NATIVE_RETURNS_MAX);
	__type(key, __u64);
	__type(value, __u32);
} native_returns SEC(".maps");

/* Addresses of rows in the process. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PV_COUNT_ROWS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} rows SEC(".maps");

/* Calls of the function that are under way. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_PROBE_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct pv_count_thread);
} inside SEC(".maps");

/* A place that calls return to for the first time: user space will probe it. */
static inline void tell_return(__u64 address)
{
	struct pv_probe_address event = {
		.type = PV_PROBE_EVENT_RETURN,
		.pid = probe.tgid,
		.address = address,
	};
	__u32 told = PV_NATIVE_RETURN_TOLD;

	if (bpf_map_lookup_elem(&native_returns, &address) ||
	    bpf_map_update_elem(&native_returns, &address, &told, BPF_NOEXIST))
		return;
	if (bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP))
		bpf_map_delete_elem(&native_returns, &address);
}

static inline struct pv_count_call *call_at(struct pv_count_thread *thread, __u32 i)
{
	return &thread->calls[i & (PV_COUNT_NESTED - 1)];
}

/*
 * The count at a row, or behind the last one: what the rows since the last have changed; is that
 * to be recorded?
 */
static inline bool pass_row(struct pt_regs *ctx, struct pv_count_call *call, __u64 row,
			    struct hit *hit)
{
	hit->before = call->was;
	hit->flags = PV_CHANGE_LINE;
	if (count_state.end || !is_same() || !read_word(hit))
		return false;
	/* the line that has been executed: a site is the instruction before an address */
	hit->ip = call->row + 1;
	hit->sp = ctx->sp;
	call->was = hit->after;
	call->row = row;
	count(&count_state.writes);
	if (hit->before == hit->after || !count_state.armed)
		return false;
	if (!hit->after)
		end(PV_COUNT_FREED);
	count_state.last = hit->after;
	return wanted(hit);
}

/* Calls above this place of the stack are over: by an exception, or longjmp. */
static inline void drop_over(struct pv_count_thread *thread, __u64 sp)
{
	__u32 i;

	for (i = 0; i < PV_COUNT_NESTED; i++) {
		if (!thread->depth || call_at(thread, thread->depth - 1)->sp > sp)
			break;
		thread->depth--;
	}
}

static inline void enter_lines(struct pt_regs *ctx, __u64 sp, struct hit *hit)
{
	static const struct pv_count_thread first; /* on the stack there is no room for it */
	struct pv_count_thread *thread;
	struct pv_count_call *call;

	if (!is_same() || !read_word(hit))
		return;
	thread = bpf_map_lookup_elem(&inside, &hit->tid);
	if (!thread) {
		bpf_map_update_elem(&inside, &hit->tid, &first, BPF_ANY);
		thread = bpf_map_lookup_elem(&inside, &hit->tid);
	}
	if (!thread)
		return;
	drop_over(thread, sp);
	if (thread->depth >= PV_COUNT_NESTED)
		return;
	call = call_at(thread, thread->depth++);
	call->sp = sp;
	call->was = hit->after;
	call->row = ctx->ip;
	tell_return(read_u64(sp));
}

static inline bool on_row(struct pt_regs *ctx, __u32 index, struct hit *hit)
{
	struct pv_count_thread *thread = bpf_map_lookup_elem(&inside, &hit->tid);
	struct pv_count_call *call;
	__u64 *row;

	if (!thread || !thread->depth)
		return false;
	call = call_at(thread, thread->depth - 1);
	row = bpf_map_lookup_elem(&rows, &index);
	/* of a call that is over, whose end was not seen */
	return row && call->sp >= ctx->sp && pass_row(ctx, call, *row, hit);
}

static inline bool leave_lines(struct pt_regs *ctx, __u64 sp, struct hit *hit)
{
	struct pv_count_thread *thread = bpf_map_lookup_elem(&inside, &hit->tid);
	struct pv_count_call *call;

	if (!thread)
		return false;
	drop_over(thread, sp - 16);
	if (!thread->depth)
		return false;
	call = call_at(thread, thread->depth - 1);
	if (call->sp + 8 != sp)
		return false;
	thread->depth--;
	return pass_row(ctx, call, call->row, hit);
}

/* Apart from the walk, which wants most of the stack before Linux 6.13; is there one? */
static __noinline bool lines_hit(struct pt_regs *ctx, __u32 kind, __u64 cookie, __u64 sp,
				 struct hit *hit)
{
	switch (kind) {
	case PV_PROBE_NATIVE_ENTER:
		enter_lines(ctx, sp, hit);
		return false;
	case PV_PROBE_ENTER:
		return on_row(ctx, cookie >> PV_NATIVE_FUNCTION_SHIFT & PV_NATIVE_FUNCTION_MASK,
			      hit);
	case PV_PROBE_NATIVE_LEAVE:
		return leave_lines(ctx, sp, hit);
	default:
		return false;
	}
}

/*
 * What a write has cost the target: the trap, and the program where nothing is recorded of it, for
 * what is recorded is held down by changes_max.
 */
static __noinline int pay_write(__u64 number, __u64 took_ns)
{
	__u64 cost_ns;

	__sync_fetch_and_add(&count_state.unpaid_ns, counted.bare_ns + took_ns);
	if ((number & 63) != 63)
		return 0;
	cost_ns = __sync_lock_test_and_set(&count_state.unpaid_ns, 0);
	pay_now(cost_ns);
	if (probe_state.told)
		end(PV_COUNT_BUDGET);
	return 0;
}

/* ---- lives */

static inline struct pv_life_slot *slot_at(__u64 address)
{
	__u32 i;

	for (i = 0; i < PV_LIVES_SLOTS; i++) {
		if (life_slots[i].object && life_slots[i].object + counted.count_at == address)
			return &life_slots[i];
	}
	return NULL;
}

/* The count there, if there is an object of the type; what is no count is below 0. */
static inline bool read_life(const struct pv_life_slot *slot, __s64 *count_ret)
{
	const void *at = (const void *)(slot->object + counted.count_at);
	__u64 type = 0;
	__s64 whole = 0;
	__s32 low = 0;
	long error;

	if (counted.format == PV_COUNT_LOW) {
		error = bpf_probe_read_user(&low, 4, at);
		whole = low;
	} else {
		error = bpf_probe_read_user(&whole, 8, at);
	}
	*count_ret = whole < PV_LIVES_COUNT_MAX ? whole : -1;
	error |= bpf_probe_read_user(&type, 8, (const void *)(slot->object + counted.type_at));
	return !error && type == count_object.type;
}

/* Is a life that begins by that way to be followed? */
static inline bool is_wanted_way(struct hit *hit)
{
	struct pv_life_way *way;

	/* without a way to the Python frame the instruction alone says too little */
	hit->way = frame_path.n ? pv_mix(line_key(), hit->ip) : 0;
	way = hit->way ? bpf_map_lookup_elem(&ways, &hit->way) : NULL;
	if (!way || way->wanted || way->others < WAY_TRIES ||
	    __sync_fetch_and_add(&way->passed, 1) % WAY_EACH == WAY_EACH - 1)
		return true;
	count(&lives.passed);
	return false;
}

static inline bool begin_life(struct pv_life_slot *slot, struct hit *hit, __u64 now_ns)
{
	slot->births++;
	count(&lives.births);
	slot->last = 1;
	slot->birth_ip = hit->ip;
	slot->birth_ns = now_ns;
	slot->state = PV_LIFE_OTHER;
	if (lives.hold || !is_wanted_way(hit))
		return false;
	slot->state = PV_LIFE_FOLLOWED;
	slot->life = __sync_fetch_and_add(&lives.number, 1) + 1;
	hit->life = slot->life;
	hit->before = 0;
	hit->after = 1;
	hit->flags |= PV_CHANGE_BIRTH;
	return true;
}

/* What a write does to a life: is it to be recorded? */
static inline bool live_on(struct pv_life_slot *slot, struct hit *hit, __s64 now, __u64 now_ns)
{
	__s64 before = slot->last;

	if (now == before) {
		/* one that was moved away by realloc() leaves without a word */
		if (now != 1 || hit->ip != slot->birth_ip || now_ns - slot->birth_ns < SAME_TRAP_NS)
			return false;
		return begin_life(slot, hit, now_ns);
	}
	slot->last = now;
	hit->life = slot->life;
	hit->before = before;
	hit->after = now;
	if (slot->state != PV_LIFE_FOLLOWED || slot->skip == slot->life) {
		slot->state = now ? slot->state : PV_LIFE_NONE;
		return false;
	}
	if (!now)
		slot->state = PV_LIFE_NONE;
	return true;
}

/* One write to a watched address: is it to be recorded?  Apart from the walk. */
static __noinline bool take_write(__u64 address, struct hit *hit)
{
	struct pv_life_slot *slot = slot_at(address);
	__u64 now_ns = bpf_ktime_get_ns();
	__s64 now = 0;
	bool same;

	if (!slot)
		return false;
	if (lives.over) {
		slot->missed++;
		return false;
	}
	hit->object = slot->object;
	slot->writes++;
	slot->touched_ns = now_ns;
	same = read_life(slot, &now) && now >= 0;
	switch (slot->state) {
	case PV_LIFE_UNKNOWN:
		/* 1 may be one of more that was given back */
		slot->state = same && now ? PV_LIFE_OTHER : PV_LIFE_NONE;
		slot->last = now;
		return false;
	case PV_LIFE_NONE:
		return same && now == 1 && begin_life(slot, hit, now_ns);
	default:
		if (same)
			return live_on(slot, hit, now, now_ns);
		slot->state = PV_LIFE_NONE;
		return false;
	}
}

/* It is the target's time, all of it. */
static __noinline int pay_life(__u64 took_ns)
{
	__u64 cost_ns = counted.bare_ns + took_ns;

	cost_ns += __sync_fetch_and_add(&lives.cost_ns, cost_ns);
	if (cost_ns > lives.limit_ns && !__sync_val_compare_and_swap(&lives.over, 0, 1))
		tell(PV_PROBE_EVENT_ENOUGH, 0);
	return 0;
}

/* Is it a change that is to be recorded?  Apart from the walk. */
static __noinline bool take_life(__u64 address, struct hit *hit)
{
	if (!take_write(address, hit))
		return false;
	hit->sequence = __sync_fetch_and_add(&count_state.changes, 1);
	return true;
}

/* The same of one object's word. */
static __noinline bool take_change(__u64 number, struct hit *hit)
{
	if (count_state.end) {
		count(&count_state.late);
		return false;
	}
	if (!is_same()) {
		end(PV_COUNT_REPLACED);
		return false;
	}
	if (!read_word(hit)) {
		if (!count_state.end)
			count(&count_state.unread);
		return false;
	}
	hit->before = __sync_lock_test_and_set(&count_state.last, hit->after);
	/* also before it is armed: what is born there next is another */
	if (counted.format == PV_COUNT_FIELD ? is_dead() : !hit->after)
		end(PV_COUNT_FREED);
	/* the write may be that one's already */
	if (counted.format == PV_COUNT_FIELD && count_state.end)
		return false;
	if (!count_state.armed)
		return false;
	if (number == count_state.base_at)
		hit->before = count_state.base;
	return wanted(hit);
}

SEC("perf_event")
int on_write(struct bpf_perf_event_data *ctx)
{
	__u64 pid_tid = pv_current_ids(), number, start_ns, took_ns;
	bool recorded;
	struct hit hit = { .tid = (__u32)pid_tid };

	if (pid_tid >> 32 != probe.tgid)
		return 0;
	number = __sync_fetch_and_add(&count_state.writes, 1);
	start_ns = bpf_ktime_get_ns();
	read_registers(ctx, &hit);
	recorded = lives.on ? take_life(ctx->addr, &hit) : take_change(number, &hit);
	if (recorded)
		record_at(&hit, hit.ip, hit.bp);
	took_ns = bpf_ktime_get_ns() - start_ns;
	__sync_fetch_and_add(&count_state.spent_ns, took_ns);
	if (lives.on)
		pay_life(took_ns);
	else if (!count_state.end || recorded)
		pay_write(number, recorded ? 0 : took_ns);
	return 0;
}

/* Is it one of the first words there? */
static inline bool is_among(__u64 at)
{
	__u64 words[GIVEN_WORDS] = {};

	bpf_probe_read_user(words, sizeof(words), (const void *)at);
	return words[0] == count_object.object || words[1] == count_object.object ||
	       words[2] == count_object.object || words[3] == count_object.object;
}

/*
 * Is the object an argument?  As CPython calls: a method's self and its one argument, the array of
 * a vectorcall, the items of a tuple of arguments (METH_O, METH_FASTCALL, METH_VARARGS).
 */
static inline bool is_given(struct pt_regs *ctx)
{
	__u64 object = count_object.object, rdi = ctx->di, rsi = ctx->si;

	return rdi == object || rsi == object || ctx->dx == object || ctx->cx == object ||
	       is_among(rsi) || is_among(rsi + counted.tuple_items);
}

/* A call of a function begins whose calls are to be told apart.  Apart, as lines_hit() is. */
static __noinline int begin_call(struct pt_regs *ctx, __u64 cookie, __u64 sp)
{
	__u32 index = cookie >> PV_NATIVE_FUNCTION_SHIFT & (PV_CHANGE_FUNCTIONS_MAX - 1);
	__u64 number, cfa = sp + 8;

	number = __sync_fetch_and_add(&calls_of[index].all, 1) + 1;
	if (is_given(ctx))
		count(&calls_of[index].given);
	number |= (__u64)(index + 1) << PV_CHANGE_FUNCTION_SHIFT;
	return (int)bpf_map_update_elem(&calls, &cfa, &number, BPF_ANY);
}

SEC("kprobe")
int on_site(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), ids = pv_current_ids();
	__u64 sp = ctx->sp + 8 * (cookie >> PV_NATIVE_PUSHED_SHIFT & PV_NATIVE_PUSHED_MASK);
	__u32 kind = pv_probe_hit(ctx, ids);
	struct hit hit = { .tid = (__u32)ids };

	if (kind == PV_PROBE_NATIVE_ENTER)
		begin_call(ctx, cookie, sp);
	if (counted.lines && lines_hit(ctx, kind, cookie, sp, &hit))
		record_at(&hit, ctx->ip, ctx->bp);
	return 0;
}

/* bpf_probe_read_user and others are for GPL-compatible programs */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
