/* Makes calls that are reflected, getpgrp, and others that are not, in turn and from the same
 * instructions, everywhere that calls are made: threads, children of every kind, programs that
 * are executed, handlers. Says how many it made, and how many had another result than RESULT.
 *
 *	sudothers RESULT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static struct counts {
	atomic_long made, wrong, others;
} *counts;
static long result;

/* A site that brings any number, and one that brings one, where a jump can be written at once. */
long any(long nr, long a, long b, long c);
extern char any_site[];
__asm__("any:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"any_site:\n"
	"	syscall\n"
	"	ret\n");

#define one(nr) ({ \
	long r; \
	__asm__ volatile(".balign 8\n\tmov %1, %%eax\n\tsyscall" : "=a"(r) : "i"(nr) : "rcx", "r11", "memory"); \
	r; \
})

static void reflected(long r)
{
	counts->made++;
	if (r != result)
		counts->wrong++;
}

static void mix(int n)
{
	long pid = getpid(), parent = one(SYS_getppid);

	for (int i = 0; i < n; i++) {
		reflected(syscall(SYS_getpgrp));
		if (one(SYS_getppid) != parent || any(SYS_getpid, 0, 0, 0) != pid || syscall(SYS_getpid) != pid)
			counts->wrong++;
		reflected(any(SYS_getpgrp, 0, 0, 0));
		reflected(one(SYS_getpgrp));
		counts->others += 3;
	}
}

static void *thread(void *arg)
{
	if (!arg)
		reflected(any(SYS_getpgrp, 0, 0, 0)); /* the first call of all */
	mix(200);
	return arg;
}

static void on_alarm(int sig)
{
	int e = errno;
	mix(sig > 0);
	errno = e;
}

static void wait_for(pid_t pid, const char *what)
{
	int status;
	if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status)
		printf("%s: status %x, %s\n", what, status, strerror(errno));
}

static int cloned(void *arg)
{
	(void)arg;
	mix(50);
	return 0;
}

static volatile long seen_ip, seen_result;
static int ends[2];
static pthread_t waiter;

static void look(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	(void)info;
	seen_ip = r[REG_RIP] - (long)any_site;
	seen_result = r[REG_RAX];
	if (sig == SIGUSR2 && write(ends[1], "x", 1) != 1)
		abort();
}

static void *pester(void *arg)
{
	usleep(30000);
	pthread_kill(waiter, SIGUSR1); /* ends it */
	usleep(30000);
	pthread_kill(waiter, SIGUSR2); /* it begins again */
	return arg;
}

/* What a handler finds of a call that it interrupts. */
static void interrupted(void)
{
	struct sigaction sa = { .sa_sigaction = look, .sa_flags = SA_SIGINFO };
	pthread_t t;
	char c;

	waiter = pthread_self();
	if (pipe(ends))
		return;
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags |= SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
	pthread_create(&t, NULL, pester, NULL);
	long r = any(SYS_read, ends[0], (long)&c, 1);
	printf("ended: %ld at %ld, %ld\n", r, seen_ip, seen_result);
	r = any(SYS_read, ends[0], (long)&c, 1);
	printf("again: %ld at %ld, %ld\n", r, seen_ip, seen_result);
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	int fd = argc > 2 ? atoi(argv[2]) : memfd_create("counts", 0);
	char number[16], **args = (char *[]){ argv[0], argv[1], number, NULL };
	pthread_t threads[8];

	if (argc < 2 || (argc == 2 && ftruncate(fd, sizeof *counts)))
		return 125;
	counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	result = atol(argv[1]);
	setvbuf(stdout, NULL, _IONBF, 0);
	mix(100);
	if (argc > 2)
		return 0;
	sprintf(number, "%d", fd);
	interrupted();

	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 500 }, { 0, 500 } };
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (long i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(i % 2));
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();
		if (!pid) {
			mix(50);
			_exit(0);
		}
		wait_for(pid, "fork");
		mix(20);
		if (!(pid = vfork())) {
			reflected(syscall(SYS_getpgrp));
			execv(argv[0], args);
			_exit(126);
		}
		wait_for(pid, "vfork and exec");
		mix(20);
		/* As fork, by a raw call from a site that brings any. */
		pid = any(SYS_clone, SIGCHLD, 0, 0);
		if (!pid) {
			reflected(any(SYS_getpgrp, 0, 0, 0));
			mix(50);
			any(SYS_exit_group, 0, 0, 0);
		}
		wait_for(pid, "raw clone");
		wait_for(clone(cloned, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL), "clone");
		mix(20);
	}
	every.it_value.tv_usec = every.it_interval.tv_usec = 0;
	setitimer(ITIMER_REAL, &every, NULL);
	mix(100);
	printf("wrong %ld\n", counts->wrong);
	fprintf(stderr, "made %ld others %ld\n", counts->made, counts->others);
	return 0;
}
