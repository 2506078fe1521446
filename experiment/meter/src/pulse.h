/* Whether the core is ours alone. A core with two threads (SMT) divides what it keeps of
 * instructions between them while both have something to do, however little, and whose the other
 * one is, another program or another virtual machine, no counter tells. A chain of
 * multiplications that stands behind instructions without end begins while the one before it is
 * under way, as far as the core looks ahead: if that is half as far, the loop takes half as long
 * again. That is a pulse, of less than a microsecond. */
static u64 pulse(void)
{
	u64 n = 32, t = tsc();
	__asm__ volatile("	.balign 64\n"
			 "1:	mov $3, %%eax\n"
			 "	.rept 40\n"
			 "	imul %%eax, %%eax\n"
			 "	.endr\n"
			 "	.rept 100\n"
			 "	nop\n"
			 "	.endr\n"
			 "	dec %0\n"
			 "	jnz 1b" : "+r"(n) : : "eax", "cc");
	return tsc() - t;
}
