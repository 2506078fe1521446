// Makes the calls that the default policy reflects, through the C library and as
// raw system calls, with good and bad arguments, and prints what came back.
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vdso.h"

static void said(const char *what, long r)
{
	printf("%s = %ld%s%s\n", what, r, r < 0 ? " " : "", r < 0 ? strerror(errno) : "");
}

static int filled(const unsigned char *p, size_t n)
{
	size_t zeros = 0;
	for (size_t i = 0; i < n; i++)
		zeros += p[i] == 0;
	return zeros < n / 16 + 4;
}

static long raw_random(void *p, size_t n, unsigned flags) { return syscall(SYS_getrandom, p, n, flags); }

static void randomness(const char *way, long (*get)(void *, size_t, unsigned))
{
	static unsigned char a[1 << 20], b[64];
	char *none = (char *)16;
	char *edge = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *readonly = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(edge + 4096, 4096, PROT_NONE);
	printf("getrandom, %s\n", way);
	said("  0 bytes", get(a, 0, 0));
	said("  0 bytes at NULL", get(NULL, 0, 0));
	for (size_t n = 1; n <= sizeof a; n *= 4) {
		memset(a, 0, sizeof a);
		long r = get(a, n, 0);
		printf("  %zu bytes = %ld, filled %d, none beyond %d\n", n, r, n < 16 || filled(a, n), n == sizeof a || a[n] == 0);
	}
	get(a, 64, 0);
	get(b, 64, 0);
	printf("  two are different %d\n", memcmp(a, b, 64) != 0);
	said("  GRND_NONBLOCK", get(a, 16, GRND_NONBLOCK));
	said("  GRND_RANDOM", get(a, 16, GRND_RANDOM | GRND_NONBLOCK));
	said("  GRND_INSECURE", get(a, 16, 4));
	said("  GRND_INSECURE|GRND_RANDOM", get(a, 16, 4 | GRND_RANDOM));
	said("  flags 8", get(a, 16, 8));
	said("  flags ~0", get(a, 16, ~0u));
	said("  bad flags and a bad address", get(none, 16, 8));
	said("  at 16", get(none, 16, 0));
	said("  at a read-only page", get(readonly, 16, 0));
	said("  half over the edge of a page", get(edge + 4088, 16, 0));
	said("  far over the edge of a page", get(edge + 4000, 4096, 0));
	said("  at a kernel address", get((void *)0xffff800000000000UL, 16, 0));
	munmap(edge, 8192);
	munmap(readonly, 4096);
}

static long raw_gettime(clockid_t c, struct timespec *t) { return syscall(SYS_clock_gettime, c, t); }
static long raw_getres(clockid_t c, struct timespec *t) { return syscall(SYS_clock_getres, c, t); }
static long lib_gettime(clockid_t c, struct timespec *t) { return clock_gettime(c, t); }
static long lib_getres(clockid_t c, struct timespec *t) { return clock_getres(c, t); }

static void clocks(const char *way, long (*gettime)(clockid_t, struct timespec *), long (*getres)(clockid_t, struct timespec *))
{
	printf("clocks, %s\n", way);
	static const clockid_t ids[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 99, -1, -2, -6, -7, INT_MIN, INT_MAX };
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		struct timespec a = { -7, -7 }, b = { -7, -7 }, res = { -7, -7 };
		errno = 0;
		long r = gettime(ids[i], &a);
		int e = errno;
		long q = gettime(ids[i], &b);
		errno = 0;
		long s = getres(ids[i], &res);
		printf("  %d: gettime %ld %s, sane %d, in order %d; getres %ld %s %ld.%09ld\n", ids[i], r, r ? strerror(e) : "",
		       r || (a.tv_nsec >= 0 && a.tv_nsec < 1000000000), q || b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec),
		       s, s ? strerror(errno) : "", (long)res.tv_sec, res.tv_nsec);
	}
	said("  getres without a place", getres(CLOCK_MONOTONIC, NULL));
	said("  getres of no clock, without a place", getres(99, NULL));
}

