// The guardian: the process between the supervisor and the program.
//
// It forks the program's first process, which takes the seccomp filters before
// it executes the program, hands the listener to the supervisor, and then only
// waits: it reports how the program stops and ends, adopts what the program
// orphans (PR_SET_CHILD_SUBREAPER), and kills all of that when the supervisor
// is gone. It bumps the run's generation, too (generation.h).
//
// It is a fork of the supervisor that executes nothing. Of its parent's memory it
// has the executable's code, which this is a part of, the control page, and one
// mapping that was made for it; all else is left out of the fork (MADV_DONTFORK),
// so that it is small, and has its memory to itself when its parent is killed. So it
// has no data but struct state, which a register points to, and no libc. All
// signals are blocked from the fork on.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/wait.h>
#include <sys/syscall.h>

typedef unsigned long u64;
typedef unsigned int u32;
typedef int s32;

#define EINTR 4
#define EINVAL 22
#define ECHILD 10
#define SECCOMP_FLAG_WAIT_KILLABLE_RECV (1UL << 5)

struct call {
	u64 nr, args[5];
};

// What the supervisor writes before it forks: package guardian's Launch.
struct launch {
	const char *path;
	char *const *argv;
	char *const *envp;
	struct sock_filter *main;
	u64 main_len;
	struct sock_filter *deny;
	u64 deny_len;
	u64 keep_privileges; // leave NO_NEW_PRIVS out
	u64 ignored;         // signals to ignore, bit n-1 for signal n
	u64 blocked;         // signals to block, likewise,
	u64 mask;            // if this is not 0; else as in the thread that forked
	u64 *page;           // the control page
	u64 tick;            // ms between two generations, 0 for no such bumps
	u64 supervisor;      // its process id
	u64 control;         // the descriptor of our end of the connection
	u64 region;          // that of the memory file with the control page
	u64 soft, hard;      // RLIMIT_NOFILE for the program,
	u64 limited;         // if this is not 0; else as it is
	const char *dir;     // where the program starts, or 0
	const struct call *calls; // that put the program's descriptors in place
	u64 calls_len;
	u64 trapped;         // futex(2) would be trapped once the filter is there
};

enum { MSG_STARTED = 1, MSG_FAILED, MSG_EXEC_FAILED, MSG_EXIT, MSG_STOP, MSG_CONTINUE, MSG_SIGNAL };
enum { CMD_KILL = 1, CMD_ADOPT, CMD_WAKE, CMD_AWAKE };
enum { STEP_PRIVS = 1, STEP_FILTER, STEP_DENY, STEP_FORK, STEP_DIR, STEP_FILES };

struct msg {
	u32 type;
	s32 pid;
	s32 status; // wait status, errno, or signal number
	u32 detail; // step that failed, si_code, 1 without WAIT_KILLABLE_RECV, 1 where others are left
	u64 rusage[18];
};

static inline long sys6(long n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}
#define SYS(n, ...) SYS_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYS_(n, a, b, c, d, e, f, ...) sys6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))

// The kernel's struct sigaction; the C library's differs.
struct ksigaction {
	u64 handler, flags, restorer, mask;
};

struct limits {
	u64 soft, hard;
};

// All that this process writes to, and what it is given. The supervisor maps it,
// and writes the launch block behind it and its address and the mask into it.
struct state {
	char stack[16384] __attribute__((aligned(16)));
	char child_stack[16384] __attribute__((aligned(16)));
	const struct launch *launch;
	u64 saved_mask; // the signals that were blocked in the thread that forked

	// What the forked child and the guardian share: the child runs in the
	// guardian's address space (CLONE_VM) until it executes the program, so it can
	// tell how far it came without a system call that the filter might reflect.
	struct {
		volatile s32 state; // 0: not yet; 1: listener is there; -1: failed
		volatile s32 listener, err, step, plain;
		volatile s32 exec_err;
	} shared;
	struct limits files; // the program's
	int control, supervisor;
	int stopped; // the program is
	int stops;   // it was, and the supervisor was told

