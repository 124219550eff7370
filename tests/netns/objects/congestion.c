// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A table of programs that every loader can register: congestion control, with the kernel's names.
//
//     clang -O2 -g -fdebug-compilation-dir=. -target bpf -c congestion.c -o congestion.o
#define SEC(name) __attribute__((section(name), used))

struct sock;

struct tcp_congestion_ops {
	unsigned int (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, unsigned int ack, unsigned int acked);
	unsigned int (*ssthresh)(struct sock *sk);
	unsigned int flags;
	char name[16];
};

/* How often the kernel asked. */
unsigned long long asked;

SEC("struct_ops/half") unsigned int half(unsigned long long *ctx)
{
	asked++;
	return 2;
}

SEC("struct_ops/undo") unsigned int undo(unsigned long long *ctx)
{
	return 10;
}

SEC("struct_ops/grow") void grow(unsigned long long *ctx)
{
	asked++;
}

SEC(".struct_ops") struct tcp_congestion_ops plain = {
	.undo_cwnd = (void *)undo,
	.cong_avoid = (void *)grow,
	.ssthresh = (void *)half,
	.flags = 1,
	.name = "rtc_plain",
};

char license_text[] SEC("license") = "GPL";
