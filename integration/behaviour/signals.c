// Signals: handlers, masks, their stacks, and what they are told.
#include "behaviour.h"
#include "signalling.h"
#include <sys/signalfd.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile int count, good, depth, deepest;
static volatile sig_atomic_t last;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	UNUSED(info), UNUSED(context);
	int saved = errno;
	last = sig;
	count++;
	good += quiet_ok();
	errno = saved;
}

BEHAVIOUR(handler_makes_reflected_calls)
{
	static const int sigs[] = { SIGUSR1, SIGHUP, SIGTERM, SIGCHLD, SIGTRAP, SIGSEGV, SIGSYS, SIGURG, 40, 64 };
	for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
		handle(sigs[i], on_signal, i & 1 ? SA_RESTART : 0);
		count = good = 0;
		int r = kill(getpid(), sigs[i]) | raise(sigs[i]) | syscall(SYS_tgkill, getpid(), gettid(), sigs[i]);
		printf("%d: %d, %d handled, %d good, last %d\n", sigs[i], r, count, good, last);
	}
}

BEHAVIOUR(blocked_signals_wait)
{
	sigset_t s = set_of(SIGUSR1, 40), old, pending;
	handle(SIGUSR1, on_signal, 0);
	handle(40, on_signal, 0);
	sigprocmask(SIG_BLOCK, &s, &old);
	for (int i = 0; i < 3; i++)
		raise(SIGUSR1), raise(40);
	int ok = calls_ok();
	sigpending(&pending);
	printf("%d handled, pending %d %d, calls good %d\n", count, sigismember(&pending, SIGUSR1), sigismember(&pending, 40), ok);
	say_mask("meanwhile");
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("%d handled, last %d\n", count, last);
	say_mask("then");
}

BEHAVIOUR(every_signal_blocked)
{
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	printf("calls good: %d\n", calls_ok());
	say_mask("all");
	// The library leaves out its own two; the kernel's view is complete.
	unsigned long none = 0, mask = -1ul, now;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
	printf("calls good: %d\n", calls_ok());
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, &now, 8);
	printf("blocked: %lx\n", now);
}

BEHAVIOUR(every_signal_ignored)
{
	int failed = 0;
	for (int s = 1; s < 65; s++)
		failed += signal(s, SIG_IGN) == SIG_ERR;
	for (int s = 1; s < 65; s++)
		if (s != SIGKILL && s != SIGSTOP)
			raise(s);
	printf("calls good: %d, %d could not be ignored\n", calls_ok(), failed);
	struct sigaction a;
	for (int s = 1; s < 65; s++)
		if (sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_IGN)
			printf("%d is not ignored\n", s);
}

static void on_nested(int sig, siginfo_t *info, void *context)
{
	UNUSED(info), UNUSED(context);
	if (++depth > deepest)
		deepest = depth;
	good += quiet_ok();
	if (sig < SIGRTMIN + 5)
		raise(sig + 1);
	good += quiet_ok();
	count++;
	depth--;
}

BEHAVIOUR(nested_handlers)
{
	for (int s = SIGRTMIN; s <= SIGRTMIN + 5; s++)
		handle(s, on_nested, 0);
	raise(SIGRTMIN);
	printf("%d handled, %d deep, %d good\n", count, deepest, good);
	say_mask("after");
}

static void on_again(int sig, siginfo_t *info, void *context)
{
	UNUSED(info), UNUSED(context);
	if (++depth > deepest)
		deepest = depth;
	if (count++ < 4)
		raise(sig);
	good += quiet_ok();
	depth--;
}

BEHAVIOUR(nodefer_and_without)
{
	handle(SIGUSR1, on_again, SA_NODEFER);
	raise(SIGUSR1);
	printf("SA_NODEFER: %d handled, %d deep, %d good\n", count, deepest, good);
	count = deepest = good = 0;
	handle(SIGUSR1, on_again, 0);
	raise(SIGUSR1);
	printf("without: %d handled, %d deep, %d good\n", count, deepest, good);
}

BEHAVIOUR(reset_by_delivery)
{
	struct sigaction a;
	handle(SIGUSR1, on_signal, SA_RESETHAND | SA_NODEFER);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &a);
	printf("%d handled, default again %d, flags %x\n", count, a.sa_handler == SIG_DFL, a.sa_flags & ~0x04000000);
}

static char alternate[65536] __attribute__((aligned(16)));
static void on_alternate(int sig, siginfo_t *info, void *context)
{
	stack_t now;
	char here;
	UNUSED(sig), UNUSED(info), UNUSED(context);
	sigaltstack(NULL, &now);
	count++;
	good += quiet_ok();
	depth = &here > alternate && &here < alternate + sizeof alternate;
	deepest = now.ss_flags;
	stack_t other = { .ss_sp = alternate, .ss_size = 32768 };
	errno = 0;
	last = sigaltstack(&other, NULL) ? errno : 0;
}

BEHAVIOUR(alternate_stack)
{
	stack_t s = { .ss_sp = alternate, .ss_size = sizeof alternate }, now;
	sigaltstack(&s, NULL);
	handle(SIGUSR1, on_alternate, SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		raise(SIGUSR1);
		printf("%d handled, on it %d, flags %d, changing it there: %s, good %d\n", count, depth, deepest, strerror(last), good);
	}
	sigaltstack(NULL, &now);
	printf("afterwards: the same %d, size %zu, flags %d, calls good %d\n", now.ss_sp == alternate, now.ss_size, now.ss_flags, calls_ok());
	s.ss_flags = SS_DISABLE;
	sigaltstack(&s, NULL);
	raise(SIGUSR1);
	printf("disabled: on it %d, flags %d\n", depth, deepest);
	s.ss_flags = 0, s.ss_size = 100;
	printf("too small: %s\n", library(sigaltstack(&s, NULL)));
	s.ss_flags = 77;
	printf("bad flags: %s\n", library(sigaltstack(&s, NULL)));
	printf("bad pointer: %s\n", library(syscall(SYS_sigaltstack, 16, NULL)));
}

