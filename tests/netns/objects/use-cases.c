// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Programs under the section names that users give theirs; a classifier and an action.
//
//     clang -O2 -target bpf -c use-cases.c -o use-cases.o
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define SEC(name) __attribute__((section(name), used))

SEC("mycls") int classify(struct __sk_buff *skb)
{
	return -1;
}

SEC("my-action") int act(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}
