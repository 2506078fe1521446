// What all subjects share. A behaviour is a function that prints what it observes, in
// words that are the same in every run: no process id, no address, no time. The
// program without arguments lists its behaviours, and with the name of one runs it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../victims/vdso.h"

extern char **environ;

struct behaviour {
	const char *name;
	void (*run)(int argc, char **argv);
};

#define BEHAVIOUR(n)                                                                                        \
	static void n(int argc, char **argv);                                                               \
	static const struct behaviour entry_##n __attribute__((section("behaviours"), used, no_reorder)) = { #n, n }; \
	static void n(int argc __attribute__((unused)), char **argv __attribute__((unused)))

#define STR2(x) #x
#define STR(x) STR2(x)
#define UNUSED(x) ((void)(x))

// A system call from an instruction of its own, with the result as the kernel gives it.
// The seven bytes lie in one aligned word, so that they can be patched.
#define CALL(nr, a, b, c, d)                                                                              \
	({                                                                                                \
		long result_;                                                                             \
		register long d_ __asm__("r10") = (long)(d);                                              \
		__asm__ volatile(".balign 8; mov $" STR(nr) ", %%eax; syscall"                                      \
				 : "=a"(result_)                                                          \
				 : "D"((long)(a)), "S"((long)(b)), "d"((long)(c)), "r"(d_)                \
				 : "rcx", "r11", "memory");                                               \
		result_;                                                                                  \
	})
#define NR_GETPPID 110
#define NR_GETUID 102
#define NR_PRIORITY_MAX 146
#define NR_GETPMSG 181
#define NR_GETRANDOM 318
#define NR_CLOCK_GETTIME 228

// Each kind of reflected call once, from instructions of their own and from the
// library's: served by the shim, passed through, a constant, an error, and the clock.
// The names of those that went wrong are printed.
static __attribute__((noinline, unused)) int calls_ok(void)
{
	unsigned char b[32] = { 0 }, any = 0;
	struct timespec t = { -1, -1 }, u = { -1, -1 };
	int wrong = 0, saved = errno;
#define WANT(cond)                                          \
	do {                                                \
		if (!(cond)) {                              \
			wrong++;                            \
			printf("wrong: %s\n", #cond);       \
		}                                           \
	} while (0)
	WANT(CALL(NR_GETRANDOM, b, 16, 0, 0) == 16);
	WANT(syscall(SYS_getrandom, b + 16, 16, 0) == 16);
	for (size_t i = 0; i < sizeof b; i++)
		any |= b[i];
	WANT(any != 0);
	WANT(CALL(NR_GETPPID, 0, 0, 0, 0) == getppid());
	WANT(CALL(NR_GETUID, 0, 0, 0, 0) == (long)getuid());
	WANT(CALL(NR_PRIORITY_MAX, SCHED_FIFO, 0, 0, 0) == 99);
	WANT(CALL(NR_GETPMSG, 0, 0, 0, 0) == -ENOSYS);
	WANT(CALL(NR_CLOCK_GETTIME, CLOCK_MONOTONIC, &t, 0, 0) == 0 && t.tv_nsec >= 0);
	WANT(clock_gettime(CLOCK_MONOTONIC, &u) == 0 && (u.tv_sec > t.tv_sec || u.tv_nsec >= t.tv_nsec));
	errno = saved;
	return wrong == 0;
}

// The same without output, for handlers and for threads: 1 where all is well.
static __attribute__((noinline, unused)) int quiet_ok(void)
{
	unsigned char b[16] = { 0 };
	struct timespec t = { -1, -1 };
	int any = 0;
	long r = CALL(NR_GETRANDOM, b, sizeof b, 0, 0);
	for (size_t i = 0; i < sizeof b; i++)
		any |= b[i];
	return r == sizeof b && any && CALL(NR_GETPPID, 0, 0, 0, 0) >= 0 && CALL(NR_PRIORITY_MAX, SCHED_FIFO, 0, 0, 0) == 99 &&
	       CALL(NR_CLOCK_GETTIME, CLOCK_MONOTONIC, &t, 0, 0) == 0;
}

static __attribute__((unused)) const char *result(long r)
{
	static char text[2][64];
	static int n;
	char *s = text[n++ & 1];
	if (r < 0 && r > -4096)
		snprintf(s, sizeof *text, "%s", strerror(-r));
	else
		snprintf(s, sizeof *text, "%ld", r);
	return s;
}

// What the library returned, or errno.
static __attribute__((unused)) const char *library(long r) { return result(r == -1 ? -errno : r); }

static __attribute__((unused)) void say_status(const char *what, int status)
{
	if (WIFEXITED(status))
		printf("%s: exited with %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: signal %d%s\n", what, WTERMSIG(status), WCOREDUMP(status) ? ", core dumped" : "");
	else
		printf("%s: status %x\n", what, status);
}

static __attribute__((unused)) void reap(const char *what, pid_t pid)
{
	int status = -1;
	pid_t r;
	while ((r = waitpid(pid, &status, __WALL)) < 0 && errno == EINTR)
		;
	if (r != pid)
		printf("%s: waitpid: %s\n", what, strerror(errno));
	else
		say_status(what, status);
}

// Runs f in a child and says how that ended.
static __attribute__((unused)) void in_child(const char *what, void (*f)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		f();
		_exit(0);
	}
	reap(what, pid);
}

static __attribute__((unused)) void *pages(size_t n)
{
	void *p = mmap(NULL, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(99);
	}
	return p;
}

static __attribute__((unused)) void sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static __attribute__((unused)) void handle(int sig, void (*h)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_flags = flags | SA_SIGINFO };
	a.sa_sigaction = h;
	sigaction(sig, &a, NULL);
}

extern const struct behaviour __start_behaviours[], __stop_behaviours[];

int main(int argc, char **argv)
{
	// By lines, so that a child has nothing to print twice.
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (const struct behaviour *b = __start_behaviours; b < __stop_behaviours; b++) {
		if (argc < 2)
			puts(b->name);
		else if (!strcmp(argv[1], b->name)) {
			// So often that the sites are patched where they can be.
			for (int i = 0; i < 4; i++)
				if (!calls_ok())
					return 98;
			b->run(argc, argv);
			return 0;
		}
	}
	return argc < 2 ? 0 : 97;
}
