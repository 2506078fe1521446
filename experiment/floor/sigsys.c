/* sigsys: what a system call costs that ends in a handler of SIGSYS, and what the
 * mechanism makes other calls cost.
 *
 *	sigsys HOW ROUNDS CALLS
 *
 * HOW says what is set up first:
 *
 *	bare	nothing: under reflect, or natively
 *	trap	a filter that traps getppid, and a handler that does nothing but set its
 *		result
 *	sud	Syscall User Dispatch without a selector, and the same handler; only what
 *		makes calls by itself is in the range that is let through
 *	allow	the same with a selector that says ALLOW
 *
 * Prints a line for each round: nanoseconds a call of getppid, and of getuid, which is
 * not trapped; under sud that is made where dispatch lets it through. The clock is
 * read through the vDSO.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH /* Linux 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

struct action { /* the kernel's struct sigaction */
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

void restorer(void);
long let_through(long nr, ...);
extern const char through[], through_end[];

/* What dispatch lets through. */
__asm__("	.text\n"
	"through:\n"
	"restorer:\n"
	"	mov $15, %eax\n"
	"	syscall\n"
	"let_through:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	syscall\n"
	"	ret\n"
	"through_end:\n");

static char selector = 0; /* SYSCALL_DISPATCH_FILTER_ALLOW */

static void handle(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 7;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* As in libraries: the number is loaded right before the instruction. */
#define call(nr) ({ \
	long r; \
	__asm__ volatile("mov %1, %%eax\n\tsyscall" : "=a"(r) : "i"(nr) : "rcx", "r11", "memory"); \
	r; \
})

static void fail(const char *what)
{
	perror(what);
	_exit(125);
}

int main(int argc, char **argv)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static char out[1 << 20];
	struct sock_fprog filter = { sizeof code / sizeof code[0], code };
	struct action act = { handle, 0x04000004 /* SA_SIGINFO | SA_RESTORER */, restorer, ~0ul };
	if (argc != 4)
		return 125;
	int sud = !strcmp(argv[1], "sud");
	long rounds = atol(argv[2]), calls = atol(argv[3]), length = 0;
	double *ns = calloc(rounds, 2 * sizeof *ns);
	if (!ns || rounds > 10000)
		return 125;
	if (strcmp(argv[1], "bare") && syscall(SYS_rt_sigaction, SIGSYS, &act, NULL, 8) != 0)
		fail("rt_sigaction");
	if (!strcmp(argv[1], "trap") &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0))
		fail("filter");
	if ((sud || !strcmp(argv[1], "allow")) &&
	    let_through(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, through, through_end - through, sud ? NULL : &selector) != 0)
		fail("dispatch");
	for (long r = -rounds / 10; r < rounds; r++) {
		double t = now();
		for (long i = 0; i < calls; i++)
			if (call(SYS_getppid) < 0)
				return 125;
		double u = now();
		if (sud)
			for (long i = 0; i < calls; i++)
				let_through(SYS_getuid);
		else
			for (long i = 0; i < calls; i++)
				call(SYS_getuid);
		if (r >= 0) {
			ns[2 * r + 1] = (now() - u) / calls;
			ns[2 * r] = (u - t) / calls;
		}
	}
	for (long r = 0; r < rounds; r++)
		length += sprintf(out + length, "%.2f %.2f\n", ns[2 * r], ns[2 * r + 1]);
	let_through(SYS_write, 1, out, length);
	let_through(SYS_exit_group, 0);
	return 0;
}
