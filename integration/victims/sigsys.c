/* What a program can do with SIGSYS, and with what a handler of SIGSYS that is not
 * its own could disturb: masks, dispositions, alternate stacks, frames of signals. Prints
 * what it sees, each in a process of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;

static volatile sig_atomic_t caught, code, inner, value;
static sigjmp_buf back;

static int blocked(void)
{
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, SIGSYS);
}

static void block(int how)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGSYS);
	sigprocmask(how, &s, NULL);
}

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	caught++;
	code = info->si_code;
	value = info->si_value.sival_int;
	inner = blocked() + (getppid() <= 0);
}

static void handle(int sig, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | flags };
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

static void raised(void)
{
	handle(SIGSYS, note, 0);
	printf("raise %d", raise(SIGSYS));
	printf(" caught %d code %d blocked inside %d after %d\n", caught, code, inner, blocked());
	sigqueue(getpid(), SIGSYS, (union sigval){ .sival_int = 77 });
	printf("queued: caught %d code %d value %d\n", caught, code, value);
	kill(getpid(), SIGSYS);
	printf("killed: caught %d code %d\n", caught, code);
}

static void dies(void)
{
	raise(SIGSYS);
	printf("alive\n");
}

static void ignored(void)
{
	signal(SIGSYS, SIG_IGN);
	raise(SIGSYS);
	kill(getpid(), SIGSYS);
	struct sigaction sa;
	sigaction(SIGSYS, NULL, &sa);
	printf("alive, ignored %d\n", sa.sa_handler == SIG_IGN);
	signal(SIGSYS, SIG_DFL);
	sigaction(SIGSYS, NULL, &sa);
	printf("default %d\n", sa.sa_handler == SIG_DFL);
}

static void held(void)
{
	sigset_t p;
	handle(SIGSYS, note, 0);
	block(SIG_BLOCK);
	printf("blocked %d\n", blocked());
	for (int i = 0; i < 3; i++)
		raise(SIGSYS);
	sigpending(&p);
	printf("caught %d pending %d\n", caught, sigismember(&p, SIGSYS));
	block(SIG_UNBLOCK);
	sigpending(&p);
	printf("caught %d pending %d blocked %d\n", caught, sigismember(&p, SIGSYS), blocked());
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &p);
	raise(SIGSYS);
	printf("all blocked %d was %d caught %d\n", blocked(), sigismember(&p, SIGSYS), caught);
	sigprocmask(SIG_SETMASK, &p, &all);
	printf("caught %d, was %d, SIGKILL %d\n", caught, sigismember(&all, SIGSYS), sigismember(&all, SIGKILL));
}

static void waited(void)
{
	sigset_t s;
	siginfo_t info;
	int sig;
	sigemptyset(&s);
	sigaddset(&s, SIGSYS);
	block(SIG_BLOCK);
	raise(SIGSYS);
	printf("sigwait %d", sigwait(&s, &sig));
	printf(" got %d\n", sig);
	struct timespec no = { 0, 0 }, soon = { 0, 20000000 };
	errno = 0;
	printf("none: %d %s\n", sigtimedwait(&s, &info, &no), strerror(errno));
	pid_t parent = getpid();
	for (int i = 0; i < 5; i++) {
		if (!fork()) {
			nanosleep(&soon, NULL);
			sigqueue(parent, SIGSYS, (union sigval){ .sival_int = i });
			_exit(0);
		}
		sig = sigwaitinfo(&s, &info);
		printf("%d code %d value %d child %d\n", sig, info.si_code, info.si_value.sival_int, info.si_pid != parent);
		while (wait(NULL) < 0 && errno == EINTR)
			;
	}
}

static void inside(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	raise(SIGSYS); /* blocked by the mask */
	value = caught;
}

