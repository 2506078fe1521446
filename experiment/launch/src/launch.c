// The launcher: runs one program and says what it took.
//
// argv[1] is the program's path, what follows its arguments; the result goes to
// descriptor 3 as one struct result.
//
// It is a program of its own, and small, because the kernel counts the memory of
// the process that forks among what a new program has used: exec_mmap() raises
// signal->maxrss to what the old memory was, which for a vfork is the parent's.
// And the time from fork to wait is taken here without a scheduler of a runtime
// in between.
//
// No libc: it is built into the Go binary, which must not need a C compiler.

#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <sys/syscall.h>

#include "../../../internal/sys/sys.h"

enum { EINTR = 4, ECHILD = 10 };
enum { SIGKILL = 9, SIGTERM = 15, SIGCHLD = 17, SIG_SETMASK = 2, SA_RESTORER = 0x04000000, F_SETFD = 2, FD_CLOEXEC = 1 };
enum { CLOCK_MONOTONIC = 1 };
// How long what a program has left behind may take to end: by itself, and when
// it is asked to. In milliseconds.
enum { BY_ITSELF = 100, WHEN_ASKED = 2000 };

enum { OUT = 3 };

// As Go's Result reads it.
struct result {
	u32 magic;
	s32 exec_errno; // nothing was executed
	s32 status;     // as wait(2) has it
	u32 left;       // processes that the program left behind, and that were ended
	u64 wall;       // ns from before the fork until after the wait
	u64 user, system; // µs, of the program and all that it has waited for
	u64 memory;     // KiB, of the largest process among these
	u64 own;        // ns, of the program's first process alone
	u64 late;       // µs, of what it had not waited for but ended soon
};
enum { MAGIC = 0x4c415543 };

struct timeval { u64 sec, usec; };
struct rusage {
	struct timeval user, system;
	u64 maxrss, rest[13];
};

__attribute__((noreturn)) static void quit(int status)
{
	for (;;)
		SYS(SYS_exit_group, status);
}

static u64 clock(long id)
{
	struct { u64 sec, nsec; } t = { 0, 0 };
	return SYS(SYS_clock_gettime, id, &t) < 0 ? 0 : t.sec * 1000000000 + t.nsec;
}

// process_clock is that of a process, as clock_getcpuclockid(3) makes it. It can
// be read until the process is waited for, of a zombie, too.
static u64 process_clock(long pid)
{
	enum { CPUCLOCK_SCHED = 2 };
	return clock((s32)(~(u32)pid << 3 | CPUCLOCK_SCHED));
}

static u64 micros(struct timeval t) { return t.sec * 1000000 + t.usec; }

static u64 old_mask;
static volatile s32 running; // the program's process, 0 for none
static volatile s32 exec_errno; // the child sets it, in this address space
static char stack[16384] __attribute__((aligned(16)));

struct program { char *path, **argv, **envp; };

__attribute__((used, noreturn)) static void child(struct program *p)
{
	SYS(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &old_mask, 0, 8);
	exec_errno = -SYS(SYS_execve, p->path, p->argv, p->envp);
	quit(127);
}

// vfork on a stack of its own: the parent's must not change under it.
static long spawn(struct program *p)
{
	register u64 r10 __asm__("r10") = 0;
	register u64 r8 __asm__("r8") = 0;
	register struct program *kept __asm__("r12") = p;
	long r;
	__asm__ volatile("syscall\n\t"
			 "test %%eax,%%eax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp,%%ebp\n\t"
			 "mov %%r12,%%rdi\n\t"
			 "call child\n"
			 "1:"
			 : "=a"(r)
			 : "a"(SYS_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"(stack + sizeof stack), "d"(0), "r"(r10),
			   "r"(r8), "r"(kept)
			 : "rcx", "r11", "memory", "cc");
	return r;
}

// on_term ends the program, kindly at first.
static void on_term(int signal)
{
	static int asked;
	if (running)
		SYS(SYS_kill, running, asked++ ? SIGKILL : signal);
}

void restorer(void);
__asm__(".globl restorer\nrestorer:\n\tmov $15,%eax\n\tsyscall\n"); // rt_sigreturn

// signal_children sends a signal to all processes whose parent this one is.
static u32 signal_children(int signal)
{
	static char text[4096];
	long fd = SYS(SYS_open, "/proc/thread-self/children", 0);
	if (fd < 0)
		return 0;
	long n = SYS(SYS_read, fd, text, sizeof text);
	SYS(SYS_close, fd);
	u32 count = 0, pid = 0;
	for (long i = 0; i < n; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			pid = 10 * pid + text[i] - '0';
		} else if (pid) {
			SYS(SYS_kill, pid, signal);
			count++;
			pid = 0;
		}
	}
	return count;
}

// gather waits for orphans and reports whether none are left.
static int gather(struct result *r, int milliseconds)
{
	struct { u64 sec, nsec; } nap = { 0, 1000000 };
	for (;;) {
		struct rusage u = { 0 };
		long pid = SYS(SYS_wait4, -1, 0, WNOHANG | __WALL, &u);
		if (pid == -ECHILD)
			return 1;
		if (pid > 0) {
			r->late += micros(u.user) + micros(u.system);
			continue;
		}
		if (milliseconds-- <= 0)
			return 0;
		SYS(SYS_nanosleep, &nap, 0);
	}
}

__attribute__((used, noreturn)) static void begin(u64 *sp)
{
	long argc = sp[0];
	char **argv = (char **)(sp + 1), **envp = argv + argc + 1;
	if (argc < 3)
		quit(125);
	// Ctrl-C is for the program; what it took is told all the same. SIGTERM is passed
	// on once there is somebody to pass it to.
	u64 all = ~0UL;
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old_mask, 8);
	SYS(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	SYS(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
	SYS(SYS_fcntl, OUT, F_SETFD, FD_CLOEXEC);

	struct result r = { .magic = MAGIC };
	struct program p = { argv[1], argv + 2, envp };
	struct rusage u = { 0 };
	char info[128];
	u64 start = clock(CLOCK_MONOTONIC);
	long pid = spawn(&p);
	if (pid < 0)
		quit(125);
	running = pid;
	struct { void (*handler)(int); u64 flags; void (*restorer)(void); u64 mask; } act = { on_term, SA_RESTORER, restorer, all };
	SYS(SYS_rt_sigaction, SIGTERM, &act, 0, 8);
	u64 others = all & ~(1UL << (SIGTERM - 1));
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &others, 0, 8);
	// Not reaped yet: its clocks can be read.
	while (SYS(SYS_waitid, P_PID, pid, info, WEXITED | WNOWAIT, 0) == -EINTR)
		;
	r.wall = clock(CLOCK_MONOTONIC) - start;
	running = 0;
	r.own = process_clock(pid);
	SYS(SYS_wait4, pid, &r.status, 0, &u);
	r.exec_errno = exec_errno;
	r.user = micros(u.user);
	r.system = micros(u.system);
	r.memory = u.maxrss;
	if (!gather(&r, BY_ITSELF)) {
		r.left = signal_children(SIGTERM);
		if (!gather(&r, WHEN_ASKED))
			do
				signal_children(SIGKILL);
			while (!gather(&r, 10));
	}
	SYS(SYS_write, OUT, &r, sizeof r);
	quit(0);
}

__asm__(".globl _start\n_start:\n\txor %ebp,%ebp\n\tmov %rsp,%rdi\n\tand $-16,%rsp\n\tcall begin\n");
