/* Windows of calls, timed by the time stamp counter: a clock read through the
 * kernel could itself be reflected. What the counter counts is found by reading a
 * clock at both ends of the whole run. For programs with bare.h. */

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

static char *decimal(char *p, unsigned long n, int digits)
{
	if (digits > 1 || n >= 10)
		p = decimal(p, n / 10, digits - 1);
	*p++ = '0' + n % 10;
	return p;
}

/* With two digits after the point. */
static char *hundredths(char *p, double value)
{
	unsigned long n = 100.0 * value;
	p = decimal(p, n / 100, 1);
	*p++ = '.';
	return decimal(p, n % 100, 2);
}

static void put(const char *from, const char *to)
{
	while (from < to) {
		long n = call3(__NR_write, 1, (long)from, to - from);
		if (n <= 0)
			quit(125);
		from += n;
	}
}
