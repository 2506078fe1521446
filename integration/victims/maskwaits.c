/* maskwaits: every call that waits under a mask of signals, with SIGSYS in the mask and not, sent
 * before the call and meanwhile. Prints what it sees. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#define GETEVENTS 1
#define EXT_ARG 8

static volatile sig_atomic_t caught, inside, order;

static int blocked(int sig)
{
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, sig);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	caught++;
	order = order * 100 + sig;
	inside = blocked(SIGSYS) * 10 + blocked(SIGUSR1);
}

static int epoll, ring;
static unsigned long aio;
static struct timespec soon;
struct size { const void *mask; uint64_t size, time; };

/* The call, and whether its argument registers are as they were. */
static int kept;
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long rdi = a, rsi = b, rdx = c, r = nr;
	__asm__ volatile("syscall" : "+a"(r), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9) : : "rcx", "r11", "memory");
	kept = rdi == a && rsi == b && rdx == c && r10 == d && r8 == e && r9 == f;
	return r;
}

static long with_ppoll(const void *mask, long size) { return call(SYS_ppoll, 0, 0, (long)&soon, (long)mask, size, 0); }
static long with_pselect6(const void *mask, long size)
{
	struct size s = { mask, size, 0 };
	return call(SYS_pselect6, 0, 0, 0, 0, (long)&soon, (long)&s);
}
static long with_epoll_pwait(const void *mask, long size)
{
	struct epoll_event e;
	return call(SYS_epoll_pwait, epoll, (long)&e, 1, 400, (long)mask, size);
}
static long with_epoll_pwait2(const void *mask, long size)
{
	struct epoll_event e;
	return call(SYS_epoll_pwait2, epoll, (long)&e, 1, (long)&soon, (long)mask, size);
}
static long with_io_pgetevents(const void *mask, long size)
{
	struct size s = { mask, size, 0 };
	char events[32];
	return call(SYS_io_pgetevents, aio, 1, 1, (long)events, (long)&soon, (long)&s);
}
static long with_io_uring(const void *mask, long size) { return call(SYS_io_uring_enter, ring, 0, 1, GETEVENTS, (long)mask, size); }
static long with_io_uring_ext(const void *mask, long size)
{
	struct size s = { mask, size, (uint64_t)(uintptr_t)&soon };
	return call(SYS_io_uring_enter, ring, 0, 1, GETEVENTS | EXT_ARG, (long)&s, sizeof s);
}
static long with_sigsuspend(const void *mask, long size) { return call(SYS_rt_sigsuspend, (long)mask, size, 0, 0, 0, 0); }

static const struct {
	const char *name;
	long (*wait)(const void *mask, long size);
	int ends; /* without a signal */
} calls[] = {
	{ "ppoll", with_ppoll, 1 }, { "pselect6", with_pselect6, 1 }, { "epoll_pwait", with_epoll_pwait, 1 },
	{ "epoll_pwait2", with_epoll_pwait2, 1 }, { "io_pgetevents", with_io_pgetevents, 1 }, { "io_uring_enter", with_io_uring, 0 },
	{ "io_uring_enter, extended", with_io_uring_ext, 1 }, { "rt_sigsuspend", with_sigsuspend, 0 },
};

static void later(int sig)
{
	pid_t parent = getpid();
	if (fork())
		return;
	struct timespec t = { 0, 20000000 };
	nanosleep(&t, NULL);
	kill(parent, sig);
	_exit(0);
}

static void say(const char *how, long r)
{
	printf("  %s: %ld, caught %d order %d inside %d, blocked %d%d, kept %d\n", how, r, caught, order, inside, blocked(SIGSYS), blocked(SIGUSR1), kept);
	caught = order = inside = 0;
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	char params[120] = { 0 };
	sigset_t none, all, no_sys, no_usr, both;
	sigemptyset(&none);
	sigemptyset(&both);
	sigaddset(&both, SIGSYS);
	sigaddset(&both, SIGUSR1);
	sigfillset(&all);
	no_sys = no_usr = all;
	sigdelset(&no_sys, SIGSYS);
	sigdelset(&no_usr, SIGUSR1);
	sigfillset(&sa.sa_mask);
	sigaction(SIGSYS, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	setvbuf(stdout, NULL, _IONBF, 0);
	epoll = epoll_create1(0);
	ring = syscall(SYS_io_uring_setup, 4, params);
	if (ring < 0)
		printf("io_uring: %s\n", strerror(errno));
	if (syscall(SYS_io_setup, 1, &aio))
		printf("io_setup: %s\n", strerror(errno));
	sigprocmask(SIG_BLOCK, &both, NULL);
	for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
		printf("%s\n", calls[i].name);
		soon = (struct timespec){ 5, 0 };
		later(SIGSYS);
		say("SIGSYS let in", calls[i].wait(&no_sys, 8));
		later(SIGUSR1);
		say("SIGUSR1 let in, SIGSYS blocked", calls[i].wait(&no_usr, 8));
		raise(SIGSYS);
		say("SIGSYS pending before", calls[i].wait(&no_sys, 8));
		raise(SIGUSR1);
		say("SIGUSR1 pending before", calls[i].wait(&no_usr, 8));
		soon = (struct timespec){ 0, 60000000 };
		if (calls[i].ends) {
			raise(SIGSYS);
			say("SIGSYS pending and blocked", calls[i].wait(&no_usr, 8));
			say("then let in", calls[i].wait(&no_sys, 8));
			say("all blocked", calls[i].wait(&all, 8));
		}
		raise(SIGSYS);
		raise(SIGUSR1);
		say("both let in", calls[i].wait(&none, 8));
		raise(SIGSYS);
		raise(SIGUSR1);
		sigprocmask(SIG_UNBLOCK, &both, NULL);
		say("unblocked", 0);
		sigprocmask(SIG_BLOCK, &both, NULL);
		say("a size of 4", calls[i].wait(&all, 4));
		if (calls[i].wait != with_sigsuspend)
			say("a bad mask", calls[i].wait((void *)16, 8));
	}
	return 0;
}
