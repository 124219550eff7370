/* Maps pinned in each of the ways there are, in both kinds of definition. */
#include "bpf.h"

struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

#define OLD(name, number, where, n) \
	struct bpf_elf_map SEC("maps") name = { \
		.type = MAP_ARRAY, .size_key = 4, .size_value = 8, .max_elem = n, .id = number, .pinning = where }

OLD(alone, 1, 0, 2);
OLD(of_object, 2, 1, 2);
OLD(of_all, 3, 2, 2);
OLD(of_table, 4, 7, 2);
OLD(unused, 5, 2, 2);

#define COUNT(map) \
	({ \
		u32 key = 0; \
		u64 *value = map_lookup_elem(&map, &key); \
		if (value) \
			*value += 1; \
		0; \
	})

SEC("tc/object") int object(struct __sk_buff *skb)
{
	return COUNT(of_object);
}

SEC("tc/global") int global(struct __sk_buff *skb)
{
	return COUNT(of_all);
}

SEC("tc/table") int table(struct __sk_buff *skb)
{
	return COUNT(of_table);
}

SEC("tc/none") int none(struct __sk_buff *skb)
{
	return COUNT(alone);
}

SEC("tc/every") int every(struct __sk_buff *skb)
{
	return COUNT(alone) + COUNT(of_object) + COUNT(of_all);
}

char _license[] SEC("license") = "GPL";