	volatile u64 *generation;
	u64 tick; // ms between two bumps, 0 for none
	u64 due;  // when to bump next, 0 for never
	int watching;
	int page;   // the memory file, for `reflect reseed` to read
	int clones; // the kernel's messages about devices, -1 where there are none
	int jumps;  // a timer that tells when the clock was set, or the machine slept

	char name[16]; // the command line, which may only lie in anonymous memory (FOLL_ANON)
	char message[8192]; // UEVENT_BUFFER_SIZE is 2048
	char entries[32768];
};

#define STATE_SIZE 0x13000 // package guardian's StateSize
_Static_assert(sizeof(struct state) <= STATE_SIZE, "the supervisor maps less");
_Static_assert(__builtin_offsetof(struct state, launch) == 0x8000, "package guardian's launchOff");

register struct state *my __asm__("r15");

__attribute__((used)) void *memcpy(void *d, const void *s, u64 n)
{
	for (u64 i = 0; i < n; i++)
		((char *)d)[i] = ((const char *)s)[i];
	return d;
}

__attribute__((used)) void *memset(void *p, int c, u64 n)
{
	char *s = p;
	while (n--)
		*s++ = c;
	return p;
}

static void publish(s32 state, s32 step, s32 err)
{
	my->shared.step = step;
	my->shared.err = err;
	__atomic_store_n(&my->shared.state, state, __ATOMIC_RELEASE);
	if (!my->launch->trapped) // nothing handles SIGSYS here; the guardian looks by itself
		SYS(SYS_futex, &my->shared.state, FUTEX_WAKE_PRIVATE, 1);
}

// From the moment the first filter is in place every call here may be
// reflected or refused. The supervisor lets those of this process through
// until the program runs; deny rules take hold with the second filter, after
// which only execve is called.
static void child(void)
{
	struct ksigaction ign = { .handler = 1 /* SIG_IGN */ };
	for (int s = 1; s <= 64; s++)
		if (my->launch->ignored >> (s - 1) & 1)
			SYS(SYS_rt_sigaction, s, &ign, 0, 8);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, my->launch->mask ? &my->launch->blocked : &my->saved_mask, 0, 8);
	long r = 0;
	if (!my->launch->keep_privileges)
		r = SYS(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (r < 0) {
		publish(-1, STEP_PRIVS, -r);
		SYS(SYS_exit_group, 125);
	}
	struct sock_fprog prog = { my->launch->main_len, my->launch->main };
	r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FLAG_WAIT_KILLABLE_RECV, &prog);
	if (r == -EINVAL) { // Linux < 5.19
		my->shared.plain = 1;
		r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	}
	if (r < 0) {
		publish(-1, STEP_FILTER, -r);
		SYS(SYS_exit_group, 125);
	}
	my->shared.listener = r;
	publish(1, 0, 0);
	if (my->launch->deny_len) {
		prog = (struct sock_fprog){ my->launch->deny_len, my->launch->deny };
		r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
		if (r < 0) {
			my->shared.step = STEP_DENY;
			__atomic_store_n(&my->shared.exec_err, -r, __ATOMIC_RELEASE);
			SYS(SYS_exit_group, 125);
		}
	}
	r = SYS(SYS_execve, my->launch->path, my->launch->argv, my->launch->envp);
	__atomic_store_n(&my->shared.exec_err, -r, __ATOMIC_RELEASE);
	SYS(SYS_exit_group, 127);
	for (;;) // exit_group itself may be denied
		__asm__ volatile("hlt");
}

// unix(7), SCM_RIGHTS with one or two descriptors.
struct iovec_ {
	void *base;
	u64 len;
};
struct rights {
	u64 len;
	s32 level, type, fd[2];
};
struct msghdr_ {
	u64 name;
	u32 namelen, pad0;
	struct iovec_ *iov;
	u64 iovlen;
	struct rights *control;
	u64 controllen;
	u32 flags, pad1;
};

