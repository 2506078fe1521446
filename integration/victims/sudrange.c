/* Makes a thousand calls from one instruction, and then has Syscall User Dispatch let through
 * what that instruction makes and no other. Prints which calls its handler got. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static __thread volatile char selector;
static volatile int caught;

long let_through(long nr, long a, long b, long c, long d, long e);
long dispatched(long nr);
extern char first[], last[];
__asm__("first:\n"
	"let_through:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	syscall\n"
	"	ret\n"
	"last:\n"
	"dispatched:\n"
	"	mov %rdi, %rax\n"
	"	syscall\n"
	"	ret\n");

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	selector = 0; /* SYSCALL_DISPATCH_FILTER_ALLOW */
	caught++;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 1000 + info->si_syscall;
}

static void *thread(void *arg)
{
	long pid = getpid(), wrong = 0;

	for (int i = 0; i < 1000; i++)
		wrong += let_through(SYS_getpid, 0, 0, 0, 0, 0) != pid;
	printf("on %ld\n", let_through(SYS_prctl, 59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, (long)first, last - first, (long)&selector));
	for (int i = 0; i < 100; i++) {
		selector = 1; /* SYSCALL_DISPATCH_FILTER_BLOCK */
		wrong += let_through(SYS_getpid, 0, 0, 0, 0, 0) != pid;
		wrong += dispatched(SYS_getpid) != 1000 + SYS_getpid;
		selector = 0;
		wrong += dispatched(SYS_getpid) != pid;
	}
	printf("off %d\n", prctl(59, 0, 0, 0, 0));
	for (int i = 0; i < 1000; i++)
		wrong += let_through(SYS_getpid, 0, 0, 0, 0, 0) != pid;
	printf("wrong %ld caught %d\n", wrong, caught);
	return arg;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	pthread_t t;

	setvbuf(stdout, NULL, _IONBF, 0);

	sigaction(SIGSYS, &sa, NULL);
	thread(NULL);
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	pid_t pid = fork();
	if (!pid) {
		caught = 0;
		thread(NULL);
		return 0;
	}
	waitpid(pid, NULL, 0);
	return 0;
}
