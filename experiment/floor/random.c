/* random: asks the C library for 16 random bytes, many times over.
 *
 *	random WINDOWS CALLS
 *
 * Prints nanoseconds per call for each window; the first tenth of the windows is
 * warm-up and not printed. Before 2.41 glibc makes a system call; since then it
 * uses the vDSO's function, also in static programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int windows = argc == 3 ? atoi(argv[1]) : 0, calls = argc == 3 ? atoi(argv[2]) : 0;
	double *took = calloc(windows + 1, sizeof *took);
	char b[16];
	if (windows < 1 || calls < 1 || !took)
		return 125;
	for (int i = 0; i < windows; i++) {
		double t = now();
		for (int n = 0; n < calls; n++)
			if (getrandom(b, sizeof b, 0) != sizeof b)
				return 125;
		took[i] = now() - t;
	}
	for (int i = windows / 10; i < windows; i++)
		printf("%.2f\n", took[i] / calls);
	return 0;
}
