/*
 * Steps through the image's functions and walks the stack from each
 * instruction, by the unwind tables alone: the caller must be found, with the
 * registers that it had.
 */
#define _GNU_SOURCE
#include "region.h"
#include <elf.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unwind.h>

extern void __register_frame(void *);

/* stepped calls f(a, b, c, d, e) with the trap flag set and known registers. */
long stepped(void *f, u64 a, u64 b, u64 c, u64 d, u64 e);
extern const char stepped_end[];
u64 stepped_sp;

asm("	.text\n"
    "stepped:\n"
    "	.cfi_startproc\n"
    "	push %rbx; .cfi_adjust_cfa_offset 8; .cfi_offset rbx, -16\n"
    "	push %rbp; .cfi_adjust_cfa_offset 8; .cfi_offset rbp, -24\n"
    "	push %r12; .cfi_adjust_cfa_offset 8; .cfi_offset r12, -32\n"
    "	push %r13; .cfi_adjust_cfa_offset 8; .cfi_offset r13, -40\n"
    "	push %r14; .cfi_adjust_cfa_offset 8; .cfi_offset r14, -48\n"
    "	push %r15; .cfi_adjust_cfa_offset 8; .cfi_offset r15, -56\n"
    "	sub $8, %rsp; .cfi_adjust_cfa_offset 8\n"
    "	mov %rsp, stepped_sp(%rip)\n"
    "	mov %rdi, %rax\n"
    "	mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; mov %r8, %rcx; mov %r9, %r8\n"
    "	mov $0x1003, %ebx; mov $0x1006, %ebp; mov $0x100c, %r12d\n"
    "	mov $0x100d, %r13d; mov $0x100e, %r14d; mov $0x100f, %r15d\n"
    "	pushfq; orl $0x100, (%rsp); popfq\n"
    "	call *%rax\n"
    "	pushfq; andl $~0x100, (%rsp); popfq\n"
    "	add $8, %rsp; .cfi_adjust_cfa_offset -8\n"
    "	pop %r15; .cfi_adjust_cfa_offset -8\n"
    "	pop %r14; .cfi_adjust_cfa_offset -8\n"
    "	pop %r13; .cfi_adjust_cfa_offset -8\n"
    "	pop %r12; .cfi_adjust_cfa_offset -8\n"
    "	pop %rbp; .cfi_adjust_cfa_offset -8\n"
    "	pop %rbx; .cfi_adjust_cfa_offset -8\n"
    "	ret\n"
    "	.cfi_endproc\n"
    "stepped_end:\n");

/* What earlier calls left on the stack must not help. */
static __attribute__((noinline)) void wipe(void)
{
	volatile char below[8192];

	for (unsigned i = 0; i < sizeof(below); i++)
		below[i] = 0;
}

static u64 from, to;	/* the image */
static unsigned char seen[0x10000];
static int steps, lost;

static _Unwind_Reason_Code frame(struct _Unwind_Context *c, void *found)
{
	u64 ip = _Unwind_GetIP(c);

	if (ip < (u64)stepped || ip >= (u64)stepped_end)
		return _URC_NO_REASON;
	*(int *)found = _Unwind_GetCFA(c) == stepped_sp && _Unwind_GetGR(c, 3) == 0x1003 &&
			_Unwind_GetGR(c, 6) == 0x1006 && _Unwind_GetGR(c, 12) == 0x100c &&
			_Unwind_GetGR(c, 13) == 0x100d && _Unwind_GetGR(c, 14) == 0x100e &&
			_Unwind_GetGR(c, 15) == 0x100f;
	return _URC_END_OF_STACK;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	u64 ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	int found = 0;

	(void)sig;
	(void)info;
	if (ip < from || ip >= to)
		return;
	steps++;
	seen[ip - from] = 1;
	_Unwind_Backtrace(frame, &found);
	if (!found && lost++ < 20)
		CHECK(found, "the stack can't be walked from image+%lx", ip - from);
}

static u64 eh_frame(u64 image)
{
	Elf64_Ehdr *eh = (void *)image;
	Elf64_Phdr *ph = (void *)(image + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_GNU_EH_FRAME) {
			u64 at = image + ph[i].p_vaddr + 4;
			return at + *(int32_t *)at;
		}
	return 0;
}

void check_unwind(const struct region *r, u64 gate)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	static char buf[4096];
	u32 params[16];
	struct timespec ts;
	long (*f)(void *, u64, u32, void *, u64) = find(r->base, "__vdso_getrandom");

	from = r->base;
	to = r->base + sizeof(seen);
	__register_frame((void *)eh_frame(r->base));
	_Unwind_Backtrace(frame, &lost);	/* what is allocated at the first use */
	lost = 0;
	sigaction(SIGTRAP, &sa, 0);
	f(0, 0, 0, params, ~0UL);
	char *state = mmap(0, 4096, params[1], params[2], -1, 0);

	const struct { u64 len, flags; void *state; u64 size; long want; } cases[] = {
		{16, 0, state, params[0], 16},
		{0, 0, state, params[0], 0},
		{16, 8, state, params[0], -22},
		{16, 0, state, 1, 16},
		{16, 0, state + 4090, params[0], -14},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		wipe();
		long n = stepped(f, (u64)buf, cases[i].len, cases[i].flags, (u64)cases[i].state, cases[i].size);
		CHECK(n == cases[i].want, "case %u: %ld", i, n);
	}
	CHECK(stepped(f, 0, 0, 0, (u64)params, ~0UL) == 0, "query");
	CHECK(stepped(find(r->base, "__vdso_clock_gettime"), 0, (u64)&ts, 0, 0, 0) == 0, "clock_gettime");
	CHECK(stepped(find(r->base, "__vdso_getcpu"), 0, 0, 0, 0, 0) == 0, "getcpu");
	CHECK(lost == 0, "%d of %d instructions", lost, steps);
	CHECK(steps > 5, "%d instructions", steps);
	/* The instruction behind a system call runs before the flag traps again. */
	if (gate)
		CHECK(seen[gate], "the gate was not stepped through");
}
