/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings for doctor.  Input: features, trial loads, an image of the process.
 * Output: struct pv_fact.
 */
#include "session/diagnose.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "collect/collect.h"
#include "collect/features.h"
#include "model/facts.h"
#include "session/predict.h"
#include "python/tasks.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "symbol/perfmap.h"
#include "target/mem.h"
#include "target/place.h"
#include "target/process.h"

static struct pv_err *add_kernel(struct pv_vec *facts)
{
	struct utsname name;
	struct pv_err *err = NULL;
	size_t i;

	if (!uname(&name))
		err = pv_facts_add(facts, "kernel", PV_FACT_INFO, "release", "", "%s",
				   name.release);
	for (i = 0; !err && i < pv_n_features; i++) {
		const struct pv_feature *feature = &pv_features[i];
		enum pv_feature_state state = pv_feature_probe(i);
		char hint[128];

		snprintf(hint, sizeof(hint),
			 state == PV_FEATURE_NO        ? "comes with %s"
			 : state != PV_FEATURE_UNKNOWN ? "%.0s"
			 : pv_place_own_users()        ? "cannot be asked in a user namespace%.0s"
			 : geteuid()                   ? "run as root to find out%.0s"
				     : "needs CAP_BPF and CAP_PERFMON to find out%.0s",
			 feature->since);
		err = pv_facts_add(facts, "kernel",
				   state == PV_FEATURE_YES  ? PV_FACT_OK
				   : state == PV_FEATURE_NO ? PV_FACT_MISSING
							    : PV_FACT_UNKNOWN,
				   feature->name, hint, "%s (for %s)",
				   state == PV_FEATURE_YES  ? "yes"
				   : state == PV_FEATURE_NO ? "no"
							    : "unknown",
				   feature->needed_for);
	}
	return err;
}

/* One number of a small file under /proc/sys, -1 if it cannot be read. */
static long read_sysctl(const char *path)
{
	_pv_fclose_ FILE *file = fopen(path, "re");
	long value;

	return file && fscanf(file, "%ld", &value) == 1 ? value : -1;
}

/* The effective capabilities, as bits; 0 if they cannot be read. */
static uint64_t read_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

/*
 * What we have of what is needed, and what we lack: nobody else has it but with root, and root in a
 * container may have been left without.
 */
static struct pv_err *add_capabilities(struct pv_vec *facts)
{
	static const struct {
		const char *name;
		uint64_t bits; /* any of them does */
	} wanted[] = {
		{ "CAP_BPF", 1ULL << CAP_BPF | 1ULL << CAP_SYS_ADMIN },
		{ "CAP_PERFMON", 1ULL << CAP_PERFMON | 1ULL << CAP_SYS_ADMIN },
		/* for processes of others */
		{ "CAP_SYS_PTRACE", 1ULL << CAP_SYS_PTRACE },
		/* for the names of kernel functions */
		{ "CAP_SYSLOG", 1ULL << CAP_SYSLOG },
	};
	PV_CLEANUP(pv_str_deinit) struct pv_str has = {}, lacks = {}, hint = {};
	uint64_t bits = read_capabilities();
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < sizeof(wanted) / sizeof(*wanted); i++) {
		struct pv_str *list = bits & wanted[i].bits ? &has : &lacks;

		err = pv_str_appendf(list, "%s%s", list->n ? ", " : "", wanted[i].name);
	}
	if (!err && lacks.n && !geteuid())
		err = pv_str_appendf(&hint, "the container was started without (--cap-add)");
	else if (!err && lacks.n)
		err = pv_str_appendf(&hint, "needs root, or %s%s", has.n ? "also " : "",
				     pv_str_text(&lacks));
	if (!err && !geteuid())
		return pv_facts_add(facts, "privileges",
				    !lacks.n                   ? PV_FACT_OK
				    : pv_features_privileged() ? PV_FACT_INFO
							       : PV_FACT_MISSING,
				    "user", pv_str_text(&hint), "root%s%s",
				    lacks.n ? ", but lacks " : "", pv_str_text(&lacks));
	return err ? err
		   : pv_facts_add(facts, "privileges", lacks.n ? PV_FACT_INFO : PV_FACT_OK, "user",
				  pv_str_text(&hint), "not root%s%s", has.n ? ", but has " : "",
				  pv_str_text(&has));
}

/* Where we are ourselves, if it is not the host. */
static struct pv_err *add_our_place(struct pv_vec *facts)
{
	struct pv_err *err = NULL;

