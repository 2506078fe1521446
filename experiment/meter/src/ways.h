/* The ways: what a call is made by. Package meter has the same list. */
enum way {
	LOOP,		/* nothing: the loop around a system call */
	CALL_LOOP,	/* nothing: the loop around a function */
	GETPPID, GETUID, GETGID, GETRANDOM, CLOCK_GETTIME, /* system calls */
	VDSO_GETRANDOM, VDSO_CLOCK_GETTIME, VDSO_NULL,
	LIBC_GETRANDOM, LIBC_CLOCK_GETTIME, LIBC_GETPPID, LIBC_GETUID,
	OWN_GETRANDOM,	/* own.h, following the counter that the shim exports */
	SIGNAL, NO_SIGNAL, SWITCH, NO_SWITCH, /* floors.h */
	NO_CALL,	/* a number that no call has: into the kernel and out of it */
	WAYS,
};

static struct {
	u32 size, prot, flags, reserved[13];
} params;

/* What a thread needs for its calls. */
struct place {
	char *buf;	/* MAX_BYTES */
	void *state;	/* of the vDSO's function */
};
enum { MAX_BYTES = 1 << 16 };

static function *functions[WAYS];
static long parent, user, group;
static int have_partner;

static struct place place(void)
{
	struct place p = { fresh(MAX_BYTES), 0 };
	memset(p.buf, 0, MAX_BYTES);
	long s = CALL(__NR_mmap, 0, 4096, params.prot ? params.prot : 3, params.flags ? params.flags : 0x22, -1, 0);
	if (s < 0 && s > -4096)
		quit(124);
	p.state = (void *)s;
	return p;
}

#ifdef LIBC
extern long getrandom(void *, size_t, u32);
extern int clock_gettime(int, void *);
extern int getppid(void), getuid(void);
#else
/* What own.h takes from a C library. */
#define NULL ((void *)0)
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20
#define MAP_FAILED ((void *)-1)
#define MADV_WIPEONFORK 18
#define SYS_getrandom __NR_getrandom
static inline void *mmap(void *at, size_t n, int prot, int flags, int fd, long off)
{
	long r = CALL(__NR_mmap, at, n, prot, flags, fd, off);
	return r < 0 && r > -4096 ? MAP_FAILED : (void *)r;
}
static inline int madvise(void *at, size_t n, int advice) { return CALL(__NR_madvise, at, n, advice); }
static inline long syscall(long nr, void *buf, size_t n, u32 flags) { return CALL(nr, buf, n, flags); }
#include "../../floor/own.h"

static long own_way(long buf, long n, long flags, long state, long size)
{
	return own_random((void *)buf, n, flags, (void *)state, size);
}
#endif

/* Zeros in all vector registers, as programs have that clear them. */
static int wide;
static void find_wide(void)
{
	u32 a = 7, b, c = 0, d;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(b >> 16 & 1)) /* AVX-512 F */
		return;
	u32 lo, hi, a1 = 1, b1, c1 = 0, d1;
	__asm__ volatile("cpuid" : "+a"(a1), "=b"(b1), "+c"(c1), "=d"(d1));
	if (!(c1 >> 27 & 1)) /* OSXSAVE */
		return;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	wide = (lo & 0xe6) == 0xe6;
}

static void clear_vectors(void)
{
	if (wide)
		__asm__ volatile(".irp i, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
				 "vpxord %zmm\\i, %zmm\\i, %zmm\\i\n\t.endr\n\tvzeroall");
}

/* Thread-local memory of the program itself, of which the generator has some: it
 * lies below the address in fs, at which that address stands (psABI, variant II). */
static inline void *thread_memory(void)
{
	char *page = fresh(4096);
	void **end = (void **)(page + 4096 - 64);
	*end = end;
	return end;
}

