/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/maps.h - what the programs know. Sizes of 1 are set by the loader.
 *
 * Rates may be pushed out by a flood of forged addresses; open connections may not, because an
 * entry there takes a finished handshake.
 */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "sallyport/throttle_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct throttle_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct throttle_lpm_key);
	__type(value, struct throttle_listed);
} allow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct throttle_lpm_key);
	__type(value, struct throttle_listed);
} deny SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct throttle_lpm_key);
	__type(value, struct throttle_penalty);
} penalty SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct throttle_lpm_key);
	__type(value, struct throttle_entry);
} rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, THROTTLE_CELLS);
	__type(key, uint32_t);
	__type(value, struct throttle_cell);
} cells SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct throttle_lpm_key);
	__type(value, struct throttle_open);
} open SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct throttle_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

#endif
