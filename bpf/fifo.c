// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A queueing discipline of programs (struct Qdisc_ops, Linux 6.16): first in, first out, 64 packets.
//
//     rtc bpf register fifo.o table fifo pin /sys/fs/bpf/fifo
//     rtc qdisc add dev eth0 root bpf_fifo
//
// Its packets are in a map, of which there is one: it is for one device at a time.
#include "programs.h"

#define CORE __attribute__((preserve_access_index))
#define KPTR __attribute__((btf_type_tag("kptr")))
#define KFUNC __attribute__((section(".ksyms")))
#define LIMIT 64

/* Of the kernel's structs, what is used here. */
struct sk_buff {
	unsigned int len;
} CORE;

struct bpf_sk_buff_ptr {
	struct sk_buff *skb;
};

struct qdisc_skb_head {
	__u32 qlen;
} CORE;

struct gnet_stats_queue {
	__u32 backlog;
} CORE;

struct Qdisc {
	struct qdisc_skb_head q;
	struct gnet_stats_queue qstats;
} CORE;

struct Qdisc_ops {
	char id[16];
	int (*enqueue)(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free);
	struct sk_buff *(*dequeue)(struct Qdisc *sch);
	int (*init)(struct Qdisc *sch, void *opt, void *extack);
	void (*reset)(struct Qdisc *sch);
	void (*destroy)(struct Qdisc *sch);
};

extern void bpf_qdisc_skb_drop(struct sk_buff *skb, struct bpf_sk_buff_ptr *to_free) KFUNC;
extern void bpf_qdisc_bstats_update(struct Qdisc *sch, const struct sk_buff *skb) KFUNC;
extern void bpf_kfree_skb(struct sk_buff *skb) KFUNC;

static void *(*const kptr_xchg)(void *place, void *value) = (void *)BPF_FUNC_kptr_xchg;

struct slot {
	struct sk_buff KPTR *skb;
};

struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, LIMIT);
	TYPE(key, __u32);
	TYPE(value, struct slot);
} packets SECTION(".maps");

/* How many packets came and went; the qdisc's lock protects both. */
__u64 came, went;

SECTION("struct_ops") int enqueue(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0], *old;
	struct Qdisc *sch = (void *)ctx[1];
	struct bpf_sk_buff_ptr *to_free = (void *)ctx[2];
	__u32 key = came % LIMIT, len = skb->len;
	struct slot *slot = map_lookup_elem(&packets, &key);

	if (!slot || came - went >= LIMIT) {
		bpf_qdisc_skb_drop(skb, to_free);
		return 1; /* NET_XMIT_DROP */
	}
	old = kptr_xchg(&slot->skb, skb);
	if (old)
		bpf_qdisc_skb_drop(old, to_free);
	came++;
	sch->q.qlen++;
	sch->qstats.backlog += len;
	return 0; /* NET_XMIT_SUCCESS */
}

SECTION("struct_ops") struct sk_buff *dequeue(__u64 *ctx)
{
	struct Qdisc *sch = (void *)ctx[0];
	__u32 key = went % LIMIT;
	struct slot *slot = map_lookup_elem(&packets, &key);
	struct sk_buff *skb;

	if (!slot || came == went)
		return 0;
	went++;
	skb = kptr_xchg(&slot->skb, 0);
	if (!skb)
		return 0;
	sch->q.qlen--;
	sch->qstats.backlog -= skb->len;
	bpf_qdisc_bstats_update(sch, skb);
	return skb;
}

SECTION("struct_ops") int init(void)
{
	return 0;
}

SECTION("struct_ops") void reset(__u64 *ctx)
{
	struct Qdisc *sch = (void *)ctx[0];

	for (__u32 i = 0; i < LIMIT; i++) {
		__u32 key = i;
		struct slot *slot = map_lookup_elem(&packets, &key);
		struct sk_buff *skb = slot ? kptr_xchg(&slot->skb, 0) : 0;

		if (skb)
			bpf_kfree_skb(skb);
	}
	went = came;
	sch->q.qlen = 0;
	sch->qstats.backlog = 0;
}

SECTION("struct_ops") void destroy(void)
{
}

SECTION(".struct_ops.link") struct Qdisc_ops fifo = {
	.id = "bpf_fifo",
	.enqueue = (void *)enqueue,
	.dequeue = (void *)dequeue,
	.init = (void *)init,
	.reset = (void *)reset,
	.destroy = (void *)destroy,
};

char license_text[] SECTION("license") = "GPL";
