// hammer THREADS CALLS raw|vdso: each thread makes CALLS getrandom calls of 32 bytes.
// Prints how many came back whole, and how many were equal to the one before.
//
// hammer ready THREADS errno: makes raw calls for ever, and prints the first error.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vdso.h"

static atomic_long whole, repeated;
static int calls, through_vdso;
static vgetrandom_fn *vgetrandom;
static struct vgetrandom_params params;

static void *hammer(void *arg)
{
	unsigned char b[32] = { 0 }, last[32] = { 0 };
	void *state = NULL;
	if (through_vdso)
		state = mmap(0, 4096, params.prot, params.flags, -1, 0);
	for (int i = 0; i < calls; i++) {
		long r = through_vdso ? vgetrandom(b, sizeof b, 0, state, params.size) : syscall(SYS_getrandom, b, sizeof b, 0);
		whole += r == sizeof b;
		repeated += !memcmp(b, last, sizeof b);
		memcpy(last, b, sizeof b);
	}
	return arg;
}

static void *until_error(void *arg)
{
	static atomic_int first;
	unsigned char b[32];
	while (syscall(SYS_getrandom, b, sizeof b, 0) == sizeof b)
		;
	int e = errno, none = 0;
	if (atomic_compare_exchange_strong(&first, &none, 1)) {
		printf("first error: %s\n", strerror(e));
		fflush(stdout);
	}
	pause();
	return arg;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	if (!strcmp(argv[1], "ready")) {
		pthread_t t;
		printf("ready %d\n", getpid());
		fflush(stdout);
		for (int i = 1; i < atoi(argv[2]); i++)
			if (pthread_create(&t, NULL, until_error, NULL))
				return 4;
		until_error(NULL);
	}
	int n = atoi(argv[1]);
	calls = atoi(argv[2]);
	through_vdso = !strcmp(argv[3], "vdso");
	if (through_vdso) {
		vgetrandom = vdso_symbol("__vdso_getrandom");
		if (!vgetrandom || vgetrandom(NULL, 0, 0, &params, ~0UL)) {
			printf("no vDSO getrandom\n");
			return 3;
		}
	}
	pthread_t *t = calloc(n, sizeof *t);
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, hammer, NULL))
			return 4;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("whole %ld repeated %ld\n", (long)whole, (long)repeated);
	return 0;
}
