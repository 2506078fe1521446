// The starter: the process before the Go runtime begins.
//
// It is where the executable is entered. Where all that was asked for is `reflect run
// PROGRAM ARGUMENT...`, it starts the program, as package supervisor would, and waits
// for it: a program that ends within some milliseconds, having asked for nothing but a
// few random bytes, never needs the runtime, whose own start and end take longer than
// all that is done here. When more is asked for, or time passes, it returns, the runtime
// begins, and package supervisor takes over what there is (struct started).
//
// It is in a hurry, so it only does what is usual. Until the program's first instruction,
// whatever is not undoes all of it, down to the processes, and returns with nothing
// started: package supervisor begins anew, and says what is wrong.

#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/wait.h>
#include <sys/syscall.h>

#include "../../guardian/src/state.h"
#include "../../guardian/src/packets.h"
#include "../../../../vdsoshim/layout.h"

typedef long s64;
typedef unsigned short u16;

#include "started.h"
#include "prepared.h"
#include "cpu.h"
#include "kernel.h"
#include "complete.h"
#include "handoff.h"
#include "serve.h"
#include "signals.h"

// What is being started. The descriptors are -1 and the addresses 0 until there is
// something to undo.
struct work {
	char **args, **env; // the program's
	struct kernel kernel;
	struct set cpus; // ours
	u64 mask;        // the signals that were blocked when we began
	u64 random[2];
	u64 space; // the guardian's memory, which is of no use here
	struct program program;
	int connection, theirs;
	struct started *out;
};

// What stands behind the guardian's state in its space.
struct extra {
	struct launch launch;
	struct sock_filter filter[sizeof filter / sizeof *filter];
	char path[4096];
};

#define SPACE (STATE_SIZE + sizeof(struct extra))

// program_of returns the program and its arguments where that is all that `run` is given
// (withoutFlags of the command).
static char **program_of(u64 argc, char **argv)
{
	if (argc < 3 || !same(argv[1], "run"))
		return 0;
	if (same(argv[2], "--"))
		return argc > 3 ? argv + 3 : 0;
	return *argv[2] && *argv[2] != '-' ? argv + 2 : 0;
}

// look_up finds the program as execvp(3) does. What can't be executed, and what is not
// there, the command deals with.
static int look_up(const char *name, char **env, char path[4096])
{
	static const char standard[] = "/bin:/usr/bin", key[] = "PATH=";
	const char *dirs = standard;
	u64 length = 0;
	for (const char *c = name; *c; c++, length++)
		if (*c == '/') {
			while (name[length])
				length++;
			if (length >= 4096)
				return 0;
			append(path, name);
			return 1;
		}
	for (; *env; env++) {
		u64 n = 0;
		while (key[n] && (*env)[n] == key[n])
			n++;
		if (!key[n]) {
			dirs = *env + n;
			break;
		}
	}
	for (;;) {
		u64 n = 0;
		while (dirs[n] && dirs[n] != ':')
			n++;
		if (!length || n + length + 3 > 4096)
			return 0;
		memcpy(path, dirs, n);
		if (!n)
			path[n++] = '.';
		path[n++] = '/';
		memcpy(path + n, name, length + 1);
		struct {
			u64 dev, ino, links;
			u32 mode, rest[200];
		} st;
		if (!SYS(SYS_stat, path, &st)) {
			int regular = (st.mode & 0170000) == 0100000;
			// A file that is there and can't be executed may be an error (EACCES).
			return regular && !SYS(439 /* faccessat2 */, -100 /* AT_FDCWD */, path, 1 /* X_OK */, 0x200 /* AT_EACCESS */);
		}
		while (*dirs && *dirs != ':')
			dirs++;
		if (!*dirs++)
			return 0;
	}
}

