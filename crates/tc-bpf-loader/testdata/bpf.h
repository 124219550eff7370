/* The little that the programs here need: no headers of any other project. */
#define SEC(name) __attribute__((section(name), used))
#define NOINLINE __attribute__((noinline))

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* BTF-defined maps: a number is the length of an array, a type what a pointer points to. */
#define NUMBER(name, n) int (*name)[n]
#define TYPE(name, type) type *name

enum { MAP_HASH = 1, MAP_ARRAY = 2, MAP_PROG_ARRAY = 3, MAP_ARRAY_OF_MAPS = 12, MAP_HASH_OF_MAPS = 13 };

/* The start of the kernel's struct __sk_buff. */
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

/* Helpers of the kernel, by number. */
#ifdef __clang__
#define HELPER(number, type, name, ...) static type (*const name)(__VA_ARGS__) = (void *)number
#else
#define HELPER(number, type, name, ...) type name(__VA_ARGS__) __attribute__((kernel_helper(number)))
#endif

HELPER(1, void *, map_lookup_elem, void *map, const void *key);
HELPER(2, long, map_update_elem, void *map, const void *key, const void *value, u64 flags);
HELPER(5, u64, ktime_get_ns, void);
HELPER(6, long, trace_printk, const char *text, u32 size, ...);
HELPER(12, long, tail_call, void *ctx, void *map, u32 index);
HELPER(181, long, loop, u32 count, void *callback, void *data, u64 flags);