	if (pv_place_own_pids())
		err = pv_facts_add(facts, "privileges", PV_FACT_INFO, "PID namespace",
				   "other processes cannot be seen from here",
				   "that of a container, all numbers are its own");
	if (!err && pv_place_own_users())
		err = pv_facts_add(facts, "privileges", PV_FACT_MISSING, "user namespace",
				   "run pitviper on the host",
				   "not the host's: no rights over the kernel");
	return err;
}

static struct pv_err *add_privileges(struct pv_vec *facts)
{
	struct pv_err *err;

	err = add_capabilities(facts);
	if (!err)
		err = add_our_place(facts);
	if (!err)
		err = pv_facts_add(facts, "privileges", PV_FACT_INFO, "perf_event_paranoid", "",
				   "%ld", read_sysctl("/proc/sys/kernel/perf_event_paranoid"));
	if (!err)
		err = pv_facts_add(facts, "privileges", PV_FACT_INFO, "kptr_restrict",
				   read_sysctl("/proc/sys/kernel/kptr_restrict") > 1
					   ? "kernel functions will have no names"
					   : "",
				   "%ld", read_sysctl("/proc/sys/kernel/kptr_restrict"));
	return err;
}

/* The proof of it all: load the very programs. */
static struct pv_err *load_engine(const struct pv_collect_options *options, struct pv_collect **ret)
{
	struct pv_err *err = pv_collect_create(options, ret);

	return err ? err : pv_collect_load(*ret);
}

static struct pv_err *add_engine(struct pv_vec *facts, const char *name, struct pv_err *err)
{
	struct pv_err *added = pv_facts_add(facts, "engines", err ? PV_FACT_MISSING : PV_FACT_OK,
					    name, "", "%s", err ? err->message : "loads");

	pv_err_destroy(err);
	return added;
}

/* What sampling costs here: measured on ourselves. */
static struct pv_err *add_calibration(struct pv_vec *facts, struct pv_collect *sampler,
				      struct pv_calibration *ret)
{
	struct pv_err *err = pv_calibrate(sampler, ret), *added;

	if (err == &pv_enomem)
		return err;
	if (!err)
		return pv_facts_add(facts, "engines", PV_FACT_INFO, "a sample of pitviper itself",
				    "", "%.1f us, %.0f native frames (mean of %llu)",
				    ret->ns / 1000, ret->frames, (unsigned long long)ret->n);
	added = pv_facts_add(facts, "engines", PV_FACT_UNKNOWN, "a sample of pitviper itself", "",
			     "not measured: %s", err->message);
	pv_err_destroy(err);
	return added;
}

static struct pv_err *add_sampler(struct pv_vec *facts, struct pv_calibration *ret)
{
	struct pv_collect_options options = { .frequency = PV_CALIBRATION_HZ };
	struct pv_collect *collect = NULL;
	struct pv_err *err = load_engine(&options, &collect);
	bool loads = !err;

	err = add_engine(facts, "bpf sampler (record)", err);
	if (!err && loads)
		err = add_calibration(facts, collect, ret);
	pv_collect_destroy(collect);
	return err;
}

static struct pv_err *add_iterator(struct pv_vec *facts)
{
	struct pv_collect_options options = { .snapshot = true, .snapshot_pid = getpid() };
	struct pv_collect *collect = NULL;
	struct pv_err *err = load_engine(&options, &collect);

	err = add_engine(facts, "bpf task iterator (stack)", err);
	pv_collect_destroy(collect);
	return err;
}

struct pv_err *pv_diagnose_machine(struct pv_vec *facts, struct pv_calibration *ret)
{
	struct pv_err *err = add_kernel(facts);

	if (!err)
		err = add_privileges(facts);
	if (!err)
		err = add_sampler(facts, ret);
	if (!err)
		err = add_iterator(facts);
	return err ? err
		   : pv_facts_add(
			     facts, "engines", PV_FACT_INFO, "remote reader", "",
			     "not in this version: where BPF does not work nothing is recorded");
}

/* What kind of build it is. */
static struct pv_err *add_build(struct pv_vec *facts, const struct pv_python *python)
{
	const struct pv_pylayout *py = &python->proc.py;
	const char *slash = strrchr(python->module_path, '/');
	bool shared = !strncmp(slash ? slash + 1 : python->module_path, "libpython", 9);

