// Code that comes and goes: libraries, generated code, code that changes, and calls by
// other numbers and other instructions.
#include "behaviour.h"
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

// mov $nr, %eax; syscall; ret
static void emit(unsigned char *p, unsigned nr)
{
	memcpy(p, (unsigned char[]){ 0xb8, nr, nr >> 8, 0, 0, 0x0f, 0x05, 0xc3 }, 8);
}
typedef long generated(long, long, long);

BEHAVIOUR(library_loaded_and_unloaded)
{
	for (int i = 0; i < 6; i++) {
		void *l = dlopen(argv[2 + (i & 1)], RTLD_NOW);
		if (!l) {
			printf("%s\n", dlerror());
			continue;
		}
		long (*one)(void) = (long (*)(void))dlsym(l, "f");
		int right = 0;
		for (int j = 0; j < 4; j++)
			right += one() == (i & 1 ? getpgrp() : getppid());
		printf("%d of 4 right, unloaded %d", right, dlclose(l));
		printf(", calls good %d\n", calls_ok());
	}
}

BEHAVIOUR(library_of_the_system_loaded)
{
	for (int i = 0; i < 3; i++) {
		void *l = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
		double (*f)(double) = (double (*)(double))dlsym(l, "cbrt");
		printf("%d, %.0f", l != NULL, f ? f(27) : 0);
		printf(", %d\n", l ? dlclose(l) : -1);
	}
	printf("nothing: %d, calls good %d\n", dlopen("/no/such.so", RTLD_NOW) == NULL, calls_ok());
}

BEHAVIOUR(generated_code)
{
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char b[16];
	for (int i = 0; i < 4; i++) {
		emit(p, SYS_getppid);
		int first = ((generated *)p)(0, 0, 0) == getppid();
		emit(p, SYS_sched_get_priority_max);
		long second = ((generated *)p)(SCHED_FIFO, 0, 0);
		emit(p, SYS_getrandom);
		long third = ((generated *)p)((long)b, 16, 0);
		emit(p, SYS_getrandom);
		printf("%d %ld %ld %s\n", first, second, third, result(((generated *)p)(0, 16, 0)));
	}
	printf("the code is what was written: %d\n", p[0] == 0xb8 && p[5] == 0x0f && p[6] == 5 && p[7] == 0xc3);
}

// Written, then made executable, as engines do that obey W^X; and again.
BEHAVIOUR(generated_code_that_is_protected)
{
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const unsigned nrs[] = { SYS_getppid, SYS_getpgrp, SYS_getppid, SYS_gettid };
	for (int i = 0; i < 4; i++) {
		mprotect(p, 4096, PROT_READ | PROT_WRITE);
		emit(p, nrs[i]);
		mprotect(p, 4096, PROT_READ | PROT_EXEC);
		int right = 0;
		for (int j = 0; j < 4; j++)
			right += ((generated *)p)(0, 0, 0) == (i == 1 ? getpgrp() : i == 3 ? gettid() : getppid());
		printf("%d of 4 right\n", right);
	}
}

// A file with code is mapped, called, replaced by another at the same address.
BEHAVIOUR(code_mapped_over_code)
{
	unsigned char b[4096] = { 0 };
	void *at = NULL;
	for (int i = 0; i < 6; i++) {
		int fd = memfd_create("code", 0);
		emit(b, i & 1 ? SYS_getpgrp : SYS_getppid);
		if (write(fd, b, sizeof b) != sizeof b)
			return;
		at = mmap(at, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | (at ? MAP_FIXED : 0), fd, 0);
		int right = 0;
		for (int j = 0; j < 4; j++)
			right += ((generated *)at)(0, 0, 0) == (i & 1 ? getpgrp() : getppid());
		close(fd);
		printf("%d of 4 right\n", right);
	}
}

// A program that changes the number in its own text.
extern unsigned char changing[];
__asm__(".text\n.balign 4096\n.globl changing\n.type changing, @function\nchanging: mov $110, %eax; syscall; ret\n.size changing, . - changing\n.balign 4096\n");
BEHAVIOUR(text_that_changes_itself)
{
	for (int i = 0; i < 6; i++) {
		int right = 0;
		for (int j = 0; j < 4; j++)
			right += ((generated *)changing)(0, 0, 0) == (i & 1 ? getpgrp() : getppid());
		int r = mprotect(changing, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
		emit(changing, i & 1 ? SYS_getppid : SYS_getpgrp);
		if (i < 4)
			r |= mprotect(changing, 4096, PROT_READ | PROT_EXEC);
		printf("%d of 4 right, %d\n", right, r);
	}
}

// The text of the library is made writable, and protected again, unchanged.
BEHAVIOUR(text_made_writable)
{
	char *page = (char *)((uintptr_t)getppid & -4096ul);
	for (int i = 0; i < 4; i++) {
		int w = mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC), ok = calls_ok();
		int x = mprotect(page, 8192, PROT_READ | PROT_EXEC);
		printf("%d %d, calls good %d %d\n", w, x, ok, calls_ok());
	}
}

