// SIGSYS, the program's own: whoever uses it for reflection must not take it away.
#include "behaviour.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <ucontext.h>

static volatile int count, good, code, number, arch, rightaddress, from;
static volatile long syscall_address;

static void on_sys(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig);
	count++;
	code = info->si_code;
	number = info->si_syscall;
	arch = info->si_arch;
	from = info->si_pid == getpid();
	if (info->si_code == 1 /* SYS_SECCOMP */) {
		greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
		syscall_address = (long)info->si_call_addr;
		rightaddress = r[REG_RIP] == syscall_address;
		r[REG_RAX] = -info->si_errno;
	}
	good += quiet_ok();
}

static sigset_t just_sys(void)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGSYS);
	return s;
}

static void say(const char *what)
{
	sigset_t now, pending;
	struct sigaction a;
	sigprocmask(SIG_BLOCK, NULL, &now);
	sigpending(&pending);
	sigaction(SIGSYS, NULL, &a);
	printf("%s: %d handled, %d good, blocked %d, pending %d, %s\n", what, count, good, sigismember(&now, SIGSYS), sigismember(&pending, SIGSYS),
	       a.sa_handler == SIG_DFL ? "default" : a.sa_handler == SIG_IGN ? "ignored" : a.sa_sigaction == on_sys ? "handled" : "something else");
}

static void say_status_lines(const char *what)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	while (f && fgets(line, sizeof line, f))
		if (strchr(what, line[3]) && !strncmp(line, "Sig", 3))
			printf("%s", line);
}

BEHAVIOUR(sigsys_at_the_start)
{
	say("start");
	say_status_lines("PBI"); // pending, blocked, ignored
}
BEHAVIOUR(caught_signals_in_status) { say_status_lines("C"); }

BEHAVIOUR(sigsys_handled)
{
	handle(SIGSYS, on_sys, 0);
	raise(SIGSYS);
	say("raised");
	printf("code %d\n", code);
	kill(getpid(), SIGSYS);
	printf("code %d, from here %d\n", code, from);
	sigqueue(getpid(), SIGSYS, (union sigval){ 3 });
	say("queued");
	printf("code %d, from here %d\n", code, from);
}

BEHAVIOUR(sigsys_blocked)
{
	sigset_t s = just_sys(), old;
	handle(SIGSYS, on_sys, 0);
	sigprocmask(SIG_BLOCK, &s, &old);
	say("blocked");
	printf("calls good: %d\n", calls_ok());
	raise(SIGSYS);
	raise(SIGSYS);
	say("raised");
	printf("calls good: %d\n", calls_ok());
	sigprocmask(SIG_UNBLOCK, &s, &old);
	printf("was blocked %d\n", sigismember(&old, SIGSYS));
	say("unblocked");
}

BEHAVIOUR(sigsys_ignored)
{
	signal(SIGSYS, SIG_IGN);
	raise(SIGSYS);
	say("ignored");
	printf("calls good: %d\n", calls_ok());
	sigset_t s = just_sys();
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGSYS);
	say("and blocked");
	printf("calls good: %d\n", calls_ok());
	handle(SIGSYS, on_sys, 0);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	say("at last");
}

BEHAVIOUR(sigsys_waited_for)
{
	sigset_t s = just_sys(), none;
	siginfo_t info = { 0 };
	int sig = 0;
	sigemptyset(&none);
	handle(SIGSYS, on_sys, 0);
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGSYS);
	printf("sigwaitinfo: %s", library(sigwaitinfo(&s, &info)));
	printf(", code %d\n", info.si_code);
	raise(SIGSYS);
	printf("sigwait: %d", sigwait(&s, &sig));
	printf(", %d\n", sig);
	struct timespec t = { 0, 3000000 };
	printf("sigtimedwait: %s\n", library(sigtimedwait(&s, &info, &t)));
	raise(SIGSYS);
	printf("sigsuspend: %s\n", library(sigsuspend(&none)));
	say("suspended");
	raise(SIGSYS);
	t.tv_sec = 1;
	printf("ppoll: %s\n", library(ppoll(NULL, 0, &t, &none)));
	say("polled");
}

BEHAVIOUR(sigsys_by_descriptor)
{
	sigset_t s = just_sys();
	sigprocmask(SIG_BLOCK, &s, NULL);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	struct signalfd_siginfo si = { 0 };
	printf("signalfd: %s", library(read(fd, &si, sizeof si)));
	raise(SIGSYS);
	printf(", %s", library(read(fd, &si, sizeof si)));
	printf(", %u\n", si.ssi_signo);
}

// A mask that lets in everything but SIGSYS, while another signal comes.
static void on_other(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info);
	good += quiet_ok();
	printf("blocked before the signal: %d\n", sigismember(&((ucontext_t *)context)->uc_sigmask, SIGSYS));
	say("in a handler");
}
BEHAVIOUR(sigsys_in_masks_of_handlers)
{
	struct sigaction a = { .sa_flags = SA_SIGINFO, .sa_mask = just_sys() };
	a.sa_sigaction = on_other;
	sigaction(SIGUSR1, &a, NULL);
	handle(SIGSYS, on_sys, 0);
	raise(SIGUSR1);
	sigset_t s = just_sys();
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR1);
	say("after");
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	sigfillset(&a.sa_mask);
	sigaction(SIGUSR2, &a, NULL);
	raise(SIGUSR2);
	struct sigaction b;
	sigaction(SIGUSR1, NULL, &b);
	printf("in the mask of SIGUSR1: %d\n", sigismember(&b.sa_mask, SIGSYS));
	say("at last");
}

