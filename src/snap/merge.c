/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Merges the halves of a sample.  Input: pv_event_sample.  Output: frames.
 */
#include "snap/merge.h"

enum { SWITCH_FRAMES = 2 }; /* of one: its C function and what that calls */

/* The sample taken apart, with where the merge stands; leaf first. */
struct merge {
	const struct pv_event_sample *sample;
	const struct pv_pyframe *python;
	const uint64_t *kernel, *native;
	const struct pv_merge_options *options;
	struct pv_merged *out;
	uint32_t next_python;
	uint16_t at;         /* of the frame at hand in its half */
	uint32_t flags;      /* pv_event_sample.flags */
	uint32_t n_native;   /* of the sample's those that are its greenlet's */
	uint32_t n_hidden;   /* native frames in eval's body whose Python frames are not known */
	uint32_t n_anchored; /* native frames flagged as eval */
	uint32_t cut_at;     /* index of the native frame that runs the run that is cut, or none */
	bool cut;            /* the outermost run is not whole: deeper than the limit */
	bool apart;          /* which eval frames run its Python frames is not known */
	bool greenlet;       /* the natives end where its stack begins */
	bool switching;      /* whose stack and whose Python frames these are is not known */
	bool unaligned;      /* at the leaf one half may have one more: told by the whole halves */
	bool with_idle;      /* idle frames, see is_idle(), have no eval frame */
};

static const char *const mark_texts[PV_MARK_MAX] = {
	[PV_MARK_TRUNCATED] = "[truncated]",
	[PV_MARK_BREAK] = "[unwind break]",
	[PV_MARK_TORN] = "[torn]",
	[PV_MARK_MISMATCH] = "[mismatch]",
	[PV_MARK_UNREADABLE] = "[python unreadable]",
	[PV_MARK_NEW_MAPPING] = "[new mapping]",
	[PV_MARK_GC] = "[gc]",
	[PV_MARK_SWITCH] = "[greenlet switch]",
};

const char *pv_mark_text(enum pv_mark mark)
{
	return mark < PV_MARK_MAX ? mark_texts[mark] : "[unknown]";
}

const char *pv_label_text(enum pv_label label)
{
	static const char *const texts[PV_LABEL_MAX] = {
		[PV_LABEL_GREENLET] = "greenlet",
		[PV_LABEL_TASK_UNREAD] = "task [unknown]",
		[PV_LABEL_TASK_SEVERAL] = "several tasks",
		[PV_LABEL_TASK_MORE] = "more tasks",
		[PV_LABEL_TASK_DROPPED] = "task [not kept]",
	};

	return label < PV_LABEL_MAX ? texts[label] : "[unknown]";
}

static struct pv_err *push(struct merge *m, enum pv_ref_kind kind, uint64_t value, uint32_t detail,
			   bool exact)
{
	struct pv_frame_ref ref = {
		.kind = kind, .value = value, .detail = detail, .exact = exact, .at = m->at
	};

	return pv_vec_append(&m->out->frames, &ref, 1, NULL);
}

static struct pv_err *push_mark(struct merge *m, enum pv_mark mark)
{
	return push(m, PV_REF_MARKER, mark, 0, false);
}

static uint32_t object_of(uint64_t word)
{
	return word & PV_NAT_RAW ? 0 : word >> PV_NAT_REL_BITS & ((1U << PV_NAT_OBJECT_BITS) - 1);
}

static uint64_t vaddr_of(uint64_t word)
{
	return word & ((1ULL << PV_NAT_REL_BITS) - 1);
}

/* Is this an activation of the garbage collector? */
static bool is_collector(const struct merge *m, uint64_t word)
{
	const struct pv_merge_collector *collector = &m->options->collector;
	/* a return address belongs to the call before it */
	uint64_t at = vaddr_of(word) - !(word & PV_NAT_EXACT);

	if (!collector->object || object_of(word) != collector->object)
		return false;
	for (uint32_t i = 0; i < collector->n; i++) {
		if (at >= collector->parts[i].start && at < collector->parts[i].end)
			return true;
	}
	return false;
}