	return pv_facts_add(facts, "interpreter", PV_FACT_INFO, "build", "", "%s%s, %s, %s",
			    python->debug ? "Py_DEBUG" : "release",
			    py->free_threaded ? ", free-threaded" : "",
			    shared ? "shared libpython" : "in the executable",
			    python->stripped ? "stripped" : "with symbols");
}

static struct pv_err *add_python(struct pv_vec *facts, const struct pv_image *image)
{
	const struct pv_python *python = &image->python;
	const struct pv_python_sources *sources = &python->sources;
	const struct {
		const char *name, *value;
	} rest[] = {
		{ "module", python->module_path },    { "layout", sources->layout },
		{ "eval loop", sources->eval },       { "frame-switch window", sources->torn },
		{ "thread state key", sources->tss },
	};
	struct pv_err *err;

	if (image->python_error)
		return pv_facts_add(facts, "interpreter", PV_FACT_MISSING, "Python", "", "%s",
				    image->python_error);
	if (!python->found)
		return pv_facts_add(facts, "interpreter", PV_FACT_INFO, "CPython",
				    "native and kernel stacks only", "none in this process");
	err = pv_facts_add(facts, "interpreter", PV_FACT_OK, "CPython", "", "%s%s%s, from %s",
			   python->version, python->stripped ? ", stripped" : "",
			   python->initialized ? "" : ", not initialised yet", sources->version);
	if (!err)
		err = add_build(facts, python);
	if (!err)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "runtime state", "",
				   "0x%llx, from %s", (unsigned long long)python->proc.runtime,
				   sources->runtime);
	for (size_t i = 0; !err && i < sizeof(rest) / sizeof(*rest); i++) {
		if (*rest[i].value)
			err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, rest[i].name, "",
					   "%s", rest[i].value);
	}
	return err ? err
		   : pv_facts_add(facts, "interpreter",
				  python->collector[0].end ? PV_FACT_INFO : PV_FACT_MISSING,
				  "garbage collector",
				  python->collector[0].end ? "" : "its share is not known", "%s",
				  sources->collector);
}

static uint64_t total(const struct pv_unwind_coverage *coverage)
{
	return coverage->covered + coverage->unsupported + coverage->bare;
}

/* Rounded down: not 100 % unless it is all. */
static double percent(const struct pv_unwind_coverage *coverage)
{
	uint64_t all = total(coverage);

	return all ? coverage->covered * 10000 / all / 100.0 : 0;
}

/*
 * perf's jitdump, jit-PID.dump: a runtime maps its beginning executable for perf to hear of the
 * file (Linux tools/perf/Documentation/jitdump-specification.txt), and runs no code there.
 */
static bool is_jitdump(const struct pv_object *object)
{
	unsigned int pid;
	int n = 0;

	return sscanf(object->name, "jit-%u.dump%n", &pid, &n) == 1 && n && !object->name[n];
}

static struct pv_err *add_object(struct pv_vec *facts, const struct pv_object *object,
				 struct pv_unwind_coverage *sum)
{
	struct pv_unwind_coverage coverage;

	if (object->error && is_jitdump(object))
		return pv_facts_add(facts, "unwinding", PV_FACT_INFO, object->path, "",
				    "a list for perf (jitdump), no code runs in it; it is not "
				    "read, names come from perf maps alone");
	if (object->error)
		return pv_facts_add(facts, "unwinding", PV_FACT_MISSING, object->path,
				    "stacks through it end there", "%s", object->error);
	coverage = pv_object_cover(object);
	sum->covered += coverage.covered;
	sum->unsupported += coverage.unsupported;
	sum->bare += coverage.bare;
	if (!object->unwind.nrows)
		return pv_facts_add(facts, "unwinding", PV_FACT_MISSING, object->path,
				    "stacks through it end there", "no .eh_frame");
	return pv_facts_add(facts, "unwinding", PV_FACT_OK, object->path, "",
			    "%.2f %% of %.1f kB of code, %u rows of %u FDEs%s, %u unsupported%s",
			    percent(&coverage), total(&coverage) / 1e3, object->unwind.nrows,
			    object->unwind.n_fdes,
			    object->unwind.by_code ? " and of the code itself" : "",
			    object->unwind.n_unsupported, object->deleted ? ", file deleted" : "");
}

