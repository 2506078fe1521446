// storm MICROSECONDS restart|eintr raw|exec SECONDS: makes reflected calls, or executes
// in children, under a storm of signals that are handled, and says how many of the
// calls failed with EINTR, and whether anything else went wrong. A timer of SIGALRM
// makes the storm for raw calls. Children have none (fork(2)), and what they execute
// would die of it: they get SIGWINCH from a thread.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile sig_atomic_t alarms;
static volatile pid_t child;
static int micros;

static void on_signal(int s)
{
	(void)s;
	alarms++;
}

static void *pester(void *arg)
{
	for (;;) {
		pid_t pid = child; // read once: it changes
		if (pid > 0 && kill(pid, SIGWINCH) == 0)
			alarms++;
		usleep(micros);
	}
	return arg;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	micros = atoi(argv[1]);
	int execs = !strcmp(argv[3], "exec");
	double until = now() + atof(argv[4]);
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = strcmp(argv[2], "restart") ? 0 : SA_RESTART };
	struct itimerval t = { { 0, micros }, { 0, micros } }, off = { 0 };
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGWINCH, &sa, NULL);
	pthread_t thread;
	if (execs)
		pthread_create(&thread, NULL, pester, NULL);
	else
		setitimer(ITIMER_REAL, &t, NULL);
	long calls = 0, interrupted = 0, wrong = 0;
	unsigned char b[32];
	while (now() < until) {
		long r = 0;
		if (execs) {
			int status = 0;
			if ((child = fork()) == 0) {
				execve("/bin/true", (char *[]){ "true", NULL }, environ);
				_exit(errno == EINTR ? 100 : 101);
			}
			int waited = waitpid(child, &status, 0) == child;
			child = 0;
			r = status == 100 << 8 ? (errno = EINTR, -1) : 0;
			wrong += !waited || (status != 0 && status != 100 << 8);
		} else {
			memset(b, 0, sizeof b);
			r = syscall(SYS_getrandom, b, sizeof b, 0);
			wrong += r == 32 ? !(b[0] | b[7] | b[15] | b[23] | b[31] | b[11] | b[3]) : errno != EINTR;
		}
		calls++;
		interrupted += r < 0 && errno == EINTR;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	printf("calls %ld interrupted %ld wrong %ld alarms %d\n", calls, interrupted, wrong, (int)alarms);
	return wrong != 0;
}