/* A native frame, and the marker to its root side if the collector begins with it. */
static struct pv_err *push_native(struct merge *m, uint64_t word)
{
	bool exact = word & PV_NAT_EXACT;
	struct pv_err *err = NULL;

	if (!m->options->no_native && word & PV_NAT_RAW)
		err = push(m, PV_REF_RAW, word & PV_NAT_ADDRESS, 0, exact);
	else if (!m->options->no_native)
		err = push(m, PV_REF_NATIVE, vaddr_of(word), object_of(word), exact);
	if (err || !is_collector(m, word))
		return err;
	m->out->gc = true;
	return push_mark(m, PV_MARK_GC);
}

/*
 * Up to 3.9 C code may push a Python frame that runs no bytecode (pyexpat in 2.7, profiled
 * Cython): it has not started although it calls.  So has one that a trace function is
 * called for, but that one has its eval frame.
 */
static bool is_idle(const struct merge *m, uint32_t i)
{
	return i && m->python[i].lasti == PV_LASTI_NONE && m->python[i].flags == PV_PYFRAME_RUN_END;
}

static uint32_t count_idle(const struct merge *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->sample->n_python; i++)
		n += is_idle(m, i);
	return n;
}

/* Does this native frame run Python frames that are known? */
static bool runs_python(const struct merge *m, uint32_t i)
{
	return m->native[i] & PV_NAT_ANCHOR || i == m->cut_at;
}

/* In the body of the eval loop, but no Python frames are known for it. */
static bool is_hidden(const struct merge *m, uint32_t i)
{
	return (m->native[i] & (PV_NAT_EVAL | PV_NAT_ANCHOR)) == PV_NAT_EVAL;
}

/* An eval frame that may just be entered or left, see PV_SAMPLE_EVAL_EDGE. */
static bool is_edge(const struct merge *m, uint32_t i)
{
	return m->native[i] & PV_NAT_EXACT && m->flags & PV_SAMPLE_EVAL_EDGE;
}

/*
 * From 3.12 a run's anchor stands at its end, so that the run that is cut has none: it is
 * run by the first eval frame from `from` on, as the thread state is the one that is active.
 * One at its edge may be that, or not.
 */
static void find_cut_run(struct merge *m, uint32_t from)
{
	uint32_t i, eval = m->cut_at, edge = m->cut_at, n_edges = 0;

	for (i = m->n_native; i > from; i--) {
		if (m->native[i - 1] & PV_NAT_EVAL)
			eval = i - 1;
		if (is_edge(m, i - 1)) {
			edge = i - 1;
			n_edges++;
		}
	}
	if (!n_edges)
		m->cut_at = eval;
	else if (n_edges == 1 && eval == m->n_native && m->flags & PV_SAMPLE_NAT_END)
		m->cut_at = edge;
	else
		m->apart = true;
}

/*
 * The Python half ends at its limit.  To the root side of the eval frames that are matched
 * there are those of Python frames that are missing: these are not hidden ones.
 */
static void find_limit(struct merge *m)
{
	uint32_t i, from = 0;

	if (m->sample->py_loss != PV_LOSS_PY_DEPTH || !m->sample->n_python || m->options->counted)
		return;
	m->apart = m->options->from_root;
	/* an anchor that was not met: what is hidden stands before it */
	if (m->n_anchored < m->sample->n_runs && !m->apart)
		return;
	for (i = 0; i < m->n_native; i++) {
		if (m->native[i] & PV_NAT_ANCHOR)
			from = i + 1;
	}
	for (m->n_hidden = 0, i = 0; i < from; i++)
		m->n_hidden += is_hidden(m, i);
	m->cut = !(m->python[m->sample->n_python - 1].flags & PV_PYFRAME_RUN_END);
	/* 3.11: the anchor stands at the beginning of a run */
	if (m->cut && !m->apart && m->n_anchored == m->sample->n_runs)
		find_cut_run(m, from);
}

static struct pv_err *push_task(struct merge *m, uint64_t key)
{
	static const enum pv_label labels[] = { [PV_TASK_UNREAD] = PV_LABEL_TASK_UNREAD,
						[PV_TASK_SEVERAL] = PV_LABEL_TASK_SEVERAL,
						[PV_TASK_MORE] = PV_LABEL_TASK_MORE };

