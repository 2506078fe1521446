/* manysites: calls from more system call instructions than the shim has exits for, signals
 * meanwhile, and threads and processes that are made from the last of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SITES 700

/* Each a function of 32 bytes: (nr, a, b, c). */
__asm__(".text\n.balign 32\nsites:\n.rept 700\n"
	"mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nxor %r10d, %r10d\nxor %r8d, %r8d\nsyscall\nret\n.balign 32, 0xcc\n.endr\n");
extern char sites[];
typedef long (*site)(long nr, long a, long b, long c);
#define AT(i) ((site)(sites + 32L * (i)))

static volatile sig_atomic_t came, nested;
static void on_signal(int sig)
{
	(void)sig;
	came++;
	nested += AT(SITES - 2)(SYS_getppid, 0, 0, 0) == getppid();
}

static void handle(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	sigaction(SIGALRM, &sa, NULL);
}

static void timer(long us, long again)
{
	struct itimerval it = { .it_value = { 0, us }, .it_interval = { 0, again } };
	setitimer(ITIMER_REAL, &it, NULL);
}

static void *thread(void *arg)
{
	return (void *)(long)(AT((long)arg)(SYS_gettid, 0, 0, 0) == gettid());
}

static int on_stack(void *arg)
{
	return AT((long)arg)(SYS_getppid, 0, 0, 0) == getppid() ? 21 : 22;
}

static void reap(const char *what, long pid)
{
	int status = -1;
	int r = waitpid(pid, &status, __WALL) == pid;
	printf("%s: made %d, waited %d, status %x\n", what, pid > 0, r, status);
}

int main(void)
{
	int wrong = 0, p[2], q[2];
	char buf[16];
	setvbuf(stdout, NULL, _IONBF, 0);
	if (pipe(p) || pipe(q))
		return 1;
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < SITES; i++) {
			wrong += AT(i)(SYS_getppid, 0, 0, 0) != getppid();
			wrong += AT(i)(SYS_write, p[1], (long)"four", 4) != 4 || AT(i)(SYS_read, p[0], (long)buf, 16) != 4 || memcmp(buf, "four", 4);
			wrong += AT(i)(SYS_read, p[0], 16, 0) != 0;
			wrong += AT(i)(SYS_close, -1, 0, 0) != -EBADF;
			wrong += AT(i)(SYS_getrandom, 16, 16, 0) != -EFAULT;
		}
	printf("wrong %d\n", wrong);

	/* The last sites: for these there is no room. */
	struct timespec soon = { 0, 50000000 };
	handle(0);
	timer(10000, 0);
	long r = AT(SITES - 1)(SYS_nanosleep, (long)&soon, 0, 0);
	printf("nanosleep %ld, came %d, nested %d\n", r, came, nested);
	timer(10000, 0);
	r = AT(SITES - 1)(SYS_read, p[0], (long)buf, 1);
	printf("read without SA_RESTART %ld, came %d\n", r, came);
	handle(SA_RESTART);
	pid_t writer = fork();
	if (!writer) {
		usleep(60000);
		_exit(write(p[1], "x", 1) != 1);
	}
	timer(10000, 5000);
	r = AT(SITES - 1)(SYS_read, p[0], (long)buf, 1);
	timer(0, 0);
	printf("read with SA_RESTART %ld, many came %d, all nested %d\n", r, came > 4, nested == came);
	reap("writer", writer);

	/* Threads and processes. */
	long forked = AT(SITES - 1)(SYS_fork, 0, 0, 0);
	if (!forked)
		_exit(AT(SITES - 3)(SYS_getppid, 0, 0, 0) == getppid() ? 11 : 12);
	reap("fork", forked);
	forked = AT(SITES - 4)(SYS_clone, SIGCHLD, 0, 0);
	if (!forked)
		_exit(AT(SITES - 5)(SYS_getppid, 0, 0, 0) == getppid() ? 13 : 14);
	reap("clone", forked);
	char *stack = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reap("with a stack", clone(on_stack, stack + (1 << 16), CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)(SITES - 6L)));
	pid_t v = vfork();
	if (!v) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	reap("vfork", v);
	int good = 0;
	for (long i = 0; i < 20; i++) {
		pthread_t t;
		void *ok = NULL;
		if (!pthread_create(&t, NULL, thread, (void *)(SITES - 1 - i)) && !pthread_join(t, &ok))
			good += ok != NULL;
	}
	printf("threads %d\n", good);
	(void)q;
	return 0;
}
