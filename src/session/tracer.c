/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow of `trace`: find, attach, drain, finish.  Input: a process, a function,
 * records of the kernel's side.  Output: a trace.
 */
#include "session/tracer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/event.h"
#include "abi/loss.h"
#include "abi/trace.h"
#include "abi/within.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include "collect/inside.h"
#include "collect/probes.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"
#include "python/functions.h"
#include "python/path.h"
#include "python/values.h"
#include "session/arming.h"
#include "session/callvalues.h"
#include "session/condition.h"
#include "session/entries.h"
#include "session/executions.h"
#include "session/leads.h"
#include "session/loads.h"
#include "session/losses.h"
#include "session/modules.h"
#include "session/natives.h"
#include "session/nativeset.h"
#include "session/probed.h"
#include "session/signature.h"
#include "session/tracetotals.h"
#include "session/values.h"
#include "snap/values.h"
#include "session/wanted.h"
#include "snap/objects.h"
#include "target/process.h"

enum {
	DRAIN_MS = 100,
	CALLS_MAX = 4 << 20, /* some 400 MB */
};

struct pv_tracer {
	struct pv_tracer_options options;
	struct pv_probed probed;
	struct pv_natives *natives;
	char *word;                  /* the user's, without letters */
	struct pv_signature letters; /* those behind it */
	bool has_letters;
	struct pv_signature condition_letters;
	struct pv_wanted_set meant;                /* what the word means: one */
	const struct pv_python_function *function; /* one of its code objects; NULL: native */
	struct pv_native_set *set;                 /* native functions; NULL: none is recorded */
	bool python;                               /* Python functions are recorded */
	struct pv_inside *inside;
	struct pv_probes *probes; /* of inside */
	struct pv_arming arming;
	struct pv_leads *leads;
	struct pv_value_layout layout; /* if values are read */
	struct pv_condition condition; /* without steps: none */
	struct pv_call_values *values; /* NULL: not wanted */
	struct pv_trace *trace;
	struct pv_executions *executions;
	struct pv_map wanted;  /* location -> are its calls shown? */
	struct pv_str name;    /* of the function, for people */
	uint32_t process;      /* in the profile */
	struct pv_loads loads; /* while the function's library is not there */
	bool waits_for_library;
	struct pv_str note;
	bool attached;
	uint64_t start_ns;
};

static struct pv_err *is_wanted(struct pv_tracer *tracer, uint32_t index, bool *ret)
{
	const struct pv_tracer_options *options = &tracer->options;
	const struct pv_profile *profile = tracer->trace->profile;
	const struct pv_loc *loc = pv_vec_at(&profile->locs, index);
	const char *name = pv_strings_get(profile->strings, loc->function);
	const char *file = pv_strings_get(profile->strings,
					  loc->kind == PV_LOC_NATIVE ? loc->module : loc->file);
	uint64_t known;

	if (pv_map_get(&tracer->wanted, index, &known)) {
		*ret = known;
		return NULL;
	}
	*ret = !pv_native_set_matches(options->skip, name, file) &&
	       (!options->only || !options->only->n ||
		pv_native_set_matches(options->only, name, file));
	return pv_map_set(&tracer->wanted, index, *ret);
}

static struct pv_err *name_call(void *ctx, uint64_t key, uint64_t address, uint32_t *loc_ret,
				bool *wanted_ret)
{
	struct pv_tracer *tracer = ctx;
	struct pv_err *err = pv_leads_name(tracer->leads, key, address, loc_ret);

	return err ? err : is_wanted(tracer, *loc_ret, wanted_ret);
}

static struct pv_err *native_loc(struct pv_tracer *tracer, const struct pv_native_function *one,
				 uint32_t *ret)
{
	struct pv_profile *profile = tracer->trace->profile;
	const struct pv_object *object = pv_objects_get(tracer->probed.objects, one->object);
	struct pv_loc loc = { .kind = PV_LOC_NATIVE };
	struct pv_err *err =
		pv_strings_add(profile->strings, one->name, strlen(one->name), &loc.function);

	if (!err && object)
		err = pv_modules_add(profile, object->path, "", &loc.module);
	return err ? err : pv_profile_loc(profile, &loc, ret);
}