// A handler that adds SIGSYS to the mask it returns to.
static void on_adding(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info);
	sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGSYS);
}
BEHAVIOUR(sigsys_blocked_by_sigreturn)
{
	handle(SIGSYS, on_sys, 0);
	handle(SIGUSR1, on_adding, 0);
	raise(SIGUSR1);
	say("returned");
	printf("calls good: %d\n", calls_ok());
	raise(SIGSYS);
	say("raised");
	sigset_t s = just_sys();
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	say("unblocked");
}

BEHAVIOUR(sigsys_reset_by_delivery)
{
	handle(SIGSYS, on_sys, SA_RESETHAND);
	raise(SIGSYS);
	say("raised");
	printf("calls good: %d\n", calls_ok());
}

static void default_sys(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSYS, SIG_DFL);
	quiet_ok();
	raise(SIGSYS);
}
static void default_core(void)
{
	struct rlimit some = { 64 << 20, 64 << 20 };
	setrlimit(RLIMIT_CORE, &some);
	raise(SIGSYS);
}
static void blocked_then_default(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	sigset_t s = just_sys();
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGSYS);
	printf("blocked, calls good: %d\n", calls_ok());
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	printf("not dead\n");
}
BEHAVIOUR(sigsys_by_default_kills)
{
	in_child("without a core", default_sys);
	in_child("with one", default_core);
	in_child("later", blocked_then_default);
}

// Ignored and blocked pass through exec, handled does not.
BEHAVIOUR(sigsys_through_exec)
{
	if (argc > 2) {
		say(argv[2]);
		printf("calls good: %d\n", calls_ok());
		return;
	}
	sigset_t s = just_sys();
	for (int i = 0; i < 4; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			signal(SIGSYS, i & 1 ? SIG_IGN : SIG_DFL);
			if (!(i & 1))
				handle(SIGSYS, on_sys, 0);
			sigprocmask(i & 2 ? SIG_BLOCK : SIG_UNBLOCK, &s, NULL);
			if (i == 2)
				raise(SIGSYS);
			execl("/proc/self/exe", argv[0], argv[1], (char *[]){ "handled", "ignored", "blocked and pending", "ignored and blocked" }[i], NULL);
			_exit(9);
		}
		reap("child", pid);
	}
}

static void take_filter(unsigned nr, unsigned action)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof f / sizeof *f, f };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p))
		perror("seccomp");
}

// A filter of the program's own that traps a call which no policy names.
extern char after_call[];
BEHAVIOUR(trap_of_its_own_filter)
{
	handle(SIGSYS, on_sys, 0);
	take_filter(SYS_getsid, SECCOMP_RET_TRAP | 77);
	for (int i = 0; i < 3; i++) {
		long r;
		__asm__ volatile("syscall\n.globl after_call\nafter_call:" : "=a"(r) : "0"(SYS_getsid), "D"(0) : "rcx", "r11", "memory");
		printf("%ld, %d handled, code %d, number %d, arch %x, behind the call %d, as the register %d, good %d\n", r, count, code, number, arch,
		       syscall_address == (long)after_call, rightaddress, good);
	}
	printf("calls good: %d\n", calls_ok());
}

// The same for a call that is reflected: the most restrictive answer wins.
BEHAVIOUR(trap_of_a_reflected_call)
{
	handle(SIGSYS, on_sys, 0);
	take_filter(SYS_pause, SECCOMP_RET_TRAP | 78);
	for (int i = 0; i < 3; i++) {
		long r = CALL(34, 0, 0, 0, 0);
		printf("%ld, %d handled, code %d, number %d\n", r, count, code, number);
	}
}

BEHAVIOUR(trap_of_a_clock_call)
{
	struct timeval tv;
	handle(SIGSYS, on_sys, 0);
	take_filter(SYS_gettimeofday, SECCOMP_RET_TRAP | 79);
	for (int i = 0; i < 3; i++) {
		long r = CALL(96, &tv, 0, 0, 0);
		printf("%ld, %d handled, code %d, number %d\n", r, count, code, number);
	}
}

static void trap_blocked(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	sigset_t s = just_sys();
	handle(SIGSYS, on_sys, 0);
	take_filter(SYS_getsid, SECCOMP_RET_TRAP);
	sigprocmask(SIG_BLOCK, &s, NULL);
	getsid(0);
	printf("not dead\n");
}
static void trap_ignored(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSYS, SIG_IGN);
	take_filter(SYS_getsid, SECCOMP_RET_TRAP);
	getsid(0);
	printf("not dead\n");
}
static void trap_default(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	take_filter(SYS_getsid, SECCOMP_RET_TRAP);
	getsid(0);
	printf("not dead\n");
}
BEHAVIOUR(trap_with_sigsys_blocked_or_ignored_kills)
{
	in_child("blocked", trap_blocked);
	in_child("ignored", trap_ignored);
	in_child("default", trap_default);
}
