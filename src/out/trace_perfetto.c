/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Perfetto's protocol buffer: a track for each thread, a slice for each call.
 * Input: a trace.
 * Output: packets one after the other, of which only one is in memory as a message.
 */
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/perfetto.pb-c.h"
#include "out/trace.h"
#include "out/trace_calls.h"

typedef Perfetto__Protos__TracePacket Packet;
typedef Perfetto__Protos__TrackEvent Event;
typedef Perfetto__Protos__DebugAnnotation Annotation;
typedef Perfetto__Protos__TrackEvent__Callstack__Frame Frame;

enum {
	SEQUENCE = 1, /* all packets are of one writer */
	CLEARED = 1,
	NEEDED = 2,
	SLICE_BEGIN = 1,
	SLICE_END = 2,
	CLOCK_DAY = 1,
	CLOCK_BOOT = 6, /* that of timestamps that say nothing else */
	PROCESS_TRACK = 1,
	FIRST_THREAD_TRACK = 2,
	ANNOTATIONS_MAX = 8,
};

struct perfetto {
	ProtobufCBuffer base; /* writes to file */
	FILE *file;
	const struct pv_trace *trace;
	const struct pv_profile *profile;
	struct pv_str text;    /* scratch */
	struct pv_vec offsets; /* size_t, into text */
};

static void append_bytes(ProtobufCBuffer *buffer, size_t n, const uint8_t *bytes)
{
	fwrite(bytes, 1, n, ((struct perfetto *)buffer)->file);
}

static void put(struct perfetto *p, Packet *packet)
{
	Perfetto__Protos__Trace trace = PERFETTO__PROTOS__TRACE__INIT;

	packet->has_trusted_packet_sequence_id = true;
	packet->trusted_packet_sequence_id = SEQUENCE;
	packet->has_sequence_flags = true;
	if (!packet->sequence_flags)
		packet->sequence_flags = NEEDED;
	trace.n_packet = 1;
	trace.packet = &packet;
	perfetto__protos__trace__pack_to_buffer(&trace, &p->base);
}

/*
 * The time of day at the trace's start, for both clocks, so that the viewer knows the
 * time of day; without it times begin at 0.
 */
static void put_clocks(struct perfetto *p)
{
	Packet packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	Perfetto__Protos__ClockSnapshot snapshot = PERFETTO__PROTOS__CLOCK_SNAPSHOT__INIT;
	Perfetto__Protos__ClockSnapshot__Clock clocks[2], *list[2] = { &clocks[0], &clocks[1] };

	for (size_t i = 0; i < 2; i++) {
		clocks[i] = (Perfetto__Protos__ClockSnapshot__Clock)
			PERFETTO__PROTOS__CLOCK_SNAPSHOT__CLOCK__INIT;
		clocks[i].has_clock_id = true;
		clocks[i].clock_id = i ? CLOCK_DAY : CLOCK_BOOT;
		clocks[i].has_timestamp = true;
		clocks[i].timestamp = p->profile->start_unix_ns;
	}
	snapshot.n_clocks = 2;
	snapshot.clocks = list;
	packet.sequence_flags = CLEARED;
	if (p->profile->start_unix_ns)
		packet.clock_snapshot = &snapshot;
	put(p, &packet);
}

static struct pv_err *put_interned(struct perfetto *p)
{
	struct pv_err *err = NULL;

