// Asks every clock 300 times, by the C library and by system call, and says what it is
// told but for the time: errors, and whether any clock ran backwards.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct timespec last;

static int goes_back(const struct timespec *t)
{
	int back = t->tv_sec < last.tv_sec || (t->tv_sec == last.tv_sec && t->tv_nsec < last.tv_nsec);
	last = *t;
	return back;
}

int main(void)
{
	const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
				 CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI, 13, 99, -1, -6};
	for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
		int errors = 0, back = 0, res = 0;
		memset(&last, 0, sizeof last);
		for (int n = 0; n < 300; n++) {
			struct timespec t;
			if (n % 2 ? clock_gettime(ids[i], &t) : syscall(SYS_clock_gettime, ids[i], &t))
				errors += errno;
			else
				back += goes_back(&t);
			res += (n % 2 ? clock_getres(ids[i], &t) : syscall(SYS_clock_getres, ids[i], &t)) ? errno : 0;
		}
		printf("clock %d: errors %d and %d, %d backwards\n", ids[i], errors, res, back);
	}
	int odd = 0, faults = 0;
	for (int n = 0; n < 300; n++) {
		struct timeval a;
		unsigned cpu = -1;
		odd += syscall(SYS_gettimeofday, &a, 0) != 0 || syscall(SYS_getcpu, &cpu, 0, 0) != 0 || syscall(SYS_time, 0) - a.tv_sec > 1 || cpu > 4095;
		faults += syscall(SYS_clock_gettime, CLOCK_REALTIME, 8) == -1 && errno == EFAULT;
	}
	printf("%d odd, %d faults\n", odd, faults);
	return 0;
}
