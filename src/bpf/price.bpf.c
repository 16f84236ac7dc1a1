/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a probe does whose function is not wanted, and most are not: a read and a
 * look-up.  Input: probes in pitviper itself (collect/price.c).  Output: `calibrated`.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/probe.h"

__u64 calibrated; /* in .bss: hits */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PV_PROBE_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct pv_probe_thread);
} threads SEC(".maps");

SEC("kprobe")
int on_calibration(struct pt_regs *ctx)
{
	__u64 value = 0;
	__u32 key;

	bpf_probe_read_user(&value, sizeof(value),
			    (const void *)(ctx->sp + bpf_get_attach_cookie(ctx)));
	__sync_fetch_and_add(&calibrated, 1);
	key = value;
	return bpf_map_lookup_elem(&threads, &key) ? 1 : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
