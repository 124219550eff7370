/* What a kernel's types may be like, for tests of CO-RE without one: the types of core.c in another shape. Variables keep
 * the types in the object. */
#include "bpf.h"

struct list_head {
	u64 more;
	struct list_head *next, *prev;
};

struct net_device {
	u64 before;
	unsigned short mtu;
	int ifindex;
	char name[32];
};

struct sk_buff {
	u64 before;
	struct {
		union {
			int other;
			struct {
				int len;
				union {
					struct net_device *dev;
				};
			};
		};
	};
	char *data;
	struct {
		u32 more : 7;
		u32 pkt_type : 5;
		u32 ignore_df : 1;
	};
	u16 vlan_tci;
} skb;

struct task_struct {
	long before[3];
	unsigned int more : 30;
	unsigned int in_execve : 2;
	int pid;
	struct list_head *other;
	struct list_head tasks;
} task;

enum bpf_prog_type {
	BPF_PROG_TYPE_ANY,
	BPF_PROG_TYPE_KPROBE = 2,
	BPF_PROG_TYPE_XDP = 0x7fffffff,
} prog_type;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = -3,
} map_type;

union bpf_attr {
	u64 map_type;
} attr;

typedef struct {
	int counter;
} atomic_t;
atomic_t atomic;
struct net_device dev;

/* Two types of one name that do not agree: as members of others, they may be in one file. */
struct outer {
	struct twice {
		int a, x;
	} t;
} outer;

/* Functions that programs may call, and hooks. */
#define FUNCTION(name) NOINLINE void name(void) { asm volatile("r0 = 0"); }
FUNCTION(bpf_rcu_read_lock)
FUNCTION(bpf_rcu_read_unlock)
FUNCTION(tcp_connect)
FUNCTION(bpf_lsm_bprm)
FUNCTION(bpf_iter_task)
typedef void (*btf_trace_sched_switch)(void *);
btf_trace_sched_switch tracepoint;
int bpf_prog_active;