static long int80(long n, long b, long c, long d)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(n), "b"(b), "c"(c), "d"(d) : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}
BEHAVIOUR(calls_of_32_bits)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	for (int i = 0; i < 3; i++) {
		printf("getpid %d", int80(20, 0, 0, 0) == getpid());
		printf(", getppid %d", int80(64, 0, 0, 0) == getppid());
		printf(", getrandom %s", result(int80(355, (long)low, 16, 0)));
		printf(", to nowhere %s", result(int80(355, 16, 16, 0)));
		printf(", clock_gettime %s", result(int80(265, 1, (long)low, 0)));
		printf(", number 318 %s\n", result(int80(318, 0, 0, 0)));
	}
	printf("calls good %d\n", calls_ok());
}
BEHAVIOUR(calls_by_x32_numbers)
{
	char b[16];
	for (int i = 0; i < 3; i++) {
		printf("%s", library(syscall(0x40000000 | SYS_getrandom, b, 16, 0)));
		printf(" %s", library(syscall(0x40000000 | SYS_getppid)) == NULL ? "" : syscall(0x40000000 | SYS_getppid) > 0 ? "a number" : strerror(errno));
		printf(" %s\n", library(syscall(0x40000000 | 512)));
	}
}

// The functions of the vDSO, found as a program without a library would.
BEHAVIOUR(vdso_by_hand)
{
	struct timespec t = { 0 };
	unsigned cpu = 99999, node;
	int (*get)(int, struct timespec *) = vdso_symbol("__vdso_clock_gettime");
	int (*res)(int, struct timespec *) = vdso_symbol("__vdso_clock_getres");
	int (*where)(unsigned *, unsigned *, void *) = vdso_symbol("__vdso_getcpu");
	long (*seconds)(long *) = vdso_symbol("__vdso_time");
	int (*day)(void *, void *) = vdso_symbol("__vdso_gettimeofday");
	vgetrandom_fn *draw = vdso_symbol("__vdso_getrandom");
	printf("found %d %d %d %d %d %d\n", !!get, !!res, !!where, !!seconds, !!day, !!draw);
	for (int i = 0; i < 3; i++) {
		printf("%d %d", get ? get(CLOCK_MONOTONIC, &t) : 0, t.tv_sec > 0);
		printf(", %d", get ? get(99, &t) : 0);
		printf(", %d", res ? res(CLOCK_REALTIME, &t) : 0);
		printf(", %d %d", where ? where(&cpu, &node, NULL) : 0, cpu < 1024);
		printf(", %d", seconds ? seconds(NULL) - time(NULL) <= 1 : 0);
		char v[16];
		printf(", %d", day ? day(v, NULL) : 0);
		if (draw) {
			struct vgetrandom_params p = { 0 };
			char b[64] = { 0 };
			printf(", parameters %ld", draw(NULL, 0, 0, &p, ~0ul));
			void *state = mmap(NULL, 4096, p.prot, p.flags, -1, 0);
			printf(", %ld", draw(b, 64, 0, state, p.size));
			printf(", flags %ld, nothing %ld", draw(b, 64, 8, state, p.size), draw(b, 0, 0, state, p.size));
			printf(", wrong size %ld", draw(b, 64, 0, state, 1));
		}
		printf("\n");
	}
}

// A thread runs code while another replaces what lies beside it.
static atomic_int stop, wrong;
static unsigned char *region;
static void *calls_generated(void *arg)
{
	while (!stop)
		wrong += ((generated *)region)(0, 0, 0) != getppid();
	return arg;
}
BEHAVIOUR(generated_code_beside_other_code)
{
	pthread_t t;
	region = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	emit(region, SYS_getppid);
	pthread_create(&t, NULL, calls_generated, NULL);
	for (int i = 0; i < 200; i++) {
		emit(region + 64, i & 1 ? SYS_getpgrp : SYS_gettid);
		wrong += ((generated *)(region + 64))(0, 0, 0) != (i & 1 ? getpgrp() : gettid());
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("%d wrong\n", wrong);
}
