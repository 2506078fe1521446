/* probe: what one raw system call costs, many times over.
 *
 *	probe getppid|getrandom WINDOWS CALLS
 *
 * Each window makes CALLS calls; one line for each, nanoseconds per call. The
 * first tenth of the windows is warm-up and not printed.
 */
#include "bare.h"
#include "window.h"

#define MAX 4096

static unsigned long ticks[MAX];
static char out[MAX * 24];

static unsigned long window(long nr, long calls)
{
	char bytes[16];
	unsigned long t = tsc();
	for (long i = 0; i < calls; i++)
		call3(nr, (long)bytes, sizeof bytes, 0);
	return tsc() - t;
}

static void begin(long *stack)
{
	char **argv = (char **)(stack + 1);
	if (stack[0] != 4)
		quit(125);
	long nr = same(argv[1], "getppid") ? __NR_getppid : __NR_getrandom;
	long windows = number(argv[2]), calls = number(argv[3]);
	char bytes[16];
	if (windows < 1 || windows > MAX || calls < 1 || (same(argv[1], "getrandom") &&
	    call3(nr, (long)bytes, sizeof bytes, 0) != sizeof bytes))
		quit(125);

	unsigned long ns = nanoseconds(), t = tsc();
	for (long i = 0; i < windows; i++)
		ticks[i] = window(nr, calls);
	t = tsc() - t, ns = nanoseconds() - ns;

	char *p = out;
	for (long i = windows / 10; i < windows; i++) {
		p = hundredths(p, (double)ticks[i] * ns / t / calls);
		*p++ = '\n';
	}
	put(out, p);
	quit(0);
}