static struct pv_err *name_native(void *ctx, uint32_t function, uint32_t *loc_ret, bool *wanted_ret)
{
	struct pv_tracer *tracer = ctx;
	struct pv_err *err;

	if (function >= pv_native_set_count(tracer->set))
		return pv_err_create(PV_ERR_FAILED, "the kernel's side has told of no function");
	err = native_loc(tracer, pv_native_set_function(tracer->set, function), loc_ret);
	return err ? err : is_wanted(tracer, *loc_ret, wanted_ret);
}

static struct pv_err *add_thread(struct pv_tracer *tracer, uint32_t tid, uint32_t *ret)
{
	_pv_fclose_ FILE *file = NULL;
	char path[64], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", (int)tracer->options.pid, tid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	pv_process_harmless(name);
	/* it has ended meanwhile */
	if (!*name)
		strcpy(name, "?");
	return pv_profile_thread(tracer->trace->profile, tracer->process, tid, name, ret);
}

static struct pv_err *begin_execution(void *ctx, const struct pv_event_call *first,
				      uint32_t *thread_ret, uint32_t *node_ret)
{
	struct pv_tracer *tracer = ctx;
	struct pv_err *err = add_thread(tracer, first->tid, thread_ret);

	return err ? err : pv_leads_node(tracer->leads, first->tid, first->key, node_ret);
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_tracer *tracer = ctx;

	if (event->type == PV_EVENT_CALL && size >= sizeof(struct pv_event_call))
		return pv_executions_take(tracer->executions, (const struct pv_event_call *)event);
	if (tracer->values && (event->type == PV_EVENT_NAMES || event->type == PV_EVENT_VALUES))
		return pv_call_values_take(tracer->values, event, size);
	return pv_leads_take(tracer->leads, event, size);
}

static struct pv_err *name_function(struct pv_tracer *tracer, const struct pv_wanted *meant)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str raw = { 0 };
	const struct pv_python_function *one = meant->python;
	struct pv_err *err;

	if (!one)
		return pv_native_function_word(&meant->native, &tracer->name);
	err = pv_str_appendf(&raw, "%s (%s:%u)", one->qualname,
			     one->file + pv_path_skip(one->file, strlen(one->file)),
			     one->firstlineno);
	return err ? err : pv_text_append(&tracer->name, pv_str_text(&raw), raw.n);
}

/* The condition, by the names that the function's arguments have. */
static struct pv_err *parse_condition(struct pv_tracer *tracer)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str all = { 0 };
	struct pv_condition_scope scope = { .old = tracer->layout.py.version_hex < 0x03000000 };
	const char *names[PV_VALUES_MAX];
	size_t at[PV_VALUES_MAX];
	struct pv_values values;
	struct pv_err *err = NULL;

	pv_snap_argument_names(tracer->probed.mem, &tracer->layout, tracer->function->code,
			       &values);
	if (values.unread)
		return pv_err_create(PV_ERR_FAILED, "cannot read the arguments' names of %s",
				     pv_str_text(&tracer->name));
	for (size_t i = 0; !err && i < values.n; i++) {
		at[i] = all.n;
		err = pv_argument_name(&all, &values.list[i]);
		if (!err)
			err = pv_str_append(&all, "", 1);
	}
	for (size_t i = 0; i < values.n; i++)
		names[i] = pv_str_text(&all) + at[i];
	scope.names = names;
	scope.n = values.n;
	return err ? err
		   : pv_condition_parse(tracer->options.condition, &scope, &tracer->condition);
}

/* The condition on what a native function has in its registers: all as long, if nothing is said. */
static struct pv_err *parse_registers(struct pv_tracer *tracer)
{
	struct pv_condition_scope scope = { .names = NULL };

	tracer->condition_letters =
		tracer->has_letters && tracer->letters.n ? tracer->letters : pv_signature_default();
	scope.n = tracer->condition_letters.n;
	return pv_condition_parse(tracer->options.condition, &scope, &tracer->condition);
}

