// Without a C library and without descriptors: calls getrandom a few times, by the
// system call and through the vDSO's clock_gettime, and ends with what worked in
// the exit status: 1 getrandom, 2 EFAULT, 4 EINVAL, 8 limit as it was, 16 clock.
#include <elf.h>

static long sys(long n, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return r;
}

__attribute__((used)) void program(long *sp)
{
	unsigned char b[16] = { 0 };
	unsigned long limit[2] = { 0 };
	long time[2] = { 0 };
	int good = 0;
	good |= sys(318, (long)b, 16, 0, 0) == 16 && (b[0] | b[1] | b[2] | b[3] | b[4] | b[5]);
	good |= (sys(318, 16, 16, 0, 0) == -14) << 1;
	good |= (sys(318, (long)b, 16, 99, 0) == -22) << 2;
	sys(302, 0, 7, 0, (long)limit);
	// An argument is the soft limit on descriptors that is expected.
	unsigned long want = 0;
	if (sp[0] > 1)
		for (char *p = (char *)sp[2]; *p; p++)
			want = want * 10 + *p - '0';
	good |= (!want || limit[0] == want) << 3;
	good |= (sys(228, 1, (long)time, 0, 0) == 0 && time[0]) << 4;
	sys(231, good, 0, 0, 0);
}

__asm__(".globl _start\n_start: xor %ebp, %ebp; mov %rsp, %rdi; and $-16, %rsp; call program; hlt\n");
