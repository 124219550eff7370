/* Several programs: one in the default section, two in one section, a static one, one that is not to be loaded unasked. */
#include "bpf.h"

SEC("classifier") int pass(struct __sk_buff *skb)
{
	return 0;
}

SEC("pair") int first(struct __sk_buff *skb)
{
	return 1;
}

SEC("pair") int second(struct __sk_buff *skb)
{
	return 2;
}

SEC("hidden") static int quiet(struct __sk_buff *skb)
{
	return 3;
}

SEC("?tc") int optional(struct __sk_buff *skb)
{
	return 4;
}