/* Is anything read by letters?  Of a library that is not there yet it is known by the words. */
static bool has_letters(const struct pv_tracer *tracer)
{
	const struct pv_vec *words = tracer->options.natives;
	struct pv_signature one;
	size_t n;

	if (!tracer->waits_for_library)
		return tracer->set && pv_native_set_letters(tracer->set, false);
	for (size_t i = 0; i < words->n; i++) {
		const char *word = *(const char **)pv_vec_at(words, i);
		struct pv_err *err = pv_signature_split(word, &n, &one);

		/* what is wrong with it is said when the set is made */
		if (!err && word[n])
			return true;
		pv_err_destroy(err);
	}
	return tracer->has_letters;
}

/* Python's values are read where some are asked for; native ones where letters say what they are.
 */
static struct pv_err *prepare_values(struct pv_tracer *tracer)
{
	const struct pv_tracer_options *options = &tracer->options;
	bool letters = has_letters(tracer);
	bool python =
		tracer->python && (options->arguments || (options->condition && tracer->function));
	struct pv_err *err = NULL;

	if (options->arguments && !tracer->python && !letters)
		return pv_err_create(
			PV_ERR_USAGE,
			"--args: what the registers of a native function hold is said by letters "
			"behind its name, such as %s'(dsp:p)'; see pitviper-trace(1)",
			tracer->word);
	if (tracer->has_letters && tracer->function)
		return pv_err_create(PV_ERR_USAGE,
				     "letters are for the arguments of native functions, and %s is "
				     "none",
				     pv_str_text(&tracer->name));
	if (python)
		err = pv_python_values(tracer->probed.mem, &tracer->probed.image.python,
				       &tracer->layout);
	if (!err && (options->arguments || letters))
		err = pv_call_values_create(&tracer->values);
	if (!err && options->condition)
		err = tracer->function ? parse_condition(tracer) : parse_registers(tracer);
	return err;
}

/* Letters of arguments behind the name. */
static struct pv_err *split_word(struct pv_tracer *tracer)
{
	const char *function = tracer->options.function;
	size_t n = 0;
	struct pv_err *err = pv_signature_split(function, &n, &tracer->letters);

	if (err)
		return err;
	tracer->has_letters = function[n];
	tracer->word = strndup(function, n);
	return tracer->word ? NULL : &pv_enomem;
}

static struct pv_err *pick_one(struct pv_tracer *tracer)
{
	const struct pv_wanted *one;

	if (tracer->meant.list.n != 1)
		return pv_err_create(PV_ERR_USAGE,
				     "`%s` means %zu functions: executions are of one",
				     tracer->word, tracer->meant.list.n);
	one = pv_vec_at(&tracer->meant.list, 0);
	tracer->function = one->python;
	pv_str_clear(&tracer->name);
	return name_function(tracer, one);
}

/* The function that is meant, and whether Python calls can be recorded. */
static struct pv_err *pick(struct pv_tracer *tracer)
{
	const struct pv_python *python = &tracer->probed.image.python;
	const char *word;
	struct pv_wanted_set *meant = &tracer->meant;
	struct pv_err *err = split_word(tracer);

	word = tracer->word;
	if (!err)
		err = pv_wanted_find(&tracer->probed, tracer->natives, &word, 1, meant);
	if (err)
		return err;
	tracer->waits_for_library = meant->waiting.n;
	if (!tracer->waits_for_library)
		err = pick_one(tracer);
	else
		err = pv_wanted_note(tracer->natives, meant, &tracer->note);
	if (!err && tracer->waits_for_library)
		err = pv_text_append(&tracer->name, word, strlen(word));
	if (err)
		return err;
	/* a process without Python has none to record; one whose calls cannot be seen says so */
	if (!meant->asked_python && (python->found || tracer->probed.image.python_error)) {
		err = pv_probed_python(&tracer->probed);
		meant->asked_python = true;
	} else if (meant->python && (python->found || tracer->probed.image.python_error)) {
		err = pv_err_create(meant->python->kind, "%s", meant->python->message);
	}
	if (err)
		return err;
	tracer->python = meant->asked_python && !meant->python;
	return NULL;
}