	if (key < sizeof(labels) / sizeof(*labels))
		return push(m, PV_REF_LABEL, labels[key], 0, true);
	return push(m, PV_REF_TASK, key, 0, true);
}

/*
 * The frames of the next run.  A skipped frame has left its eval frame: its run is no run, and
 * what is said of it (its task, its interpreter), which may hold the end of the run, is not shown.
 */
static struct pv_err *push_run(struct merge *m)
{
	struct pv_err *err = NULL;
	bool skipped = false, end;

	while (!err && m->next_python < m->sample->n_python) {
		const struct pv_pyframe *frame = &m->python[m->next_python];

		m->at = (uint16_t)m->next_python++;
		end = frame->flags & PV_PYFRAME_RUN_END;
		skipped |= !!(frame->flags & PV_PYFRAME_SKIP);
		if (skipped) {
			skipped = !end;
			continue;
		}
		if (frame->flags & PV_PYFRAME_INTERP) {
			err = push(m, PV_REF_INTERP, frame->code, 0, true);
		} else if (frame->flags & PV_PYFRAME_TASK) {
			err = push_task(m, frame->code);
		} else if (!(frame->flags & PV_PYFRAME_EMPTY)) {
			err = push(m, PV_REF_PYTHON, frame->code, frame->lasti, true);
			m->out->python = true;
		}
		if (end && !(m->with_idle && is_idle(m, m->next_python - 1)))
			break;
	}
	return err;
}

/* The leaf frame has left its eval frame. */
static void skip_run(struct merge *m)
{
	bool end = false;

	while (!end && m->next_python < m->sample->n_python)
		end = m->python[m->next_python++].flags & PV_PYFRAME_RUN_END;
}

static struct pv_err *push_runs(struct merge *m)
{
	struct pv_err *err = NULL;

	while (!err && m->next_python < m->sample->n_python)
		err = push_run(m);
	return err;
}

/*
 * All native frames, eval frames replaced by their runs but for the first
 * `surplus` of them; with_python false leaves them native.
 */
static struct pv_err *push_natives(struct merge *m, bool with_python, uint32_t surplus)
{
	struct pv_err *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < m->n_native; i++) {
		uint64_t word = m->native[i];

		m->at = (uint16_t)i;
		if (word & PV_NAT_BREAK && !m->options->no_native)
			err = push_mark(m, PV_MARK_BREAK);
		if (err)
			break;
		if (!runs_python(m, i) || !with_python || m->next_python >= m->sample->n_python) {
			err = push_native(m, word);
		} else if (surplus) {
			surplus--;
			err = push_native(m, word);
		} else {
			err = push_run(m);
		}
	}
	return err;
}

static struct pv_err *push_kernel(struct merge *m)
{
	struct pv_err *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < m->sample->n_kernel; i++)
		err = push(m, PV_REF_KERNEL, m->kernel[i], 0, i == 0);
	return err;
}

/* A bridge is told by `bridged`, too: what is missing besides has a reason of its own. */
static void mark_loss(struct merge *m, uint8_t loss)
{
	if (!m->out->loss || (loss && m->out->loss == PV_LOSS_REANCHOR))
		m->out->loss = loss;
}

/* The Python half must not be shown: natives, and the reason where it would stand. */
static struct pv_err *merge_marked(struct merge *m, enum pv_mark mark, uint8_t loss)
{
	struct pv_err *err = push_natives(m, false, 0);

	m->out->marked = true;
	mark_loss(m, loss);
	return err ? err : push_mark(m, mark);
}

/* No Python state on this thread, or none now. */
static struct pv_err *merge_native_only(struct merge *m)
{
	struct pv_err *err = push_natives(m, false, 0);
	bool end = m->flags & PV_SAMPLE_NAT_END;

	m->out->complete = end && !m->out->bridged;
	m->out->truncated = !end;
	if (!end) {
		mark_loss(m, m->sample->nat_loss);
		if (!err)
			err = push_mark(m, m->sample->nat_loss == PV_LOSS_NAT_NOMAP
						   ? PV_MARK_NEW_MAPPING
						   : PV_MARK_TRUNCATED);
	}
	return err;
}