// usual reports whether this process is as most are: it has standard descriptors, so that
// ours don't get their numbers, waits for its children, and may write to memory files.
static int usual(void)
{
	struct limits size;
	struct ksigaction chld;
	for (int fd = 0; fd < 3; fd++)
		if (SYS(SYS_fcntl, fd, F_GETFD) < 0)
			return 0;
	return !SYS(SYS_prlimit64, 0, 1 /* RLIMIT_FSIZE */, 0, &size) && size.soft == ~0UL &&
	       !SYS(SYS_rt_sigaction, SIGCHLD, 0, &chld, 8) && !chld.handler && !(chld.flags & SA_NOCLDWAIT);
}

// choose_base chooses where the shim goes, as vdsoshim.Base does; 0 where there is no room.
static u64 choose_base(u64 random)
{
	char buf[32];
	const char *at = buf;
	if (read_file("/proc/sys/vm/mmap_min_addr", buf, sizeof buf) <= 0)
		return 0;
	u64 least = decimal(&at);
	u64 low = ((least > base_floor ? least : base_floor) + PageSize - 1) / PageSize;
	u64 high = (base_ceiling - RegionSize) / PageSize;
	if (low > high)
		return 0;
	return (low + random % (high - low + 1)) * PageSize;
}

// make_region makes the memory file, with the control page mapped.
static int make_region(struct work *w)
{
	struct started *s = w->out;
	const u64 size = ControlOff + PageSize;
	s->region = SYS(SYS_memfd_create, "reflect-shim", 3 /* MFD_CLOEXEC | MFD_ALLOW_SEALING */);
	if (s->region < 0 || SYS(SYS_ftruncate, s->region, size))
		return 0;
	s->control = SYS(SYS_mmap, 0, PageSize, 3, 0x8001 /* MAP_SHARED | MAP_POPULATE */, s->region, ControlOff);
	if (fails(s->control))
		return s->control = 0;
	*(u64 *)s->control = w->random[1] | 1;
	return 1;
}

// start_guardian forks the guardian, which starts the program.
static int start_guardian(struct work *w, void (*guardian)(void))
{
	int pair[2];
	if (SYS(SYS_socketpair, 1 /* AF_UNIX */, 5 | 02000000 /* SOCK_SEQPACKET, CLOEXEC */, 0, pair))
		return 0;
	w->connection = pair[0];
	w->theirs = pair[1];
	w->space = SYS(SYS_mmap, 0, SPACE, 3, 0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */, -1, 0);
	if (fails(w->space))
		return w->space = 0;
	struct state *st = (struct state *)w->space;
	struct extra *x = (struct extra *)(w->space + STATE_SIZE);
	if (!look_up(*w->args, w->env, x->path))
		return 0;
	memcpy(x->filter, filter, sizeof filter);
	for (u64 i = 0; i < sizeof gates / sizeof *gates; i++)
		x->filter[gates[i]].k = w->out->base + gate_returns;
	x->launch.path = x->path;
	x->launch.argv = w->args;
	x->launch.envp = w->env;
	x->launch.main = x->filter;
	x->launch.main_len = sizeof filter / sizeof *filter;
	x->launch.page = (u64 *)w->out->control;
	x->launch.tick = generation_tick;
	x->launch.supervisor = SYS(SYS_getpid);
	x->launch.control = w->theirs;
	x->launch.region = w->out->region;
	st->launch = &x->launch;
	st->saved_mask = w->mask;
	register u64 r10 __asm__("r10") = 0;
	register u64 r8 __asm__("r8") = 0;
	long pid;
	// It has this memory as it is now, its own stack, and the register of its state. There
	// are no handlers that it would have to lose.
	__asm__ volatile("syscall\n\ttest %%eax, %%eax\n\tjnz 1f\n\tmov %%rbx, %%r15\n\tlea 16384(%%rbx), %%rsp\n\t"
			 "mov $1, %%edi\n\tjmp *%[code]\n1:"
			 : "=a"(pid)
			 : "a"(SYS_clone), "D"(SIGCHLD), "S"(0), "d"(0), "r"(r10), "r"(r8), "b"(st), [code] "r"(guardian)
			 : "rcx", "r11", "memory");
	if (pid < 0)
		return 0;
	w->out->guardian = pid;
	SYS(SYS_close, w->theirs);
	w->theirs = -1;
	return 1;
}

