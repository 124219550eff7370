// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Drops ARP, lets everything else through. On the ingress of an Ethernet device the host then
// answers no ARP request and learns no neighbour, yet talks to neighbours that it knows.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include "packet.h"

SECTION("ingress")
int drop_arp(struct __sk_buff *skb)
{
	const struct ethhdr *eth = packet_start(skb);

	if (past_end(skb, eth + 1))
		return TC_ACT_OK;
	return eth->h_proto == net16(ETH_P_ARP) ? TC_ACT_SHOT : TC_ACT_OK;
}
