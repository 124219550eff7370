/* Maps and variables that decide what becomes of packets. */
#include "bpf.h"

const volatile u32 verdict = 2;
u32 dropping SEC(".data") = 0;
u32 seen;

SEC("tc/variables") int variables(struct __sk_buff *skb)
{
	seen++;
	return dropping ? verdict : 0;
}

SEC("tc/drop") int drop(struct __sk_buff *skb)
{
	return 2;
}

struct {
	NUMBER(type, MAP_PROG_ARRAY);
	NUMBER(max_entries, 2);
	NUMBER(key_size, 4);
	NUMBER(pinning, 1);
	int (*values[])(struct __sk_buff *skb);
} kept SEC(".maps") = {
	.values = { [1] = drop },
};

struct {
	NUMBER(type, MAP_PROG_ARRAY);
	NUMBER(max_entries, 2);
	NUMBER(key_size, 4);
	int (*values[])(struct __sk_buff *skb);
} loose SEC(".maps") = {
	.values = { [1] = drop },
};

SEC("tc/kept") int through_kept(struct __sk_buff *skb)
{
	tail_call(skb, &kept, 1);
	return 0;
}

SEC("tc/loose") int through_loose(struct __sk_buff *skb)
{
	tail_call(skb, &loose, 1);
	return 0;
}

struct inner {
	NUMBER(type, MAP_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, u32);
} deciding SEC(".maps");

struct {
	NUMBER(type, MAP_ARRAY_OF_MAPS);
	NUMBER(max_entries, 2);
	NUMBER(key_size, 4);
	struct inner *values[];
} outer SEC(".maps") = {
	.values = { [1] = &deciding },
};

SEC("tc/nested") int nested(struct __sk_buff *skb)
{
	u32 slot = 1, key = 0;
	void *map = map_lookup_elem(&outer, &slot);
	u32 *value = map ? map_lookup_elem(map, &key) : 0;

	return value ? *value : 0;
}

char _license[] SEC("license") = "GPL";
