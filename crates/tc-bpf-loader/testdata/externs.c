/* What a program refers to that the kernel has: its configuration, variables and functions. */
#include "bpf.h"

#define KCONFIG __attribute__((section(".kconfig")))
#define KSYM __attribute__((section(".ksyms")))
#define WEAK __attribute__((weak))

enum libbpf_tristate { TRI_NO, TRI_YES, TRI_MODULE };

extern u32 LINUX_KERNEL_VERSION KCONFIG;
extern _Bool LINUX_HAS_BPF_COOKIE KCONFIG;
extern _Bool LINUX_HAS_SYSCALL_WRAPPER KCONFIG;
extern _Bool CONFIG_BPF KCONFIG;
extern char CONFIG_NET KCONFIG;
extern enum libbpf_tristate CONFIG_INET KCONFIG;
extern u32 CONFIG_HZ KCONFIG;
extern char CONFIG_DEFAULT_HOSTNAME[8] KCONFIG;
extern _Bool CONFIG_NO_SUCH_OPTION KCONFIG WEAK;
extern u64 CONFIG_NO_SUCH_NUMBER KCONFIG;
/* Of a type that no value fits; nothing refers to it. */
extern u32 CONFIG_BPF_SYSCALL KCONFIG;

extern const void schedule KSYM;
extern const void no_such_symbol KSYM;
extern const void no_such_weak_symbol KSYM WEAK;
extern const int bpf_prog_active KSYM;
extern const u64 no_such_variable KSYM WEAK;

struct sk_buff;
extern void bpf_rcu_read_lock(void) KSYM;
extern void bpf_rcu_read_unlock(void) KSYM;
extern void bpf_rcu_read_lock___with_flavour(void) KSYM;
extern int bpf_rcu_read_unlock___other_type(int x, int y) KSYM WEAK;
extern int no_such_function(int x) KSYM;
extern int no_such_weak_function(int x) KSYM WEAK;

SEC("tc") int version(struct __sk_buff *skb)
{
	return LINUX_KERNEL_VERSION >= 0x50000 && LINUX_HAS_BPF_COOKIE != LINUX_HAS_SYSCALL_WRAPPER;
}

SEC("tc") int options(struct __sk_buff *skb)
{
	return CONFIG_BPF + CONFIG_NET + CONFIG_INET * 2 + CONFIG_HZ + CONFIG_DEFAULT_HOSTNAME[1] +
	       CONFIG_NO_SUCH_OPTION;
}

SEC("tc") int missing_option(struct __sk_buff *skb)
{
	return CONFIG_NO_SUCH_NUMBER;
}

SEC("tc") int misfit_option(struct __sk_buff *skb)
{
	return CONFIG_BPF_SYSCALL;
}

SEC("tc") int symbol(struct __sk_buff *skb)
{
	return (u64)&schedule >> 32;
}

SEC("tc") int missing_symbol(struct __sk_buff *skb)
{
	return (u64)&no_such_symbol >> 3;
}

SEC("tc") int weak_symbols(struct __sk_buff *skb)
{
	u64 x = (u64)&no_such_weak_symbol;

	asm volatile("" : "+r"(x));
	return x + (&no_such_variable ? 5 : 0);
}

SEC("tc") int variable(struct __sk_buff *skb)
{
	const int *active = &bpf_prog_active;

	return active ? 1 : 0;
}

SEC("tc") int functions(struct __sk_buff *skb)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	bpf_rcu_read_lock___with_flavour();
	bpf_rcu_read_unlock();
	return 0;
}

SEC("tc") int missing_function(struct __sk_buff *skb)
{
	return no_such_function(3);
}

SEC("tc") int weak_function(struct __sk_buff *skb)
{
	if (no_such_weak_function)
		return no_such_weak_function(3);
	if (bpf_rcu_read_unlock___other_type)
		return bpf_rcu_read_unlock___other_type(3, 4);
	return 7;
}

SEC("tc") int unguarded_function(struct __sk_buff *skb)
{
	return no_such_weak_function(3);
}

char _license[] SEC("license") = "GPL";
