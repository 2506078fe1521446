// What signals interrupt: storms of them, jumps out of handlers, calls that sleep and
// calls that wait for signals.
#include "behaviour.h"
#include "signalling.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

static volatile int count, good, enough;
static volatile sig_atomic_t last;

static void every(int us)
{
	struct itimerval t = { { 0, us }, { 0, us } };
	setitimer(ITIMER_REAL, &t, NULL);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	UNUSED(info), UNUSED(context);
	int saved = errno;
	last = sig;
	count++;
	good += quiet_ok();
	// Here, since a handler that takes longer than the timer leaves nothing else any time.
	if (count == enough)
		every(0);
	errno = saved;
}

static sigjmp_buf env;
static volatile int may_jump;
static void on_jump(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info), UNUSED(context);
	if (++count == enough)
		every(0);
	if (may_jump)
		siglongjmp(env, 1);
}

BEHAVIOUR(jumps_out_of_reflected_calls)
{
	handle(SIGALRM, on_jump, SA_RESTART);
	enough = 150;
	every(150);
	volatile long wrong = 0;
	static char b[4096];
	for (volatile long i = 0; count < 150 && i < 3000000; i++) {
		if (sigsetjmp(env, 1))
			continue;
		may_jump = 1;
		wrong += CALL(NR_GETRANDOM, b, 1 + i % 4096, 0, 0) != 1 + i % 4096;
		wrong += CALL(NR_PRIORITY_MAX, 1, 0, 0, 0) != 99;
		wrong += CALL(NR_GETPPID, 0, 0, 0, 0) <= 0;
		may_jump = 0;
	}
	every(0);
	may_jump = 0;
	printf("jumped %d, %ld wrong, calls good %d\n", count >= 150, wrong, calls_ok());
	say_mask("after");
}

// A jump out of a handler that does not put the mask back, as longjmp of C does.
BEHAVIOUR(jumps_that_leave_the_mask)
{
	handle(SIGUSR1, on_jump, 0);
	for (int i = 0; i < 2; i++)
		if (!sigsetjmp(env, 0)) {
			may_jump = 1;
			raise(SIGUSR1);
			printf("not handled\n");
		}
	say_mask("after");
	printf("calls good %d\n", calls_ok());
}

static __attribute__((noinline)) int storm_calls(void)
{
	unsigned char b[64];
	return (CALL(NR_GETRANDOM, b, 33, 0, 0) != 33) + (CALL(NR_GETPPID, 0, 0, 0, 0) <= 0) + (CALL(NR_PRIORITY_MAX, 1, 0, 0, 0) != 99);
}

static long storm(long want)
{
	long wrong = 0;
	for (int i = 0; i < 4; i++) // patched, where they can be, before it begins
		wrong += storm_calls();
	enough = want;
	every(60);
	for (long i = 0; count < want && i < 1000000; i++)
		wrong += storm_calls();
	every(0);
	return wrong;
}

BEHAVIOUR(timer_storm_with_restart)
{
	handle(SIGALRM, on_signal, SA_RESTART);
	long wrong = storm(300);
	printf("came %d, %ld wrong, good in the handler %d\n", count >= 300, wrong, good == count);
}

// Calls that never sleep are not interrupted, also where SA_RESTART is not given.
BEHAVIOUR(timer_storm_without_restart)
{
	handle(SIGALRM, on_signal, 0);
	long wrong = storm(2000);
	printf("came %d, wrong %d\n", count >= 2000, wrong != 0);
}

// The timer goes on, so that a signal which comes before the call matters not.
#define INTERRUPTED(what, call)                             \
	do {                                                \
		every(10000);                               \
		long r_ = (call);                           \
		int e_ = errno;                             \
		every(0);                                   \
		errno = e_;                                 \
		printf("  %s: %s\n", what, library(r_));    \
	} while (0)

static pid_t later(int ms, int fd)
{
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(ms);
		_exit(fd >= 0 && write(fd, "x", 1) != 1);
	}
	return pid;
}