// receive takes one command and the descriptors that may come with it. It
// returns 0 at the end of the connection, or -errno.
static long receive(u32 *command, int fd[2], int flags)
{
	struct iovec_ iov = { command, sizeof *command };
	struct rights ctl = { 0, 0, 0, { -1, -1 } };
	struct msghdr_ hdr = { 0, 0, 0, &iov, 1, &ctl, sizeof ctl, 0, 0 };
	long n;
	while ((n = SYS(SYS_recvmsg, my->control, &hdr, flags | 0x40000000 /* MSG_CMSG_CLOEXEC */)) == -EINTR)
		;
	for (int i = 0; i < 2; i++)
		fd[i] = n > 0 && ctl.len >= 20 + 4 * (u64)i ? ctl.fd[i] : -1;
	return n;
}

static long send_flags(struct msg *m, int fd, int flags)
{
	struct iovec_ iov = { m, sizeof *m };
	struct rights ctl = { 20, 1 /* SOL_SOCKET */, 1 /* SCM_RIGHTS */, { fd, 0 } };
	struct msghdr_ hdr = { 0, 0, 0, &iov, 1, fd >= 0 ? &ctl : 0, fd >= 0 ? sizeof ctl : 0, 0, 0 };
	long r;
	while ((r = SYS(SYS_sendmsg, my->control, &hdr, flags | 0x4000 /* MSG_NOSIGNAL */)) == -EINTR)
		;
	return r;
}

static void send(struct msg *m, int fd)
{
	send_flags(m, fd, 0);
}

// A supervisor that is stopped reads nothing, and only we wake it: so nothing that
// is sent meanwhile may wait for room. What there is no room for it can do without:
// it looks at the program itself once it is awake.
static void tell(struct msg *m)
{
	send_flags(m, -1, 0x40 /* MSG_DONTWAIT */);
}

static void tell_end(struct msg *m)
{
	while (send_flags(m, -1, 0x40 /* MSG_DONTWAIT */) == -11 /* EAGAIN */) {
		SYS(SYS_pidfd_send_signal, my->supervisor, SIGCONT, 0, 0);
		SYS(SYS_poll, 0, 0, 10);
	}
}

static void report(u32 type, s32 pid, s32 status, u32 detail)
{
	struct msg m = { type, pid, status, detail, { 0 } };
	if (type == MSG_SIGNAL)
		tell(&m);
	else
		tell_end(&m);
}

#include "generation.h"

static s32 number(const char *s)
{
	s32 n = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + *s - '0';
	return n;
}

// ppid returns the parent of a process from /proc/PID/stat, 0 if it is gone.
static s32 ppid(int proc, const char *pid)
{
	char path[32], buf[512];
	u32 i = 0;
	for (; pid[i] && i < 16; i++)
		path[i] = pid[i];
	const char *tail = "/stat";
	for (u32 j = 0; j <= 5; j++)
		path[i + j] = tail[j];
	long fd = SYS(SYS_openat, proc, path, 0);
	if (fd < 0)
		return 0;
	long n = SYS(SYS_read, fd, buf, sizeof buf - 1);
	SYS(SYS_close, fd);
	if (n <= 0)
		return 0;
	// The command may hold anything, parentheses too: the last one ends it.
	long end = n - 1;
	while (end > 0 && buf[end] != ')')
		end--;
	buf[n] = 0;
	return end + 4 < n ? number(buf + end + 4) : 0;
}

