// storm MICROSECONDS restart|eintr raw|vdso|exec|fork SECONDS: makes reflected calls
// under a storm of SIGALRM and says how many of them failed with EINTR, and whether
// anything else went wrong.
#define _GNU_SOURCE
#include <errno.h>
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
static void on_alarm(int s) { alarms += s == SIGALRM; }

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
	int micros = atoi(argv[1]);
	double until = now() + atof(argv[4]);
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = strcmp(argv[2], "restart") ? 0 : SA_RESTART };
	struct itimerval t = { { 0, micros }, { 0, micros } }, off = { 0 };
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	long calls = 0, interrupted = 0, wrong = 0;
	unsigned char b[32];
	while (now() < until) {
		long r = 0;
		if (!strcmp(argv[3], "raw")) {
			memset(b, 0, sizeof b);
			r = syscall(SYS_getrandom, b, sizeof b, 0);
			wrong += r == 32 ? !(b[0] | b[7] | b[15] | b[23] | b[31] | b[11] | b[3]) : errno != EINTR;
		} else if (!strcmp(argv[3], "exec")) {
			int pid = vfork(), status = 0;
			if (pid == 0) {
				execve("/bin/true", (char *[]){ "true", NULL }, environ);
				_exit(errno == EINTR ? 100 : 101);
			}
			if (pid < 0)
				continue; // fork(2) restarts, but a storm can keep it from ever ending
			while (waitpid(pid, &status, 0) < 0)
				;
			r = status == 100 << 8 ? (errno = EINTR, -1) : 0;
			wrong += status != 0 && status != 100 << 8;
		}
		calls++;
		interrupted += r < 0 && errno == EINTR;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	printf("calls %ld interrupted %ld wrong %ld alarms %d\n", calls, interrupted, wrong, (int)alarms);
	return wrong != 0;
}