	for (uint32_t kind = 0; kind <= PV_LOC_LABEL; kind++) {
		Packet packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
		Perfetto__Protos__InternedData data = PERFETTO__PROTOS__INTERNED_DATA__INIT;
		Perfetto__Protos__EventCategory category = PERFETTO__PROTOS__EVENT_CATEGORY__INIT,
						*list = &category;

		category.has_iid = true;
		category.iid = kind + 1;
		category.name = (char *)pv_frame_kind(kind);
		data.n_event_categories = 1;
		data.event_categories = &list;
		packet.interned_data = &data;
		put(p, &packet);
	}
	for (size_t i = 0; i < p->profile->locs.n && !err; i++) {
		Packet packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
		Perfetto__Protos__InternedData data = PERFETTO__PROTOS__INTERNED_DATA__INIT;
		Perfetto__Protos__EventName name = PERFETTO__PROTOS__EVENT_NAME__INIT,
					    *list = &name;

		pv_str_clear(&p->text);
		err = pv_frame_text(p->profile->strings, pv_vec_at(&p->profile->locs, i),
				    PV_ESCAPE_TEXT, &p->text);
		name.has_iid = true;
		name.iid = i + 1;
		name.name = (char *)pv_str_text(&p->text);
		data.n_event_names = 1;
		data.event_names = &list;
		packet.interned_data = &data;
		if (!err)
			put(p, &packet);
	}
	return err;
}

static struct pv_err *put_process(struct perfetto *p)
{
	const struct pv_profile *profile = p->profile;
	Packet packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	Perfetto__Protos__TrackDescriptor track = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;
	Perfetto__Protos__ProcessDescriptor process = PERFETTO__PROTOS__PROCESS_DESCRIPTOR__INIT;
	struct pv_err *err;

	pv_str_clear(&p->text);
	err = pv_trace_string(profile, profile->title ? profile->title : profile->target_name,
			      &p->text);
	process.has_pid = true;
	process.pid = (int32_t)profile->pid;
	process.process_name = (char *)pv_str_text(&p->text);
	track.has_uuid = true;
	track.uuid = PROCESS_TRACK;
	track.process = &process;
	packet.track_descriptor = &track;
	if (!err)
		put(p, &packet);
	return err;
}

static struct pv_err *put_threads(struct perfetto *p)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; i < p->profile->threads.n && !err; i++) {
		const struct pv_profile_thread *of = pv_vec_at(&p->profile->threads, i);
		Packet packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
		Perfetto__Protos__TrackDescriptor track = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;
		Perfetto__Protos__ThreadDescriptor thread =
			PERFETTO__PROTOS__THREAD_DESCRIPTOR__INIT;

		pv_str_clear(&p->text);
		err = pv_trace_string(p->profile, of->name, &p->text);
		thread.has_pid = true;
		thread.pid = (int32_t)of->pid;
		thread.has_tid = true;
		thread.tid = (int32_t)of->tid;
		thread.thread_name = (char *)pv_str_text(&p->text);
		track.has_uuid = true;
		track.uuid = FIRST_THREAD_TRACK + i;
		track.thread = &thread;
		packet.track_descriptor = &track;
		if (!err)
			put(p, &packet);
	}
	return err;
}

static void add_number(Annotation *list, size_t *n, const char *name, uint64_t value)
{
	Annotation *annotation = &list[(*n)++];

	*annotation = (Annotation)PERFETTO__PROTOS__DEBUG_ANNOTATION__INIT;
	annotation->name = (char *)name;
	annotation->has_uint_value = true;
	annotation->uint_value = value;
}

/* text must live until the packet is written. */
static void add_text(Annotation *list, size_t *n, const char *name, const char *text)
{
	Annotation *annotation = &list[(*n)++];

	*annotation = (Annotation)PERFETTO__PROTOS__DEBUG_ANNOTATION__INIT;
	annotation->name = (char *)name;
	annotation->string_value = (char *)text;
}

static void put_event(struct perfetto *p, Event *event, uint32_t call, uint64_t ns,
		      Annotation *annotations, size_t n)
{
	const struct pv_call *of = pv_vec_at(&p->trace->calls, call);
	const struct pv_execution *execution = pv_vec_at(&p->trace->executions, of->execution);
	Packet packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	Annotation *list[ANNOTATIONS_MAX];

	for (size_t i = 0; i < n; i++)
		list[i] = &annotations[i];
	event->has_type = true;
	event->has_track_uuid = true;
	event->track_uuid = FIRST_THREAD_TRACK + execution->thread;
	event->n_debug_annotations = n;
	event->debug_annotations = list;
	packet.has_timestamp = true;
	packet.timestamp = p->profile->start_unix_ns + ns;
	packet.track_event = event;
	put(p, &packet);
}

