/* CO-RE: what cannot be adapted. */
#include "bpf.h"

#define CORE __attribute__((preserve_access_index))
#define type(t) (*(typeof(t) *)0)

struct net_device {
	int no_such_member;
	u64 ifindex;
	struct {
		int x;
	} mtu;
} CORE;

SEC("tc") int needs_missing_member(struct __sk_buff *skb)
{
	return __builtin_preserve_field_info(type(struct net_device).no_such_member, 0);
}

SEC("tc") int needs_missing_type(struct __sk_buff *skb)
{
	struct no_such_struct {
		int x;
	};
	return __builtin_preserve_type_info(type(struct no_such_struct), 1);
}

/* Another nature than in the kernel. */
SEC("tc") int needs_other_nature(struct __sk_buff *skb)
{
	return __builtin_preserve_field_info(type(struct net_device).mtu, 0);
}

char _license[] SEC("license") = "GPL";
