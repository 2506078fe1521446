#define CHAIN \
	"	.rept 40\n" \
	"	imul %%eax, %%eax\n" \
	"	.endr\n"

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
			 CHAIN
			 "	.rept 100\n"
			 "	nop\n"
			 "	.endr\n"
			 "	dec %0\n"
			 "	jnz 1b" : "+r"(n) : : "eax", "cc");
	return tsc() - t;
}

/* Such a chain with nothing behind it, which a neighbour does not delay: it takes so many of the
 * core's own cycles. In parts of that a pulse says nothing of the core's frequency. */
static u64 chain(void)
{
	u64 n = 24, t = tsc();
	__asm__ volatile("	mov $3, %%eax\n"
			 "1:\n"
			 CHAIN
			 "	dec %0\n"
			 "	jnz 1b" : "+r"(n) : : "eax", "cc");
	return tsc() - t;
}

enum { PULSE_UNIT = 1 << 12 };	/* what a pulse would be that takes as long as the chain */
static inline u64 pulse_in(u64 chain)
{
	return pulse() * PULSE_UNIT / chain;
}
