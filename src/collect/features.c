/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the kernel for its features.  Input: small BPF loads by libbpf.
 * Output: yes, no, or not to be known without privileges.
 */
#include "collect/features.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "collect/multi.h"
#include "target/place.h"

const struct pv_feature pv_features[] = {
	{ "BTF (/sys/kernel/btf/vmlinux)", "all", "Linux 5.2 with CONFIG_DEBUG_INFO_BTF", true },
	{ "BPF ring buffer", "all", "Linux 5.8", true },
	{ "bpf_get_current_task_btf", "record", "Linux 5.11", true },
	{ "bpf_task_pt_regs", "record, stack", "Linux 5.15", true },
	{ "bpf_loop", "record, stack", "Linux 5.17", true },
	{ "bpf_copy_from_user_task", "stack", "Linux 5.18", false },
	{ "perf cpu-clock event", "record", "Linux 2.6.31", true },
	{ "uprobe_multi links", "more than 64 probes", "Linux 6.6", false },
};
const size_t pv_n_features = sizeof(pv_features) / sizeof(pv_features[0]);

/* Asked of the kernel without a descriptor, so that a want of those is not taken for this. */
const char *pv_features_lacking(void)
{
	static const char both[] = "CAP_BPF and CAP_PERFMON";
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
	uint64_t effective;
	bool bpf, perfmon;

	if (syscall(SYS_capget, &header, data))
		return both;
	effective = data[0].effective | (uint64_t)data[1].effective << 32;
	bpf = effective & (1ULL << CAP_BPF | 1ULL << CAP_SYS_ADMIN);
	perfmon = effective & (1ULL << CAP_PERFMON | 1ULL << CAP_SYS_ADMIN);
	return bpf && perfmon ? "" : bpf ? "CAP_PERFMON" : perfmon ? "CAP_BPF" : both;
}

bool pv_features_privileged(void)
{
	return !*pv_features_lacking();
}

/* libbpf's probes answer yes or no where the kernel says EPERM: ask for the right first. */
static enum pv_feature_state from_probe(int result)
{
	if (!pv_features_privileged() || pv_place_own_users())
		return PV_FEATURE_UNKNOWN;
	return result == 1 ? PV_FEATURE_YES : PV_FEATURE_NO;
}

static enum pv_feature_state probe_cpu_clock(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 10000000,
		.disabled = 1,
	};
	_pv_close_ int fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd >= 0)
		return PV_FEATURE_YES;
	return errno == EACCES || errno == EPERM ? PV_FEATURE_UNKNOWN : PV_FEATURE_NO;
}

enum pv_feature_state pv_feature_probe(size_t index)
{
	switch (index) {
	case 0:
		return access("/sys/kernel/btf/vmlinux", R_OK) ? PV_FEATURE_NO : PV_FEATURE_YES;
	case 1:
		return from_probe(libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL));
	case 2:
		return from_probe(libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT,
							  BPF_FUNC_get_current_task_btf, NULL));
	case 3:
		return from_probe(libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT,
							  BPF_FUNC_task_pt_regs, NULL));
	case 4:
		return from_probe(
			libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL));
	case 5:
		/* libbpf cannot ask for sleepable programs: it exists together with bpf_loop's
		 * successors; the load of the iterator is the proof */
		return from_probe(libbpf_probe_bpf_helper(BPF_PROG_TYPE_SYSCALL,
							  BPF_FUNC_copy_from_user_task, NULL));
	case 6:
		return probe_cpu_clock();
	case 7:
		return from_probe(pv_multi_exists());
	default:
		return PV_FEATURE_UNKNOWN;
	}
}

struct pv_err *pv_features_check(void)
{
	struct pv_str missing = {};
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < pv_n_features; i++) {
		if (pv_features[i].required && pv_feature_probe(i) == PV_FEATURE_NO)
			err = pv_str_appendf(&missing, "%s%s (%s)", missing.n ? ", " : "",
					     pv_features[i].name, pv_features[i].since);
	}
	if (!err && missing.n)
		err = pv_err_create(PV_ERR_FAILED,
				    "this kernel lacks %s; the bpf engine needs Linux 6.1 or newer",
				    pv_str_text(&missing));
	pv_str_deinit(&missing);
	return err;
}