static struct pv_err *find_natives(struct pv_tracer *tracer)
{
	const struct pv_wanted *meant = pv_vec_at(&tracer->meant.list, 0);
	struct pv_native_set_options options = {
		.probed = &tracer->probed,
		.natives = tracer->natives,
		.trigger = meant->python ? NULL : &meant->native,
		.signature = tracer->has_letters ? &tracer->letters : NULL,
		.arguments = tracer->options.condition,
		.words = tracer->options.natives,
		.usual = tracer->options.usual_natives,
		.only = tracer->options.only,
		.skip = tracer->options.skip,
	};

	if (meant->python && !tracer->options.natives->n && !tracer->options.usual_natives)
		return NULL;
	return pv_native_set_create(&options, &tracer->set);
}

/* What registers hold, to the kernel's side. */
static struct pv_err *want_letters(struct pv_tracer *tracer)
{
	size_t n = tracer->set ? pv_native_set_count(tracer->set) : 0;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++) {
		const struct pv_signature *one = pv_native_set_signature(tracer->set, i);

		if (one)
			err = pv_inside_signature(tracer->inside, (uint32_t)i, one);
	}
	return err;
}

static const struct pv_signature *find_letters(void *ctx, uint32_t function)
{
	struct pv_tracer *tracer = ctx;

	return tracer->set ? pv_native_set_signature(tracer->set, function) : NULL;
}

/* Every code object of the function, to the kernel's side. */
static struct pv_err *want_all(struct pv_tracer *tracer)
{
	const struct pv_python_functions *functions = &tracer->probed.functions;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < functions->list.n; i++) {
		const struct pv_python_function *one = pv_vec_at(&functions->list, i);
		struct pv_trace_trigger trigger = {
			.file_at = one->file_at,
			.name_at = one->name_at,
		};

		if (tracer->function && pv_probed_same(one, tracer->function))
			err = pv_inside_want(tracer->inside, one->code, &trigger);
	}
	return err;
}

/* As the user has named it, as long as no more is known. */
static struct pv_err *name_unloaded(struct pv_tracer *tracer)
{
	struct pv_profile *profile = tracer->trace->profile;
	struct pv_loc loc = { .kind = PV_LOC_NATIVE };
	struct pv_err *err =
		pv_strings_add(profile->strings, tracer->word, strlen(tracer->word), &loc.function);

	return err ? err : pv_profile_loc(profile, &loc, &tracer->trace->function);
}

/* What the trace says of its target, and of what is asked for. */
static struct pv_err *describe(struct pv_tracer *tracer)
{
	struct pv_err *err =
		pv_probed_describe(&tracer->probed, tracer->trace->profile, &tracer->process);

	if (err)
		return err;
	if (tracer->waits_for_library)
		return name_unloaded(tracer);
	if (!tracer->function)
		return native_loc(tracer, pv_native_set_function(tracer->set, 0),
				  &tracer->trace->function);
	return pv_leads_function(tracer->leads, tracer->function, &tracer->trace->function);
}

static struct pv_err *arm(struct pv_tracer *tracer)
{
	struct pv_err *err = pv_arming_begin(&tracer->arming);

	if (err)
		return err;
	tracer->trace->wait = tracer->arming.wait == PV_TRACE_WAIT_WATCH   ? PV_TRACE_WATCHED
			      : tracer->arming.wait == PV_TRACE_WAIT_ENTRY ? PV_TRACE_ENTERED
									   : PV_TRACE_ARMED;
	return pv_inside_arm(tracer->inside, tracer->arming.wait);
}

static struct pv_err *attach(struct pv_tracer *tracer)
{
	struct pv_executions_options options = {
		.trace = tracer->trace,
		.longer_ns = tracer->options.longer_ns,
		.count = tracer->options.count,
		.calls_max = CALLS_MAX,
		.values = tracer->values,
		.ctx = tracer,
		.name = name_call,
		.name_native = name_native,
		.signature = find_letters,
		.begin = begin_execution,
	};
	struct pv_err *err;

