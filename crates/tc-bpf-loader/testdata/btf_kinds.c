/* Kinds of types that older kernels do not know. */
#include "bpf.h"

#define decl_tag(text) __attribute__((btf_decl_tag(text)))
#define type_tag(text) __attribute__((btf_type_tag(text)))

enum small { MINUS = -1, ONE = 1 };
enum large { HUGE_VALUE = 0x123456789abcULL };

struct tagged {
	float real;
	enum small small;
	enum large large;
	int type_tag("user") *pointer;
	int member decl_tag("of a member");
} decl_tag("of a struct");

struct tagged variable SEC("?.data") decl_tag("of a variable");

NOINLINE int global(struct tagged *t decl_tag("of a parameter"))
{
	return t ? t->member : 0;
}

static NOINLINE int is_static(struct __sk_buff *skb)
{
	volatile int x = skb->len;

	return x;
}

SEC("tc") int with_kinds(struct __sk_buff *skb)
{
	return global((struct tagged *)0) + is_static(skb);
}

char _license[] SEC("license") = "GPL";
