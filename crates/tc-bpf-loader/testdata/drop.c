/* No map, no license, a section name that no loader knows. */
#include "bpf.h"

SEC("ingress") int drop(struct __sk_buff *skb)
{
	return 2;
}
