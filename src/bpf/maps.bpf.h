/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The maps that every unit with a walker has.  collect/slots.c fills the first
 * four, collect/arena.c the unwind tables; ring and losses are read there.
 * Sizes marked 1 are set at load.
 */
#ifndef PV_BPF_MAPS_BPF_H
#define PV_BPF_MAPS_BPF_H

#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "abi/loss.h"
#include "abi/process.h"
#include "abi/unwind.h"
#include "walk/walk.h"

/* The watched processes; bpf/follow.bpf.h keeps them true at forks and execs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_WATCHED_MAX);
	__type(key, __u32); /* tgid */
	__type(value, struct pv_watch);
} watched SEC(".maps");

/* The process entry of a program of a process, an index into procs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PV_WATCHED_MAX);
	__type(key, struct pv_program);
	__type(value, __u32);
} programs SEC(".maps");

/* Entry 0 is blank: it stands for a program that was not read yet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct pv_proc);
} procs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct pv_mapping);
} mappings SEC(".maps");

/*
 * The unwind tables.  Segment 0 is this map: it holds a plain Python, its
 * lookups are inlined, and it needs no update of a map in a map, which would
 * wait for an RCU grace period.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} cells SEC(".maps");

/* Segments 1 and up, made as they are needed. */
struct pv_segment {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 64);
	__type(key, __u32);
	__array(values, struct pv_segment);
} segments SEC(".maps");

/* One a CPU: more than 32 KiB do not fit into a per-CPU array's chunk. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pv_walk);
} scratch SEC(".maps");

/* States of the code objects whose names were copied, or were tried to be, by key. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, __u8);
} codes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PV_LOSS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pv_cost);
} cost SEC(".maps");

#endif
