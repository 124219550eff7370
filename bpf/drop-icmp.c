// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Drops ICMP over IPv4, lets everything else through: ping dies, TCP lives.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include "packet.h"

SECTION("ingress")
int drop_icmp(struct __sk_buff *skb)
{
	const struct ethhdr *eth = packet_start(skb);
	const struct iphdr *ip = (const void *)(eth + 1);

	if (past_end(skb, ip + 1) || eth->h_proto != net16(ETH_P_IP))
		return TC_ACT_OK;
	return ip->protocol == IPPROTO_ICMP ? TC_ACT_SHOT : TC_ACT_OK;
}