	tracer->trace->wait = PV_TRACE_UNLOADED;
	/* one that waits has none to place yet, but would end as soon as it had seen something */
	if (!pv_probes_have_room(tracer->options.pid))
		return pv_probes_no_room();
	/* of a library that is not there only what becomes of the process is followed */
	err = tracer->waits_for_library ? pv_probes_attach(tracer->probes) : arm(tracer);
	if (err)
		return err;
	tracer->attached = true;
	tracer->start_ns = options.start_ns = pv_now_ns();
	tracer->trace->profile->start_unix_ns = pv_clock_ns(CLOCK_REALTIME);
	return pv_executions_create(&options, &tracer->executions);
}

/* ---- a library that is loaded later */

static struct pv_err *begin_loaded(struct pv_tracer *tracer)
{
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = pick_one(tracer);

	if (!err)
		err = find_natives(tracer);
	if (err)
		return err;
	tracer->arming.set = tracer->set;
	tracer->waits_for_library = false;
	err = pv_inside_put(tracer->inside, &tracer->probed.image, tracer->probed.objects);
	if (!err)
		err = native_loc(tracer, pv_native_set_function(tracer->set, 0),
				 &tracer->trace->function);
	if (!err)
		err = want_letters(tracer);
	if (!err)
		err = arm(tracer);
	tracer->trace->attach_ms += (double)(pv_now_ns() - start_ns) / 1e6;
	return err;
}

/* Has it been loaded? */
static struct pv_err *look_for_library(struct pv_tracer *tracer)
{
	bool changed = false;
	struct pv_err *err = pv_loads_look(&tracer->loads, tracer->options.pid, &changed);

	if (err || !changed)
		return err;
	err = pv_probed_refresh(&tracer->probed);
	if (!err)
		err = pv_natives_update(tracer->natives, &tracer->probed.image);
	if (!err)
		err = pv_wanted_retry(tracer->natives, &tracer->meant);
	return err || tracer->meant.waiting.n ? err : begin_loaded(tracer);
}

static struct pv_err *put_image(void *ctx, const struct pv_image *image,
				const struct pv_objects *objects)
{
	struct pv_tracer *tracer = ctx;

	return pv_inside_put(tracer->inside, image, objects);
}

/* To the frame that is current, where that is known: without it a register tells. */
static void find_path(const struct pv_tracer *tracer, struct pv_native_path *ret)
{
	int64_t offsets[PV_NATIVE_PATH_MAX] = { 0 };

	ret->n = pv_python_frame_path(tracer->probed.mem, &tracer->probed.image.python.proc,
				      offsets);
	memcpy(ret->offsets, offsets, sizeof(offsets));
}

static struct pv_err *create_inside(struct pv_tracer *tracer)
{
	const struct pv_leads_walkers walkers = { .ctx = tracer, .put = put_image };
	const struct pv_tracer_options *options = &tracer->options;
	struct pv_inside_options inside = {
		.probes = {
			.pid = options->pid,
			.python = tracer->python ? &tracer->probed.image.python : NULL,
			.sites = tracer->python ? &tracer->probed.sites : NULL,
			.budget = options->budget,
		},
		.depth_max = options->depth,
		/* which of them are kept is known when they have ended */
		.runs_max = options->longer_ns ? 0 : (uint32_t)options->count,
		.values = tracer->layout.code_len ? &tracer->layout : NULL,
		.condition = options->condition ? &tracer->condition : NULL,
		.with_values = options->arguments && tracer->layout.code_len,
		.natives = tracer->set || tracer->waits_for_library,
		.letters = has_letters(tracer),
		.condition_letters = tracer->function ? NULL : &tracer->condition_letters,
		.trigger = tracer->function ? PV_WITHIN_NO_FUNCTION : 0,
		.chains_move = pv_probed_stacks_move(&tracer->probed),
	};
	struct pv_err *err = NULL;

	tracer->arming = (struct pv_arming){
		.probed = &tracer->probed,
		.function = tracer->function,
		.set = tracer->set,
		.python = tracer->python,
		.now = options->now,
	};
	inside.watches = pv_arming_may_watch(&tracer->arming);
	if (inside.natives)
		err = pv_native_set_path(&tracer->probed, tracer->python, &inside.frame_path);
	else if (inside.watches)
		find_path(tracer, &inside.frame_path);
	if (!err)
		err = pv_inside_create(&inside, &tracer->inside);
	if (err)
		return err;
	tracer->arming.inside = tracer->inside;
	tracer->arming.probes = tracer->probes = pv_inside_probes(tracer->inside);
	return pv_leads_create(&tracer->probed, &walkers, tracer->trace->profile, &tracer->leads);
}

