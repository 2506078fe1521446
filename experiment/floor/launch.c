/* launch: how long programs take from start to end.
 *
 *	launch ROUNDS program [argument...] [:: program [argument...]]...
 *
 * Each round runs every program once, in an order of its own, so that what one
 * leaves behind (freed memory, a dying namespace) falls on all the others alike.
 * Prints a line for each run: round, index of the program, nanoseconds of wall
 * time, microseconds of processor time of it and what it waited for. One further
 * round comes first and is not printed. What the programs print goes nowhere.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX = 16 };

struct run {
	long wall, cpu;
};

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static long microseconds(struct timeval t)
{
	return t.tv_sec * 1000000L + t.tv_usec;
}

static struct run once(char **argv)
{
	struct rusage u;
	int status;
	long t = now();
	/* vfork: a copied address space would be paid for by each run. */
	pid_t pid = vfork();
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) != pid) {
		perror("launch");
		exit(125);
	}
	struct run r = { now() - t, microseconds(u.ru_utime) + microseconds(u.ru_stime) };
	if (status != 0) {
		fprintf(stderr, "launch: %s: wait status %#x\n", argv[0], status);
		exit(125);
	}
	return r;
}

static void shuffle(int *order, int n)
{
	static unsigned long x = 88172645463325252ul; /* xorshift; the same in every run */
	for (int i = n - 1; i > 0; i--) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		int j = x % (i + 1), t = order[i];
		order[i] = order[j], order[j] = t;
	}
}

int main(int argc, char **argv)
{
	char **programs[MAX];
	int n = 0, order[MAX], rounds = argc > 2 ? atoi(argv[1]) : 0;
	if (rounds < 1)
		return 125;
	programs[n++] = argv + 2;
	for (int i = 2; i < argc && n < MAX; i++)
		if (strcmp(argv[i], "::") == 0) {
			argv[i] = NULL;
			programs[n++] = argv + i + 1;
		}
	struct run *runs = calloc((size_t)rounds * n, sizeof *runs);
	int out = fcntl(1, F_DUPFD_CLOEXEC, 3), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (out < 0 || nowhere < 0 || dup2(nowhere, 1) < 0) {
		perror("launch");
		return 125;
	}
	for (int i = 0; i < n; i++) {
		order[i] = i;
		once(programs[i]);
	}
	for (int round = 0; round < rounds; round++) {
		shuffle(order, n);
		for (int i = 0; i < n; i++)
			runs[round * n + order[i]] = once(programs[order[i]]);
	}
	dup2(out, 1);
	for (int i = 0; i < rounds * n; i++)
		printf("%d %d %ld %ld\n", i / n, i % n, runs[i].wall, runs[i].cpu);
	return 0;
}
