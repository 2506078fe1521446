// shared MODE CALLS: makes calls at sites whose code or memory is shared, and says how
// many went wrong.
//
//	plain		one thread
//	clone		two processes with one memory, at one site
//	removed		its file is gone
//	sealed		the code is sealed (mseal)
//	mapped		the code is also mapped from its file, shared, and called there
//	asynchronous	threads that are cancelled at any instruction
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "site.h"

SITE(random_call, "mov $318, %eax");
SITE(constant_call, "mov $102, %eax");
SITE(passed_call, "mov $110, %eax");

static long uid, parent;
static atomic_int wrong;

static void calls(long n)
{
	unsigned char b[16] = {0}, last[16];
	for (long i = 0; i < n; i++) {
		memcpy(last, b, sizeof b);
		if (random_call((long)b, sizeof b, 0, 0) != sizeof b || !memcmp(b, last, sizeof b))
			wrong++;
		if (constant_call(0, 0, 0, 0) != uid || passed_call(0, 0, 0, 0) != parent)
			wrong++;
	}
}

static atomic_int other_done;
static int other(void *arg)
{
	// Its parent is another.
	unsigned char b[16];
	for (long i = 0; i < (long)arg; i++)
		if (random_call((long)b, sizeof b, 0, 0) != sizeof b || constant_call(0, 0, 0, 0) != uid || passed_call(0, 0, 0, 0) <= 0)
			wrong++;
	other_done = 1;
	syscall(SYS_exit, 0);
	return 0;
}

static void two(long n)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status, pid = clone(other, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)n);
	if (pid < 0)
		wrong += 1000;
	calls(n);
	if (waitpid(pid, &status, 0) != pid || status || !other_done)
		wrong += 1000;
}

static void seal(void)
{
	uintptr_t page = (uintptr_t)random_call & -4096;
	long r = syscall(462, page, 8192L, 0L);
	fprintf(stderr, "mseal: %ld\n", r);
	if (r == 0 && mprotect((void *)page, 4096, PROT_READ) == 0)
		wrong += 1000;
}

// What the program is loaded from, once more.
static void map(long n)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;
	fstat(fd, &st);
	char *file = mmap(0, st.st_size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED) {
		wrong += 1000;
		return;
	}
	static const char own[] = "\xb8\x66\0\0\0\x0f\x05\xc3";
	char *code = memmem(file, st.st_size, own, 8);
	for (long i = 0; i < n; i++)
		if (!code || ((long (*)(void))code)() != uid)
			wrong++;
	// Nothing of it went into the file.
	if (code && memcmp(code, own, 8))
		wrong += 1000;
}

static atomic_long cleaned;
static void clean(void *arg) { cleaned += (long)arg; }

static void *cancelled(void *arg)
{
	pthread_cleanup_push(clean, (void *)1);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
	for (;;) {
		unsigned char b[16];
		if (random_call((long)b, sizeof b, 0, 0) != sizeof b || constant_call(0, 0, 0, 0) != uid || passed_call(0, 0, 0, 0) != parent)
			wrong++;
	}
	pthread_cleanup_pop(0);
	return arg;
}

static void cancel(long n)
{
	long joined = 0, clean;
	unsigned seed = 1;
	for (long i = 0; i < n; i++) {
		pthread_t t;
		void *end = 0;
		pthread_create(&t, 0, cancelled, 0);
		struct timespec wait = { 0, 50000 + rand_r(&seed) % 100000 };
		nanosleep(&wait, 0);
		pthread_cancel(t);
		pthread_join(t, &end);
		joined += end == PTHREAD_CANCELED;
	}
	clean = cleaned;
	fprintf(stderr, "%ld cleaned\n", clean);
	if (joined != n || clean < n * 4 / 5)
		wrong += 1000;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 1000;
	const char *mode = argc > 1 ? argv[1] : "plain";
	uid = getuid();
	parent = getppid();
	if (!strcmp(mode, "clone"))
		two(n);
	else if (!strcmp(mode, "removed")) {
		calls(1);
		if (unlink(argv[0]))
			return 3;
		calls(n);
	} else if (!strcmp(mode, "sealed")) {
		seal();
		calls(n);
	} else if (!strcmp(mode, "mapped")) {
		map(n);
		calls(n);
		map(n);
	} else if (!strcmp(mode, "asynchronous"))
		cancel(n);
	else
		calls(n);
	printf("%d wrong\n", (int)wrong);
	return wrong != 0;
}