/* A program that was not known yet: where it was, at most, and that the rest is missing. */
static struct pv_err *merge_unread(struct merge *m)
{
	struct pv_err *err = m->options->no_native ? NULL : push_natives(m, false, 0);

	m->out->truncated = true;
	mark_loss(m, PV_LOSS_UNREAD);
	return err ? err : push_mark(m, PV_MARK_NEW_MAPPING);
}

/*
 * Nothing to count from, or no anchors: the native frames leafward of all eval frames,
 * then all Python frames.
 */
static struct pv_err *merge_apart(struct merge *m)
{
	bool nat_end = m->flags & PV_SAMPLE_NAT_END;
	struct pv_err *err = NULL;
	uint32_t i, n = 0;

	while (n < m->n_native && !(m->native[n] & (PV_NAT_ANCHOR | PV_NAT_EVAL)) && !is_edge(m, n))
		n++;
	if (n == m->n_native && nat_end)
		return merge_marked(m, PV_MARK_MISMATCH, PV_LOSS_MERGE_COUNT);
	for (i = 0; !err && i < n; i++) {
		m->at = (uint16_t)i;
		err = push_native(m, m->native[i]);
	}
	if (!err)
		err = push_mark(m, PV_MARK_BREAK);
	if (!err)
		err = push_runs(m);
	m->out->truncated = true;
	mark_loss(m, nat_end ? m->sample->py_loss : m->sample->nat_loss);
	return err ? err : push_mark(m, PV_MARK_TRUNCATED);
}

/* Both halves are whole, or one is cut short: match run by run from the leaf. */
static struct pv_err *merge_both(struct merge *m)
{
	uint32_t flags = m->flags, runs = m->sample->n_runs, surplus = 0;
	bool nat_end = flags & PV_SAMPLE_NAT_END, py_end = flags & PV_SAMPLE_PY_END;
	struct pv_err *err;

	if (m->apart || (m->unaligned && (!nat_end || !py_end)))
		return merge_apart(m);
	/* its CFrame is unlinked already */
	if (m->options->from_root && m->unaligned && m->n_anchored + 1 == runs) {
		skip_run(m);
		runs--;
	}
	if (m->options->counted && m->n_anchored < runs && m->n_anchored + count_idle(m) == runs) {
		m->with_idle = true;
		runs = m->n_anchored;
	}
	if (nat_end && py_end && m->n_anchored != runs) {
		if (!m->unaligned || m->n_anchored != runs + 1 || flags & PV_SAMPLE_PY_PART)
			return merge_marked(m, PV_MARK_MISMATCH, PV_LOSS_MERGE_COUNT);
		surplus = 1;
	}
	if (m->n_anchored > runs + surplus && py_end)
		return merge_marked(m, PV_MARK_MISMATCH, PV_LOSS_MERGE_COUNT);
	/* all native frames are there, but not the one of a run */
	if (nat_end && !py_end && m->n_anchored + (m->cut_at < m->n_native) < runs + m->cut)
		return merge_marked(m, PV_MARK_MISMATCH, PV_LOSS_MERGE_COUNT);
	err = push_natives(m, true, surplus);
	if (err || (nat_end && py_end)) {
		m->out->complete = !m->out->bridged;
		return err;
	}
	m->out->truncated = true;
	mark_loss(m, nat_end ? m->sample->py_loss : m->sample->nat_loss);
	err = push_mark(m, PV_MARK_TRUNCATED);
	if (err || m->next_python >= m->sample->n_python)
		return err;
	err = push_runs(m);
	return err || py_end ? err : push_mark(m, PV_MARK_TRUNCATED);
}

/*
 * Native frames that are not shown: they tell where the collector stands between
 * the runs.  Halves that do not agree tell nothing, and the Python one stays.
 */
static struct pv_err *merge_hidden_natives(struct merge *m)
{
	uint32_t flags = m->flags, runs = m->sample->n_runs;
	bool whole = flags & PV_SAMPLE_NAT_END && flags & PV_SAMPLE_PY_END;
	uint32_t surplus =
		m->unaligned && whole && !(flags & PV_SAMPLE_PY_PART) && m->n_anchored == runs + 1;
	bool agree = m->n_anchored == runs + surplus || (!whole && m->n_anchored < runs);
	struct pv_err *err = NULL;

