/* Programs for the operations of a table of the kernel's, in an order and with members of their own. */
#include "bpf.h"

struct sock;

struct tcp_congestion_ops___mine {
	u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	u32 (*ssthresh)(struct sock *sk);
	char name[16];
};

SEC("struct_ops/anything") u32 half(u64 *ctx)
{
	return 2;
}

SEC("struct_ops") u32 undo(u64 *ctx)
{
	return 10;
}

SEC("struct_ops/cong_avoid") void grow(u64 *ctx)
{
}

SEC("struct_ops/unused") u32 unused(u64 *ctx)
{
	return 0;
}

SEC("tc") int plain(struct __sk_buff *skb)
{
	return 0;
}

struct tcp_congestion_ops___mine SEC(".struct_ops") first = {
	.undo_cwnd = (void *)undo,
	.cong_avoid = (void *)grow,
	.ssthresh = (void *)half,
	.name = "mine",
};

char _license[] SEC("license") = "GPL";
