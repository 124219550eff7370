// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Drops TCP over IPv4 to destination port 80, lets everything else through: a client's SYNs go
// unanswered and are sent again, while other ports work.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include "packet.h"

#define FRAGMENT_OFFSET 0x1fff

SECTION("ingress")
int drop_tcp(struct __sk_buff *skb)
{
	const struct ethhdr *eth = packet_start(skb);
	const struct iphdr *ip = (const void *)(eth + 1);
	const struct tcphdr *tcp;

	if (past_end(skb, ip + 1) || eth->h_proto != net16(ETH_P_IP))
		return TC_ACT_OK;
	/* A later fragment has no TCP header; a header shorter than 20 bytes is no IPv4. */
	if (ip->protocol != IPPROTO_TCP || ip->ihl < 5 || (ip->frag_off & net16(FRAGMENT_OFFSET)))
		return TC_ACT_OK;
	/* The header may carry options: its length is in units of four bytes. */
	tcp = (const void *)ip + ip->ihl * 4;
	if (past_end(skb, tcp + 1))
		return TC_ACT_OK;
	return tcp->dest == net16(80) ? TC_ACT_SHOT : TC_ACT_OK;
}
