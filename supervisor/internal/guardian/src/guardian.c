// The guardian: the process between the supervisor and the program.
//
// It forks the program's first process, which takes the seccomp filters before
// it executes the program, hands the listener to the supervisor, and then only
// waits: it reports how the program stops and ends, adopts what the program
// orphans (PR_SET_CHILD_SUBREAPER), and kills all of that when the supervisor
// is gone. It bumps the run's generation, too (generation.h). It is a program of
// its own, and not a fork of the supervisor, because it must outlive a supervisor
// that was killed at any point.
//
// No libc: it starts in a fifth of the time, and it is built into the Go
// binary, which must not need a C compiler.
//
// argv[1] is the number of the control socket. The first packet on it brings the
// descriptors of the launch block, so that the supervisor can lay that out while
// this program starts, and of the memory file that programs will map.

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

#define LAUNCH_ADDR 0x70000000UL
#define LAUNCH_MAGIC 0x31686372756e616cUL

struct launch {
	u64 magic, size;
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
	u64 mask;            // if this is not 0; else as the guardian was started
	u64 control;         // the control page's offset in the memory file
	u64 tick;            // ms between two generations, 0 for no such bumps
};

enum { MSG_STARTED = 1, MSG_FAILED, MSG_EXEC_FAILED, MSG_EXIT, MSG_STOP, MSG_CONTINUE, MSG_SIGNAL };
enum { CMD_KILL = 1, CMD_RUN, CMD_ADOPT, CMD_WAKE, CMD_AWAKE };
enum { STEP_PRIVS = 1, STEP_FILTER, STEP_DENY, STEP_FORK, STEP_LAUNCH };

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

// What the forked child and the guardian share: the child runs in the
// guardian's address space (CLONE_VM) until it executes the program, so it can
// tell how far it came without a system call that the filter might reflect.
static struct {
	volatile s32 state; // 0: not yet; 1: listener is there; -1: failed
	volatile s32 listener, err, step, plain;
	volatile s32 exec_err;
} shared;

static char child_stack[16384] __attribute__((aligned(16)));
static struct launch *const launch = (struct launch *)LAUNCH_ADDR;
static u64 saved_mask;
static struct ksigaction saved_chld;
static int control, supervisor;
static int stopped; // the program is
static int stops;   // it was, and the supervisor was told

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
	shared.step = step;
	shared.err = err;
	__atomic_store_n(&shared.state, state, __ATOMIC_RELEASE);
	SYS(SYS_futex, &shared.state, FUTEX_WAKE_PRIVATE, 1);
}

// From the moment the first filter is in place every call here may be
// reflected or refused. The supervisor lets those of this process through
// until the program runs; deny rules take hold with the second filter, after
// which only execve is called.
static void child(void)
{
	SYS(SYS_rt_sigaction, SIGCHLD, &saved_chld, 0, 8);
	struct ksigaction ign = { .handler = 1 /* SIG_IGN */ };
	for (int s = 1; s <= 64; s++)
		if (launch->ignored >> (s - 1) & 1)
			SYS(SYS_rt_sigaction, s, &ign, 0, 8);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, launch->mask ? &launch->blocked : &saved_mask, 0, 8);
	long r = 0;
	if (!launch->keep_privileges)
		r = SYS(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (r < 0) {
		publish(-1, STEP_PRIVS, -r);
		SYS(SYS_exit_group, 125);
	}
	struct sock_fprog prog = { launch->main_len, launch->main };
	r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FLAG_WAIT_KILLABLE_RECV, &prog);
	if (r == -EINVAL) { // Linux < 5.19
		shared.plain = 1;
		r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	}
	if (r < 0) {
		publish(-1, STEP_FILTER, -r);
		SYS(SYS_exit_group, 125);
	}
	shared.listener = r;
	publish(1, 0, 0);
	if (launch->deny_len) {
		prog = (struct sock_fprog){ launch->deny_len, launch->deny };
		r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
		if (r < 0) {
			shared.step = STEP_DENY;
			__atomic_store_n(&shared.exec_err, -r, __ATOMIC_RELEASE);
			SYS(SYS_exit_group, 125);
		}
	}
	r = SYS(SYS_execve, launch->path, launch->argv, launch->envp);
	__atomic_store_n(&shared.exec_err, -r, __ATOMIC_RELEASE);
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
	while ((n = SYS(SYS_recvmsg, control, &hdr, flags | 0x40000000 /* MSG_CMSG_CLOEXEC */)) == -EINTR)
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
	while ((r = SYS(SYS_sendmsg, control, &hdr, flags | 0x4000 /* MSG_NOSIGNAL */)) == -EINTR)
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
		SYS(SYS_pidfd_send_signal, supervisor, SIGCONT, 0, 0);
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
	static char ents[32768];
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
		while ((n = SYS(SYS_getdents64, proc, ents, sizeof ents)) > 0)
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
		s32 err = __atomic_load_n(&shared.exec_err, __ATOMIC_ACQUIRE);
		if (m.type == MSG_EXIT && err) {
			m.type = MSG_EXEC_FAILED;
			m.status = err;
			m.detail = shared.step;
		}
		stopped = m.type == MSG_STOP;
		stops |= stopped;
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
static struct {
	u64 soft, hard;
} files;

// more_files lets this process, and the child until its listener is there, have
// more descriptors than the program may: theirs come on top of the program's.
static void more_files(void)
{
	if (SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &files))
		return;
	u64 raised[2] = { files.hard, files.hard };
	if (files.soft < files.hard)
		SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, raised, 0);
}

