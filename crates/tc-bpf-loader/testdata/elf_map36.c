/* iproute2's map definition, 36 bytes an entry: one map in use, one that asks to be pinned. */
#include "bpf.h"

struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_elf_map SEC("maps") plain = {
	.type = MAP_HASH,
	.size_key = 4,
	.size_value = 8,
	.max_elem = 16,
	.flags = 1, /* BPF_F_NO_PREALLOC */
};
struct bpf_elf_map SEC("maps") shared = {
	.type = MAP_ARRAY,
	.size_key = 4,
	.size_value = 8,
	.max_elem = 2,
	.id = 7,
	.pinning = 2, /* PIN_GLOBAL_NS */
};

SEC("classifier") int look(struct __sk_buff *skb)
{
	u32 key = skb->ifindex;

	return map_lookup_elem(&plain, &key) ? 2 : 0;
}

SEC("action") int look_shared(struct __sk_buff *skb)
{
	u32 key = 1;

	return map_lookup_elem(&shared, &key) ? 2 : 0;
}
