// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The object that cases of the kernel's suite load: one program that the verifier takes, one that it does not.
//
//     clang -O2 -target bpf -c action-ebpf.c -o action-ebpf.o
#include <linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))

SEC("action-ok") int action_ok(struct __sk_buff *skb)
{
	return 0;
}

// An action may not write there.
SEC("action-ko") int action_ko(struct __sk_buff *skb)
{
	skb->data = 0x0;
	return 0;
}