/* Begins the next text behind those in p->text; where is the last of p->offsets. */
static struct pv_err *begin_text(struct perfetto *p)
{
	return pv_vec_append(&p->offsets, &p->text.n, 1, NULL);
}

static struct pv_err *end_text(struct perfetto *p)
{
	return pv_str_append(&p->text, "", 1);
}

/* Valid until the next one is begun. */
static char *nth_text(const struct perfetto *p, size_t i)
{
	return p->text.data + *(size_t *)pv_vec_at(&p->offsets, i);
}

static struct pv_err *add_string(struct perfetto *p, uint32_t id)
{
	struct pv_err *err = begin_text(p);

	if (!err)
		err = pv_trace_string(p->profile, id, &p->text);
	return err ? err : end_text(p);
}

static struct pv_err *add_value(struct perfetto *p, uint32_t id)
{
	struct pv_err *err = begin_text(p);

	if (!err)
		err = pv_trace_value(p->profile, id, &p->text);
	return err ? err : end_text(p);
}

/* Of each frame of the stack that led to an execution its name and its file, innermost first. */
static struct pv_err *add_stack(struct perfetto *p, uint32_t leaf)
{
	const struct pv_stack_node *nodes = p->profile->nodes.data;
	struct pv_err *err = NULL;

	for (uint32_t at = leaf; at && !err; at = nodes[at].parent) {
		const struct pv_loc *loc = pv_vec_at(&p->profile->locs, nodes[at].loc);
		const struct pv_loc bare = { .function = loc->function, .kind = loc->kind };

		err = begin_text(p);
		if (!err)
			err = pv_frame_text(p->profile->strings, &bare, PV_ESCAPE_TEXT, &p->text);
		if (!err)
			err = end_text(p);
		if (!err)
			err = add_string(p, loc->file ? loc->file : loc->module);
	}
	return err;
}

/* The frames whose texts begin with the one at `first`, the outermost first. */
static struct pv_err *fill_stack(const struct perfetto *p, uint32_t leaf, size_t first,
				 struct pv_vec *frames, struct pv_vec *list)
{
	const struct pv_stack_node *nodes = p->profile->nodes.data;
	uint32_t n = nodes[leaf].depth, at = leaf;
	struct pv_err *err = pv_vec_append(frames, NULL, n, NULL);

	if (!err)
		err = pv_vec_append(list, NULL, n, NULL);
	for (uint32_t i = 0; at && !err; at = nodes[at].parent, i++) {
		const struct pv_loc *loc = pv_vec_at(&p->profile->locs, nodes[at].loc);
		Frame *frame = pv_vec_at(frames, n - 1 - i);

		*frame = (Frame)PERFETTO__PROTOS__TRACK_EVENT__CALLSTACK__FRAME__INIT;
		frame->function_name = nth_text(p, first + 2 * i);
		frame->source_file = nth_text(p, first + 2 * i + 1);
		frame->has_line_number = loc->line > 0;
		frame->line_number = loc->line > 0 ? (uint32_t)loc->line : 0;
		*(Frame **)pv_vec_at(list, n - 1 - i) = frame;
	}
	return err;
}

static void set_event_name(const struct perfetto *p, const struct pv_call *call, Event *event,
			   uint64_t *category)
{
	const struct pv_loc *loc = pv_vec_at(&p->profile->locs, call->function);

	*category = loc->kind + 1;
	event->type = SLICE_BEGIN;
	event->has_name_iid = true;
	event->name_iid = call->function + 1;
	event->n_category_iids = 1;
	event->category_iids = category;
}

