// traced WAY: what a program may notice of a tracer.
//
//	restart   calls that sleep, interrupted by stops and signals
//	endless   calls that wait without end, and signals that are ignored
//	ignored   a signal that is ignored, during epoll_wait
//	untraced  a child by CLONE_UNTRACED makes a reflected call
//	debugger  wants to be a tracer
//	filter    asks for a tracer by a filter of its own
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAP = 600 }; // ms; long, for machines that are busy

static int word;

static void nothing(int s) { (void)s; }

// Does something to this process 100 ms from now, from outside.
static pid_t later(int first, int second)
{
	pid_t me = getpid(), pid = fork();
	if (pid == 0) {
		struct timespec t = { 0, 100000000 };
		nanosleep(&t, NULL);
		kill(me, first);
		nanosleep(&t, NULL);
		if (second)
			kill(me, second);
		_exit(0);
	}
	return pid;
}

static void said(const char *what, long r, struct timespec *begin, pid_t pid)
{
	int e = r < 0 ? errno : 0;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long ms = (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	printf("%s: %ld %s, %s\n", what, r, e ? strerror(e) : "-", ms < NAP - 10 ? "early" : "in full");
}

static int interrupted(const char *how, int first, int second)
{
	struct timespec begin, nap = { 0, NAP * 1000000 }, rest;
	char name[64], c;
	int pipes[2], ep = epoll_create1(0);
	pid_t pid;
	long r;
	if (pipe(pipes))
		return 3;
#define TRY(what, call) \
	snprintf(name, sizeof name, "%s, %s", what, how); \
	pid = later(first, second); \
	clock_gettime(CLOCK_MONOTONIC, &begin); \
	r = call; \
	said(name, r, &begin, pid);
	TRY("nanosleep", nanosleep(&nap, &rest))
	TRY("clock_nanosleep", (errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, &rest)) ? -1 : 0)
	TRY("poll", poll(NULL, 0, NAP))
	TRY("ppoll", ppoll(NULL, 0, &nap, NULL))
	TRY("select", select(0, NULL, NULL, NULL, &(struct timeval){ 0, NAP * 1000 }))
	TRY("futex", syscall(SYS_futex, &word, 0, 0, &nap, NULL, 0))
	if (first != SIGWINCH) { // see ignored
		TRY("epoll_wait", epoll_wait(ep, &(struct epoll_event){ 0 }, 1, NAP))
	}
	if (first == SIGUSR2) { // with the others it sleeps for ever
		TRY("read", read(pipes[0], &c, 1))
		TRY("sigsuspend", sigsuspend(&(sigset_t){ 0 }))
	}
	return 0;
}

// All ways at once, each in a process of its own.
static int restart(void)
{
	static const struct { const char *how; int first, second; } ways[] = {
		{ "stop", SIGSTOP, SIGCONT }, { "restart", SIGUSR1, SIGUSR1 }, { "eintr", SIGUSR2, 0 }, { "ignored", SIGWINCH, 0 },
	};
	enum { WAYS = sizeof ways / sizeof ways[0] };
	int out[WAYS][2];
	struct sigaction a = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &a, NULL);
	a.sa_flags = 0;
	sigaction(SIGUSR2, &a, NULL);
	for (int w = 0; w < WAYS; w++) {
		if (pipe(out[w]))
			return 3;
		if (fork() == 0) {
			dup2(out[w][1], 1);
			int r = interrupted(ways[w].how, ways[w].first, ways[w].second);
			fflush(stdout);
			_exit(r);
		}
		close(out[w][1]);
	}
	for (int w = 0; w < WAYS; w++) {
		char b[4096];
		for (long n; (n = read(out[w][0], b, sizeof b)) > 0;)
			if (write(1, b, n) != n)
				return 3;
	}
	return 0;
}

static int ignored(void)
{
	struct epoll_event e;
	struct timespec begin;
	signal(SIGUSR1, SIG_IGN);
	int ep = epoll_create1(0);
	pid_t pid = later(SIGUSR1, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	said("epoll_wait, ignored", epoll_wait(ep, &e, 1, NAP), &begin, pid);
	return 0;
}

static int endless(void)
{
	struct sigaction a = { .sa_handler = nothing };
	struct epoll_event e, in = { .events = EPOLLIN };
	siginfo_t i;
	sigset_t set;
	int pipes[2], ep = epoll_create1(0);
	if (pipe(pipes) || epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &in))
		return 3;
	signal(SIGUSR1, SIG_IGN);
	sigaction(SIGUSR2, &a, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	// An ignored signal, the end of a child, and what ends the wait.
	for (int way = 0; way < 4; way++) {
		pid_t me = getpid(), pid = fork();
		if (pid == 0) {
			usleep(60000);
			kill(me, SIGUSR1);
			if (fork() == 0) {
				usleep(60000);
				if (way == 0 && write(pipes[1], "x", 1) != 1)
					_exit(3);
				if (way == 2)
					kill(me, SIGUSR1);
				if (way == 1 || way == 2)
					kill(me, SIGUSR2);
				if (way == 3)
					kill(me, SIGRTMIN);
			}
			_exit(0);
		}
		int r = way < 3 ? epoll_wait(ep, &e, 1, -1) : sigwaitinfo(&set, &i);
		printf("%s: %d %s\n", way < 3 ? "epoll_wait" : "sigwaitinfo", r > 0, r < 0 ? strerror(errno) : "-");
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		char c;
		if (way == 0 && read(pipes[0], &c, 1) != 1)
			return 3;
		fflush(stdout);
	}
	return 0;
}

static int untraced(void)
{
	fflush(stdout);
	pid_t pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		char b[16];
		long r = syscall(SYS_getrandom, b, sizeof b, 0);
		_exit(r == sizeof b ? 0 : errno);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("getrandom: %s\n", WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "served");
	return 0;
}

static int debugger(void)
{
	int status;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) ? errno : 0);
	waitpid(pid, &status, 0);
	printf("PTRACE_TRACEME: %s\n", WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "done");
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	printf("PTRACE_SEIZE: %s\n", ptrace(PTRACE_SEIZE, pid, 0, 0) ? strerror(errno) : "done");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 0;
}

static int filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 2),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 99),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 98),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof code / sizeof code[0], code };
	char b[16];
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 3;
	long r = syscall(SYS_getuid);
	printf("getuid: %ld %s\n", r, r < 0 ? strerror(errno) : "-");
	r = syscall(SYS_getppid);
	printf("getppid: %ld %s\n", r, r < 0 ? strerror(errno) : "-");
	printf("getrandom: %ld\n", syscall(SYS_getrandom, b, sizeof b, 0));
	return 0;
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	if (!strcmp(way, "restart"))
		return restart();
	if (!strcmp(way, "endless"))
		return endless();
	if (!strcmp(way, "ignored"))
		return ignored();
	if (!strcmp(way, "untraced"))
		return untraced();
	if (!strcmp(way, "debugger"))
		return debugger();
	if (!strcmp(way, "filter"))
		return filter();
	return 2;
}