	if (m->n_hidden || m->apart || (m->unaligned && !whole))
		agree = false;
	if (agree)
		err = push_natives(m, true, surplus);
	m->out->gc_unknown =
		m->n_native && !m->out->gc && (!agree || !whole || flags & PV_SAMPLE_REANCHORED);
	return err ? err : push_runs(m);
}

static bool is_switcher(const struct merge *m, uint32_t i)
{
	return m->options->greenlet && !(m->native[i] & PV_NAT_RAW) &&
	       object_of(m->native[i]) == m->options->greenlet;
}

/*
 * Do so many eval frames, with `more` to their root side, run all the Python frames?  Where the
 * walker did not align the halves there may be one more eval frame at the leaf; in 3.10, whose
 * eval frames are told by address, one less, too, and none is left over.
 */
static bool is_whole(const struct merge *m, uint32_t n_anchored, uint32_t more)
{
	uint32_t runs = m->sample->n_runs;

	if (!(m->flags & PV_SAMPLE_PY_END))
		return false;
	if (m->unaligned && m->options->from_root)
		return !more && n_anchored + 1 >= runs && n_anchored <= runs + 1;
	return n_anchored == runs || (m->unaligned && n_anchored == runs + 1);
}

/*
 * A greenlet's stack begins in the code that started it.  What lies to the root side is of
 * whoever is suspended there now, and has moved since: no frame of it is shown.  Its Python
 * frames end there, too, which tells it from a call back into Python: of that one the eval
 * frames to the root side agree.
 *
 * Amid a switch registers, stack and Python state are exchanged one after the other.  What
 * agrees all the same is shown only in 3.11 and 3.12, whose state leads through the stack.
 */
static void find_greenlet(struct merge *m)
{
	uint32_t i, k, leaf = 0, n_anchored = 0, n_inner = 0, more = 0;
	bool eval = false, agree, foreign;

	for (i = 0; i < m->n_native && !(eval && is_switcher(m, i)); i++) {
		eval = eval || m->native[i] & (PV_NAT_ANCHOR | PV_NAT_EVAL);
		n_anchored += !!(m->native[i] & PV_NAT_ANCHOR);
		if (!eval && is_switcher(m, i)) {
			n_inner++;
			leaf = i + 1;
		}
	}
	for (k = i; k < m->n_native; k++)
		more += !!(m->native[k] & PV_NAT_ANCHOR);
	agree = is_whole(m, n_anchored, more);
	m->greenlet = agree && i < m->n_native;
	foreign = i < m->n_native &&
		  (m->options->counted ? !is_whole(m, n_anchored + more, 0) : !more);
	if (n_inner >= SWITCH_FRAMES)
		m->switching = !agree || m->options->apart_state ||
			       m->flags & PV_SAMPLE_REANCHORED ||
			       !(m->greenlet || m->flags & PV_SAMPLE_NAT_END);
	if (m->switching) {
		m->greenlet = false;
		m->n_native = leaf;
	} else if (m->greenlet || foreign) {
		m->n_native = i + 1;
		m->flags |= PV_SAMPLE_NAT_END;
	}
}

static struct pv_err *merge_halves(struct merge *m)
{
	uint32_t flags = m->flags;
	uint8_t loss = m->sample->py_loss;
	struct pv_err *err;

