// A program's own seccomp filters, its own Syscall User Dispatch, and what prctl forbids.
#include "behaviour.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <ucontext.h>

#define DATA(field) offsetof(struct seccomp_data, field)

static volatile int count, good, number, code;
static volatile char selector __attribute__((aligned(64)));

static void take(struct sock_filter *f, size_t n)
{
	struct sock_fprog p = { n, f };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p))
		perror("seccomp");
}
static void forbid(unsigned nr, unsigned action)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	take(f, 4);
}

// A call that no policy names, and one that is passed through.
static void errno_of_its_own(void)
{
	forbid(SYS_getsid, SECCOMP_RET_ERRNO | 99);
	forbid(SYS_gettid, SECCOMP_RET_ERRNO | 98);
	for (int i = 0; i < 4; i++) {
		printf("getsid: %s", library(syscall(SYS_getsid, 0)));
		printf(", gettid: %s, %s\n", library(syscall(SYS_gettid)), result(CALL(186, 0, 0, 0, 0)));
	}
	printf("calls good %d\n", calls_ok());
}
BEHAVIOUR(filter_with_errno) { in_child("child", errno_of_its_own); }

static void kill_of_its_own(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	forbid(SYS_getsid, SECCOMP_RET_KILL_PROCESS);
	printf("calls good %d\n", calls_ok());
	getsid(0);
	printf("not dead\n");
}
static void kill_of_a_passed_call(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	for (int i = 0; i < 4; i++)
		gettid();
	forbid(SYS_gettid, SECCOMP_RET_KILL_PROCESS);
	gettid();
	printf("not dead\n");
}
BEHAVIOUR(filter_that_kills)
{
	in_child("not reflected", kill_of_its_own);
	in_child("passed", kill_of_a_passed_call);
}

// Strict mode: read, write, exit and rt_sigreturn only.
static void strict(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		printf("prctl: %s\n", strerror(errno));
	if (write(1, "strict\n", 7) != 7)
		syscall(SYS_exit, 3);
	syscall(SYS_exit, 4);
}
BEHAVIOUR(strict_mode) { in_child("child", strict); }

static void on_sys(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig);
	selector = 0;
	count++;
	number = info->si_syscall, code = info->si_code;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -77;
}

static void trapped(void)
{
	handle(SIGSYS, on_sys, 0);
	forbid(SYS_getsid, SECCOMP_RET_TRAP | 5);
	for (int i = 0; i < 4; i++) {
		long r = CALL(124, 0, 0, 0, 0);
		printf("%ld, %d trapped, number %d, code %d\n", r, count, number, code);
	}
	printf("calls good %d\n", calls_ok());
}
BEHAVIOUR(filter_that_traps) { in_child("child", trapped); }

// Calls from one instruction are allowed, all others are not: the filter of a program
// that has a gate of its own.
extern char behind_gate[], behind_other[];
static __attribute__((noinline)) long gate(long nr)
{
	long r;
	__asm__ volatile(".balign 16\n	mov %%edi, %%eax; nop; nop; syscall\n.globl behind_gate\nbehind_gate:" : "=a"(r) : "D"(nr) : "rcx", "r11", "memory");
	return r;
}
static __attribute__((noinline)) long other(long nr)
{
	long r;
	__asm__ volatile(".balign 16\n	mov %%edi, %%eax; nop; nop; syscall\n.globl behind_other\nbehind_other:" : "=a"(r) : "D"(nr) : "rcx", "r11", "memory");
	return r;
}
static void by_pointer_for(unsigned nr)
{
	uint64_t ip = (uint64_t)behind_gate;
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(instruction_pointer)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ip, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(instruction_pointer) + 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ip >> 32, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 97), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	take(f, 8);
}
static void by_pointer(void)
{
	by_pointer_for(SYS_getsid);
	for (int i = 0; i < 4; i++) {
		long a = gate(SYS_getsid), b = other(SYS_getsid);
		printf("%d %ld\n", a != -97, b);
	}
}
BEHAVIOUR(filter_by_instruction_pointer) { in_child("child", by_pointer); }
static void by_pointer_passed(void)
{
	for (int i = 0; i < 4; i++)
		gate(SYS_gettid), other(SYS_gettid);
	by_pointer_for(SYS_gettid);
	for (int i = 0; i < 4; i++) {
		long a = gate(SYS_gettid), b = other(SYS_gettid);
		printf("%d %ld\n", a != -97, b);
	}
}
BEHAVIOUR(filter_by_instruction_pointer_of_passed_calls) { in_child("child", by_pointer_passed); }

