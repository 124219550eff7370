// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What the larger programs here share beside packet.h: maps and helpers of the kernel.
#ifndef PROGRAMS_H
#define PROGRAMS_H
#include <linux/bpf.h>
#include <linux/types.h>
#include "packet.h"

/* BTF-defined maps: a number is the length of an array, a type what a pointer points to. */
#define NUMBER(name, n) int (*name)[n]
#define TYPE(name, type) type *name

static void *(*const map_lookup_elem)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const map_update_elem)(void *map, const void *key, const void *value, __u64 flags) =
	(void *)BPF_FUNC_map_update_elem;
static long (*const skb_store_bytes)(void *skb, __u32 at, const void *from, __u32 len, __u64 flags) =
	(void *)BPF_FUNC_skb_store_bytes;
static long (*const l4_csum_replace)(void *skb, __u32 at, __u64 from, __u64 to, __u64 flags) =
	(void *)BPF_FUNC_l4_csum_replace;
static long (*const redirect)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*const tail_call)(void *ctx, void *map, __u32 index) = (void *)BPF_FUNC_tail_call;

/* Loads that end the program with 0 when they are outside the packet (LD_ABS, LD_IND); the result
 * is in the host's byte order. */
unsigned long long load_byte(void *skb, unsigned long long at) __asm__("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long at) __asm__("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long at) __asm__("llvm.bpf.load.word");

#endif
