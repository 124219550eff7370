/* Maps of the old kind whose types are told by a struct beside them, as was done before BTF could define maps. */
#include "bpf.h"

struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

#define ANNOTATE(map, k, v) \
	struct ____btf_map_##map { \
		k key; \
		v value; \
	}; \
	struct ____btf_map_##map __attribute__((section(".maps." #map), used)) ____btf_map_##map = {}

struct total {
	u64 packets, bytes;
};

struct bpf_elf_map SEC("maps") totals = { .type = MAP_HASH, .size_key = 4, .size_value = 16, .max_elem = 8 };
ANNOTATE(totals, u32, struct total);

/* Of another size than the map's. */
struct bpf_elf_map SEC("maps") wrong = { .type = MAP_HASH, .size_key = 4, .size_value = 8, .max_elem = 8 };
ANNOTATE(wrong, u32, struct total);

struct bpf_elf_map SEC("maps") plain = { .type = MAP_HASH, .size_key = 4, .size_value = 8, .max_elem = 8 };

SEC("classifier") int all(struct __sk_buff *skb)
{
	u32 key = skb->protocol;
	struct total *total = map_lookup_elem(&totals, &key);

	if (total)
		total->packets++;
	return map_lookup_elem(&wrong, &key) && map_lookup_elem(&plain, &key);
}

char _license[] SEC("license") = "GPL";