static void masks(void)
{
	handle(SIGSYS, note, 0);
	struct sigaction sa = { .sa_sigaction = inside, .sa_flags = SA_SIGINFO | SA_RESTART }, old;
	sigfillset(&sa.sa_mask);
	for (int sig = 1; sig <= 64; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP || sig == SIGSYS || sig == 32 || sig == 33)
			continue;
		if (sigaction(sig, &sa, NULL))
			printf("%d: %m\n", sig);
		sigaction(sig, NULL, &old);
		if (old.sa_sigaction != inside || !sigismember(&old.sa_mask, SIGSYS) || sigismember(&old.sa_mask, SIGKILL) ||
		    (old.sa_flags & ~0x04000000) != (SA_SIGINFO | SA_RESTART))
			printf("%d reads back %x\n", sig, old.sa_flags);
	}
	raise(SIGUSR1);
	printf("in the handler: blocked %d caught %d; after: caught %d blocked %d\n", inner, value, caught, blocked());
	block(SIG_BLOCK);
	raise(SIGUSR2);
	printf("blocked before and after: %d %d caught %d\n", inner, blocked(), caught);
	block(SIG_UNBLOCK);
	printf("caught %d\n", caught);
}

static void flags(void)
{
	handle(SIGSYS, note, SA_NODEFER);
	raise(SIGSYS);
	printf("nodefer: blocked inside %d\n", inner);
	handle(SIGSYS, note, SA_RESETHAND);
	raise(SIGSYS);
	struct sigaction sa;
	sigaction(SIGSYS, NULL, &sa);
	printf("resethand: caught %d default %d\n", caught, sa.sa_handler == SIG_DFL);
}

static void away(int sig)
{
	caught++;
	siglongjmp(back, sig);
}

