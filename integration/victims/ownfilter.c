// A program installs a seccomp filter, or Syscall User Dispatch, when its sites have
// been patched: calls that are passed through still meet it.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int traps;
static volatile char selector;

static void filter(unsigned nr, unsigned action)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof f / sizeof *f, f };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p))
		perror("seccomp");
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	selector = 0;
	traps++;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -info->si_syscall;
}

static void refused(void)
{
	filter(SYS_getppid, SECCOMP_RET_ERRNO | 99);
	errno = 0;
	long r = syscall(SYS_getppid);
	printf("%ld, errno %d, %d\n", r, errno, getppid());
}

static void killed(void)
{
	filter(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
	printf("survived %d\n", getppid() > 0);
}

static void trapped(void)
{
	filter(SYS_getppid, SECCOMP_RET_TRAP);
	for (int i = 0; i < 10; i++)
		getppid();
	printf("%d traps\n", traps);
}

static void dispatched(void)
{
	if (prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector))
		perror("prctl");
	for (int i = 0; i < 10; i++) {
		selector = 1;
		syscall(SYS_getppid);
		selector = 0;
	}
	printf("%d dispatched\n", traps);
}

int main(void)
{
	static void (*const tests[])(void) = { refused, killed, trapped, dispatched };
	struct sigaction a = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	sigaction(SIGSYS, &a, NULL);
	for (int i = 0; i < 4; i++) {
		int status;
		pid_t c = fork();
		if (c == 0) {
			for (int j = 0; j < 8; j++) { // so that both sites are patched
				syscall(SYS_getppid);
				getppid();
			}
			tests[i]();
			fflush(stdout);
			_exit(0);
		}
		waitpid(c, &status, 0);
		printf("%d: status %x\n", i, status);
		fflush(stdout);
	}
	return 0;
}