// SS_AUTODISARM: the kernel forgets the stack while a handler runs on it.
BEHAVIOUR(alternate_stack_disarmed)
{
	stack_t s = { .ss_sp = alternate, .ss_size = sizeof alternate, .ss_flags = (int)(1u << 31) }, now;
	printf("set: %s\n", library(sigaltstack(&s, NULL)));
	handle(SIGUSR1, on_alternate, SA_ONSTACK);
	raise(SIGUSR1);
	sigaltstack(NULL, &now);
	printf("on it %d, flags there %d, changing it there: %s; afterwards flags %x\n", depth, deepest, strerror(last), now.ss_flags);
}

// A call is made with the stack pointer in the alternate stack, outside of any handler.
static void *call_on(void *top)
{
	void *r;
	__asm__ volatile("mov %%rsp, %%rbx; mov %1, %%rsp; sub $128, %%rsp; mov %2, %%rdi; mov $16, %%esi; xor %%edx, %%edx;"
			 "mov $318, %%eax; syscall; mov %%rbx, %%rsp"
			 : "=a"(r) : "r"(top), "r"(alternate) : "rbx", "rdi", "rsi", "rdx", "rcx", "r11", "memory", "cc");
	return r;
}
BEHAVIOUR(calls_on_the_alternate_stack)
{
	stack_t s = { .ss_sp = alternate, .ss_size = sizeof alternate };
	sigaltstack(&s, NULL);
	for (int i = 0; i < 6; i++)
		printf("%ld\n", (long)call_on(alternate + sizeof alternate - i * 64));
}

BEHAVIOUR(signals_by_descriptor)
{
	sigset_t s = set_of(SIGUSR1, 40);
	sigprocmask(SIG_BLOCK, &s, NULL);
	int fd = signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC);
	struct signalfd_siginfo i = { 0 };
	printf("nothing: %s\n", library(read(fd, &i, sizeof i)));
	raise(SIGUSR1);
	sigqueue(getpid(), 40, (union sigval){ 5 });
	printf("read: %s", library(read(fd, &i, sizeof i)));
	printf(", signal %u, code %d\n", i.ssi_signo, i.ssi_code);
	printf("read: %s", library(read(fd, &i, sizeof i)));
	printf(", signal %u, value %d, calls good %d\n", i.ssi_signo, i.ssi_int, calls_ok());
}

// What a handler returns to is its frame: changed registers take effect.
static void on_change(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	UNUSED(info);
	good += quiet_ok();
	if (sig == SIGUSR1)
		u->uc_mcontext.gregs[REG_RAX] = 4711;
	sigaddset(&u->uc_sigmask, SIGUSR2);
}
BEHAVIOUR(handler_changes_its_frame)
{
	handle(SIGUSR1, on_change, 0);
	long pid = getpid(), tid = gettid();
	printf("tgkill returned %ld\n", CALL(234, pid, tid, SIGUSR1, 0));
	say_mask("after");
	printf("good %d\n", good);
}

static void on_info(int sig, siginfo_t *info, void *context)
{
	UNUSED(context);
	printf("%d: code %d, errno %d, from here %d, user %d\n", sig, info->si_code, info->si_errno, info->si_pid == getpid(), info->si_uid == getuid());
}
BEHAVIOUR(what_a_handler_is_told)
{
	handle(SIGUSR1, on_info, 0);
	handle(SIGCHLD, on_info, 0);
	handle(SIGALRM, on_info, SA_RESTART);
	kill(getpid(), SIGUSR1);
	raise(SIGUSR1);
	sigqueue(getpid(), SIGUSR1, (union sigval){ 1 });
	struct timespec t = { 0, 500000000 };
	once(2000);
	nanosleep(&t, NULL);
}

// sigaction's own view: what was set is what is read back.
BEHAVIOUR(dispositions_read_back)
{
	struct {
		unsigned long handler, flags, restorer, mask;
	} a, b;
	for (int s = 1; s < 65; s++) {
		a.handler = (unsigned long)on_signal, a.flags = 0x04000000 | SA_SIGINFO | (s % 3 ? SA_ONSTACK : SA_NODEFER);
		a.restorer = 0x1234, a.mask = -1ul >> s;
		long r = syscall(SYS_rt_sigaction, s, &a, NULL, 8), q = syscall(SYS_rt_sigaction, s, NULL, &b, 8);
		printf("%d: %s %s handler %d flags %lx restorer %lx mask %lx\n", s, r ? "failed" : "set", library(q), b.handler == a.handler,
		       b.flags, b.restorer, b.mask);
		a.handler = 0;
		syscall(SYS_rt_sigaction, s, &a, NULL, 8);
	}
	printf("%s, ", library(syscall(SYS_rt_sigaction, 65, NULL, &b, 8)));
	printf("%s, ", library(syscall(SYS_rt_sigaction, 10, NULL, &b, 4)));
	printf("%s, ", library(syscall(SYS_rt_sigaction, 10, 16, NULL, 8)));
	printf("%s\n", library(syscall(SYS_rt_sigaction, 10, NULL, 16, 8)));
}
