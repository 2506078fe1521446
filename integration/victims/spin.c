// Calls the vDSO's functions for ever, for debuggers to look at.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vdso.h"

static unsigned char bytes[32];

__attribute__((noinline)) static long spin_here(vgetrandom_fn *get, void *state, unsigned long size, int (*gettime)(clockid_t, struct timespec *))
{
	struct timespec t;
	long sum = 0;
	for (int i = 0; i < 1000; i++) {
		sum += get(bytes, sizeof bytes, 0, state, size);
		sum += gettime(CLOCK_MONOTONIC, &t);
		usleep(100);
	}
	return sum;
}

int main(void)
{
	struct vgetrandom_params p;
	vgetrandom_fn *get = vdso_symbol("__vdso_getrandom");
	void *gettime = vdso_symbol("__vdso_clock_gettime");
	if (!get || !gettime || get(NULL, 0, 0, &p, ~0UL))
		return 3;
	void *state = mmap(0, 4096, p.prot, p.flags, -1, 0);
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;;)
		if (spin_here(get, state, p.size, gettime) != 32 * 1000)
			return 4;
}