// complete_region completes the shim in the memory file.
static int complete_region(struct work *w, const unsigned char *built)
{
	struct started *s = w->out;
	if (SYS(SYS_pwrite64, s->region, built, ImageSize, 0) != (long)ImageSize)
		return 0;
	s->image = SYS(SYS_mmap, 0, ImageSize, 3, 0x8001, s->region, 0);
	if (fails(s->image))
		return s->image = 0;
	return complete((unsigned char *)s->image, &w->kernel);
}

// await_start takes the listener and the program's id from the guardian.
static int await_start(struct work *w)
{
	struct msg m;
	struct iovec_ iov = { &m, sizeof m };
	struct rights ctl = { 0, 0, 0, { -1, -1 } };
	struct msghdr_ hdr = { 0, 0, 0, &iov, 1, &ctl, sizeof ctl, 0, 0 };
	long n;
	while ((n = SYS(SYS_recvmsg, w->connection, &hdr, 0x40000000 /* MSG_CMSG_CLOEXEC */)) == -EINTR)
		;
	if (n != sizeof m || ctl.len < 20)
		return 0;
	w->program.listener = ctl.fd[0];
	if (m.type != MSG_STARTED)
		return 0;
	w->program.pid = m.pid;
	w->program.plain = m.detail;
	const u64 seals = 0x10 | 2 | 4 | 1; // F_SEAL_FUTURE_WRITE, SHRINK, GROW, SEAL: before any program can map it
	if (SYS(SYS_fcntl, w->out->region, 1033 /* F_ADD_SEALS */, seals))
		return 0;
	SYS(SYS_ioctl, w->program.listener, SET_FLAGS, 1 /* SYNC_WAKE_UP */); // slower without, not wrong
	return 1;
}

// undo ends all that was started, and leaves nothing of it.
static void undo(struct work *w)
{
	struct started *s = w->out;
	if (s->guardian > 0) {
		u32 command = CMD_KILL;
		SYS(SYS_sendto, w->connection, &command, sizeof command, 0x4000 /* MSG_NOSIGNAL */, 0, 0);
		// A tracee's end is its tracer's to collect, before its parent can, so its id is not
		// another's yet.
		if (w->program.seized)
			while (SYS(SYS_kill, w->program.pid, SIGKILL), stop(&w->program))
				;
		while (SYS(SYS_wait4, s->guardian, 0, WALL, 0) == -EINTR)
			;
	}
	const int fds[] = { w->connection, w->theirs, w->program.listener, s->region };
	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0)
			SYS(SYS_close, fds[i]);
	if (w->space)
		SYS(SYS_munmap, w->space, SPACE);
	if (s->control)
		SYS(SYS_munmap, s->control, PageSize);
	if (s->image)
		SYS(SYS_munmap, s->image, ImageSize);
	memset(s, 0, sizeof *s);
}

static int start(struct work *w, const unsigned char *built, void (*guardian)(void))
{
	u64 insn = find_instruction(&w->kernel);
	if (!insn || SYS(SYS_getrandom, w->random, sizeof w->random, 0) != sizeof w->random || !(w->out->base = choose_base(w->random[0])))
		return 0;
	return make_region(w) && start_guardian(w, guardian) && complete_region(w, built) && await_start(w) &&
	       (together(&w->program, &w->cpus), hand_off(&w->program, insn, w->out->base, w->out->region));
}

