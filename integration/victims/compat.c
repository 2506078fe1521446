// Makes 32-bit calls from a 64-bit program: numbers mean other calls there. And x32
// numbers, which this kernel may not have.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static long int80(long n, long b, long c, long d)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(n), "b"(b), "c"(c), "d"(d) : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}

int main(void)
{
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	printf("getpid %d\n", int80(20, 0, 0, 0) == getpid());
	printf("getrandom %ld\n", int80(355, (long)low, 16, 0));
	printf("getrandom at 16: %ld\n", int80(355, 16, 16, 0));
	// Numbers of calls that are reflected in 64 bits.
	printf("318 is another call: %d\n", int80(318, 0, 0, 0) != -38);
	printf("265, clock_gettime: %ld\n", int80(265, 1, (long)low, 0));
	printf("96, getpriority: %ld\n", int80(96, 0, 0, 0));
	errno = 0;
	long r = syscall(0x40000000 | SYS_getrandom, low, 16, 0);
	printf("x32 getrandom %ld %s\n", r, strerror(errno));
	return 0;
}