static struct pv_err *add_tasks(struct pv_vec *facts, const struct pv_python *python)
{
	static const char *const kinds[] = {
		[PV_TASKS_NONE] = "asyncio is not loaded",
		[PV_TASKS_DICT] = "can be named, by _asyncio._current_tasks",
		[PV_TASKS_THREAD] = "can be named, by each thread's state",
		[PV_TASKS_UNKNOWN] = "how this asyncio keeps them is not known",
	};
	const char *why = pv_python_tasks_refused(python);

	return pv_facts_add(facts, "interpreter", PV_FACT_INFO, "asyncio tasks", "", "%s",
			    why ? why : kinds[python->proc.tasks.kind]);
}

/* What runs in it: interpreters, their GIL, what exchanges stacks. */
static struct pv_err *add_inside(struct pv_vec *facts, struct pv_image *image,
				 struct pv_objects *objects, struct pv_mem *mem)
{
	static const char *const gils[] = {
		[PV_GIL_UNKNOWN] = "not to be read",
		[PV_GIL_NONE] = "off",
		[PV_GIL_THERE] = "on",
	};
	const struct pv_python *python = &image->python;
	const struct pv_object *greenlet = pv_objects_get(objects, image->merge.greenlet);
	unsigned int n;
	struct pv_err *err;

	if (!python->found)
		return NULL;
	n = pv_python_interpreters(mem, &python->proc);
	err = n ? pv_facts_add(facts, "interpreter", PV_FACT_INFO, "interpreters", "", "%u%s", n,
			       n == PV_INTERPRETERS_MAX ? " or more" : "")
		: pv_facts_add(facts, "interpreter", PV_FACT_UNKNOWN, "interpreters", "",
			       "none yet, or their list is not whole");
	if (!err)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "GIL", "", "%s",
				   gils[pv_python_gil(mem, &python->proc)]);
	pv_image_find_tasks(image, objects, mem);
	if (!err)
		err = add_tasks(facts, python);
	if (!err && greenlet)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "greenlet", "",
				   "stacks are exchanged by %s", greenlet->path);
	return err;
}

/* What is known of the interpreter, and what it took to find out. */
static struct pv_err *add_interpreter(struct pv_vec *facts, struct pv_image *image,
				      struct pv_objects *objects, struct pv_mem *mem)
{
	struct pv_err *err = add_python(facts, image);

	if (!err)
		err = add_inside(facts, image, objects, mem);
	return err ? err
		   : pv_facts_add(facts, "interpreter", PV_FACT_INFO, "detection", "",
				  "%.1f ms of CPU", image->python_ns / 1e6);
}

static struct pv_err *add_objects(struct pv_vec *facts, const struct pv_objects *objects)
{
	struct pv_unwind_coverage sum = {};
	struct pv_err *err = NULL;
	uint32_t id;

	for (id = 1; !err && id <= pv_objects_n(objects); id++)
		err = add_object(facts, pv_objects_get(objects, id), &sum);
	if (err || id == 1)
		return err;
	return pv_facts_add(facts, "unwinding", PV_FACT_INFO, "all objects", "",
			    "%.2f %% of %.1f MB of code", percent(&sum), total(&sum) / 1e6);
}

/* Code that no file is behind, and where its names come from. */
static struct pv_err *add_jit(struct pv_vec *facts, const struct pv_image *image)
{
	static const char *const states[] = {
		[PV_PERFMAP_NONE] = "no perf map of it, or none that may be read",
		[PV_PERFMAP_READ] = "names from its perf map",
		[PV_PERFMAP_FOREIGN] = "its perf map belongs to somebody else and is not read",
		[PV_PERFMAP_FULL] = "names from its perf map, which is too large to be read whole",
	};
	enum pv_perfmap_state state = PV_PERFMAP_NONE;
	struct pv_perfmap *perfmap;
	uint64_t bytes = 0;
	size_t n = 0, i;
	struct pv_err *err;

	for (i = 0; i < image->n_mappings; i++) {
		if (image->mappings[i].object)
			continue;
		n++;
		bytes += image->mappings[i].end - image->mappings[i].start;
	}
	if (!n)
		return pv_facts_add(facts, "unwinding", PV_FACT_INFO, "code made at run time", "",
				    "none");
	err = pv_perfmap_create(image->pid, &perfmap);
	if (err)
		return err;
	err = pv_perfmap_read(perfmap, &state);
	if (!err)
		err = pv_facts_add(
			facts, "unwinding", PV_FACT_INFO, "code made at run time",
			"frames in it are shown as [JIT] or by that name; what called it is "
			"known where the code itself or Python's frames tell",
			"%zu area%s, %.1f MB, %zu ranges named: %s", n, n == 1 ? "" : "s",
			bytes / 1e6, pv_perfmap_n(perfmap), states[state]);
	pv_perfmap_destroy(perfmap);
	return err;
}