static void jumps(void)
{
	struct sigaction sa = { .sa_handler = away };
	sigfillset(&sa.sa_mask);
	sigaction(SIGSYS, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	for (volatile int i = 0; i < 1000; i++) {
		int sig = i % 2 ? SIGSYS : SIGUSR1, got = sigsetjmp(back, 1);
		if (!got)
			raise(sig);
		else if (got != sig || blocked() || getppid() <= 0)
			printf("%d: %d %d\n", i, got, blocked());
	}
	printf("jumped %d\n", caught);
}

/* Sends a signal in a while, and nothing else: the last one who did has ended. */
static void later(int sig)
{
	pid_t parent = getpid();
	while (wait(NULL) > 0)
		;
	if (!fork()) {
		struct timespec soon = { 0, 20000000 };
		nanosleep(&soon, NULL);
		kill(parent, sig);
		_exit(0);
	}
}

static void waits(void)
{
	sigset_t m, all;
	handle(SIGUSR1, note, 0);
	handle(SIGSYS, note, 0);
	sigfillset(&all);
	struct timespec ts = { 5, 0 };
	for (int full = 0; full < 2; full++) {
		int sig = full ? SIGUSR1 : SIGSYS;
		if (full)
			sigfillset(&m);
		else
			sigemptyset(&m);
		sigdelset(&m, sig);
		sigaddset(&m, SIGCHLD); /* pending, it would end epoll_pwait */
		sigprocmask(SIG_SETMASK, &all, NULL);
		caught = 0;
		later(sig);
		int r = sigsuspend(&m);
		printf("sigsuspend %d %s caught %d inside %d blocked %d\n", r, strerror(errno), caught, inner, blocked());
		later(sig);
		r = ppoll(NULL, 0, &ts, &m);
		printf("ppoll %d %s caught %d inside %d blocked %d\n", r, strerror(errno), caught, inner, blocked());
		later(sig);
		r = pselect(0, NULL, NULL, NULL, &ts, &m);
		printf("pselect %d %s caught %d inside %d blocked %d\n", r, strerror(errno), caught, inner, blocked());
		struct epoll_event ev;
		int ep = epoll_create1(0);
		later(sig);
		r = epoll_pwait(ep, &ev, 1, 5000, &m);
		printf("epoll_pwait %d %s caught %d inside %d blocked %d\n", r, strerror(errno), caught, inner, blocked());
		close(ep);
		raise(sig); /* pending before it waits */
		r = sigsuspend(&m);
		printf("sigsuspend %d %s caught %d\n", r, strerror(errno), caught);
		sigemptyset(&m);
		sigprocmask(SIG_SETMASK, &m, NULL);
		while (wait(NULL) > 0)
			;
	}
	/* The register that holds the mask's address must be as it was. */
	register struct timespec *t __asm__("rdx") = &ts;
	register sigset_t *mask __asm__("r10") = &all;
	register long size __asm__("r8") = 8;
	long r = SYS_ppoll;
	ts.tv_sec = ts.tv_nsec = 0;
	__asm__ volatile("syscall" : "+a"(r), "+r"(mask), "+r"(t), "+r"(size) : "D"(0), "S"(0) : "rcx", "r11", "memory");
	printf("ppoll %ld, its mask %d\n", r, mask == &all && size == 8);
}

static char *low, *high;

static void on_stack(int sig, siginfo_t *info, void *context)
{
	stack_t ss;
	char here;
	note(sig, info, context);
	sigaltstack(NULL, &ss);
	inner = &here > low && &here < high;
	code = ss.ss_flags;
}

static void stacks(void)
{
	stack_t ss = { .ss_size = 16384 }, old;
	sigaltstack(NULL, &old);
	printf("none: %d\n", old.ss_flags);
	low = ss.ss_sp = malloc(ss.ss_size);
	high = low + ss.ss_size;
	printf("set %d\n", sigaltstack(&ss, NULL));
	handle(SIGUSR1, on_stack, SA_ONSTACK);
	raise(SIGUSR1);
	printf("on it %d flags %d\n", inner, code);
	handle(SIGUSR1, on_stack, 0);
	raise(SIGUSR1);
	printf("not on it %d flags %d\n", inner, code);
	sigaltstack(NULL, &old);
	printf("same %d flags %d\n", old.ss_sp == ss.ss_sp && old.ss_size == ss.ss_size, old.ss_flags);
	ss.ss_size = 100;
	printf("small %d %s\n", sigaltstack(&ss, NULL), strerror(errno));
}

static void alters(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	ucontext_t *uc = context;
	value = sigismember(&uc->uc_sigmask, SIGSYS);
	if (value)
		sigdelset(&uc->uc_sigmask, SIGSYS);
	else
		sigaddset(&uc->uc_sigmask, SIGSYS);
}

static void contexts(void)
{
	handle(SIGUSR1, alters, 0);
	handle(SIGSYS, note, 0);
	raise(SIGUSR1);
	printf("in the context %d, now blocked %d\n", value, blocked());
	raise(SIGSYS);
	printf("caught %d\n", caught);
	raise(SIGUSR1);
	printf("in the context %d, now blocked %d caught %d\n", value, blocked(), caught);
}

static void *thread(void *arg)
{
	printf("thread: blocked %d\n", blocked());
	block(*(int *)arg);
	printf("thread: blocked %d\n", blocked());
	return NULL;
}

static void children(void)
{
	struct sigaction sa;
	handle(SIGSYS, note, 0);
	for (int how = SIG_BLOCK; how <= SIG_UNBLOCK; how++) {
		block(how);
		fflush(stdout);
		if (!fork()) {
			sigaction(SIGSYS, NULL, &sa);
			printf("child: blocked %d handler %d\n", blocked(), sa.sa_sigaction == note);
			fflush(stdout);
			_exit(0);
		}
		wait(NULL);
		if (!vfork()) {
			inner = blocked();
			signal(SIGINT, SIG_DFL);
			_exit(0);
		}
		printf("vforked: blocked %d\n", inner);
		wait(NULL);
		pthread_t t;
		int other = how == SIG_BLOCK ? SIG_UNBLOCK : SIG_BLOCK;
		pthread_create(&t, NULL, thread, &other);
		pthread_join(t, NULL);
		printf("still: blocked %d\n", blocked());
		fflush(stdout);
	}
	posix_spawnattr_t attr;
	sigset_t all;
	pid_t pid;
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	char *argv[] = { "/bin/echo", "spawned", NULL };
	printf("spawn %d\n", posix_spawn(&pid, argv[0], NULL, &attr, argv, environ));
	wait(NULL);
	sigaction(SIGSYS, NULL, &sa);
	printf("the handler is still there: %d\n", sa.sa_sigaction == note);
}

static void errors(void)
{
	char *bad = (char *)16;
	long k[4] = { 0 };
#define TRY(...) printf("%s: %ld", #__VA_ARGS__, (errno = 0, syscall(__VA_ARGS__))), printf(" %s\n", strerror(errno))
	TRY(SYS_rt_sigprocmask, SIG_BLOCK, bad, 0, 8);
	TRY(SYS_rt_sigprocmask, SIG_BLOCK, 0, bad, 8);
	TRY(SYS_rt_sigprocmask, SIG_BLOCK, k, 0, 7);
	TRY(SYS_rt_sigprocmask, 9, k, 0, 8);
	TRY(SYS_rt_sigprocmask, 9, 0, 0, 8);
	TRY(SYS_rt_sigaction, SIGSYS, bad, 0, 8);
	TRY(SYS_rt_sigaction, SIGSYS, 0, bad, 8);
	TRY(SYS_rt_sigaction, SIGKILL, k, 0, 8);
	TRY(SYS_rt_sigaction, SIGKILL, 0, 0, 8);
	TRY(SYS_rt_sigaction, 65, k, 0, 8);
	TRY(SYS_rt_sigaction, 0, k, 0, 8);
	TRY(SYS_rt_sigaction, SIGUSR1, k, 0, 4);
	TRY(SYS_rt_sigpending, bad, 8);
	TRY(SYS_rt_sigpending, k, 9);
	TRY(SYS_rt_sigpending, k, 4);
	TRY(SYS_rt_sigsuspend, bad, 8);
	TRY(SYS_rt_sigsuspend, k, 4);
	TRY(SYS_rt_sigtimedwait, bad, 0, 0, 8);
	TRY(SYS_ppoll, 0, 0, k, bad, 8);
	TRY(SYS_ppoll, 0, 0, k, k, 4);
	TRY(SYS_pselect6, 0, 0, 0, 0, k, bad);
}

static void trapped(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	note(sig, info, context);
	code = info->si_errno;
	value = info->si_syscall;
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
}

static void sandbox(void)
{
	/* As linux/filter.h and linux/seccomp.h have it, which musl lacks: getpgid is
	 * trapped with data 5. */
	static const struct {
		uint16_t op;
		uint8_t yes, no;
		uint32_t k;
	} filter[] = {
		{ 0x20, 0, 0, 0 }, { 0x15, 0, 1, SYS_getpgid }, { 0x06, 0, 0, 0x00030005 }, { 0x06, 0, 0, 0x7fff0000 },
	};
	const struct {
		uint16_t len;
		const void *code;
	} prog = { sizeof filter / sizeof *filter, filter };
	handle(SIGSYS, trapped, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("filter %ld\n", syscall(SYS_seccomp, 1, 0, &prog));
	printf("getpgid %ld\n", syscall(SYS_getpgid, 0));
	printf("caught %d data %d nr %d\n", caught, code, value == SYS_getpgid);
	block(SIG_BLOCK);
	printf("getpgid %ld\n", syscall(SYS_getpgid, 0));
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "raised", raised }, { "dies", dies }, { "ignored", ignored }, { "held", held }, { "waited", waited },
	{ "masks", masks }, { "flags", flags }, { "jumps", jumps }, { "waits", waits }, { "stacks", stacks },
	{ "contexts", contexts }, { "children", children }, { "errors", errors }, { "sandbox", sandbox },
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name))
			continue;
		printf("== %s\n", tests[i].name);
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			alarm(20);
			tests[i].run();
			fflush(stdout);
			_exit(0);
		}
		int status;
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			printf("signal %d\n", WTERMSIG(status));
	}
	return 0;
}
