/* loops: what calls cost by a loop and a clock of its own, for holding `reflect
 * bench` against. Prints a name and the least nanoseconds a call of many short
 * windows, which is what a machine takes that nobody disturbs. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return 1e9 * t.tv_sec + t.tv_nsec;
}

static char buf[16];
static struct timespec at;
#define RAW(nr, a, b, c)                                                                        \
	({                                                                                      \
		long r_;                                                                        \
		__asm__ volatile("syscall"                                                      \
				 : "=a"(r_)                                                     \
				 : "0"(nr), "D"((long)(a)), "S"((long)(b)), "d"((long)(c))      \
				 : "rcx", "r11", "memory");                                     \
		r_;                                                                             \
	})

/* The call stands in the loop itself: where the kernel's returns use up the processor's return
 * stack (Safe RET), the return to whoever called before costs 25 to 50 ns more. */
#define MEASURE(name, call)                              \
	do {                                             \
		double least = 1e18;                     \
		for (int w = 0; w < 3000; w++) {         \
			double t = now();                \
			for (int i = 0; i < 1000; i++)   \
				call;                    \
			t = (now() - t) / 1000;          \
			if (t < least)                   \
				least = t;               \
		}                                        \
		printf("%s %.2f\n", name, least);        \
	} while (0)

int main(void)
{
	MEASURE("null", RAW(SYS_getppid, 0, 0, 0));
	MEASURE("tax", RAW(SYS_getgid, 0, 0, 0));
	MEASURE("getrandom", RAW(SYS_getrandom, buf, sizeof buf, 0));
	MEASURE("time", RAW(SYS_clock_gettime, CLOCK_MONOTONIC, &at, 0));
	MEASURE("vdso-time", clock_gettime(CLOCK_MONOTONIC, &at));
	return 0;
}
