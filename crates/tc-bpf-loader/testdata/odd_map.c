/* A map with a field that nobody knows, and a program that does not use it. */
#include "bpf.h"

struct {
	NUMBER(type, MAP_ARRAY);
	TYPE(key, u32);
	TYPE(value, u32);
	NUMBER(max_entries, 1);
	NUMBER(colour, 3);
} odd SEC(".maps");

SEC("unknown_field") int with_odd(struct __sk_buff *skb)
{
	u32 key = 0;

	return map_lookup_elem(&odd, &key) ? 2 : 0;
}

SEC("fine") int without(struct __sk_buff *skb)
{
	return 0;
}
