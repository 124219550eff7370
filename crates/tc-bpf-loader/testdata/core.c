/* CO-RE: what the kernel's types are asked for. Each program returns one answer, so that its constants are the test. */
#include "bpf.h"

#define CORE __attribute__((preserve_access_index))
#define BYTE_OFFSET 0
#define BYTE_SIZE 1
#define EXISTS 2
#define SIGNED 3
#define LEFT 4
#define RIGHT 5
#define info(field, kind) __builtin_preserve_field_info(field, kind)
#define type(t) (*(typeof(t) *)0)

/* Of the kernel, cut down and in another order. */
struct list_head {
	struct list_head *next, *prev;
} CORE;

struct net_device {
	int no_such_member_of_it;
	char name[16];
	unsigned int mtu;
	int ifindex;
} CORE;

/* A part of it, under another name, where a union within a struct is anonymous. */
struct sk_buff___part {
	unsigned int len;
	int gone;
	union {
		struct net_device *dev;
		unsigned long dev_scratch;
	};
	unsigned char *data;
	/* Bit-fields: in the kernel within an unnamed struct. */
	u8 pkt_type : 3;
	u8 ignore_df : 1;
	u16 vlan_tci;
} CORE;

struct task_struct {
	int pid;
	unsigned int in_execve : 1;
	char comm[16];
	struct list_head tasks;
	struct no_such_struct *other;
} CORE;

struct no_such_struct {
	int x;
} CORE;

enum bpf_prog_type {
	BPF_PROG_TYPE_XDP = 77,
	BPF_PROG_TYPE_KPROBE___old = 78,
};
enum bpf_map_type___x {
	BPF_MAP_TYPE_HASH = 40,
	BPF_MAP_TYPE_NO_SUCH = 41,
};
typedef int (*no_such_typedef)(int);
typedef u64 u64_t;
union bpf_attr {
	u32 map_type;
};
typedef struct {
	int counter;
} atomic_t;

#define answer(name, expr) \
	SEC("tc") int name(struct __sk_buff *skb) { return expr; }
#define wide(name, expr) \
	SEC("tc") u64 name(struct __sk_buff *skb) { return expr; }

answer(offset_of_member, info(type(struct net_device).ifindex, BYTE_OFFSET))
answer(size_of_member, info(type(struct net_device).name, BYTE_SIZE))
answer(offset_of_element, info(type(struct net_device).name[3], BYTE_OFFSET))
answer(offset_in_anonymous, info(type(struct sk_buff___part).dev, BYTE_OFFSET))
answer(nested, info(type(struct task_struct).tasks.prev, BYTE_OFFSET))
answer(there, info(type(struct sk_buff___part).data, EXISTS))
answer(not_there, info(type(struct sk_buff___part).gone, EXISTS))
answer(signed_one, info(type(struct task_struct).pid, SIGNED))
answer(unsigned_one, info(type(struct net_device).mtu, SIGNED))
answer(bits_offset, info(type(struct sk_buff___part).pkt_type, BYTE_OFFSET))
answer(bits_size, info(type(struct sk_buff___part).pkt_type, BYTE_SIZE))
answer(bits_left, info(type(struct sk_buff___part).pkt_type, LEFT))
answer(bits_right, info(type(struct sk_buff___part).pkt_type, RIGHT))
answer(bits_there, info(type(struct sk_buff___part).ignore_df, EXISTS))
answer(wide_bits_left, info(type(struct task_struct).in_execve, LEFT))
answer(wide_bits_offset, info(type(struct task_struct).in_execve, BYTE_OFFSET))
answer(wide_bits_size, info(type(struct task_struct).in_execve, BYTE_SIZE))
answer(left_of_plain, info(type(struct net_device).mtu, LEFT))
answer(right_of_plain, info(type(struct net_device).mtu, RIGHT))

wide(local_id, __builtin_btf_type_id(type(struct net_device), 0))
wide(target_id, __builtin_btf_type_id(type(struct net_device), 1))
answer(type_there, __builtin_preserve_type_info(type(struct task_struct), 0))
answer(type_not_there, __builtin_preserve_type_info(type(struct no_such_struct), 0))
answer(typedef_not_there, __builtin_preserve_type_info(type(no_such_typedef), 0))
answer(typedef_there, __builtin_preserve_type_info(type(atomic_t), 0))
answer(union_there, __builtin_preserve_type_info(type(union bpf_attr), 0))
answer(size_of_type, __builtin_preserve_type_info(type(struct list_head), 1))
answer(size_of_no_type, __builtin_preserve_type_info(type(struct no_such_struct), 1))
wide(id_of_no_type, __builtin_btf_type_id(type(struct no_such_struct), 1))
answer(size_of_larger_type, __builtin_preserve_type_info(type(struct net_device), 1))
wide(enumerator_there, __builtin_preserve_enum_value(*(enum bpf_prog_type *)BPF_PROG_TYPE_XDP, 0))
wide(enumerator_flavoured, __builtin_preserve_enum_value(*(enum bpf_prog_type *)BPF_PROG_TYPE_KPROBE___old, 1))
wide(enumerator_not_there,
     __builtin_preserve_enum_value(*(enum bpf_map_type___x *)BPF_MAP_TYPE_NO_SUCH, 0))
wide(enumerator_value, __builtin_preserve_enum_value(*(enum bpf_prog_type *)BPF_PROG_TYPE_XDP, 1))
wide(enumerator_of_flavour, __builtin_preserve_enum_value(*(enum bpf_map_type___x *)BPF_MAP_TYPE_HASH, 1))
#if __clang_major__ >= 15
answer(type_matches, __builtin_preserve_type_info(type(struct list_head), 2))
answer(type_matches_not, __builtin_preserve_type_info(type(struct net_device), 2))
#endif

/* Found to be missing, and stepped around. */
SEC("tc") int guarded(struct __sk_buff *skb)
{
	if (info(type(struct sk_buff___part).gone, EXISTS))
		return info(type(struct sk_buff___part).gone, BYTE_OFFSET);
	if (__builtin_preserve_enum_value(*(enum bpf_map_type___x *)BPF_MAP_TYPE_NO_SUCH, 0))
		return __builtin_preserve_enum_value(*(enum bpf_map_type___x *)BPF_MAP_TYPE_NO_SUCH, 1);
	return 3;
}

/* In a subprogram as well as in the program. */
static NOINLINE int of_subprogram(struct __sk_buff *skb, int x)
{
	return x + info(type(struct net_device).mtu, BYTE_OFFSET) + skb->len;
}

SEC("tc") int calls(struct __sk_buff *skb)
{
	return of_subprogram(skb, info(type(struct net_device).ifindex, BYTE_OFFSET));
}

char _license[] SEC("license") = "GPL";
