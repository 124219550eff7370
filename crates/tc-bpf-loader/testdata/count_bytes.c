/* A socket filter that counts packets by their first byte. */
#include "bpf.h"

/* A load that ends the program with 0 when it is outside the packet. */
unsigned long long load_byte(void *skb, unsigned long long at) __asm__("llvm.bpf.load.byte");

struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(max_entries, 256);
	TYPE(key, u32);
	TYPE(value, u64);
} counts SEC(".maps");

SEC("socket") int count(struct __sk_buff *skb)
{
	u32 first = load_byte(skb, 0);
	u64 *value = map_lookup_elem(&counts, &first);

	if (value)
		__sync_fetch_and_add(value, 1);
	return -1;
}