static void await_listener(s32 pid)
{
	// Installing a filter takes 20 to 100 microseconds; waking a sleeping
	// CPU takes as long, so look before sleeping.
	for (int i = 0; i < 2000 && !shared.state; i++)
		__asm__ volatile("pause");
	struct {
		long s, ns;
	} ms = { 0, 1000000 };
	s32 state;
	while (!(state = __atomic_load_n(&shared.state, __ATOMIC_ACQUIRE))) {
		// Also woken by time: futex itself may be a reflected call, which
		// waits for the listener that is awaited here. A child that was killed
		// on its way publishes nothing.
		SYS(SYS_futex, &shared.state, FUTEX_WAIT_PRIVATE, 0, &ms);
		s32 status;
		if (SYS(SYS_wait4, pid, &status, WNOHANG, 0) != pid)
			continue;
		// It ended, and may have said why since the last look.
		state = __atomic_load_n(&shared.state, __ATOMIC_ACQUIRE);
		if (state < 0)
			break;
		s32 err = __atomic_load_n(&shared.exec_err, __ATOMIC_ACQUIRE);
		if (err)
			report(MSG_FAILED, pid, err, shared.step);
		else
			report(MSG_EXIT, pid, status, 0);
		SYS(SYS_exit_group, 0);
	}
	if (state < 0) {
		report(MSG_FAILED, pid, shared.err, shared.step);
		SYS(SYS_exit_group, 0);
	}
	// The child waits at its exec until the supervisor has the listener. It can't
	// do this by itself: under its filter the call may be denied.
	if (files.soft < files.hard)
		SYS(SYS_prlimit64, pid, RLIMIT_NOFILE, &files, 0);
	struct msg m = { MSG_STARTED, pid, 0, shared.plain, { 0 } };
	send(&m, shared.listener);
	SYS(SYS_close, shared.listener);
}

static s32 start_program(void)
{
	// CLONE_FILES makes the listener appear here too. The program gets a
	// table of its own when it is executed (unshare_files).
	char *top = child_stack + sizeof child_stack;
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
		int keep[] = { control, signals, supervisor, page };
		for (int i = 0; i < 4; i++)
			if ((u32)keep[i] >= fd && (u32)keep[i] < end)
				end = keep[i];
		if (end > fd)
			SYS(SYS_close_range, fd, end - 1, 0);
		if (end == ~0U)
			break;
	}
}

__attribute__((used)) void guardian(u64 *sp)
{
	control = number((char *)sp[2]);
	s32 parent = SYS(SYS_getppid);
	u64 all = ~0UL;
	struct ksigaction dfl = { 0 };
	// The terminal's signals go to the whole process group: block them here,
	// and tell the supervisor, which must know whether a signal that it got
	// reached the program as well.
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &saved_mask, 8);
	SYS(SYS_rt_sigaction, SIGCHLD, &dfl, &saved_chld, 8);
	SYS(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	SYS(SYS_prctl, PR_SET_NAME, "reflect-guard", 0, 0, 0);
	SYS(SYS_fcntl, control, 2 /* F_SETFD */, 1);
	more_files();
	u32 command = 0;
	int fd[2];
	if (receive(&command, fd, 0) <= 0 || command != CMD_RUN) // the supervisor gave up, or is gone
		SYS(SYS_exit_group, 0);
	u64 size = 0;
	SYS(SYS_pread64, fd[0], &size, 8, 8); // launch.size
	long at = SYS(SYS_mmap, LAUNCH_ADDR, size, 3, 0x100002 /* PRIVATE | FIXED_NOREPLACE */, fd[0], 0);
	SYS(SYS_close, fd[0]);
	if (at == (long)LAUNCH_ADDR && launch->magic == LAUNCH_MAGIC) {
		tick = launch->tick;
		at = map_generation(fd[1], launch->control);
	} else if (at > 0) {
		at = -EINVAL;
	}
	if (at) {
		report(MSG_FAILED, 0, -at, STEP_LAUNCH);
		SYS(SYS_exit_group, 0);
	}
	supervisor = SYS(SYS_pidfd_open, parent, 0); // O_CLOEXEC by definition
	if (supervisor < 0 || SYS(SYS_getppid) != (long)parent)
		SYS(SYS_exit_group, 0);
	int signals = SYS(SYS_signalfd4, -1, &all, 8, 02000000 | 04000 /* SFD_CLOEXEC | SFD_NONBLOCK */);
	s32 pid = start_program();
	if (pid < 0) {
		report(MSG_FAILED, 0, -pid, STEP_FORK);
		SYS(SYS_exit_group, 0);
	}
	await_listener(pid);
	let_go(signals);

	int wake = 0, woken = 0, empty = 0;
	for (;;) {
		int next = pass(); // makes two of the descriptors
		struct {
			s32 fd;
			short events, revents;
		} p[5] = { { signals, 1, 0 }, { control, 1, 0 }, { supervisor, 1, 0 }, { clones, 1, 0 }, { jumps, 1, 0 } };
		// A supervisor that stopped with the program must go on with it, whoever
		// continues the program: until it says that it is awake, since it may be
		// about to stop.
		if (wake && !stopped) {
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
			if (!stops)
				SYS(SYS_exit_group, 0);
			empty = 1;
			SYS(SYS_shutdown, control, 1 /* SHUT_WR */);
		}
		if (p[1].revents) {
			long n = receive(&command, fd, 0x40 /* MSG_DONTWAIT */);
			if (n > 0 && command == CMD_ADOPT && fd[0] >= 0) {
				// Another supervisor serves from here on.
				SYS(SYS_close, supervisor);
				supervisor = fd[0];
				continue;
			}
			if (n > 0 && (command == CMD_WAKE || command == CMD_AWAKE)) {
				// Woken neither by us nor with its group, it was meant to
				// pass the SIGCONT on.
				if (wake && command == CMD_AWAKE && !woken && stopped)
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
	SYS(SYS_exit_group, 0);
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall guardian\n\thlt\n");
