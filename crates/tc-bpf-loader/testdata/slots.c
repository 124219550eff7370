/* Maps whose contents the object declares: programs of a program array, maps in maps. */
#include "bpf.h"

SEC("tc/leaf") int leaf(struct __sk_buff *skb)
{
	return 2;
}

int again(struct __sk_buff *skb);

struct {
	NUMBER(type, MAP_PROG_ARRAY);
	NUMBER(max_entries, 4);
	NUMBER(key_size, 4);
	int (*values[])(struct __sk_buff *skb);
} jumps SEC(".maps") = {
	.values = { [1] = leaf, [3] = again },
};

struct inner {
	NUMBER(type, MAP_ARRAY);
	NUMBER(max_entries, 2);
	TYPE(key, u32);
	TYPE(value, u64);
} first SEC(".maps"), second SEC(".maps");

struct {
	NUMBER(type, MAP_ARRAY_OF_MAPS);
	NUMBER(max_entries, 3);
	NUMBER(key_size, 4);
	struct inner *values[];
} outer SEC(".maps") = {
	.values = { [0] = &first, [2] = &second },
};

struct {
	NUMBER(type, MAP_HASH_OF_MAPS);
	NUMBER(max_entries, 5);
	TYPE(key, u32);
	struct {
		NUMBER(type, MAP_HASH);
		NUMBER(max_entries, 16);
		TYPE(key, u32);
		TYPE(value, u32);
	} *values[];
} by_key SEC(".maps");

SEC("tc/jump") int jump(struct __sk_buff *skb)
{
	tail_call(skb, &jumps, 1);
	return 0;
}

SEC("tc/again") int again(struct __sk_buff *skb)
{
	tail_call(skb, &jumps, skb->mark);
	return 1;
}

SEC("tc/nested") int nested(struct __sk_buff *skb)
{
	u32 slot = 2, key = 1;
	void *map = map_lookup_elem(&outer, &slot);
	u64 *count = map ? map_lookup_elem(map, &key) : 0;

	if (count)
		*count += 1;
	return 0;
}

SEC("tc/hashed") int hashed(struct __sk_buff *skb)
{
	u32 key = skb->mark;
	void *map = map_lookup_elem(&by_key, &key);
	u32 *value = map ? map_lookup_elem(map, &key) : 0;

	return value ? *value : 0;
}

char _license[] SEC("license") = "GPL";