// kill_tree kills every process that is left. Whatever loses its parent becomes
// a child of the guardian, so killing children until there are none reaches all,
// daemons with a session of their own included.
static void kill_tree(void)
{
	char *ents = my->entries;
	s32 self = SYS(SYS_getpid);
	struct {
		long s, ns;
	} ms = { 0, 1000000 };
	long r, proc = -1;
	for (;;) {
		while ((r = SYS(SYS_wait4, -1, 0, WNOHANG | __WALL, 0)) > 0)
			;
		if (r == -ECHILD)
			return;
		if (proc < 0)
			proc = SYS(SYS_openat, -100, "/proc", 0200000 /* O_DIRECTORY */);
		else
			SYS(SYS_nanosleep, &ms, 0);
		long n;
		SYS(SYS_lseek, proc, 0, 0);
		while ((n = SYS(SYS_getdents64, proc, ents, sizeof my->entries)) > 0)
			for (long i = 0; i < n; i += *(unsigned short *)(ents + i + 16)) {
				const char *name = ents + i + 19;
				if (*name >= '1' && *name <= '9' && ppid(proc, name) == self)
					SYS(SYS_kill, number(name), SIGKILL);
			}
	}
}

// reap reports what happened to the program and collects adopted orphans. It
// returns whether any child is left, and so does the report of the program's end.
static int reap(s32 program)
{
	struct msg m, end = { .type = 0 };
	s32 status;
	long pid;
	while ((pid = SYS(SYS_wait4, -1, &status, WNOHANG | WUNTRACED | WCONTINUED | __WALL, m.rusage)) > 0) {
		if (pid != program)
			continue;
		m.type = status == 0xffff ? MSG_CONTINUE : (status & 0xff) == 0x7f ? MSG_STOP : MSG_EXIT;
		m.pid = pid;
		m.status = status;
		m.detail = 0;
		s32 err = __atomic_load_n(&my->shared.exec_err, __ATOMIC_ACQUIRE);
		if (m.type == MSG_EXIT && err) {
			m.type = MSG_EXEC_FAILED;
			m.status = err;
			m.detail = my->shared.step;
		}
		my->stopped = m.type == MSG_STOP;
		my->stops |= my->stopped;
		if (m.type == MSG_EXIT)
			end = m;
		else
			tell(&m);
	}
	if (end.type == MSG_EXIT)
		end.detail = pid != -ECHILD;
	if (end.type)
		tell_end(&end);
	return pid != -ECHILD;
}

#define RLIMIT_NOFILE 7

// more_files lets this process, and the child until its listener is there, have
// more descriptors than the program may: theirs come on top of the program's.
static void more_files(void)
{
	struct limits now;
	if (SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &now))
		return;
	my->files = now;
	if (my->launch->limited)
		my->files = (struct limits){ my->launch->soft, my->launch->hard };
	if (now.soft < now.hard) {
		now.soft = now.hard;
		SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, &now, 0);
	}
}

static void await_listener(s32 pid)
{
	// Installing a filter takes 20 to 100 microseconds; waking a sleeping
	// CPU takes as long, so look before sleeping, and let the child run where
	// it waits for this CPU.
	for (int i = 0; i < 200 && !my->shared.state; i++)
		SYS(SYS_sched_yield);
	struct {
		long s, ns;
	} ms = { 0, 1000000 };
	s32 state;
	while (!(state = __atomic_load_n(&my->shared.state, __ATOMIC_ACQUIRE))) {
		// Also woken by time: futex itself may be a reflected call, which
		// waits for the listener that is awaited here. A child that was killed
		// on its way publishes nothing.
		SYS(SYS_futex, &my->shared.state, FUTEX_WAIT_PRIVATE, 0, &ms);
		s32 status;
		if (SYS(SYS_wait4, pid, &status, WNOHANG, 0) != pid)
			continue;
		// It ended, and may have said why since the last look.
		state = __atomic_load_n(&my->shared.state, __ATOMIC_ACQUIRE);
		if (state < 0)
			break;
		s32 err = __atomic_load_n(&my->shared.exec_err, __ATOMIC_ACQUIRE);
		if (err)
			report(MSG_FAILED, pid, err, my->shared.step);
		else
			report(MSG_EXIT, pid, status, 0);
		SYS(SYS_exit_group, 0);
	}
	if (state < 0) {
		report(MSG_FAILED, pid, my->shared.err, my->shared.step);
		SYS(SYS_exit_group, 0);
	}
	// The child waits at its exec until the supervisor has the listener. It can't
	// do this by itself: under its filter the call may be denied.
	if (my->files.soft < my->files.hard)
		SYS(SYS_prlimit64, pid, RLIMIT_NOFILE, &my->files, 0);
	struct msg m = { MSG_STARTED, pid, 0, my->shared.plain, { 0 } };
	send(&m, my->shared.listener);
	SYS(SYS_close, my->shared.listener);
}

