/* The kernel samples' later map definition, 28 bytes, which only BTF tells from iproute2's. */
#include "bpf.h"

struct bpf_map_def {
	u32 type, key_size, value_size, max_entries, map_flags, inner_map_idx, numa_node;
};

struct bpf_map_def SEC("maps") first = {
	.type = MAP_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1,
};
struct bpf_map_def SEC("maps") inner = {
	.type = MAP_HASH, .key_size = 4, .value_size = 4, .max_entries = 1,
};
struct bpf_map_def SEC("maps") outer = {
	.type = MAP_ARRAY_OF_MAPS, .key_size = 4, .value_size = 4, .max_entries = 1, .inner_map_idx = 1,
};

SEC("classifier") int look(struct __sk_buff *skb)
{
	u32 key = 0;

	return map_lookup_elem(&outer, &key) ? 2 : 0;
}
