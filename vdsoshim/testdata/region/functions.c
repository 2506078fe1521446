#define _GNU_SOURCE
#include "region.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sched.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef int clock_fn(clockid_t, struct timespec *);
typedef int gettimeofday_fn(struct timeval *, void *);
typedef time_t time_fn(time_t *);
typedef int getcpu_fn(unsigned *, unsigned *, void *);

static void *both(const struct region *r, const char *name, void **theirs)
{
	void *ours = find(r->base, name);

	*theirs = find(r->kernel, name);
	CHECK(ours, "%s is not exported", name);
	CHECK(*theirs, "the kernel has no %s", name);
	return ours;
}

static int call_gettime(clockid_t id, struct timespec *t)
{
	return syscall(SYS_clock_gettime, id, t) ? -errno : 0;
}

static int call_getres(clockid_t id, struct timespec *t)
{
	return syscall(SYS_clock_getres, id, t) ? -errno : 0;
}

/* Ours between two of theirs must be in order, and answer alike. */
static void check_clocks(const struct region *r, const char *name, clock_fn *call)
{
	void *k;
	clock_fn *ours = both(r, name, &k), *theirs = call ? call : k;
	clockid_t ids[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 22, 23, 24, 25, 31, 32, 34, 63, 64,
			   -1, -6, -(getpid() * 8) - 6, ~getpid() * 8 | 2, 1 << 20, INT_MAX, INT_MIN};

	for (unsigned i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		struct timespec t[3] = {{-1, -1}, {-1, -1}, {-1, -1}};
		int a = theirs(ids[i], &t[0]), b = ours(ids[i], &t[1]), c = theirs(ids[i], &t[2]);

		CHECK(a == b && b == c, "%s(%d): %d, theirs %d", name, ids[i], b, a);
		for (int j = 0; j < 2 && !a; j++)
			CHECK(t[j].tv_sec < t[j + 1].tv_sec ||
			      (t[j].tv_sec == t[j + 1].tv_sec && t[j].tv_nsec <= t[j + 1].tv_nsec),
			      "%s(%d) runs backwards", name, ids[i]);
	}
	/* Of these every kernel makes the call: a bad address is an error, and no fault. */
	clockid_t called[] = {2, 3, 9, 12, 24, -1, -6, INT_MIN};
	for (unsigned i = 0; i < sizeof(called) / sizeof(*called); i++) {
		void *bad[] = {0, (void *)8, (void *)-8, (void *)(1UL << 63)};
		for (int j = 0; j < 4; j++) {
			int a = theirs(called[i], bad[j]), b = ours(called[i], bad[j]);
			CHECK(a == b, "%s(%d, %p): %d, theirs %d", name, called[i], bad[j], b, a);
		}
		struct timespec t, *at = &t;
		u64 b = 0x1234, stack, id = called[i];
		int error;
		asm volatile("mov %%rsp, %%r12; call *%[f]; sub %%rsp, %%r12; mov %%r12, %%rdx"
			     : "=a"(error), "+b"(b), "=d"(stack), "+D"(id), "+S"(at)
			     : [f] "r"(ours)
			     : "rcx", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
		CHECK(b == 0x1234 && !stack && error == theirs(called[i], &t), "%s(%d): rbx is %lx, the stack moved by %ld, %d",
		      name, called[i], b, (long)stack, error);
	}
}

void check_functions(const struct region *r, int stubs)
{
	void *k;
	const char *pre[] = {"__vdso_", ""};

	for (int i = 0; i < 2; i++) {
		char name[64];
#define NAME(n) (snprintf(name, sizeof(name), "%s%s", pre[i], n), name)
		check_clocks(r, NAME("clock_gettime"), stubs ? call_gettime : 0);
		check_clocks(r, NAME("clock_getres"), stubs ? call_getres : 0);

		gettimeofday_fn *tod = both(r, NAME("gettimeofday"), &k), *tod_k = k;
		struct timeval a, b;
		struct timezone za = {1, 2}, zb = {3, 4};
		CHECK(tod(0, 0) == 0, "gettimeofday");
		CHECK(tod_k(&a, &za) == 0 && tod(&b, &zb) == 0, "gettimeofday");
		CHECK(!memcmp(&za, &zb, sizeof(za)), "time zones differ");
		CHECK(b.tv_sec - a.tv_sec <= 1 && b.tv_sec >= a.tv_sec, "gettimeofday is off");

		time_fn *now = both(r, NAME("time"), &k), *now_k = k;
		time_t t1 = now_k(0), t2 = 0, t3 = now(&t2);
		CHECK(t3 == t2 && t3 - t1 <= 1 && t3 >= t1, "time is off");

		getcpu_fn *cpu = both(r, NAME("getcpu"), &k), *cpu_k = k;
		cpu_set_t old, one;
		sched_getaffinity(0, sizeof(old), &old);
		for (int c = 0; c < 16; c++)
			if (CPU_ISSET(c, &old)) {
				unsigned x = ~0u, y = ~0u, n = ~0u, m = ~0u;
				CPU_ZERO(&one);
				CPU_SET(c, &one);
				sched_setaffinity(0, sizeof(one), &one);
				CHECK(cpu(&x, &n, 0) == 0 && cpu_k(&y, &m, 0) == 0, "getcpu");
				CHECK(x == (unsigned)c && x == y && n == m, "getcpu says %u,%u, theirs %u,%u", x, n, y, m);
				CHECK(cpu(0, 0, 0) == 0, "getcpu");
			}
		sched_setaffinity(0, sizeof(old), &old);
	}
}

/* One call is one count, in the row of a CPU that exists, whatever the call. */
void check_counters(const struct region *r)
{
	volatile u64 (*row)[512] = (void *)(r->base + r->counters_off);
	const char *names[] = {"__vdso_clock_gettime", "clock_gettime", "__vdso_getcpu", "__vdso_time",
			       "__vdso_gettimeofday", "__vdso_clock_getres", "__vdso_getrandom"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		u64 before = 0, after = 0;
		long (*f)(u64, u64, u64, u64, u64) = find(r->base, names[i]);
		struct timespec ts;
		unsigned rows = 0;

		for (int c = 0; c < 16; c++)
			for (int j = 0; j < 512; j++)
				before += row[c][j];
		for (int n = 0; n < 1000; n++)
			f(0, strstr(names[i], "clock") ? (u64)&ts : 0, 0, 0, 0);
		for (int c = 0; c < 16; c++) {
			int any = 0;
			for (int j = 0; j < 512; j++) {
				after += row[c][j];
				any |= row[c][j] != 0;
			}
			rows += any;
		}
		CHECK(after - before == 1000, "%s: 1000 calls are %lu counts", names[i], after - before);
		CHECK(rows >= 1 && rows <= CPU_SETSIZE, "%u rows", rows);
	}
}

/* Runs f with every register known and reports which came back changed:
 * made_up (fake.S) changes rax alone, a forwarder nothing. */
static u64 changed(void *f, u64 *rax)
{
	static u64 stack;
	u64 mask = 0;

	asm volatile(
		"push %%rbp\n\t"
		"mov %%rsp, %[stack]\n\t"
		"mov %[f], %%rax\n\t"
		"mov $1, %%ebx; mov $2, %%ecx; mov $3, %%edx; mov $4, %%esi; mov $5, %%edi; mov $6, %%ebp\n\t"
		"mov $8, %%r8d; mov $9, %%r9d; mov $10, %%r10d; mov $11, %%r11d; mov $12, %%r12d\n\t"
		"mov $13, %%r13d; mov $14, %%r14d; mov $15, %%r15d\n\t"
		"stc\n\t"
		"call *%%rax\n\t"
		"push %%rax\n\t"
		"mov $0, %%eax\n\t"
		"setnc %%al\n\t"
		"xor $1, %%rbx; or %%rbx, %%rax; xor $2, %%rcx; or %%rcx, %%rax; xor $3, %%rdx; or %%rdx, %%rax\n\t"
		"xor $4, %%rsi; or %%rsi, %%rax; xor $5, %%rdi; or %%rdi, %%rax; xor $6, %%rbp; or %%rbp, %%rax\n\t"
		"xor $8, %%r8; or %%r8, %%rax; xor $9, %%r9; or %%r9, %%rax; xor $10, %%r10; or %%r10, %%rax\n\t"
		"xor $11, %%r11; or %%r11, %%rax; xor $12, %%r12; or %%r12, %%rax; xor $13, %%r13; or %%r13, %%rax\n\t"
		"xor $14, %%r14; or %%r14, %%rax; xor $15, %%r15; or %%r15, %%rax\n\t"
		"pop %%rcx\n\t"
		"sub %[stack], %%rsp; or %%rsp, %%rax; add %[stack], %%rsp\n\t"
		"pop %%rbp\n\t"
		: "=&a"(mask), "=&c"(*rax), [stack] "+m"(stack)
		: [f] "m"(f)
		: "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	return mask;
}

void check_made_up(const struct region *r)
{
	u64 rax = 0, mask;
	void *f = find(r->base, "__vdso_made_up");
	const u64 *data = find(r->base, "made_up_data");

	CHECK(f && data, "the made-up symbols are not exported");
	mask = changed(f, &rax);
	CHECK(mask == 0, "a forwarder changed registers: %lx", mask);
	CHECK(rax == 0x7ea5ed, "made_up returned %lx", rax);
	CHECK(data[0] == 0x1122334455667788 && data[1] == 42, "data is %lx %lx", data[0], data[1]);
}
