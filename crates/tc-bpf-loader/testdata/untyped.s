# As clang before 8 wrote objects: function symbols without type or size, and jump labels as symbols.
	.section classifier,"ax",@progbits
	.globl pass
pass:
	r0 = *(u32 *)(r1 + 0)
	if r0 > 100 goto LBB0_2
	r0 = 0
LBB0_2:
	exit
	.globl shot
shot:
	r0 = 2
	exit
