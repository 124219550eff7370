/* A program that calls another one, in the same section. */
#include "bpf.h"

SEC("tc") NOINLINE int helper(struct __sk_buff *skb)
{
	return skb->mark;
}

SEC("tc") int caller(struct __sk_buff *skb)
{
	return helper(skb) + 1;
}
