/* first: what the first calls of a program cost.
 *
 *	first [wait]
 *
 * Asks for 16 random bytes 16 times, by one system call instruction. Prints the
 * process id, and nanoseconds for each call. With wait it lives on until its standard
 * input ends.
 */
#include "bare.h"
#include "window.h"

enum { CALLS = 16 };

static unsigned long ticks[CALLS];
static char out[24 * (CALLS + 1)];

/* Not inlined: all calls are made by one instruction. */
static __attribute__((noinline)) long ask(char *buf)
{
	return call3(__NR_getrandom, (long)buf, 16, 0);
}

static void begin(long *stack)
{
	static char buf[16];
	/* Long enough for the counter to be compared with the clock. */
	unsigned long ns = nanoseconds(), t = tsc(), elapsed;
	while (nanoseconds() - ns < 200000)
		;
	elapsed = tsc() - t, ns = nanoseconds() - ns;
	for (int i = 0; i < CALLS; i++) {
		t = tsc();
		long n = ask(buf);
		ticks[i] = tsc() - t;
		if (n != sizeof buf)
			quit(125);
	}
	char *p = decimal(out, call3(__NR_getpid, 0, 0, 0), 1);
	for (int i = 0; i < CALLS; i++) {
		*p++ = ' ';
		p = hundredths(p, (double)ticks[i] * ns / elapsed);
	}
	*p++ = '\n';
	put(out, p);
	if (stack[0] > 1)
		while (call3(__NR_read, 0, (long)buf, sizeof buf) > 0)
			;
	quit(0);
}
