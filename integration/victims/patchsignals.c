// Signals at and around patched sites: handlers that make the same calls, that jump
// out, that walk the stack, and that interrupt sleeping calls.
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile long count, inside, deepest;
static sigjmp_buf env;
static volatile int may_jump;

static void on_call(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	char b[8];
	inside += ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] < 0x200000;
	if (syscall(SYS_getrandom, b, sizeof b, 0) != sizeof b || getppid() <= 0)
		_exit(9);
	count++;
}

static void on_jump(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	count++;
	if (may_jump)
		siglongjmp(env, 1);
}

static void on_profile(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	void *frames[30];
	long n = backtrace(frames, 30);
	if (n > deepest)
		deepest = n;
	count++;
}

static void handle(int sig, void (*h)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = h, .sa_flags = flags | SA_SIGINFO };
	sigaction(sig, &a, NULL);
	count = 0;
}

static void every(int which, int us)
{
	struct itimerval t = { { 0, us }, { 0, us } };
	setitimer(which, &t, NULL);
}

// make calls until so many signals have come.
static void storm(const char *name, long want)
{
	char b[64];
	long wrong = 0;
	for (long i = 0; count < want && i < 20000000; i++) {
		wrong += syscall(SYS_getrandom, b, 16, 0) != 16;
		wrong += getppid() <= 0;
		wrong += syscall(SYS_getppid) <= 0;
	}
	printf("%s: %d, %ld wrong\n", name, count >= want, wrong);
}

// Calls that sleep are restarted, go on, or give EINTR as natively.
static void sleeping(int flags)
{
	int eintr, p[2], r;
	handle(SIGALRM, on_call, flags);
	if (pipe(p))
		return;
	every(ITIMER_REAL, 2000);
	eintr = 0;
	for (int i = 0; i < 8; i++) {
		struct timespec t = { 0, 12000000 }, rest = { 0, 0 }, from, to;
		clock_gettime(CLOCK_MONOTONIC, &from);
		while ((r = nanosleep(&t, &rest)) && errno == EINTR)
			t = rest, eintr++;
		clock_gettime(CLOCK_MONOTONIC, &to);
		if (r || (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec < 12000000)
			printf("nanosleep was too short, %d\n", r);
	}
	printf("nanosleep: interrupted %d\n", eintr > 0);
	eintr = 0;
	for (int i = 0; i < 8; i++)
		eintr += poll(NULL, 0, 12) < 0 && errno == EINTR;
	printf("poll: interrupted %d\n", eintr > 0);
	eintr = 0;
	for (int i = 0; i < 8; i++) {
		int word = 0;
		struct timespec t = { 0, 12000000 };
		long f = syscall(SYS_futex, &word, 0, 0, &t, 0, 0);
		eintr += f < 0 && errno == EINTR;
		if (f == 0 || (errno != EINTR && errno != ETIMEDOUT))
			printf("futex: %ld, %d\n", f, errno);
	}
	printf("futex: interrupted %d\n", eintr > 0);
	eintr = 0;
	for (int i = 0; i < 8; i++) {
		char c = 0;
		pid_t child = fork();
		if (child == 0) {
			struct timespec t = { 0, 12000000 };
			while (nanosleep(&t, &t))
				;
			_exit(write(p[1], "x", 1) != 1);
		}
		while ((r = read(p[0], &c, 1)) < 0 && errno == EINTR)
			eintr++;
		if (r != 1 || c != 'x')
			printf("read: %d\n", r);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	printf("read: interrupted %d\n", eintr > 0);
	every(ITIMER_REAL, 0);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	void *frames[3];
	backtrace(frames, 3); // loads its library
	handle(SIGALRM, on_call, SA_RESTART);
	every(ITIMER_REAL, 70);
	storm("calls in the handler", 800);
	every(ITIMER_REAL, 0);

	handle(SIGALRM, on_jump, SA_RESTART | SA_NODEFER);
	every(ITIMER_REAL, 130);
	volatile long wrong = 0;
	for (volatile long i = 0; count < 400 && i < 20000000; i++) {
		char b[16];
		if (sigsetjmp(env, 1))
			continue;
		may_jump = 1;
		syscall(SYS_getrandom, b, sizeof b, 0);
		wrong += getppid() <= 0;
		may_jump = 0;
	}
	every(ITIMER_REAL, 0);
	may_jump = 0;
	printf("jumps out of the handler: %d, %ld wrong\n", count >= 400, wrong);

	handle(SIGPROF, on_profile, SA_RESTART);
	every(ITIMER_PROF, 1000);
	storm("profile", 20);
	every(ITIMER_PROF, 0);
	printf("stacks are walked: %d\n", deepest > 3);

	sleeping(SA_RESTART);
	sleeping(0);
	fprintf(stderr, "%ld signals in the shim\n", inside);
	return 0;
}