static s32 start_program(void)
{
	// CLONE_FILES makes the listener appear here too. The program gets a
	// table of its own when it is executed (unshare_files).
	char *top = my->child_stack + sizeof my->child_stack;
	register u64 r10 __asm__("r10") = 0;
	register u64 r8 __asm__("r8") = 0;
	long pid;
	__asm__ volatile("syscall\n\ttest %%eax, %%eax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tcall *%%rbx\n\thlt\n1:"
			 : "=a"(pid)
			 : "a"(SYS_clone), "D"(CLONE_VM | CLONE_FILES | SIGCHLD), "S"(top), "d"(0), "r"(r10), "r"(r8), "b"(child)
			 : "rcx", "r11", "memory");
	return pid;
}

// let_go drops the descriptors that the program was given: a guardian that held
// the write end of a pipe would keep its reader from seeing the end.
static void let_go(int signals)
{
	SYS(SYS_unshare, CLONE_FILES); // the child may not have executed yet
	u32 end;
	for (u32 fd = 0; fd != ~0U; fd = end + 1) { // what lies between those that are kept
		end = ~0U;
		int keep[] = { my->control, signals, my->supervisor, my->page };
		for (int i = 0; i < 4; i++)
			if ((u32)keep[i] >= fd && (u32)keep[i] < end)
				end = keep[i];
		if (end > fd)
			SYS(SYS_close_range, fd, end - 1, 0);
		if (end == ~0U)
			break;
	}
}

