/* One program that loads, and around it what this loader does not do yet. */
#include "bpf.h"

extern u32 LINUX_KERNEL_VERSION SEC(".kconfig");
extern void kernel_symbol SEC(".ksyms");
extern int kernel_function(int x) SEC(".ksyms");

u32 counter;
const volatile u32 setting = 3;
u32 start SEC(".data.start") = 7;

struct sock_like {
	int a, family;
} __attribute__((preserve_access_index));

struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_elf_map SEC("maps") jumps = {
	.type = MAP_PROG_ARRAY, .size_key = 4, .size_value = 4, .max_elem = 1, .id = 43,
};

SEC("fine") int all_fine(struct __sk_buff *skb)
{
	return 0;
}

SEC("bss") int uses_bss(struct __sk_buff *skb)
{
	return counter++;
}

SEC("rodata") int uses_rodata(struct __sk_buff *skb)
{
	return setting;
}

SEC("data") int uses_data(struct __sk_buff *skb)
{
	return start++;
}

SEC("kconfig") int uses_kconfig(struct __sk_buff *skb)
{
	return LINUX_KERNEL_VERSION > 5;
}

SEC("ksym") int uses_ksym(struct __sk_buff *skb)
{
	return (u64)&kernel_symbol >> 3;
}

SEC("kfunc") int uses_kfunc(struct __sk_buff *skb)
{
	return kernel_function(3);
}

SEC("core") int uses_core(struct __sk_buff *skb)
{
	struct sock_like *sk = (void *)(u64)skb->data;

	return sk->family;
}

SEC("jump") int uses_jump(struct __sk_buff *skb)
{
	tail_call(skb, &jumps, 0);
	return 0;
}

SEC("43/0") int slot(struct __sk_buff *skb)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
