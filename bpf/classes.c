// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A classifier that is no verdict: TCP goes to class 1:2, UDP to class 1:3, the rest to the class
// that the filter's words name. And an action: it drops what has mark 7, else it lets the next
// action decide.
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include "programs.h"

#define PROTOCOL_AT (ETH_HLEN + 9)

SECTION("mycls")
int classify(struct __sk_buff *skb)
{
	if (skb->protocol != net16(ETH_P_IP))
		return 0;
	switch (load_byte(skb, PROTOCOL_AT)) {
	case IPPROTO_TCP:
		return 0x10002;
	case IPPROTO_UDP:
		return 0x10003;
	default:
		return -1;
	}
}

SECTION("my-action")
int my_action(struct __sk_buff *skb)
{
	return skb->mark == 7 ? TC_ACT_SHOT : TC_ACT_PIPE;
}
