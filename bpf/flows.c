// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A socket filter that counts packets by flow. It calls a program for each protocol by a tail call:
// VLAN and MPLS look behind their headers, IPv4 and IPv6 find the flow. How far the packet was read
// stands in skb->cb, which tail calls keep.
#include <linux/if_ether.h>
#include <linux/in.h>
#include "programs.h"

enum { VLAN = 1, MPLS, IPV4, IPV6 };

/* As one side of the flow has it; both sides are flows of their own. */
struct flow {
	__u32 source, destination;
	__u16 source_port, destination_port;
	__u32 protocol;
};

struct {
	NUMBER(type, BPF_MAP_TYPE_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, struct flow);
	TYPE(value, __u64);
} flows SECTION(".maps");

int vlan(struct __sk_buff *skb);
int mpls(struct __sk_buff *skb);
int ipv4(struct __sk_buff *skb);
int ipv6(struct __sk_buff *skb);

struct {
	NUMBER(type, BPF_MAP_TYPE_PROG_ARRAY);
	NUMBER(max_entries, 8);
	NUMBER(key_size, sizeof(__u32));
	int (*values[])(struct __sk_buff *skb);
} parsers SECTION(".maps") = {
	.values = { [VLAN] = vlan, [MPLS] = mpls, [IPV4] = ipv4, [IPV6] = ipv6 },
};

static __attribute__((always_inline)) void parse(struct __sk_buff *skb, __u32 type)
{
	switch (type) {
	case ETH_P_8021Q:
	case ETH_P_8021AD:
		tail_call(skb, &parsers, VLAN);
		break;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		tail_call(skb, &parsers, MPLS);
		break;
	case ETH_P_IP:
		tail_call(skb, &parsers, IPV4);
		break;
	case ETH_P_IPV6:
		tail_call(skb, &parsers, IPV6);
		break;
	}
}

static __attribute__((always_inline)) void count(struct __sk_buff *skb, struct flow *flow, __u32 at)
{
	__u64 *packets, one = 1;

	if (flow->protocol == IPPROTO_TCP || flow->protocol == IPPROTO_UDP) {
		flow->source_port = load_half(skb, at);
		flow->destination_port = load_half(skb, at + 2);
	}
	packets = map_lookup_elem(&flows, flow);
	if (packets)
		__sync_fetch_and_add(packets, 1);
	else
		map_update_elem(&flows, flow, &one, BPF_ANY);
}

SECTION("socket/0")
int dissect(struct __sk_buff *skb)
{
	skb->cb[0] = ETH_HLEN;
	parse(skb, load_half(skb, ETH_HLEN - 2));
	return 0;
}

SECTION("socket/1")
int vlan(struct __sk_buff *skb)
{
	__u32 at = skb->cb[0];

	skb->cb[0] = at + 4;
	parse(skb, load_half(skb, at + 2));
	return 0;
}

SECTION("socket/2")
int mpls(struct __sk_buff *skb)
{
	__u32 at = skb->cb[0], label = load_word(skb, at);

	skb->cb[0] = at + 4;
	/* The lowest bit above the time to live ends the stack of labels; the next byte tells IP's version. */
	if (!(label & 0x100))
		parse(skb, ETH_P_MPLS_UC);
	else if (load_byte(skb, at + 4) >> 4 == 4)
		parse(skb, ETH_P_IP);
	else
		parse(skb, ETH_P_IPV6);
	return 0;
}

SECTION("socket/3")
int ipv4(struct __sk_buff *skb)
{
	__u32 at = skb->cb[0];
	struct flow flow = {};

	/* Later fragments have no ports. */
	if (load_half(skb, at + 6) & 0x1fff)
		return 0;
	flow.protocol = load_byte(skb, at + 9);
	flow.source = load_word(skb, at + 12);
	flow.destination = load_word(skb, at + 16);
	count(skb, &flow, at + (load_byte(skb, at) & 0xf) * 4);
	return 0;
}

SECTION("socket/4")
int ipv6(struct __sk_buff *skb)
{
	__u32 at = skb->cb[0];
	struct flow flow = {};

	flow.protocol = load_byte(skb, at + 6);
	/* The last four bytes of each address. */
	flow.source = load_word(skb, at + 20);
	flow.destination = load_word(skb, at + 36);
	count(skb, &flow, at + 40);
	return 0;
}

char license_text[] SECTION("license") = "GPL";