static struct pv_err *prepare(struct pv_tracer *tracer)
{
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = pv_trace_create(&tracer->trace);

	if (!err)
		err = pv_probed_open(tracer->options.pid, &tracer->probed);
	if (!err)
		err = pv_natives_create(tracer->options.pid, tracer->probed.objects,
					tracer->probed.mem, &tracer->natives);
	if (!err)
		err = pv_natives_update(tracer->natives, &tracer->probed.image);
	if (!err)
		err = pick(tracer);
	if (!err && !tracer->waits_for_library)
		err = find_natives(tracer);
	if (!err)
		err = prepare_values(tracer);
	if (!err)
		err = create_inside(tracer);
	if (!err)
		err = describe(tracer);
	if (!err)
		err = want_all(tracer);
	if (!err)
		err = want_letters(tracer);
	if (!err)
		err = attach(tracer);
	if (err)
		return err;
	tracer->trace->attach_ms = (double)(pv_now_ns() - start_ns) / 1e6;
	pv_probes_count(tracer->probes, &tracer->trace->n_sites, &tracer->trace->n_stepped);
	return NULL;
}

struct pv_err *pv_tracer_create(const struct pv_tracer_options *options, struct pv_tracer **ret)
{
	struct pv_tracer *tracer = calloc(1, sizeof(*tracer));
	struct pv_err *err;

	if (!tracer)
		return &pv_enomem;
	tracer->options = *options;
	tracer->probed.pid_fd = -1;
	err = prepare(tracer);
	if (err) {
		pv_tracer_destroy(tracer);
		return err;
	}
	*ret = tracer;
	return NULL;
}

void pv_tracer_destroy(struct pv_tracer *tracer)
{
	if (!tracer)
		return;
	pv_executions_destroy(tracer->executions);
	pv_leads_destroy(tracer->leads);
	pv_call_values_destroy(tracer->values);
	pv_arming_deinit(&tracer->arming);
	free(tracer->word);
	pv_inside_destroy(tracer->inside);
	pv_trace_destroy(tracer->trace);
	pv_native_set_destroy(tracer->set);
	pv_wanted_deinit(&tracer->meant);
	pv_natives_destroy(tracer->natives);
	pv_probed_deinit(&tracer->probed);
	pv_map_deinit(&tracer->wanted);
	pv_str_deinit(&tracer->name);
	pv_str_deinit(&tracer->note);
	free(tracer);
}

struct pv_tracer_facts pv_tracer_facts(const struct pv_tracer *tracer)
{
	return (struct pv_tracer_facts){
		.interpreter = tracer->probed.interpreter,
		.name = tracer->probed.process.name,
		.function = pv_str_text(&tracer->name),
		.suspends = tracer->function && tracer->function->generator,
		.n_sites = tracer->trace->n_sites,
		.n_stepped = tracer->trace->n_stepped,
		.attach_ms = tracer->trace->attach_ms,
		.wait = tracer->trace->wait,
		.unwatched = pv_str_text(&tracer->arming.unwatched),
		.unloaded = tracer->waits_for_library,
	};
}

const char *pv_tracer_note(const struct pv_tracer *tracer)
{
	return tracer->note.n ? pv_str_text(&tracer->note) : NULL;
}

/* All that there is; executions that have ended go into the trace. */
static struct pv_err *drain(struct pv_tracer *tracer)
{
	struct pv_trace_state before = pv_inside_state(tracer->inside);
	struct pv_err *err = pv_inside_drain(tracer->inside, on_event, tracer);

	return err ? err : pv_executions_settle(tracer->executions, &before);
}