	if (flags & PV_SAMPLE_UNREAD)
		return merge_unread(m);
	if (m->switching)
		return merge_marked(m, PV_MARK_SWITCH, PV_LOSS_SWITCH);
	m->out->bridged = flags & PV_SAMPLE_REANCHORED && !m->options->no_native;
	if (m->out->bridged)
		mark_loss(m, PV_LOSS_REANCHOR);
	if (flags & PV_SAMPLE_TORN)
		return merge_marked(m, PV_MARK_TORN, loss ? loss : PV_LOSS_PY_TORN);
	if (loss == PV_LOSS_PY_UNLINKED)
		return merge_marked(m, PV_MARK_TORN, loss);
	if (loss == PV_LOSS_MERGE_COUNT)
		return merge_marked(m, PV_MARK_MISMATCH, loss);
	if (loss && loss != PV_LOSS_PY_DEPTH)
		return merge_marked(m, PV_MARK_UNREADABLE, loss);
	if (m->options->no_native) {
		/* and there are no native frames to tell */
		if (flags & PV_SAMPLE_PY_PART)
			return merge_marked(m, PV_MARK_MISMATCH, PV_LOSS_MERGE_COUNT);
		err = merge_hidden_natives(m);
		m->out->complete = flags & (PV_SAMPLE_PY_END | PV_SAMPLE_NO_TSTATE);
		m->out->truncated = !m->out->complete;
		if (m->out->complete)
			return err;
		mark_loss(m, loss);
		return err ? err : push_mark(m, PV_MARK_TRUNCATED);
	}
	if (m->n_hidden)
		return merge_marked(m, PV_MARK_MISMATCH, PV_LOSS_MERGE_COUNT);
	/* posix_spawn()'s child has a stack of its own: the Python frames are its parent's */
	if (flags & PV_SAMPLE_BORROWED && flags & PV_SAMPLE_NAT_END && !m->n_anchored &&
	    m->cut_at == m->n_native && !m->apart)
		return merge_native_only(m);
	if (!m->sample->n_python) {
		/* an eval frame, but no Python frame: it is being entered or left */
		if (m->n_anchored > m->options->counted)
			return merge_marked(m, PV_MARK_TORN, PV_LOSS_PY_UNLINKED);
		return merge_native_only(m);
	}
	return merge_both(m);
}

static void reverse(struct pv_vec *frames)
{
	struct pv_frame_ref *refs = frames->data;
	size_t i;

	for (i = 0; i < frames->n / 2; i++) {
		struct pv_frame_ref other = refs[frames->n - 1 - i];

		refs[frames->n - 1 - i] = refs[i];
		refs[i] = other;
	}
}

/* Of a sample whose user half does not count. */
static struct pv_event_sample kernel_head(const struct pv_event_sample *sample)
{
	struct pv_event_sample head = *sample;

	head.flags = (sample->flags & PV_SAMPLE_KERNEL) | PV_SAMPLE_UNREAD;
	head.n_python = head.n_native = head.n_runs = 0;
	return head;
}

struct pv_err *pv_merge(const struct pv_event_sample *sample, size_t size,
			const struct pv_merge_options *options, struct pv_merged *merged)
{
	struct merge m = { .sample = sample, .options = options, .out = merged };
	struct pv_event_sample head;
	struct pv_err *err;
	uint32_t i;

	if (size < sizeof(*sample) ||
	    size - sizeof(*sample) < sizeof(struct pv_pyframe) * sample->n_python +
					     8UL * sample->n_kernel + 8UL * sample->n_native)
		return pv_err_create(PV_ERR_FAILED, "a sample of %zu bytes is cut short", size);
	m.python = (const struct pv_pyframe *)(sample + 1);
	m.kernel = (const uint64_t *)(m.python + sample->n_python);
	m.native = m.kernel + sample->n_kernel;
	if (options->kernel_only) {
		head = kernel_head(sample);
		m.sample = sample = &head;
	}
	m.flags = sample->flags;
	m.n_native = sample->n_native;
	m.unaligned = options->counted || (options->from_root && options->greenlet);
	find_greenlet(&m);
	m.cut_at = m.n_native;
	for (i = 0; i < m.n_native; i++) {
		m.n_anchored += !!(m.native[i] & PV_NAT_ANCHOR);
		m.n_hidden += is_hidden(&m, i);
	}
	find_limit(&m);

	merged->frames.n = 0;
	merged->complete = merged->truncated = merged->marked = false;
	merged->bridged = merged->python = merged->gc = merged->gc_unknown = false;
	merged->loss = 0;
	err = push_kernel(&m);
	if (!err)
		err = merge_halves(&m);
	if (!err && m.greenlet && !options->no_native)
		err = push(&m, PV_REF_LABEL, PV_LABEL_GREENLET, 0, false);
	merged->gc_unknown |= merged->python && !options->collector.object;
	reverse(&merged->frames);
	return err;
}
