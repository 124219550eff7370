/* The object that golden cases load: clang -O2 -g -target bpf -c classifier.c -o classifier.o */
struct __sk_buff;
#define SEC(name) __attribute__((section(name), used))

SEC("classifier") int accept_all(struct __sk_buff *skb)
{
	return 0;
}

SEC("action") int count_none(struct __sk_buff *skb)
{
	return -1;
}

SEC("tc") int second(struct __sk_buff *skb)
{
	return 2;
}

char terms[] SEC("license") = "Dual MIT/GPL";
