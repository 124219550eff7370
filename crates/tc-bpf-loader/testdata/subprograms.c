/* Functions in .text, calls among them, and a callback. */
#include "bpf.h"

NOINLINE int shared(int x)
{
	return x * 7;
}

static NOINLINE int outer(int x)
{
	volatile int y = x;

	return shared(y) + 3;
}

static NOINLINE int unused_by_second(int x)
{
	volatile int y = x;

	return outer(y) ^ shared(3);
}

SEC("tc") int first(struct __sk_buff *skb)
{
	return unused_by_second(skb->len) + outer(skb->hash);
}

SEC("tc2") int second(struct __sk_buff *skb)
{
	return outer(skb->len);
}

static int each(u32 index, void *data)
{
	*(u64 *)data += index;
	return 0;
}

SEC("tc3") int third(struct __sk_buff *skb)
{
	u64 sum = 0;

	loop(10, &each, &sum, 0);
	return sum;
}

char _license[] SEC("license") = "GPL";
