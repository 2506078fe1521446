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
static long raw(long nr, long a, long b, long c)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}

static void by_getppid(void) { raw(SYS_getppid, 0, 0, 0); }
static void by_getgid(void) { raw(SYS_getgid, 0, 0, 0); }
static void by_getrandom(void) { raw(SYS_getrandom, (long)buf, sizeof buf, 0); }
static void by_raw_time(void)
{
	struct timespec t;
	raw(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&t, 0);
}
static void by_vdso_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
}

static void measure(const char *name, void (*f)(void))
{
	double least = 1e18;
	for (int w = 0; w < 3000; w++) {
		double t = now();
		for (int i = 0; i < 1000; i++)
			f();
		t = (now() - t) / 1000;
		if (t < least)
			least = t;
	}
	printf("%s %.2f\n", name, least);
}

int main(void)
{
	measure("null", by_getppid);
	measure("tax", by_getgid);
	measure("getrandom", by_getrandom);
	measure("time", by_raw_time);
	measure("vdso-time", by_vdso_time);
	return 0;
}
