// flurry WAY ...: what a supervisor must not lose.
//
//	storm THREADS SECONDS  threads make calls (getppid, which a policy answers with 7,
//	                       and getrandom) while signals come to each of them, with
//	                       handlers that make calls too; some fork, some execute, and
//	                       the process is stopped and continued; says how many calls
//	                       were made and how many had a wrong answer
//	race N                 N times, a thread executes this program while the first one
//	                       and others make calls
//	child                  makes two calls, for storm
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
	return 2;
}
