// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Rewrites TCP over IPv4 to port 80 into port 8080, with its checksum, and sends it out by the
// device of index 77. Bytes are read as classic programs read them. The section is named after the
// program.
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include "programs.h"

#define PROTOCOL_AT (ETH_HLEN + 9)
#define TCP_DESTINATION 2
#define TCP_CHECKSUM 16
#define TO_DEVICE 77

SECTION("redirect_xmit")
int redirect_port(struct __sk_buff *skb)
{
	const __u16 from = net16(80), to = net16(8080);
	__u32 tcp;

	if (skb->protocol != net16(ETH_P_IP) || load_byte(skb, PROTOCOL_AT) != IPPROTO_TCP)
		return TC_ACT_UNSPEC;
	tcp = ETH_HLEN + (load_byte(skb, ETH_HLEN) & 0xf) * 4;
	if (load_half(skb, tcp + TCP_DESTINATION) != 80)
		return TC_ACT_UNSPEC;
	l4_csum_replace(skb, tcp + TCP_CHECKSUM, from, to, sizeof(to));
	skb_store_bytes(skb, tcp + TCP_DESTINATION, &to, sizeof(to), 0);
	return redirect(TO_DEVICE, 0);
}