// die_of ends this process as the program ended (dieOf of the command).
static void die_of(int sig)
{
	struct limits none = { 0, 0 };
	u64 set = 1UL << (sig - 1);
	SYS(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, &none, 0);
	SYS(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	struct ksigaction dfl = { 0 };
	SYS(SYS_rt_sigaction, sig, &dfl, 0, 8);
	SYS(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, 0, 8);
	s32 self = SYS(SYS_getpid);
	SYS(SYS_tgkill, self, self, sig);
}

// ended looks at what the guardian told. Where the program ended and left nothing behind,
// so does this process. Everything else stays in the connection.
static void ended(struct work *w)
{
	struct msg m;
	if (SYS(SYS_recvfrom, w->connection, &m, sizeof m, 0x42 /* MSG_PEEK | MSG_DONTWAIT */, 0, 0) != sizeof m)
		return;
	if (m.type != MSG_EXIT || m.detail)
		return;
	while (SYS(SYS_wait4, w->out->guardian, 0, 0, 0) == -EINTR)
		;
	if (m.status & 0x7f)
		die_of(m.status & 0x7f);
	for (;;)
		SYS(SYS_exit_group, m.status & 0x7f ? 128 + (m.status & 0x7f) : m.status >> 8 & 0xff);
}

// linger waits for the program's end, or until there is more to do than is done here.
static void linger(struct work *w)
{
	u64 relayed = relayed_signals;
	int signals = SYS(SYS_signalfd4, -1, &relayed, 8, 02000000 | 04000 /* SFD_CLOEXEC | SFD_NONBLOCK */);
	struct {
		s32 fd;
		short events, revents;
	} p[3] = { { w->connection, 1, 0 }, { w->program.listener, 1, 0 }, { signals, 1, 0 } };
	for (;;) {
		long n = SYS(SYS_poll, p, 3, patience);
		if (n == -EINTR)
			continue;
		if (p[0].revents)
			ended(w);
		if (p[1].revents == 0x10 /* POLLHUP */)
			p[1].fd = -1; // nobody is left under the filter: the guardian is about to tell
		else if (p[1].revents != 1 || !serve(&w->program))
			break;
		if (p[0].revents || p[2].revents)
			break;
	}
	SYS(SYS_munmap, w->space, SPACE);
	SYS(SYS_close, signals);
}

__attribute__((used, section(".text.entry"))) void starter(u64 *stack, struct started *out, const unsigned char *built, void (*guardian)(void),
										u64 handler, u64 restorer, int *pipe)
{
	struct work w;
	const u64 all = ~0UL;
	u64 vdso = 0;
	char **args = program_of(*stack, (char **)stack + 1);
	if (!args || !usual())
		return;
	memset(&w, 0, sizeof w);
	w.args = args;
	w.env = (char **)stack + 1 + *stack + 1;
	w.out = out;
	w.connection = w.theirs = w.program.listener = out->region = -1;
	char **end = w.env;
	while (*end++)
		;
	for (u64 *aux = (u64 *)end; *aux; aux += 2)
		if (*aux == 33 /* AT_SYSINFO_EHDR */)
			vdso = aux[1];
	if (!find_kernel(&w.kernel, vdso) || SYS(SYS_sched_getaffinity, 0, sizeof w.cpus, &w.cpus) <= 0 ||
	    SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &w.mask, 8)) {
		memset(out, 0, sizeof *out);
		return;
	}
	int runs = start(&w, built, guardian);
	if (w.program.pinned)
		SYS(SYS_sched_setaffinity, 0, sizeof w.cpus, &w.cpus);
	if (runs) {
		linger(&w);
		out->mask = w.mask;
		w.mask |= relayed_signals;
		catch_signals(pipe, handler, restorer);
		out->pid = w.program.pid;
		out->connection = w.connection;
		out->listener = w.program.listener;
		out->plain = w.program.plain;
		out->waiting = w.program.n.id != 0;
		memcpy(&out->notification, &w.program.n, sizeof w.program.n);
	} else {
		undo(&w);
	}
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &w.mask, 0, 8);
}