/* Which engines can look at this process, and how long finding it all out took. */
static struct pv_err *add_reach(struct pv_vec *facts, const struct pv_image *image,
				const struct pv_objects *objects, uint64_t took_ns)
{
	const char *why = NULL;
	bool any = false;
	struct pv_err *err;
	uint32_t id;

	for (id = 1; id <= pv_objects_n(objects); id++) {
		const struct pv_object *object = pv_objects_get(objects, id);

		any |= object->elf && *object->path == '/';
		if (object->error && *object->path == '/' && !why)
			why = object->error;
	}
	err = pv_facts_add(facts, "process", PV_FACT_INFO, "looked into", "",
			   "in %.1f ms: %zu executable mappings, %zu objects", took_ns / 1e6,
			   image->n_mappings, pv_objects_n(objects));
	return err ? err
		   : pv_facts_add(facts, "process", any ? PV_FACT_OK : PV_FACT_MISSING,
				  "bpf engines", "", "%s",
				  any   ? "can look at it, where they load"
				  : why ? why
					: "it has no code that could be read");
}

static struct pv_err *add_image(struct pv_vec *facts, struct pv_image *image,
				struct pv_objects *objects, struct pv_mem *mem, uint64_t took_ns,
				const struct pv_calibration *calibration)
{
	struct pv_err *err = add_reach(facts, image, objects, took_ns);

	if (!err)
		err = add_interpreter(facts, image, objects, mem);
	if (!err)
		err = add_objects(facts, objects);
	if (!err)
		err = add_jit(facts, image);
	return err ? err
		   : pv_predict(image->pid,
				image->python.found &&
					image->python.proc.py.co_version == PV_OFF_NONE,
				calibration, facts);
}

/* A container, or anything else that makes its numbers and paths others than ours. */
static struct pv_err *add_place(struct pv_vec *facts, pid_t pid)
{
	struct pv_place place;
	struct pv_err *err = NULL;

	pv_place_of(pid, &place);
	if (place.other_pids && place.inner_pid)
		err = pv_facts_add(facts, "process", PV_FACT_INFO, "PID namespace", "",
				   "another than ours, where it is number %d", place.inner_pid);
	else if (place.other_pids)
		err = pv_facts_add(facts, "process", PV_FACT_INFO, "PID namespace", "",
				   "another than ours");
	if (!err && (place.other_mounts || place.other_root))
		err = pv_facts_add(facts, "process", PV_FACT_INFO, "files",
				   "paths are those that it sees", "%s%s%s",
				   place.other_root ? "another root directory" : "",
				   place.other_root && place.other_mounts ? ", " : "",
				   place.other_mounts ? "another mount namespace" : "");
	if (!err && place.other_users)
		err = pv_facts_add(facts, "process", PV_FACT_INFO, "user namespace", "",
				   "another than ours");
	return err;
}

struct pv_err *pv_diagnose_process(pid_t pid, const struct pv_calibration *calibration,
				   struct pv_vec *facts)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	struct pv_objects *objects = NULL;
	struct pv_image image = {};
	struct pv_mem *mem = NULL;
	struct pv_process process;
	uint64_t start;
	struct pv_err *err = pv_process_read(pid, &process);

	if (err)
		return err;
	err = pv_process_check(&process);
	if (!err)
		err = pv_facts_add(facts, "process", PV_FACT_INFO, "name", "",
				   "%s, %zu thread%s%s%s", process.name, process.n_threads,
				   process.n_threads == 1 ? "" : "s", *process.exe ? ", " : "",
				   process.exe);
	if (!err)
		err = add_place(facts, pid);
	if (!err)
		err = pv_objects_create(cache, &objects);
	if (!err)
		err = pv_mem_live_create(pid, &mem);
	start = pv_now_ns();
	if (!err)
		err = pv_image_build(pid, objects, mem, NULL, &image);
	if (!err)
		err = add_image(facts, &image, objects, mem, pv_now_ns() - start, calibration);
	pv_image_deinit(&image);
	pv_mem_destroy(mem);
	pv_objects_destroy(objects);
	pv_process_deinit(&process);
	return err;
}