BEHAVIOUR(sleeping_calls)
{
	for (int flags = 0; flags < 2; flags++) {
		handle(SIGALRM, on_signal, flags ? SA_RESTART : 0);
		int p[2], word = 0, e = epoll_create1(0);
		char c;
		if (pipe(p))
			return;
		struct timespec t = { 3, 0 }, rest = { 9, 9 };
		struct epoll_event ev;
		printf("%s SA_RESTART\n", flags ? "with" : "without");
		INTERRUPTED("nanosleep", nanosleep(&t, &rest));
		// The timer's slack is left too where the signal comes before the sleep: 3.00005 s.
		printf("  time left %d\n", rest.tv_sec <= 3);
		INTERRUPTED("poll", poll(NULL, 0, 3000));
		INTERRUPTED("futex", syscall(SYS_futex, &word, 0, 0, &t, 0, 0));
		INTERRUPTED("select", select(0, NULL, NULL, NULL, &(struct timeval){ 3, 0 }));
		INTERRUPTED("epoll", epoll_wait(e, &ev, 1, 3000));
		INTERRUPTED("pause", pause());
		// What SA_RESTART restarts needs an end.
		pid_t pid = later(150, p[1]);
		INTERRUPTED("read", read(p[0], &c, 1));
		while (waitpid(pid, NULL, 0) < 0)
			;
		pid = later(150, -1);
		INTERRUPTED("wait4", waitpid(pid, NULL, 0) == pid ? 0 : -1);
		while (waitpid(-1, NULL, 0) > 0)
			;
		close(e), close(p[0]), close(p[1]);
	}
	printf("all good %d\n", count > 0 && good == count);
}

BEHAVIOUR(waiting_for_signals)
{
	sigset_t s = set_of(SIGUSR1, SIGALRM), none = set_of(0, 0), old;
	handle(SIGUSR1, on_signal, 0);
	handle(SIGALRM, on_signal, 0);
	sigprocmask(SIG_BLOCK, &s, &old);
	raise(SIGUSR1);
	printf("sigsuspend: %s", library(sigsuspend(&none)));
	printf(", handled %d %d\n", count, last);
	say_mask("after sigsuspend");
	struct timespec t = { 1, 0 };
	raise(SIGUSR1);
	printf("ppoll: %s", library(ppoll(NULL, 0, &t, &none)));
	printf(", handled %d %d\n", count, last);
	raise(SIGUSR1);
	printf("pselect: %s", library(pselect(0, NULL, NULL, NULL, &t, &none)));
	printf(", handled %d %d\n", count, last);
	int e = epoll_create1(0);
	struct epoll_event ev;
	raise(SIGUSR1);
	printf("epoll_pwait: %s", library(epoll_pwait(e, &ev, 1, 1000, &none)));
	printf(", handled %d %d\n", count, last);
	say_mask("after them");
	siginfo_t info = { 0 };
	sigqueue(getpid(), SIGUSR1, (union sigval){ 77 });
	printf("sigwaitinfo: %s", library(sigwaitinfo(&s, &info)));
	printf(", code %d, value %d, from here %d\n", info.si_code, info.si_value.sival_int, info.si_pid == getpid());
	t = (struct timespec){ 0, 5000000 };
	printf("sigtimedwait: %s\n", library(sigtimedwait(&s, &info, &t)));
	int sig = 0, r;
	raise(SIGALRM);
	r = sigwait(&s, &sig);
	printf("sigwait: %d %d\n", r, sig);
	once(5000);
	r = sigwait(&s, &sig);
	printf("sigwait: %d %d\n", r, sig);
	sigprocmask(SIG_SETMASK, &old, NULL);
	every(10000);
	int r2 = pause();
	every(0);
	printf("pause: %s, last %d\n", library(r2), last);
}

// The child of a stopped and continued parent goes on sleeping: restart_syscall.
BEHAVIOUR(stopped_and_continued_while_sleeping)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct timespec t = { 0, 600000000 }, from, to;
		clock_gettime(CLOCK_MONOTONIC, &from);
		int r = nanosleep(&t, NULL);
		clock_gettime(CLOCK_MONOTONIC, &to);
		long ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
		printf("nanosleep: %d, long enough %d, calls good %d\n", r, ms >= 599, calls_ok());
		_exit(3);
	}
	for (int i = 0; i < 2; i++) {
		int status = 0;
		sleep_ms(5);
		kill(pid, SIGSTOP);
		waitpid(pid, &status, WUNTRACED);
		printf("stopped: %x\n", status);
		kill(pid, SIGCONT);
		waitpid(pid, &status, WCONTINUED);
		printf("continued: %d\n", WIFCONTINUED(status));
	}
	reap("child", pid);
}
