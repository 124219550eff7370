/* BTF-defined maps: two in use at once, and others that one program each refers to and this loader refuses. */
#include "bpf.h"

struct flow {
	u32 source, destination;
	u16 ports[2];
};

struct {
	NUMBER(type, MAP_HASH);
	TYPE(key, struct flow);
	TYPE(value, u64);
	NUMBER(max_entries, 1024);
	NUMBER(map_flags, 1);
} flows SEC(".maps");

struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(key_size, 4);
	NUMBER(value_size, 8);
	NUMBER(max_entries, 4);
} totals SEC(".maps");

struct {
	NUMBER(type, MAP_ARRAY);
	TYPE(key, u32);
	TYPE(value, u32);
	NUMBER(max_entries, 1);
	NUMBER(pinning, 1);
} pinned SEC(".maps");

int static_target(struct __sk_buff *skb);

struct {
	NUMBER(type, MAP_PROG_ARRAY);
	TYPE(key, u32);
	NUMBER(max_entries, 2);
	int (*values[])(struct __sk_buff *skb);
} jumps SEC(".maps") = {
	.values = { [1] = static_target },
};

SEC("tc") int both(struct __sk_buff *skb)
{
	struct flow flow = { .source = skb->ifindex, .destination = skb->hash };
	u32 key = 1;
	u64 *flow_count = map_lookup_elem(&flows, &flow);
	u64 *total = map_lookup_elem(&totals, &key);

	if (flow_count && total)
		*total += *flow_count;
	return 0;
}

SEC("by_name") int with_pinned(struct __sk_buff *skb)
{
	u32 key = 0;

	return map_lookup_elem(&pinned, &key) ? 2 : 0;
}

SEC("contents") int with_jumps(struct __sk_buff *skb)
{
	tail_call(skb, &jumps, 1);
	return 0;
}

SEC("target") int static_target(struct __sk_buff *skb)
{
	return 2;
}

char _license[] SEC("license") = "GPL";
