/* What programs are often refused for. */
#include "bpf.h"

struct {
	NUMBER(type, MAP_HASH);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, u64);
} numbers SEC(".maps");

static void *(*sk_lookup_tcp)(void *ctx, void *tuple, u32 size, u64 netns, u64 flags) = (void *)84;
static long (*xdp_adjust_head)(void *ctx, int delta) = (void *)44;
static long (*no_helper)(void) = (void *)99999;

SEC("tc") int may_be_null(struct __sk_buff *skb)
{
	u32 key = 0;
	u64 *value = map_lookup_elem(&numbers, &key);

	return *value;
}

SEC("tc") int unbounded(struct __sk_buff *skb)
{
	u32 key = 0;
	u8 *value = map_lookup_elem(&numbers, &key);

	return value ? value[skb->len] : 0;
}

SEC("tc") int endless(struct __sk_buff *skb)
{
	volatile u32 x = 0;

	while (1)
		x = 1;
	return x;
}

SEC("tc") int wrong_helper(struct __sk_buff *skb)
{
	return xdp_adjust_head(skb, 4);
}

SEC("tc") int unknown_helper(struct __sk_buff *skb)
{
	return no_helper();
}

SEC("tc") int kept_reference(struct __sk_buff *skb)
{
	u32 tuple[3] = {};

	return sk_lookup_tcp(skb, tuple, sizeof(tuple), -1, 0) ? 1 : 0;
}

SEC("tc") int beyond_context(struct __sk_buff *skb)
{
	return ((u32 *)skb)[100];
}

SEC("tc") int no_result(struct __sk_buff *skb)
{
	u32 x;

	asm volatile("%0 = r7" : "=r"(x));
	return x;
}

char _license[] SEC("license") = "GPL";
