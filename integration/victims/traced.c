// traced WAY ...: what a program may notice of a tracer, and what one must not lose.
//
//	storm THREADS SECONDS  threads make calls (getppid, which a policy answers with 7,
//	                       and getrandom) while signals come to each of them, with
//	                       handlers that make calls too; some fork, some execute, and
//	                       the process is stopped and continued; says how many calls
//	                       were made and how many had a wrong answer
//	race N                 N times, a thread executes this program while the first one
//	                       and others make calls
//	child                  makes two calls, for storm
//	restart                calls that sleep, interrupted by stops and signals
//	ignored                a signal that is ignored, during epoll_wait
//	untraced               a child by CLONE_UNTRACED makes a reflected call
//	debugger               wants to be a tracer
//	filter                 asks for a tracer by a filter of its own
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Shared by all processes of a storm, at an address that an exec does not keep: what
// is executed says by its status what it did.
struct tally {
	atomic_long ppid, random, wrong, signals, forks, execs, stops;
};
static struct tally *tally;
static atomic_int over;
static char *self;

static void calls(void)
{
	unsigned char b[16] = { 0 };
	long r = syscall(SYS_getppid);
	tally->ppid++;
	tally->wrong += r != 7;
	r = syscall(SYS_getrandom, b, sizeof b, 0);
	tally->random++;
	int any = 0;
	for (size_t i = 0; i < sizeof b; i++)
		any |= b[i];
	tally->wrong += r != sizeof b || !any;
}

static void on_signal(int s)
{
	(void)s;
	int e = errno;
	tally->signals++;
	calls();
	errno = e;
}

static pthread_t threads[256];
static int count;

static void *caller(void *arg)
{
	while (!over)
		calls();
	return arg;
}

static void *spawner(void *arg)
{
	for (volatile int i = 0; !over; i++) {
		pid_t pid = i % 2 ? fork() : vfork();
		if (pid == 0) {
			if (i % 4 < 2) {
				char *args[] = { self, "child", NULL }, *none[] = { NULL };
				execve(self, args, none);
				_exit(9);
			}
			calls();
			_exit(4);
		}
		int status = 0, r;
		while ((r = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
			;
		int want = i % 4 < 2 ? 5 : 4;
		if (r != pid || !WIFEXITED(status) || WEXITSTATUS(status) != want)
			tally->wrong++;
		else if (want == 5)
			tally->execs++; // its calls are counted at the end
		else
			tally->forks++;
	}
	return arg;
}

// A thread is created, makes a call and ends, again and again.
static void *mayfly(void *arg)
{
	calls();
	return arg;
}

static void *breeder(void *arg)
{
	while (!over) {
		pthread_t t;
		if (pthread_create(&t, NULL, mayfly, NULL) == 0)
			pthread_join(t, NULL);
	}
	return arg;
}

static int storm(int n, double seconds)
{
	tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGRTMIN + 3, &a, NULL);
	a.sa_flags = 0;
	sigaction(SIGUSR2, &a, NULL);
	a.sa_handler = SIG_IGN;
	sigaction(SIGWINCH, &a, NULL);
	for (; count < n; count++)
		if (pthread_create(&threads[count], NULL, count == 0 ? breeder : count < 4 ? spawner : caller, NULL))
			return 3;
	pid_t me = getpid(), stopper = fork();
	if (stopper == 0) {
		struct timespec while_ = { 0, 200000000 }, moment = { 0, 3000000 };
		for (;;) {
			nanosleep(&while_, NULL);
			if (kill(me, SIGSTOP))
				_exit(0);
			nanosleep(&moment, NULL);
			kill(me, SIGCONT);
			tally->stops++;
		}
	}
	const int which[] = { SIGUSR1, SIGUSR2, SIGRTMIN + 3, SIGWINCH };
	struct timespec begin, now, pause = { 0, 50000 };
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned i = 0;; i++) {
		pthread_kill(threads[i % n], which[i / n % 4]);
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - begin.tv_sec + 1e-9 * (now.tv_nsec - begin.tv_nsec) > seconds)
			break;
	}
	kill(stopper, SIGKILL);
	kill(me, SIGCONT);
	while (waitpid(stopper, NULL, 0) < 0 && errno == EINTR)
		;
	over = 1;
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	tally->ppid += tally->execs;
	tally->random += tally->execs;
	printf("ppid %ld random %ld wrong %ld signals %ld forks %ld execs %ld stops %ld\n", tally->ppid, tally->random, tally->wrong,
	       tally->signals, tally->forks, tally->execs, tally->stops);
	return tally->wrong != 0;
}

