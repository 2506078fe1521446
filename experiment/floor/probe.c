/* probe: what one raw system call costs, many times over.
 *
 *	probe getppid|getrandom WINDOWS CALLS
 *
 * Each window makes CALLS calls; one line for each, nanoseconds per call. The
 * first tenth of the windows is warm-up and not printed.
 *
 * Windows are timed by the time stamp counter: a clock read through the kernel
 * could itself be reflected. What the counter counts is found by reading a clock
 * at both ends of the whole run.
 */
#include "bare.h"

#define MAX 4096

static unsigned long ticks[MAX];
static char out[MAX * 24];

static unsigned long tsc(void)
{
	unsigned lo, hi;
	/* lfence: the counter is read when what came before is done. */
	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(lo), "=d"(hi) : : "memory");
	return (unsigned long)hi << 32 | lo;
}

static unsigned long nanoseconds(void)
{
	long ts[2];
	call3(__NR_clock_gettime, 4 /* CLOCK_MONOTONIC_RAW */, (long)ts, 0);
	return ts[0] * 1000000000ul + ts[1];
}

static unsigned long window(long nr, long calls)
{
	char bytes[16];
	unsigned long t = tsc();
	for (long i = 0; i < calls; i++)
		call3(nr, (long)bytes, sizeof bytes, 0);
	return tsc() - t;
}

static char *decimal(char *p, unsigned long n, int digits)
{
	if (digits > 1 || n >= 10)
		p = decimal(p, n / 10, digits - 1);
	*p++ = '0' + n % 10;
	return p;
}

static void begin(long *stack)
{
	char **argv = (char **)(stack + 1);
	if (stack[0] != 4)
		quit(125);
	long nr = same(argv[1], "getppid") ? __NR_getppid : __NR_getrandom;
	long windows = number(argv[2]), calls = number(argv[3]);
	char bytes[16];
	if (windows < 1 || windows > MAX || calls < 1 || same(argv[1], "getrandom") &&
	    call3(nr, (long)bytes, sizeof bytes, 0) != sizeof bytes)
		quit(125);

	unsigned long ns = nanoseconds(), t = tsc();
	for (long i = 0; i < windows; i++)
		ticks[i] = window(nr, calls);
	t = tsc() - t, ns = nanoseconds() - ns;

	char *p = out;
	for (long i = windows / 10; i < windows; i++) {
		unsigned long hundredths = 100.0 * ticks[i] * ns / t / calls;
		p = decimal(p, hundredths / 100, 1);
		*p++ = '.';
		p = decimal(p, hundredths % 100, 2);
		*p++ = '\n';
	}
	for (char *s = out; s < p;) {
		long n = call3(__NR_write, 1, (long)s, p - s);
		if (n <= 0)
			quit(125);
		s += n;
	}
	quit(0);
}
