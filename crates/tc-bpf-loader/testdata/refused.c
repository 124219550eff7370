/* Programs that the verifier refuses. */
#include "bpf.h"

SEC("bounds") int reads_too_far(struct __sk_buff *skb)
{
	u8 *data = (u8 *)(u64)skb->data;

	return data[20];
}

SEC("gpl") int needs_the_gpl(struct __sk_buff *skb)
{
	static long (*trace_printk)(const char *text, u32 size, ...) = (void *)6;
	char text[] = "x";

	return trace_printk(text, sizeof(text));
}
