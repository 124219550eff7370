/* Tables of operations: congestion control, and what can be wrong with tables. */
#include "bpf.h"

struct sock;

/* Members in an order of our own, and some that no kernel has. */
struct tcp_congestion_ops___mine {
	u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	u32 (*no_such)(struct sock *sk);
	u32 (*ssthresh)(struct sock *sk);
	int no_such_number;
	u32 flags;
	char name[16];
};

/* The name is longer than the kernel's. */
struct tcp_congestion_ops___long {
	u32 (*ssthresh)(struct sock *sk);
	char name[32];
};

struct tcp_congestion_ops___pointer {
	u32 (*ssthresh)(struct sock *sk);
	void *flags;
};

struct no_such_ops {
	u32 (*anything)(struct sock *sk);
};

/* How often the kernel asked. */
u64 asked;

SEC("struct_ops") u32 half(u64 *ctx)
{
	__sync_fetch_and_add(&asked, 1);
	return 2;
}

SEC("struct_ops") u32 undo(u64 *ctx)
{
	return 10;
}

SEC("struct_ops") void grow(u64 *ctx)
{
	__sync_fetch_and_add(&asked, 1);
}

SEC("struct_ops") u32 half_linked(u64 *ctx)
{
	return 2;
}

SEC("struct_ops") u32 undo_linked(u64 *ctx)
{
	return 10;
}

SEC("struct_ops") void grow_linked(u64 *ctx)
{
	__sync_fetch_and_add(&asked, 1);
}

SEC("struct_ops") u32 other(u64 *ctx)
{
	return 0;
}

struct tcp_congestion_ops___mine SEC(".struct_ops") held = {
	.undo_cwnd = (void *)undo,
	.cong_avoid = (void *)grow,
	.ssthresh = (void *)half,
	.name = "rtc_held",
};

struct tcp_congestion_ops___mine SEC(".struct_ops.link") linked = {
	.undo_cwnd = (void *)undo_linked,
	.cong_avoid = (void *)grow_linked,
	.ssthresh = (void *)half_linked,
	.flags = 1, /* any namespace may use it */
	.name = "rtc_linked",
};

struct tcp_congestion_ops___mine SEC(".struct_ops") more_operations = {
	.no_such = (void *)other,
	.name = "rtc_more",
};

struct tcp_congestion_ops___mine SEC(".struct_ops") more_numbers = {
	.no_such_number = 1,
	.name = "rtc_more",
};

struct tcp_congestion_ops___mine SEC(".struct_ops") twice = {
	.ssthresh = (void *)other,
	.undo_cwnd = (void *)other,
	.name = "rtc_twice",
};

/* The kernel wants three operations. */
struct tcp_congestion_ops___mine SEC(".struct_ops") too_few = {
	.name = "rtc_few",
};

struct tcp_congestion_ops___long SEC(".struct_ops") misfit = {
	.name = "rtc_misfit",
};

struct tcp_congestion_ops___pointer SEC(".struct_ops") pointer = {
	.flags = &asked,
};

struct no_such_ops SEC(".struct_ops") unknown = {
	.anything = (void *)other,
};

char _license[] SEC("license") = "GPL";
