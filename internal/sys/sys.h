// What code without a C library has in common: system calls, and what the compiler takes
// for granted. Its numbers are those of <sys/syscall.h>.

typedef unsigned long u64;
typedef unsigned int u32;
typedef int s32;

static inline long sys6(long n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}
#define SYS(n, ...) SYS_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYS_(n, a, b, c, d, e, f, ...) sys6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))

// same reports whether two strings are equal.
static inline int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

// The compiler makes calls of these out of assignments and loops.
__attribute__((used)) void *memcpy(void *d, const void *s, u64 n)
{
	for (u64 i = 0; i < n; i++)
		((char *)d)[i] = ((const char *)s)[i];
	return d;
}

__attribute__((used)) void *memset(void *p, int c, u64 n)
{
	char *s = p;
	while (n--)
		*s++ = c;
	return p;
}
