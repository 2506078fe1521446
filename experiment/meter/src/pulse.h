/* Whether the core is ours alone. A core with two threads (SMT) gives them turns, and whose the
 * other one is, another program or another virtual machine, no counter tells. But what
 * is bound by how many instructions a core takes in, and by nothing else, then takes half as
 * long again: that is a pulse, of less than a microsecond. */
static u64 pulse(void)
{
	u64 n = 150, t = tsc();
	__asm__ volatile("	.balign 64\n"
			 "1:	.rept 128\n"
			 "	nop\n"
			 "	.endr\n"
			 "	dec %0\n"
			 "	jnz 1b" : "+r"(n) : : "cc");
	return tsc() - t;
}
