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
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "collect/collect.h"
#include "collect/features.h"
#include "model/facts.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "target/mem.h"
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
			 : state == PV_FEATURE_UNKNOWN ? "run as root to find out%.0s"
						       : "%.0s",
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

/* What somebody who is not root has of what stands for it, and what he lacks. */
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
	};
	PV_CLEANUP(pv_str_deinit) struct pv_str has = {}, lacks = {}, hint = {};
	uint64_t bits = read_capabilities();
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < sizeof(wanted) / sizeof(*wanted); i++) {
		struct pv_str *list = bits & wanted[i].bits ? &has : &lacks;

		err = pv_str_appendf(list, "%s%s", list->n ? ", " : "", wanted[i].name);
	}
	if (!err && lacks.n)
		err = pv_str_appendf(&hint, "needs root, or %s%s", has.n ? "also " : "",
				     pv_str_text(&lacks));
	return err ? err
		   : pv_facts_add(facts, "privileges", lacks.n ? PV_FACT_INFO : PV_FACT_OK, "user",
				  pv_str_text(&hint), "not root%s%s", has.n ? ", but has " : "",
				  pv_str_text(&has));
}

static struct pv_err *add_privileges(struct pv_vec *facts)
{
	struct pv_err *err;

	if (geteuid())
		err = add_capabilities(facts);
	else
		err = pv_facts_add(facts, "privileges", PV_FACT_OK, "user", "", "root");
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
static struct pv_err *add_engine(struct pv_vec *facts, const char *name, bool snapshot)
{
	struct pv_collect_options options = { .frequency = 99,
					      .snapshot = snapshot,
					      .snapshot_pid = getpid() };
	struct pv_collect *collect = NULL;
	struct pv_err *err = pv_collect_create(&options, &collect), *added;

	if (!err)
		err = pv_collect_load(collect);
	added = pv_facts_add(facts, "engines", err ? PV_FACT_MISSING : PV_FACT_OK, name, "", "%s",
			     err ? err->message : "loads");
	pv_err_destroy(err);
	pv_collect_destroy(collect);
	return added;
}

struct pv_err *pv_diagnose_machine(struct pv_vec *facts)
{
	struct pv_err *err = add_kernel(facts);

	if (!err)
		err = add_privileges(facts);
	if (!err)
		err = add_engine(facts, "bpf sampler (record)", false);
	return err ? err : add_engine(facts, "bpf task iterator (stack)", true);
}

static struct pv_err *add_python(struct pv_vec *facts, const struct pv_image *image)
{
	const struct pv_python *python = &image->python;
	const struct pv_python_sources *sources = &python->sources;
	struct pv_err *err;

	if (image->python_error)
		return pv_facts_add(facts, "interpreter", PV_FACT_MISSING, "CPython", "", "%s",
				    image->python_error);
	if (!python->found)
		return pv_facts_add(facts, "interpreter", PV_FACT_INFO, "CPython",
				    "native and kernel stacks only", "none in this process");
	err = pv_facts_add(facts, "interpreter", PV_FACT_OK, "CPython", "", "%s%s%s, from %s",
			   python->version, python->stripped ? ", stripped" : "",
			   python->initialized ? "" : ", not initialised yet", sources->version);
	if (!err)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "module", "", "%s",
				   python->module_path);
	if (!err)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "runtime state", "",
				   "0x%llx, from %s", (unsigned long long)python->proc.runtime,
				   sources->runtime);
	if (!err)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "layout", "", "%s",
				   sources->layout);
	if (!err)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "eval loop", "", "%s",
				   sources->eval);
	if (!err)
		err = pv_facts_add(facts, "interpreter",
				   python->collector[0].end ? PV_FACT_INFO : PV_FACT_MISSING,
				   "garbage collector",
				   python->collector[0].end ? "" : "its share is not known", "%s",
				   sources->collector);
	if (!err && *sources->torn)
		err = pv_facts_add(facts, "interpreter", PV_FACT_INFO, "frame-switch window", "",
				   "%s", sources->torn);
	return err ? err
		   : pv_facts_add(facts, "interpreter", PV_FACT_INFO, "thread state key", "", "%s",
				  sources->tss);
}

static struct pv_err *add_objects(struct pv_vec *facts, const struct pv_objects *objects)
{
	struct pv_err *err = NULL;
	uint32_t id;

	for (id = 1; !err && id <= pv_objects_n(objects); id++) {
		const struct pv_object *object = pv_objects_get(objects, id);

		if (object->error)
			err = pv_facts_add(facts, "unwinding", PV_FACT_MISSING, object->path,
					   "stacks through it end there", "%s", object->error);
		else if (!object->unwind.nrows)
			err = pv_facts_add(facts, "unwinding", PV_FACT_MISSING, object->path,
					   "stacks through it end there", "no .eh_frame");
		else
			err = pv_facts_add(facts, "unwinding", PV_FACT_OK, object->path, "",
					   "%u rows of %u FDEs, %u unsupported%s",
					   object->unwind.nrows, object->unwind.n_fdes,
					   object->unwind.n_unsupported,
					   object->deleted ? ", file deleted" : "");
	}
	return err;
}

struct pv_err *pv_diagnose_process(pid_t pid, struct pv_vec *facts)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	struct pv_objects *objects = NULL;
	struct pv_image image = {};
	struct pv_mem *mem = NULL;
	struct pv_process process;
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
		err = pv_objects_create(cache, &objects);
	if (!err)
		err = pv_mem_live_create(pid, &mem);
	if (!err)
		err = pv_image_build(pid, objects, mem, NULL, &image);
	if (!err)
		err = add_python(facts, &image);
	if (!err)
		err = add_objects(facts, objects);
	pv_image_deinit(&image);
	pv_mem_destroy(mem);
	pv_objects_destroy(objects);
	pv_process_deinit(&process);
	return err;
}
