/* The kernel samples' map definition, 20 bytes: an array, counted by protocol. */
#include "bpf.h"

struct bpf_map_def {
	u32 type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def SEC("maps") by_protocol = {
	.type = MAP_ARRAY,
	.key_size = sizeof(u32),
	.value_size = sizeof(u64),
	.max_entries = 256,
};

SEC("socket1") int count(struct __sk_buff *skb)
{
	u32 key = skb->protocol & 255;
	u64 *value = map_lookup_elem(&by_protocol, &key);

	if (value)
		__sync_fetch_and_add(value, skb->len);
	return 0;
}

char _license[] SEC("license") = "GPL";
u32 _version SEC("version") = 0x60100;
