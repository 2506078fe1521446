// Faults: their addresses, codes and registers, and what dies of them.
#include "behaviour.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf env;
static volatile int told_sig, told_code, told_trap, told_error, good;
static volatile unsigned long told_at, told_ip, told_sp, told_rbx, told_r15;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	told_sig = sig, told_code = info->si_code, told_at = (unsigned long)info->si_addr;
	told_ip = r[REG_RIP], told_sp = r[REG_RSP], told_trap = r[REG_TRAPNO], told_error = r[REG_ERR];
	told_rbx = r[REG_RBX], told_r15 = r[REG_R15];
	good += quiet_ok();
	siglongjmp(env, 1);
}

static char alternate[65536];
static void handle_faults(void)
{
	stack_t s = { .ss_sp = alternate, .ss_size = sizeof alternate };
	sigaltstack(&s, NULL);
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
	for (int i = 0; i < 5; i++)
		handle(sigs[i], on_fault, SA_ONSTACK);
}

static void say(const char *what)
{
	printf("%s: signal %d, code %d, trap %d, error %d, at %lx, good %d\n", what, told_sig, told_code, told_trap, told_error, told_at, good);
}

BEHAVIOUR(null_dereferences)
{
	handle_faults();
	static const unsigned long at[] = { 0, 1, 8, 100, 318, 4095, 4096, 0x7ff8, 0xfff8 };
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		if (!sigsetjmp(env, 1))
			printf("read %d\n", *(volatile char *)at[i]);
		say("read");
		if (!sigsetjmp(env, 1))
			*(volatile char *)at[i] = 1;
		say("write");
	}
}

BEHAVIOUR(jumps_to_null)
{
	handle_faults();
	static const unsigned long at[] = { 0, 1, 39, 318, 500, 4096 };
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		if (!sigsetjmp(env, 1))
			((void (*)(void))at[i])();
		say("jump");
		printf("  instruction pointer %lx\n", told_ip);
	}
}

BEHAVIOUR(other_bad_addresses)
{
	handle_faults();
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sigsetjmp(env, 1))
		*(volatile char *)0x1000000000000000 = 1;
	say("not canonical");
	if (!sigsetjmp(env, 1))
		*(volatile char *)0xffff800000000000 = 1;
	say("the kernel's");
	if (!sigsetjmp(env, 1))
		*(volatile char *)none = 1;
	printf("protected: signal %d, code %d, the right address %d\n", told_sig, told_code, told_at == (unsigned long)none);
	int fd = memfd_create("b", 0);
	char *past = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!sigsetjmp(env, 1))
		*(volatile char *)past = 1;
	printf("past a file: signal %d, code %d, the right address %d\n", told_sig, told_code, told_at == (unsigned long)past);
	if (!sigsetjmp(env, 1))
		*(volatile char *)(uintptr_t)on_fault = 1;
	printf("text: signal %d, code %d, the right address %d\n", told_sig, told_code, told_at == (unsigned long)on_fault);
}

// Old static programs ask for the time at fixed addresses, where a bad pointer is a fault.
BEHAVIOUR(vsyscall_page)
{
	static const unsigned long at[] = { 0xffffffffff600000, 0xffffffffff600400, 0xffffffffff600800 };
	static const unsigned long bad[] = { 1, 0x1000000000000000, 0xffff800000000000, (unsigned long)on_fault, -1ul };
	handle_faults();
	for (int i = 0; i < 3; i++) {
		long (*volatile ask)(void *, void *, void *) = (long (*)(void *, void *, void *))at[i];
		long b[2] = { -1, -1 };
		told_sig = 0;
		if (!sigsetjmp(env, 1))
			printf("%d: %d, ", i, ask(b, NULL, NULL) >= 0);
		printf("written %d, signal %d\n", b[0] != -1, told_sig);
		for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
			told_sig = told_code = told_trap = told_error = told_at = told_ip = 0;
			if (!sigsetjmp(env, 1))
				printf("bad pointer %zu: %ld\n", j, ask((void *)bad[j], NULL, NULL));
			say("bad pointer");
			printf("  instruction pointer %lx\n", told_ip);
		}
	}
}

#define RAISE(what, code)                                                                               \
	do {                                                                                            \
		if (!sigsetjmp(env, 1))                                                                 \
			__asm__ volatile("mov $0x1234567, %%ebx; mov $0x89abcde, %%r15d\n" code         \
					 ::: "rax", "rbx", "rdx", "r15", "memory", "cc");               \
		printf("%s: signal %d, code %d, trap %d, rbx %lx, r15 %lx, address %s, good %d\n", what, \
		       told_sig, told_code, told_trap, told_rbx, told_r15,                              \
		       told_at == 0 ? "0" : told_at == told_ip ? "the instruction's" : "another", good); \
	} while (0)