// take_name makes ps and pkill -f tell this process from the supervisor, whose
// arguments it would have. The rest is of no use to anybody, but must be in order
// (validate_prctl_map_addr).
static void take_name(void)
{
	static const char name[] = "reflect-guard";
	u64 here = (u64)my, at = (u64)my->name;
	struct prctl_mm_map map = {
		.start_code = here, .end_code = here + 1, .start_data = here, .end_data = here + 1,
		.start_brk = here, .brk = here, .start_stack = here,
		.arg_start = at, .arg_end = at + sizeof name, .env_start = here, .env_end = here, .exe_fd = ~0U,
	};
	memcpy(my->name, name, sizeof name);
	SYS(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
	SYS(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

// prepare does what lies between a fork and an execve. It returns the step that
// failed, 0 if none did.
static int prepare(long *err)
{
	if (my->launch->dir && (*err = SYS(SYS_chdir, my->launch->dir)) < 0)
		return STEP_DIR;
	for (u64 i = 0; i < my->launch->calls_len; i++) {
		const struct call *c = my->launch->calls + i;
		if ((*err = SYS(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4])) < 0)
			return STEP_FILES;
	}
	return 0;
}

// default_signals takes back the handlers of the supervisor, whose code is not
// here, where the kernel has not done that in the fork (CLONE_CLEAR_SIGHAND).
static void default_signals(void)
{
	struct ksigaction old, dfl = { 0 };
	for (int s = 1; s <= 64; s++)
		if (!SYS(SYS_rt_sigaction, s, 0, &old, 8) && old.handler > 1)
			SYS(SYS_rt_sigaction, s, &dfl, 0, 8);
}

// guardian begins where the supervisor forked, with all signals blocked; cleared says
// whether handlers are gone.
__attribute__((used, noreturn)) void guardian(int cleared)
{
	s32 parent = my->launch->supervisor;
	u64 all = ~0UL;
	struct ksigaction dfl = { 0 };
	u32 command = 0;
	int fd[2];
	long err = 0;
	if (!cleared)
		default_signals();
	// The terminal's signals go to the whole process group: block them here,
	// and tell the supervisor, which must know whether a signal that it got
	// reached the program as well.
	SYS(SYS_rt_sigaction, SIGCHLD, &dfl, 0, 8);
	SYS(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	my->control = my->launch->control;
	more_files();
	begin_generation();
	my->supervisor = SYS(SYS_pidfd_open, parent, 0); // O_CLOEXEC by definition
	if (my->supervisor < 0 || SYS(SYS_getppid) != (long)parent)
		SYS(SYS_exit_group, 0);
	int step = prepare(&err);
	if (step) {
		report(MSG_FAILED, 0, -err, step);
		SYS(SYS_exit_group, 0);
	}
	int signals = SYS(SYS_signalfd4, -1, &all, 8, 02000000 | 04000 /* SFD_CLOEXEC | SFD_NONBLOCK */);
	s32 pid = start_program();
	if (pid < 0) {
		report(MSG_FAILED, 0, -pid, STEP_FORK);
		SYS(SYS_exit_group, 0);
	}
	await_listener(pid);
	let_go(signals);
	take_name();

	int wake = 0, woken = 0, empty = 0;
	for (;;) {
		int next = pass(); // makes two of the descriptors
		struct {
			s32 fd;
			short events, revents;
		} p[5] = { { signals, 1, 0 }, { my->control, 1, 0 }, { my->supervisor, 1, 0 }, { my->clones, 1, 0 }, { my->jumps, 1, 0 } };
		// A supervisor that stopped with the program must go on with it, whoever
		// continues the program: until it says that it is awake, since it may be
		// about to stop.
		if (wake && !my->stopped) {
			woken = 1;
			SYS(SYS_kill, parent, SIGCONT);
		}
		if (!wake)
			slack(SLACK);
		long ready = SYS(SYS_poll, p, 5, wake && (next < 0 || next > 10) ? 10 : next);
		slack(0);
		if (ready < 0)
			continue;
		if (p[3].revents)
			hear();
		if (p[4].revents)
			check_jumps();
		struct signalfd_siginfo si;
		while (SYS(SYS_read, signals, &si, sizeof si) == sizeof si) {
			if (asked(&si)) {
				bump();
				continue;
			}
			if (si.ssi_signo == SIGCONT)
				woken = 1;
			if (si.ssi_signo != SIGCHLD)
				report(MSG_SIGNAL, si.ssi_pid, si.ssi_signo, si.ssi_code);
		}
		// SIGCHLD is not queued twice: look every time. Where no process is left
		// the end of the connection says so, and ours comes with it, unless the
		// supervisor may be about to stop: then it needs us until it is through.
		if (!empty && !reap(pid)) {
			if (!my->stops)
				SYS(SYS_exit_group, 0);
			empty = 1;
			SYS(SYS_shutdown, my->control, 1 /* SHUT_WR */);
		}
		if (p[1].revents) {
			long n = receive(&command, fd, 0x40 /* MSG_DONTWAIT */);
			if (n > 0 && command == CMD_ADOPT && fd[0] >= 0) {
				// Another supervisor serves from here on.
				SYS(SYS_close, my->supervisor);
				my->supervisor = fd[0];
				continue;
			}
			if (n > 0 && (command == CMD_WAKE || command == CMD_AWAKE)) {
				// Woken neither by us nor with its group, it was meant to
				// pass the SIGCONT on.
				if (wake && command == CMD_AWAKE && !woken && my->stopped)
					SYS(SYS_kill, pid, SIGCONT);
				wake = command == CMD_WAKE;
				woken = 0;
				continue;
			}
			if (n != -EINTR && n != -11)
				break;
		}
		if (p[2].revents)
			break;
	}
	kill_tree();
	for (;;)
		SYS(SYS_exit_group, 0);
}

// The first instruction: the state's address is in r15, its stack and edi are set.
__asm__(".section .text.entry, \"ax\"\n\txor %ebp, %ebp\n\tcall guardian\n\thlt\n");
