/* Global variables of all sections, static and not, single, in arrays and in structures, and texts. */
#include "bpf.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ETH_ARP 0x0806
#else
#define ETH_ARP 0x0608
#endif

const volatile u32 verdict = 2;
static const volatile u16 ether_type = ETH_ARP;
u32 packets;
static u64 octets[4];
static volatile struct { u8 first; u32 second; u64 third[2]; } state = { 1, 2, { 3, 4 } };
u32 limit = 7;
u32 tuned SEC(".data.tuned") = 9;
const volatile u32 fixed SEC(".rodata.fixed") = 11;
const char names[2][8] = { "first", "second" };

SEC("tc") int filter(struct __sk_buff *skb)
{
	packets++;
	octets[skb->mark & 3] += skb->len;
	if (skb->protocol != ether_type)
		return 0;
	return verdict;
}

SEC("tc/all") int all(struct __sk_buff *skb)
{
	state.second++;
	state.third[1] += limit;
	tuned += fixed;
	limit += names[skb->mark & 1][1];
	return 0;
}

static NOINLINE int helper(int x)
{
	return x + packets + verdict;
}

SEC("tc/sub") int through_helper(struct __sk_buff *skb)
{
	return helper(skb->len);
}

SEC("tc/none") int no_data(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc/text") int text(struct __sk_buff *skb)
{
	char buf[] = "a text that is long enough to be in a section of its own, %d";

	trace_printk(buf, sizeof(buf), skb->len);
	return 0;
}

char _license[] SEC("license") = "GPL";