static bool is_over(const struct pv_tracer *tracer, const struct pv_probes_news *news, bool gone,
		    bool refused, enum pv_trace_end *end_ret)
{
	if (pv_executions_enough(tracer->executions))
		*end_ret = PV_TRACE_COUNT;
	else if (gone)
		*end_ret = PV_TRACE_TARGET_ENDED;
	else if (news->replaced)
		*end_ret = PV_TRACE_REPLACED;
	else if (news->over_budget)
		*end_ret = PV_TRACE_BUDGET;
	else if (pv_executions_full(tracer->executions))
		*end_ret = PV_TRACE_ROOM;
	else if (refused)
		*end_ret = PV_TRACE_MEMORY;
	else
		return false;
	return true;
}

/* The places that calls return to, and the next batch of functions. */
static struct pv_err *probe_more(struct pv_tracer *tracer)
{
	struct pv_err *err;

	if (!tracer->set)
		return NULL;
	err = pv_native_set_returns(tracer->set, tracer->probes, tracer->inside);
	if (err || tracer->arming.waits)
		return err;
	pv_native_set_limit(tracer->set, tracer->probes);
	if (!pv_native_set_grows(tracer->set))
		return NULL;
	err = pv_native_set_add(tracer->set, tracer->probes);
	return err ? err : pv_probes_attach_more(tracer->probes);
}

/* *refused_ret: its control group has no room for that; what was recorded up to then is kept. */
static struct pv_err *attach_more(struct pv_tracer *tracer, const struct pv_probes_news *news,
				  bool *refused_ret)
{
	struct pv_err *err;

	if (tracer->waits_for_library)
		return look_for_library(tracer);
	err = pv_arming_step(&tracer->arming, news->triggered);
	if (!err)
		err = probe_more(tracer);
	if (!err || err->kind != PV_ERR_NOPROC || pv_probes_have_room(tracer->options.pid))
		return err;
	pv_err_destroy(err);
	*refused_ret = true;
	return NULL;
}

struct pv_err *pv_tracer_step(struct pv_tracer *tracer, int timeout_ms, int fd, bool *ended_ret)
{
	struct pollfd fds[] = {
		{ .fd = pv_probes_fd(tracer->probes), .events = POLLIN },
		{ .fd = pv_inside_fd(tracer->inside), .events = POLLIN },
		{ .fd = tracer->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	struct pv_probes_news news = { 0 };
	struct pv_err *err;
	bool gone, refused = false;

	timeout_ms = timeout_ms < DRAIN_MS ? timeout_ms : DRAIN_MS;
	if (tracer->set && !tracer->arming.waits && pv_native_set_grows(tracer->set) &&
	    timeout_ms > PV_ENTRIES_BATCH_MS)
		timeout_ms = PV_ENTRIES_BATCH_MS;
	if (tracer->waits_for_library && timeout_ms > PV_LOADS_MS)
		timeout_ms = PV_LOADS_MS;
	timeout_ms = pv_probes_patience(tracer->probes, timeout_ms);
	if (poll(fds, 4, timeout_ms) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	gone = fds[2].revents;
	err = drain(tracer);
	if (!err)
		err = pv_probed_unless_ended(&tracer->probed, pv_probes_news(tracer->probes, &news),
					     &gone);
	if (!err && !gone && !news.over_budget && !news.replaced)
		err = pv_probed_unless_ended(&tracer->probed, attach_more(tracer, &news, &refused),
					     &gone);
	if (!err)
		*ended_ret = is_over(tracer, &news, gone, refused, &tracer->trace->end);
	return err;
}

struct pv_err *pv_tracer_finish(struct pv_tracer *tracer, const struct pv_trace **ret)
{
	struct pv_err *err = NULL;
	uint64_t end_ns;

	if (tracer->attached) {
		pv_inside_disarm(tracer->inside);
		pv_probes_detach(tracer->probes);
		tracer->attached = false;
		end_ns = pv_now_ns();
		err = drain(tracer);
		if (!err)
			err = pv_executions_finish(tracer->executions, end_ns);
		if (!err)
			err = pv_trace_totals(tracer->inside,
					      pv_str_text(&tracer->arming.unwatched),
					      end_ns - tracer->start_ns, tracer->trace);
	}
	if (!err)
		*ret = tracer->trace;
	return err;
}