BEHAVIOUR(instructions_that_fault)
{
	handle_faults();
	RAISE("ud2", "ud2");
	RAISE("int3", "int3");
	RAISE("hlt", "hlt");
	RAISE("division", "xor %%edx, %%edx; xor %%eax, %%eax; div %%eax");
	RAISE("int 0x81", "int $0x81");
	RAISE("int1", ".byte 0xf1");
	RAISE("bad encoding", ".byte 0x06");
	RAISE("misaligned", "mov %%rsp, %%rax; or $1, %%rax; movaps (%%rax), %%xmm0");
}

// The trap flag: each instruction is a step, and a system call is one of them.
static volatile int steps;
static void on_step(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info), UNUSED(context);
	steps++;
}
static __attribute__((noinline)) void stepped(long *r)
{
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; .balign 8; mov $110, %%eax; syscall; nop; pushfq; andl $~0x100, (%%rsp); popfq"
			 : "=a"(*r) :: "rcx", "r11", "memory", "cc");
}
BEHAVIOUR(single_steps)
{
	handle(SIGTRAP, on_step, 0);
	for (int i = 0; i < 6; i++) {
		long r = 0;
		steps = 0;
		stepped(&r);
		printf("%d steps, result right %d\n", steps, r == getppid());
	}
}

static int overflow(volatile int n)
{
	if (n < 0)
		return 0;
	volatile char space[1000];
	space[n % 1000] = n;
	return overflow(n + 1) + space[0];
}
BEHAVIOUR(stack_overflow_is_handled)
{
	handle_faults();
	struct rlimit l = { 1 << 20, 1 << 20 };
	setrlimit(RLIMIT_STACK, &l);
	for (int i = 0; i < 2; i++) {
		if (!sigsetjmp(env, 1))
			printf("%d\n", overflow(0));
		printf("signal %d, code %d, near the stack pointer %d, good %d\n", told_sig, told_code, told_sp - told_at < 8192 || told_at - told_sp < 8192, good);
	}
}

// A handler skips the instruction that faults.
static void on_skip(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info);
	good += quiet_ok();
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RBX] = 99;
}
BEHAVIOUR(handler_skips_an_instruction)
{
	handle(SIGILL, on_skip, 0);
	for (int i = 0; i < 3; i++) {
		long r = 1;
		__asm__ volatile("ud2" : "+b"(r));
		printf("%ld, good %d\n", r, good);
	}
}

// A system call instruction that ends a page: what follows can't be executed.
BEHAVIOUR(call_at_the_end_of_a_page)
{
	handle_faults();
	char *p = pages(2);
	memcpy(p + 4096 - 7, "\xb8\x6e\x00\x00\x00\x0f\x05", 7); // mov $getppid, %eax; syscall
	mprotect(p, 4096, PROT_READ | PROT_EXEC);
	mprotect(p + 4096, 4096, PROT_NONE);
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(env, 1))
			((void (*)(void))(p + 4096 - 7))();
		printf("signal %d, code %d, at the next page %d\n", told_sig, told_code, told_at == (unsigned long)p + 4096);
	}
}

static void limit_core(unsigned long n)
{
	struct rlimit l = { n, n };
	setrlimit(RLIMIT_CORE, &l);
}
static void dies_abort(void) { limit_core(64 << 20), abort(); }
static void dies_null(void) { limit_core(64 << 20), *(volatile int *)(uintptr_t)(good & 0) = 1; }
static void dies_ill(void) { limit_core(0), __builtin_trap(); }
static void dies_blocked(void)
{
	sigset_t s;
	limit_core(0);
	sigfillset(&s);
	sigprocmask(SIG_BLOCK, &s, NULL);
	signal(SIGSEGV, SIG_IGN);
	*(volatile int *)(uintptr_t)(good & 0) = 1;
}
static void dies_no_stack(void)
{
	limit_core(0);
	handle(SIGSEGV, on_fault, 0);
	__asm__ volatile("mov $64, %rsp; push %rax");
}
static void dies_undumpable(void) { limit_core(64 << 20), prctl(PR_SET_DUMPABLE, 0), abort(); }
BEHAVIOUR(deaths_and_cores)
{
	in_child("abort", dies_abort);
	in_child("null", dies_null);
	in_child("ill", dies_ill);
	in_child("blocked and ignored", dies_blocked);
	in_child("no stack", dies_no_stack);
	in_child("not dumpable", dies_undumpable);
}

// The program itself: reflect must end as it does.
BEHAVIOUR(ends_by_signal)
{
	limit_core(0);
	printf("now\n");
	*(volatile int *)(uintptr_t)(good & 0) = 1;
}
