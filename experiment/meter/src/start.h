/* What a program without a C library's start-up needs: its first instruction, raw
 * system calls, and what the compiler may call. */
#include <asm/unistd.h>

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned long size_t;

static inline long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long r;
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

#define CALL(nr, ...) CALL_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(nr, a, b, c, d, e, f, ...) call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline __attribute__((noreturn)) void quit(int status)
{
	for (;;)
		CALL(__NR_exit_group, status);
}

/* The compiler makes calls of these out of loops and assignments. */
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *r = to;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return r;
}

void *memset(void *to, int c, size_t n)
{
	void *r = to;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return r;
}

static inline int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Memory of our own, or the end: nothing works without. */
static void *fresh(u64 size)
{
	long p = CALL(__NR_mmap, 0, size, 3 /* read, write */, 0x22 /* private, anonymous */, -1, 0);
	if (p < 0 && p > -4096)
		quit(124);
	return (void *)p;
}

/* The time stamp counter, not a clock: a clock could itself be reflected. lfence:
 * it is read when what came before is done. */
static inline u64 tsc(void)
{
	u32 lo, hi;
	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)hi << 32 | lo;
}

/* The psABI's initial stack: argc, the arguments, 0, the environment, 0, the
 * auxiliary vector. */
__attribute__((used, noreturn)) static void begin(long *stack);
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
