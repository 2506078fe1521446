// draws MODE [ARGUMENT...]: prints random bytes, in hexadecimal, drawn in many ways.
//
//	bytes N...      AT_RANDOM, then N bytes for each N
//	fork K          before, in, and after K forked processes, one after the other
//	vfork           the same with one vforked process
//	threads K       ten draws by each of K threads, sorted
//	exec ARG...     draws, then executes itself in this process with ARG...
//	spawn K ARG...  executes itself with ARG... in K processes, one after the other
//	stack N         into a buffer of N bytes on a stack that has not grown yet
//	fault           into a page and a hole behind it, and what comes after
//	reuse           in two processes with the same id, one after the other's end
//	delay MS ARG... sleeps, then as ARG...
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void hex(const char *label, const unsigned char *b, size_t n)
{
	char line[300];
	int at = snprintf(line, sizeof line, "%s ", label);
	for (size_t i = 0; i < n && at + 3 < (int)sizeof line; i++)
		at += snprintf(line + at, 3, "%02x", b[i]);
	line[at++] = '\n';
	if (write(1, line, at) != at)
		fail("write");
}

static long draw_to(void *b, size_t n) { return syscall(SYS_getrandom, b, n, 0); }

static void draw(const char *label)
{
	unsigned char b[8];
	if (draw_to(b, sizeof b) != sizeof b)
		fail("getrandom");
	hex(label, b, sizeof b);
}

static unsigned char drawn[64][10][8];

static void *thread(void *p)
{
	for (int i = 0; i < 10; i++)
		if (draw_to(((unsigned char (*)[8])p)[i], 8) != 8)
			fail("getrandom");
	return 0;
}

static int order(const void *a, const void *b) { return memcmp(a, b, 8); }

static void threads(int k)
{
	pthread_t t[64];
	for (int i = 0; i < k; i++)
		if (pthread_create(&t[i], 0, thread, drawn[i]))
			fail("pthread_create");
	for (int i = 0; i < k; i++)
		pthread_join(t[i], 0);
	qsort(drawn, k * 10, 8, order);
	for (int i = 0; i < k * 10; i++)
		hex("thread", drawn[i / 10][i % 10], 8);
}

static void await(pid_t pid)
{
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail("child");
}

static __attribute__((noinline)) void on_stack(size_t n)
{
	unsigned char b[n];
	if (draw_to(b, n) != (long)n)
		fail("getrandom");
	hex("first", b, 8);
	hex("last", b + n - 8, 8);
}

// struct clone_args of Linux 5.5, which C libraries' headers may lack.
struct args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
};

static void reuse(void)
{
	pid_t first = fork();
	if (!first) {
		draw("first");
		_exit(0);
	}
	await(first);
	usleep(50000); // the kernel tells when a process began in ticks of 10 ms
	pid_t wanted = first;
	struct args a = { .exit_signal = SIGCHLD, .set_tid = (uint64_t)&wanted, .set_tid_size = 1 };
	pid_t second = syscall(SYS_clone3, &a, sizeof a);
	if (!second) {
		draw("second");
		_exit(0);
	}
	if (second != first)
		fail("clone3");
	await(second);
}

static void fault(void)
{
	unsigned char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || munmap(p + 4096, 4096))
		fail("mmap");
	if (draw_to(p + 4096 - 8, 16) != 8)
		fail("getrandom over the border");
	hex("border", p + 4096 - 8, 8);
	if (draw_to(p + 4096, 16) != -1 || errno != EFAULT)
		fail("getrandom into a hole");
	if (syscall(SYS_getrandom, p, 8, 8) != -1 || errno != EINVAL)
		fail("getrandom with unknown flags");
	if (syscall(SYS_getrandom, p, 8, 6) != -1 || errno != EINVAL)
		fail("getrandom with opposite flags");
	draw("after");
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int k = argc > 2 ? atoi(argv[2]) : 0;
	if (!strcmp(mode, "bytes")) {
		hex("AT_RANDOM", (unsigned char *)getauxval(AT_RANDOM), 16);
		for (int i = 2; i < argc; i++) {
			size_t n = atol(argv[i]);
			unsigned char *b = malloc(n);
			if (draw_to(b, n) != (long)n)
				fail("getrandom");
			hex("begins", b, n < 16 ? n : 16);
			hex("ends", b + n - (n < 16 ? n : 16), n < 16 ? n : 16);
		}
	} else if (!strcmp(mode, "fork")) {
		draw("before");
		for (int i = 0; i < k; i++) {
			pid_t pid = fork();
			if (!pid) {
				draw("child");
				draw("child again");
				_exit(0);
			}
			await(pid);
		}
		draw("after");
	} else if (!strcmp(mode, "vfork")) {
		draw("before");
		pid_t pid = vfork();
		if (!pid) {
			draw("child");
			_exit(0);
		}
		await(pid);
		draw("after");
	} else if (!strcmp(mode, "threads")) {
		threads(k);
	} else if (!strcmp(mode, "exec")) {
		draw("before");
		argv[1] = argv[0];
		execv("/proc/self/exe", argv + 1);
		fail("exec");
	} else if (!strcmp(mode, "spawn")) {
		argv[2] = argv[0];
		for (int i = 0; i < k; i++) {
			pid_t pid = fork();
			if (!pid) {
				execv("/proc/self/exe", argv + 2);
				fail("exec");
			}
			await(pid);
		}
	} else if (!strcmp(mode, "stack")) {
		on_stack(k);
	} else if (!strcmp(mode, "fault")) {
		fault();
	} else if (!strcmp(mode, "reuse")) {
		reuse();
	} else if (!strcmp(mode, "delay")) {
		usleep(k * 1000);
		argv[2] = argv[0];
		execv("/proc/self/exe", argv + 2);
		fail("exec");
	} else {
		fprintf(stderr, "draws: unknown mode\n");
		return 2;
	}
	return 0;
}
