// Takes pages from itself by each call that can, right after getrandom wrote to them,
// and says what getrandom says then. "inline" makes all calls by instructions of its
// own, "syscall" by the C library's function for any call; otherwise each has its own.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum { FUNCTIONS, SYSCALL, INLINE } way;

static inline __attribute__((always_inline)) long raw(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	if (r > -4096 && r < 0) {
		errno = -r;
		return -1;
	}
	return r;
}

#define CALL(function, n, a, b, c, d, e, f)                                                                                                  \
	(way == INLINE ? raw(n, (long)(a), b, c, d, e, f) : way == SYSCALL ? syscall(n, a, (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)) : (long)(function))

static long get(char *p, unsigned long n)
{
	return CALL(getrandom(p, n, 0), SYS_getrandom, p, n, 0, 0, 0, 0);
}

static char *map(char *at, int prot, int flags)
{
	return (char *)CALL(mmap(at, 4096, prot, flags, -1, 0), SYS_mmap, at, 4096, prot, flags, -1, 0);
}

static void protect(char *p, int prot)
{
	CALL(mprotect(p, 4096, prot), SYS_mprotect, p, 4096, prot, 0, 0, 0);
}

static void drop(char *p)
{
	CALL(munmap(p, 4096), SYS_munmap, p, 4096, 0, 0, 0, 0);
}

static void tell(const char *what, char *p)
{
	for (unsigned long n = 1; n <= 64; n *= 4) {
		errno = 0;
		long r = get(p + 8, n);
		printf("%s: %ld bytes: %ld, %s\n", what, n, r, strerror(errno));
	}
}

int main(int argc, char **argv)
{
	const int fresh = MAP_PRIVATE | MAP_ANONYMOUS;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (argc > 1)
		way = !strcmp(argv[1], "inline") ? INLINE : !strcmp(argv[1], "syscall") ? SYSCALL : FUNCTIONS;
	static char own[4096];
	for (int round = 0; round < 20; round++) {
		get(own, 16);
		char *p = map(0, PROT_READ | PROT_WRITE, fresh);
		char *q = map(0, PROT_READ | PROT_WRITE, fresh);
		tell("fresh", p);
		protect(p, PROT_READ);
		tell("read only", p);
		protect(p, PROT_READ | PROT_WRITE);
		tell("writable", p);
		protect(p, PROT_NONE);
		tell("none", p);
		protect(p, PROT_READ | PROT_WRITE);
		tell("again", p);
		drop(p);
		tell("unmapped", p);
		map(p, PROT_READ | PROT_WRITE, fresh | MAP_FIXED);
		tell("mapped again", p);
		map(p, PROT_READ, fresh | MAP_FIXED);
		tell("mapped over", p);
		map(p, PROT_READ | PROT_WRITE, fresh | MAP_FIXED);
		tell("once more", p);
		char *moved = (char *)CALL(mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, q), SYS_mremap, p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (long)q, 0);
		tell("moved", p);
		tell("where it is now", moved);
		drop(moved);
#ifndef __GLIBC__
		if (way == FUNCTIONS)
			continue; // musl's other functions have no room for a jump
#endif
		int id = shmget(IPC_PRIVATE, 4096, 0600);
		char *shared = (char *)CALL(shmat(id, NULL, 0), SYS_shmat, (long)id, 0, 0, 0, 0, 0);
		shmctl(id, IPC_RMID, NULL);
		tell("attached", shared);
		CALL((long)shmdt(shared), SYS_shmdt, shared, 0, 0, 0, 0, 0);
		tell("detached", shared);
		if (way != FUNCTIONS && round < 19)
			continue; // the C library does not hear of brk
		char *end = sbrk(8192);
		char *page = (char *)(((unsigned long)end + 4095) & -4096ul);
		if (end != (char *)-1) {
			tell("in the heap", page);
			if (way == FUNCTIONS)
				sbrk(-8192);
			else
				CALL(0, SYS_brk, end, 0, 0, 0, 0, 0);
			tell("above the heap", page + 4096);
		}
	}
	return 0;
}
