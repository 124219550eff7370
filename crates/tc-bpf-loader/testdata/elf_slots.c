/* iproute2's way: sections ID/SLOT go into the program array of that id, inner_id is the template of a map's values,
 * and inner_idx the slot that the template itself goes to. */
#include "bpf.h"

struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_elf_map SEC("maps") jumps = {
	.type = MAP_PROG_ARRAY, .size_key = 4, .size_value = 4, .max_elem = 20, .id = 42,
};
struct bpf_elf_map SEC("maps") outer = {
	.type = MAP_ARRAY_OF_MAPS, .size_key = 4, .size_value = 4, .max_elem = 4, .inner_id = 9,
};
struct bpf_elf_map SEC("maps") inner = {
	.type = MAP_ARRAY, .size_key = 4, .size_value = 8, .max_elem = 2, .id = 9, .inner_idx = 3,
};

SEC("classifier") int entry(struct __sk_buff *skb)
{
	tail_call(skb, &jumps, 1);
	return 0;
}

SEC("42/1") int one(struct __sk_buff *skb)
{
	tail_call(skb, &jumps, 0x10);
	return 1;
}

SEC("42/0x10") int sixteen(struct __sk_buff *skb)
{
	return 2;
}

SEC("43/0") int of_no_map(struct __sk_buff *skb)
{
	return 3;
}

SEC("tc/nested") int nested(struct __sk_buff *skb)
{
	u32 slot = 3, key = 1;
	void *map = map_lookup_elem(&outer, &slot);
	u64 *count = map ? map_lookup_elem(map, &key) : 0;

	if (count)
		*count += 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
