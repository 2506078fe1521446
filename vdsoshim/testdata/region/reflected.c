/*
 * The entry in place of a system call: what it returns, what it writes and what
 * it leaves alone, beside the system call itself.
 */
#define _GNU_SOURCE
#include "region.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, REGS };

u64 regs[REGS], entry, kept_sp;
void at_site(void);

/* All registers from regs, a jump to the entry as from a patched site, and back
 * into regs. There is no stack meanwhile. */
asm("	.text\n"
    "at_site:\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	push regs+120(%rip); popfq\n"
    "	mov %rsp, kept_sp(%rip)\n"
    "	mov regs+0(%rip), %rax; mov regs+8(%rip), %rbx; mov regs+24(%rip), %rdx; mov regs+32(%rip), %rsi\n"
    "	mov regs+40(%rip), %rdi; mov regs+48(%rip), %rbp; mov regs+56(%rip), %r8; mov regs+64(%rip), %r9\n"
    "	mov regs+72(%rip), %r10; mov regs+88(%rip), %r12; mov regs+96(%rip), %r13; mov regs+104(%rip), %r14\n"
    "	mov regs+112(%rip), %r15\n"
    "	lea 1f(%rip), %rcx\n"
    "	mov $24, %esp\n"
    "	jmp *entry(%rip)\n"
    "	syscall\n"
    "1:	mov kept_sp(%rip), %rsp\n"
    "	mov %rax, regs+0(%rip); mov %rbx, regs+8(%rip); mov %rdx, regs+24(%rip); mov %rsi, regs+32(%rip)\n"
    "	mov %rdi, regs+40(%rip); mov %rbp, regs+48(%rip); mov %r8, regs+56(%rip); mov %r9, regs+64(%rip)\n"
    "	mov %r10, regs+72(%rip); mov %r12, regs+88(%rip); mov %r13, regs+96(%rip); mov %r14, regs+104(%rip)\n"
    "	mov %r15, regs+112(%rip)\n"
    "	pushfq; pop regs+120(%rip)\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "	cld; ret\n");

static long reflected(void *buf, u64 len, u64 flags, u64 cpu_flags)
{
	u64 before[REGS];

	for (int i = 0; i < REGS; i++)
		before[i] = 0x1111111111111111ul * (i + 1);
	before[RAX] = SYS_getrandom;
	before[RDI] = (u64)buf;
	before[RSI] = len;
	before[RDX] = flags;
	before[FLAGS] = 0x202 | cpu_flags;
	memcpy(regs, before, sizeof(regs));
	at_site();
	for (int i = 0; i < REGS; i++)
		if (i != RAX && i != RCX && i != R11)
			CHECK(regs[i] == before[i], "register %d is %lx, not %lx, after %p, %ld, %ld: %ld", i, regs[i],
			      before[i], buf, len, flags, (long)regs[RAX]);
	return regs[RAX];
}

/* Two usable pages, a hole; two usable ones, a read-only one. A page that was
 * once written to counts as usable for a while, so they keep their places. */
static char *fresh(u64 at)
{
	char *p = mmap((void *)at, 6 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	munmap(p + 2 * 4096, 4096);
	mprotect(p + 5 * 4096, 4096, PROT_READ);
	return p;
}

static void check_place(const char *what, long at, u64 len, u64 flags)
{
	/* The second and third time pages are known that could be written to. */
	for (int round = 0; round < 3; round++) {
		char *a = fresh(0x20000000), *b = fresh(0x30000000);

		for (int again = 0; again <= round; again++) {
			long got = reflected(at < 0 ? (char *)at : a + at, len, flags, again ? 0x8d5 : 0);
			errno = 0;
			long want = syscall(SYS_getrandom, at < 0 ? (char *)at : b + at, len, flags);
			if (want < 0)
				want = -errno;
			CHECK(got == want, "%s, %lu bytes, flags %lx: %ld, not %ld", what, len, flags, got, want);
			if (at < 0)
				continue;
			for (long i = 0; i < 6 * 4096; i++)
				if ((i < at || (u64)(i - at) >= len) && i / 4096 != 2 && a[i]) {
					CHECK(0, "%s, %lu bytes: byte %ld was written", what, len, i - at);
					break;
				}
			for (long i = at, n = 0; i < at + got; i++) {
				n = a[i] ? 0 : n + 1;
				if (n == 8) {
					CHECK(0, "%s, %lu bytes: none at %ld", what, len, i - at);
					break;
				}
			}
		}
	}
}

void check_reflected(const struct region *r, u64 off)
{
	static const u64 lengths[] = {0, 1, 7, 8, 16, 31, 32, 33, 64, 100, 1024, 2016, 2017, 4096, 4097, 8192};

	entry = r->base + off;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		u64 n = lengths[i];
		check_place("in a page", 0, n, 0);
		check_place("up to the hole", 8192 - n, n, 0);
		check_place("across pages", 4096 - n / 2, n, 1);
		check_place("into the hole", 8192 - n / 2, n, 0);
		check_place("a byte into the hole", 8192 - n + 1, n, 0);
		check_place("into read-only memory", 5 * 4096 - n / 2, n, 2);
		check_place("in read-only memory", 5 * 4096, n, 0);
		check_place("in the hole", 2 * 4096, n, 0);
		check_place("in the kernel", -4096, n, 0);
		check_place("unknown flags", 0, n, 8);
		check_place("flags that exclude each other", 0, n, 6);
	}
	/* Longer than a slot is held for, and than memory is. */
	check_place("much", 4096, 65536, 0);
	check_place("all", 0, ~0UL, 0);
}