static void find_ways(long *stack)
{
	u64 image = auxiliary(stack, AT_SYSINFO_EHDR);
	functions[VDSO_GETRANDOM] = symbol(image, "__vdso_getrandom");
	functions[VDSO_CLOCK_GETTIME] = symbol(image, "__vdso_clock_gettime");
	functions[VDSO_NULL] = symbol(image, "__vdso_gettimeofday");
	if (functions[VDSO_GETRANDOM] && functions[VDSO_GETRANDOM](0, 0, 0, (long)&params, -1) != 0)
		functions[VDSO_GETRANDOM] = 0;
	find_wide();
#ifdef LIBC
	functions[LIBC_GETRANDOM] = (void *)getrandom;
	functions[LIBC_CLOCK_GETTIME] = (void *)clock_gettime;
	functions[LIBC_GETPPID] = (void *)getppid;
	functions[LIBC_GETUID] = (void *)getuid;
#else
	CALL(__NR_arch_prctl, 0x1002 /* ARCH_SET_FS */, thread_memory());
	expand = wide ? expand_wide : expand_plain;
	generation = symbol(image, "__vdso_rng_generation");
	if (generation)
		functions[OWN_GETRANDOM] = own_way;
#endif
	parent = CALL(__NR_getppid);
	user = CALL(__NR_getuid);
	group = CALL(__NR_getgid);
}

static int there(int way)
{
	if (way >= VDSO_GETRANDOM && way <= OWN_GETRANDOM)
		return functions[way] != 0;
	if ((way == SWITCH || way == NO_SWITCH) && !have_partner)
		return have_partner = partner();
	return way < WAYS;
}

/* What each call of a way returns. getppid may be answered by a constant, so its
 * first answer is what the others are held against. */
static long wanted(int way, long bytes)
{
	switch (way) {
	case GETPPID:
		return parent;
	case GETUID:
		return user;
	case GETGID:
		return group;
	case LIBC_GETPPID:
	case LIBC_GETUID:
		return way == LIBC_GETPPID ? parent : user;
	case GETRANDOM:
	case VDSO_GETRANDOM:
	case LIBC_GETRANDOM:
	case OWN_GETRANDOM:
		return bytes;
	case SWITCH:
	case NO_SWITCH:
		return 1;
	case NO_CALL:
		return -38; /* ENOSYS */
	}
	return 0;
}

/* go makes calls and returns what the last one returned. */
static inline __attribute__((always_inline)) long go(int way, long calls, long bytes, struct place *p)
{
	struct by by = { functions[way], calls, { (long)p->buf, bytes, 0, (long)p->state, params.size } };
	switch (way) {
	case LOOP:
		loop_empty(calls, 0, 0, 0);
		return 0;
	case GETPPID:
		return loop_getppid(calls, 0, 0, 0);
	case GETUID:
		return loop_getuid(calls, 0, 0, 0);
	case GETGID:
		return loop_getgid(calls, 0, 0, 0);
	case GETRANDOM:
		return loop_getrandom(calls, (long)p->buf, bytes, 0);
	case CLOCK_GETTIME:
		return loop_clock_gettime(calls, 1 /* MONOTONIC */, (long)p->buf, 0);
	case CALL_LOOP:
		by_nothing(&by);
		return 0;
	case VDSO_CLOCK_GETTIME:
	case LIBC_CLOCK_GETTIME:
		by.args[0] = 1;
		by.args[1] = (long)p->buf;
		return (int)by_call(&by);
	case VDSO_NULL:
		by.args[0] = by.args[1] = 0;
		return (int)by_call(&by);
	case LIBC_GETPPID:
	case LIBC_GETUID:
		return (int)by_call(&by);
	case NO_CALL:
		return loop_no_call(calls, 0, 0, 0);
	case SIGNAL:
		return send_signal(calls, SIGUSR1);
	case NO_SIGNAL:
		return send_signal(calls, 0);
	case SWITCH:
		return turn(calls);
	case NO_SWITCH:
		return turn_alone(calls);
	}
	return by_call(&by);
}
