/* sigstorm THREADS SECONDS: threads make calls whose results they know, while signals
 * come from a timer and from other threads, SIGSYS among them, and children are forked and
 * executed. Every queued signal must be handled, every call must have its result, and every
 * child end as it should. Prints what went wrong, and on standard error how much was done. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static atomic_long calls, wrong, queued, handled, sys, children, failed;
static atomic_int stop, ready;
static pthread_t threads[256];
static pid_t self;
static int count;

#define WRONG(...) do { wrong++; fprintf(stderr, __VA_ARGS__); } while (0)

static void on_signal(int sig)
{
	int e = errno;
	if (sig == SIGRTMIN)
		handled++;
	else if (sig == SIGSYS)
		sys++;
	if (syscall(SYS_getpid) != self)
		WRONG("in the handler of %d\n", sig);
	errno = e;
}

static void *work(void *arg)
{
	long n = (long)arg;
	int p[2];
	sigset_t all, old, now;
	sigfillset(&all);
	if (pipe(p))
		WRONG("pipe\n");
	ready++;
	for (unsigned i = 0; !stop; i++) {
		unsigned char out[8] = { n, i, i >> 8, i >> 16 }, in[8], random[16];
		if (syscall(SYS_getpid) != self)
			WRONG("getpid\n");
		if (write(p[1], out, sizeof out) != sizeof out || read(p[0], in, sizeof in) != sizeof in || memcmp(in, out, sizeof in))
			WRONG("pipe: %s\n", strerror(errno));
		if (syscall(SYS_getrandom, random, sizeof random, 0) != sizeof random)
			WRONG("getrandom\n");
		if (i % 4 == 0) {
			pthread_sigmask(SIG_SETMASK, &all, &old);
			if (syscall(SYS_getpid) != self)
				WRONG("getpid\n");
			pthread_sigmask(SIG_SETMASK, &old, &now);
			if (!sigismember(&now, SIGSYS) || sigismember(&old, SIGSYS))
				WRONG("masks\n");
		}
		struct timespec short_time = { 0, 1000 };
		if (i % 16 == 0 && nanosleep(&short_time, NULL) && errno != EINTR)
			WRONG("nanosleep\n");
		errno = 0;
		if (close(-1) != -1 || errno != EBADF)
			WRONG("close\n");
		calls += 7;
	}
	return NULL;
}

static void *pester(void *arg)
{
	for (unsigned i = 0; !stop; i++) {
		pthread_kill(threads[i % count], i % 3 ? SIGSYS : SIGUSR1);
		if (i % 4 == 0 && queued - handled < 1000 && sigqueue(self, SIGRTMIN, (union sigval){ 0 }) == 0)
			queued++;
		struct timespec pause = { 0, 20000 };
		nanosleep(&pause, NULL);
	}
	return arg;
}

static void *execute(void *arg)
{
	for (unsigned i = 0; !stop; i++) {
		char *argv[] = { "/bin/sh", "-c", "exit 7", NULL };
		pid_t pid;
		int status = 0, want = 7;
		if (i % 3 == 0) {
			if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ))
				pid = -1;
		} else if (i % 3 == 1) {
			want = 9;
			if ((pid = fork()) == 0)
				_exit(syscall(SYS_getpid) == self ? 1 : 9);
		} else {
			char *bad[] = { "/nonexistent", NULL };
			want = 8;
			if ((pid = vfork()) == 0) {
				execve(bad[0], bad, environ);
				_exit(8);
			}
		}
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		children++;
		if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != want) {
			failed++;
			fprintf(stderr, "child %u: %d status %x\n", i % 3, pid, status);
		}
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t others[2];
	if (argc != 3 || (count = atoi(argv[1])) > 256)
		return 2;
	self = getpid();
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigfillset(&sa.sa_mask);
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGSYS, &sa, NULL);
	sigemptyset(&sa.sa_mask);
	sigaction(SIGUSR1, &sa, NULL);
	for (long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	while (ready < count)
		usleep(1000);
	pthread_create(&others[0], NULL, pester, NULL);
	pthread_create(&others[1], NULL, execute, NULL);
	struct itimerval timer = { { 0, 500 }, { 0, 500 } }, off = { { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &timer, NULL);
	struct timespec end, now;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atoi(argv[2]);
	do {
		usleep(10000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	stop = 1;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(others[i], NULL);
	setitimer(ITIMER_REAL, &off, NULL);
	for (int i = 0; i < 1000 && handled < queued; i++)
		usleep(1000);
	printf("wrong %ld unhandled %ld failed %ld, SIGSYS %d, did %d\n", (long)wrong, queued - handled, (long)failed, sys > 0, calls > 1000 && children > 2);
	fprintf(stderr, "calls %ld queued %ld SIGSYS %ld children %ld\n", (long)calls, (long)queued, (long)sys, (long)children);
	return wrong || queued != handled || failed;
}
