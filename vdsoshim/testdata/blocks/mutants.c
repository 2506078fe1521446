#define _GNU_SOURCE
#include "blocks.h"
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of its own time, since the machine may be busy. */
static void limit(double seconds)
{
	struct itimerval t = {.it_value = {seconds, (seconds - (long)seconds) * 1e6}};

	setitimer(ITIMER_VIRTUAL, &t, 0);
}

/*
 * stdin has lines of offset and length of an instruction. One that can be left
 * out is printed; each runs in a process of its own, since most run wild.
 */
void check_mutants(u64 fn, u64 width, enum kind k)
{
	u64 at, n;

	check_registers(fn, width);	/* the key streams for all */
	if (failures)
		return;
	while (scanf("%lx %lu", &at, &n) == 2) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			limit(0.1);	/* for loops that don't end */
			freopen("/dev/null", "w", stdout);
			memset(image + at, 0x90, n);
			check_registers(fn, width);
			limit(20);	/* the slower of two ways is taken, and right */
			if (!failures && k == VECTORS_SHORT)
				check_steps(fn, width, k, 0);
			_exit(failures != 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			exit(2);
		if (status == 0)
			printf("%lx\n", at);
	}
}