// The raw calls only: a C library's may read bad addresses itself and crash.
static void bad_addresses(void)
{
	void *bad = (void *)16;
	said("clock_gettime at 16", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad));
	said("clock_gettime at 0", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, NULL));
	said("clock_gettime of no clock at 16", syscall(SYS_clock_gettime, 99, bad));
	said("clock_getres at 16", syscall(SYS_clock_getres, CLOCK_MONOTONIC, bad));
	said("gettimeofday at 16", syscall(SYS_gettimeofday, bad, NULL));
	said("gettimeofday, zone at 16", syscall(SYS_gettimeofday, NULL, bad));
	said("gettimeofday, nothing", syscall(SYS_gettimeofday, NULL, NULL));
	said("time at 16", syscall(SYS_time, bad));
	said("getcpu at 16", syscall(SYS_getcpu, bad, NULL, NULL));
	said("getcpu, nothing", syscall(SYS_getcpu, NULL, NULL, NULL));
}

static void agreement(void)
{
	struct timespec lib, raw;
	struct timeval tv, rawtv;
	struct timezone tz = { 7, 7 }, rawtz = { 7, 7 };
	clock_gettime(CLOCK_REALTIME, &lib);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &raw);
	gettimeofday(&tv, NULL);
	syscall(SYS_gettimeofday, &rawtv, &rawtz);
	int (*volatile zone_only)(struct timeval *, void *) = (void *)gettimeofday;
	zone_only(NULL, &tz);
	long t = time(NULL), stored = 0, s = syscall(SYS_time, &stored);
	printf("clocks agree %d %d %d %d %d %d\n", labs(raw.tv_sec - lib.tv_sec) < 30, labs(tv.tv_sec - lib.tv_sec) < 30,
	       labs(rawtv.tv_sec - lib.tv_sec) < 30, labs(t - lib.tv_sec) < 30, labs(s - lib.tv_sec) < 30, s == stored);
	printf("zone %d %d, %d %d\n", tz.tz_minuteswest, tz.tz_dsttime, rawtz.tz_minuteswest, rawtz.tz_dsttime);
	long (*vdso_getcpu)(unsigned *, unsigned *, void *) = vdso_symbol("__vdso_getcpu");
	cpu_set_t one;
	CPU_ZERO(&one);
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	for (int c = 0; c < cpus; c++) {
		CPU_ZERO(&one);
		CPU_SET(c, &one);
		if (sched_setaffinity(0, sizeof one, &one))
			continue;
		unsigned cpu = -1, node = -1, rawcpu = -1, rawnode = -1;
		int ok = vdso_getcpu && vdso_getcpu(&cpu, &node, NULL) == 0 && syscall(SYS_getcpu, &rawcpu, &rawnode, NULL) == 0;
		printf("on cpu %d: %d %u %u %u %u\n", c, ok, cpu, rawcpu, node, rawnode);
	}
}

static void symbols(void)
{
	static const char *names[] = { "__vdso_gettimeofday", "gettimeofday", "__vdso_time", "time", "__vdso_clock_gettime", "clock_gettime",
				       "__vdso_clock_getres", "clock_getres", "__vdso_getcpu", "getcpu", "__vdso_getrandom", "getrandom" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		printf("vDSO has %s %d\n", names[i], vdso_symbol(names[i]) != 0);
}

static long lib_random(void *p, size_t n, unsigned flags) { return getrandom(p, n, flags); }

int main(int argc, char **argv)
{
	printf("%d arguments:", argc);
	for (int i = 1; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf("\n");
	randomness("library", lib_random);
	randomness("raw", raw_random);
	clocks("library", lib_gettime, lib_getres);
	clocks("raw", raw_gettime, raw_getres);
	bad_addresses();
	agreement();
	symbols();
	unsigned char e[256];
	said("getentropy", getentropy(e, sizeof e));
	fflush(stdout);
	fprintf(stderr, "to standard error\n");
	return 42;
}
