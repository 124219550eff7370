/* The types of a kernel that has a table of operations. */
#include "bpf.h"

struct sock {
	int x;
};

struct tcp_congestion_ops {
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	u32 (*undo_cwnd)(struct sock *sk);
	void (*init)(struct sock *sk);
	char name[16];
	void *owner;
	u32 key, flags;
};

struct bpf_struct_ops_tcp_congestion_ops {
	struct {
		int refcnt;
		int state;
	} common;
	struct tcp_congestion_ops data __attribute__((aligned(64)));
} value;

/* Declared, but no table for programs. */
struct plain_ops {
	int (*call)(void);
} plain;

int f(void *ctx)
{
	return value.common.state + (plain.call != 0);
}
