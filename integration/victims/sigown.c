/* Uses Syscall User Dispatch itself. Prints what its handler saw. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static volatile char selector;
static volatile int caught, number;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	selector = 0; /* SYSCALL_DISPATCH_FILTER_ALLOW */
	number = info->si_syscall;
	caught++;
	if (getppid() > 0)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 1000 + info->si_code;
}

long make(long nr);
__asm__("make: mov %rdi, %rax; syscall; ret");

// The selector says so from the start: the call behind prctl is dispatched.
static void at_once(void)
{
	selector = 1;
	int wrong = prctl(59, 7, 0, 0, &selector), on = prctl(59, 1, 0, 0, &selector);
	long r = make(SYS_getpgid);
	printf("wrong %d, on %d, dispatched %ld caught %d, selector %d\n", wrong, on, r, caught, selector);
	printf("off %d\n", prctl(59, 0, 0, 0, 0));
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	sigaction(SIGSYS, &sa, NULL);
	at_once();
	printf("on %d\n", prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector));
	for (int i = 0; i < 5; i++) {
		selector = 1; /* SYSCALL_DISPATCH_FILTER_BLOCK */
		long r = make(SYS_getpgid);
		selector = 0;
		printf("dispatched %ld caught %d number %d, not dispatched %d\n", r, caught, number, make(SYS_getppid) > 0);
	}
	printf("off %d\n", prctl(59, 0, 0, 0, 0));
	at_once();
	printf("not dispatched %d caught %d\n", make(SYS_getppid) > 0, caught);
	raise(SIGSYS);
	printf("caught %d\n", caught);
	return 0;
}
