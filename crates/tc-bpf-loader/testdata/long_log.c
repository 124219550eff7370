/* Programs with a long way to go, of which the verifier tells every step when it is asked why it refuses one. */
#include "bpf.h"

#define STEPS 50000

static inline __attribute__((always_inline)) u32 walk(u32 sum)
{
	for (u32 i = 0; i < STEPS; i++)
		asm volatile("%0 += 1\n\t%0 ^= 3" : "+r"(sum));
	return sum;
}

SEC("good") int long_way(struct __sk_buff *skb)
{
	return walk(skb->len) & 1;
}

SEC("bad") int long_way_to_nowhere(struct __sk_buff *skb)
{
	u32 sum = walk(skb->len);
	u8 *data = (u8 *)(u64)skb->data;

	return data[20] + sum;
}