// A second listener is the kernel's to refuse; a first one is not.
BEHAVIOUR(filter_modes_that_fail)
{
	struct sock_filter ok[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) }, bad[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	struct sock_fprog p = { 1, bad };
	unsigned action = SECCOMP_RET_TRAP;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("no return: %s\n", library(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p)));
	printf("bad pointer: %s\n", library(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 16)));
	printf("bad flags: %s\n", library(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x8000, &p)));
	printf("known action: %s\n", library(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action)));
	action = 0x12345;
	printf("unknown action: %s\n", library(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action)));
	p.filter = ok;
	printf("good: %s\n", library(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &p)));
	printf("calls good %d\n", calls_ok());
}
BEHAVIOUR(filter_with_a_listener)
{
	struct sock_filter ok[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog p = { 1, ok };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &p);
	printf("%s\n", fd >= 0 ? "a listener" : strerror(errno));
}

// Syscall User Dispatch of its own: calls from outside a range come as SIGSYS.
static void dispatched_for(long nr)
{
	handle(SIGSYS, on_sys, 0);
	for (int i = 0; i < 4; i++)
		gate(nr);
	if (prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector))
		printf("prctl: %s\n", strerror(errno));
	for (int i = 0; i < 4; i++) {
		selector = 1;
		long r = gate(nr);
		selector = 0;
		printf("%ld, %d dispatched, number %d, code %d\n", r, count, number, code);
	}
	printf("calls good %d\n", calls_ok());
	printf("off: %s\n", library(prctl(59, 0, 0, 0, 0)));
	printf("bad mode: %s\n", library(prctl(59, 9, 0, 0, 0)));
	selector = 1;
	printf("then: %d\n", gate(nr) > 0);
}
static void dispatched(void) { dispatched_for(SYS_getsid); }
static void dispatched_passed(void) { dispatched_for(SYS_gettid); }
BEHAVIOUR(dispatch_of_its_own) { in_child("child", dispatched); }
BEHAVIOUR(dispatch_of_passed_calls) { in_child("child", dispatched_passed); }

static void bad_selector(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	prctl(59, 1, 0, 0, &selector);
	selector = 7;
	gate(SYS_getsid);
	selector = 0;
	printf("not dead\n");
}
BEHAVIOUR(dispatch_with_a_bad_selector) { in_child("child", bad_selector); }

BEHAVIOUR(write_and_execute_forbidden)
{
	char *p = pages(1);
	printf("MDWE: %s\n", library(prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0)));
	printf("to execute: %s\n", library(mprotect(p, 4096, PROT_READ | PROT_EXEC)));
	printf("both: %s\n", library((long)mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
	for (int i = 0; i < 4; i++)
		printf("calls good %d, %d, %d\n", calls_ok(), quiet_ok(), gate(SYS_gettid) > 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "echo executed", NULL);
		_exit(9);
	}
	reap("child", pid);
}

BEHAVIOUR(not_dumpable)
{
	printf("%s", library(prctl(PR_SET_DUMPABLE, 0)));
	printf(" %s\n", library(prctl(PR_GET_DUMPABLE)));
	for (int i = 0; i < 4; i++)
		printf("calls good %d, %d, %d\n", calls_ok(), quiet_ok(), gate(SYS_gettid) > 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		printf("in a child: %d\n", calls_ok());
		execl("/bin/sh", "sh", "-c", "echo executed", NULL);
		_exit(9);
	}
	reap("child", pid);
}