static struct pv_err *put_begin(void *ctx, uint32_t index)
{
	struct perfetto *p = ctx;
	const struct pv_call *call = pv_vec_at(&p->trace->calls, index);
	const struct pv_execution *of = pv_vec_at(&p->trace->executions, call->execution);
	struct pv_vec frames PV_CLEANUP(pv_vec_deinit) = PV_VEC(Frame);
	struct pv_vec list PV_CLEANUP(pv_vec_deinit) = PV_VEC(Frame *);
	Perfetto__Protos__TrackEvent__Callstack stack =
		PERFETTO__PROTOS__TRACK_EVENT__CALLSTACK__INIT;
	Event event = PERFETTO__PROTOS__TRACK_EVENT__INIT;
	Annotation annotations[ANNOTATIONS_MAX];
	uint64_t category;
	struct pv_err *err;
	size_t n = 0;
	bool first = call->parent == PV_CALL_NONE && of->node;

	set_event_name(p, call, &event, &category);
	pv_str_clear(&p->text);
	p->offsets.n = 0;
	err = add_value(p, call->arguments);
	if (!err && first)
		err = add_stack(p, of->node);
	if (!err && first)
		err = fill_stack(p, of->node, 1, &frames, &list);
	if (err)
		return err;
	if (call->arguments)
		add_text(annotations, &n, "arguments", nth_text(p, 0));
	if (call->parent == PV_CALL_NONE) {
		add_number(annotations, &n, "execution", of->number);
		if (of->partial)
			add_number(annotations, &n, "partial", 1);
		if (of->lost)
			add_number(annotations, &n, "lost", of->lost);
	}
	stack.n_frames = list.n;
	stack.frames = list.data;
	if (first)
		event.callstack = &stack;
	put_event(p, &event, index, call->start_ns, annotations, n);
	return NULL;
}

static struct pv_err *put_end(void *ctx, uint32_t index)
{
	struct perfetto *p = ctx;
	const struct pv_call *call = pv_vec_at(&p->trace->calls, index);
	Event event = PERFETTO__PROTOS__TRACK_EVENT__INIT;
	Annotation annotations[ANNOTATIONS_MAX];
	struct pv_err *err;
	size_t n = 0;

	event.type = SLICE_END;
	pv_str_clear(&p->text);
	p->offsets.n = 0;
	err = add_value(p, call->result);
	if (!err)
		err = begin_text(p);
	if (!err)
		err = pv_call_marks(call->flags, &p->text);
	if (err)
		return err;
	if (call->result)
		add_text(annotations, &n, "result", nth_text(p, 0));
	if (call->flags)
		add_text(annotations, &n, "marks", nth_text(p, 1));
	if (call->off_cpu_ns)
		add_number(annotations, &n, "off_cpu_ns", call->off_cpu_ns);
	put_event(p, &event, index, call->end_ns, annotations, n);
	return NULL;
}

static void perfetto_deinit(struct perfetto *p)
{
	pv_str_deinit(&p->text);
	pv_vec_deinit(&p->offsets);
}

static struct pv_err *perfetto_write(const struct pv_trace *trace, FILE *file)
{
	struct perfetto p PV_CLEANUP(perfetto_deinit) = { .base = { .append = append_bytes },
							  .file = file,
							  .trace = trace,
							  .profile = trace->profile,
							  .offsets = PV_VEC(size_t) };
	const struct pv_trace_visitor visitor = { &p, put_begin, put_end };
	struct pv_err *err;

	put_clocks(&p);
	err = put_interned(&p);
	if (!err)
		err = put_process(&p);
	if (!err)
		err = put_threads(&p);
	for (size_t i = 0; i < trace->executions.n && !err; i++)
		err = pv_trace_visit(trace, i, &visitor);
	return err;
}

static const char *const perfetto_suffixes[] = { ".perfetto-trace", NULL };

const struct pv_format pv_trace_format_perfetto = {
	.name = "perfetto",
	.suffixes = perfetto_suffixes,
	.help = "track events, for https://ui.perfetto.dev",
	.binary = true,
	.write_trace = perfetto_write,
};
