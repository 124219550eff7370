// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Two socket filters that count packets: by IP protocol in an array that is declared the old way,
// and bytes by destination address in a hash that is declared the new way. Both keep nothing of the
// packets for the socket.
#include <linux/if_ether.h>
#include "programs.h"

#define PROTOCOL_AT (ETH_HLEN + 9)
#define DESTINATION_AT (ETH_HLEN + 16)

/* As old samples of the kernel have it. */
struct bpf_map_def {
	__u32 type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def SECTION("maps") by_protocol = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(long),
	.max_entries = 256,
};

struct {
	NUMBER(type, BPF_MAP_TYPE_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, __u32);
	TYPE(value, __u64);
} by_address SECTION(".maps");

SECTION("socket1")
int count_protocols(struct __sk_buff *skb)
{
	__u32 protocol;
	long *count;

	if (skb->protocol != net16(ETH_P_IP))
		return 0;
	protocol = load_byte(skb, PROTOCOL_AT);
	count = map_lookup_elem(&by_protocol, &protocol);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

SECTION("socket2")
int count_bytes(struct __sk_buff *skb)
{
	__u64 *bytes, first = skb->len;
	__u32 address;

	if (skb->protocol != net16(ETH_P_IP))
		return 0;
	address = load_word(skb, DESTINATION_AT);
	bytes = map_lookup_elem(&by_address, &address);
	if (bytes)
		__sync_fetch_and_add(bytes, skb->len);
	else
		map_update_elem(&by_address, &address, &first, BPF_ANY);
	return 0;
}

char license_text[] SECTION("license") = "GPL";