static void *replacer(void *arg)
{
	char left[32], *args[] = { self, "race", left, NULL }, *none[] = { NULL };
	struct timespec moment = { 0, 20000 * ((long)arg % 16) };
	nanosleep(&moment, NULL);
	snprintf(left, sizeof left, "%ld", (long)arg - 1);
	execve(self, args, none);
	_exit(9);
}

static int race(long n)
{
	tally = &(struct tally){ 0 };
	if (n == 0) {
		printf("done\n");
		return 0;
	}
	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, i == 2 ? replacer : caller, (void *)n))
			return 3;
	for (;;)
		if (calls(), tally->wrong)
			return 6;
}

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
	printf("%s: %ld %s after about %ld00 ms\n", what, r, e ? strerror(e) : "-", (ms + 30) / 100);
}

static int restart(void)
{
	struct sigaction a = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &a, NULL);
	a.sa_flags = 0;
	sigaction(SIGUSR2, &a, NULL);
	const struct { const char *name; int first, second; } ways[] = {
		{ "stop", SIGSTOP, SIGCONT }, { "restart", SIGUSR1, SIGUSR1 }, { "eintr", SIGUSR2, 0 }, { "ignored", SIGWINCH, 0 },
	};
	for (int w = 0; w < 4; w++) {
		struct timespec begin, nap = { 0, 400000000 }, rest;
		char name[64], c;
		int pipes[2], ep = epoll_create1(0);
		pid_t pid;
		if (pipe(pipes))
			return 3;
#define TRY(what, call) \
		snprintf(name, sizeof name, "%s, %s", what, ways[w].name); \
		pid = later(ways[w].first, ways[w].second); \
		clock_gettime(CLOCK_MONOTONIC, &begin); \
		r = call; \
		said(name, r, &begin, pid);
		long r;
		TRY("nanosleep", nanosleep(&nap, &rest))
		TRY("clock_nanosleep", (errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, &rest)) ? -1 : 0)
		TRY("poll", poll(NULL, 0, 400))
		TRY("ppoll", ppoll(NULL, 0, &nap, NULL))
		TRY("select", select(0, NULL, NULL, NULL, &(struct timeval){ 0, 400000 }))
		TRY("futex", syscall(SYS_futex, &over, 0, 0, &nap, NULL, 0))
		if (ways[w].first != SIGWINCH) { // see ignored
			TRY("epoll_wait", epoll_wait(ep, &(struct epoll_event){ 0 }, 1, 400))
		}
		if (ways[w].first == SIGUSR2) { // with the others it sleeps for ever
			TRY("read", read(pipes[0], &c, 1))
			TRY("sigsuspend", sigsuspend(&(sigset_t){ 0 }))
		}
		close(pipes[0]);
		close(pipes[1]);
		close(ep);
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
	said("epoll_wait, ignored", epoll_wait(ep, &e, 1, 400), &begin, pid);
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
	self = argv[0];
	const char *way = argc > 1 ? argv[1] : "";
	if (!strcmp(way, "storm") && argc == 4)
		return storm(atoi(argv[2]), atof(argv[3]));
	if (!strcmp(way, "race") && argc == 3)
		return race(atol(argv[2]));
	if (!strcmp(way, "child")) {
		tally = &(struct tally){ 0 };
		calls();
		return tally->wrong ? 6 : 5;
	}
	if (!strcmp(way, "restart"))
		return restart();
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
