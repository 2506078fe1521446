// The starter: the process before the Go runtime begins.
//
// It is where the executable is entered. Where all that was asked for is `reflect run
// PROGRAM ARGUMENT...`, it starts the program, as package supervisor would, and waits
// for it: a program that ends within 3 ms, having asked for nothing but a
// few random bytes, never needs the runtime, whose own start and end take longer than
// all that is done here. When more is asked for, or the time has passed, it returns, the runtime
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
#include "keep.h"
#include "lookup.h"
#include "launch.h"
#include "signals.h"

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
	struct {
		s32 fd;
		short events, revents;
	} p[3] = { { w->connection, 1, 0 }, { w->out->wake, 1, 0 }, { w->program.signals, 1, 0 } };
	SYS(SYS_poll, p, 3, patience);
	if (p[0].revents)
		ended(w);
	SYS(SYS_close, w->program.signals);
}

// What the entry hands over: where things of Go's are.
struct outside {
	struct started *out;
	const unsigned char *built; // the shim's image as it was built
	void (*guardian)(void);
	u64 handler, restorer; // of signals,
	int *pipe;             // and what they write to
};

// go_on does all of it, in a frame of its own: a small stack is not for us.
static __attribute__((noinline)) void go_on(char **args, char **env, const struct outside *o)
{
	struct work w;
	const u64 all = ~0UL;
	u64 vdso = 0;
	struct started *out = o->out;
	memset(&w, 0, sizeof w);
	w.args = args;
	w.env = env;
	w.out = out;
	w.restorer = o->restorer;
	w.connection = w.theirs = w.program.listener = w.program.signals = out->region = out->wake = -1;
	while (*env++)
		;
	for (u64 *aux = (u64 *)env; *aux; aux += 2)
		if (*aux == 33 /* AT_SYSINFO_EHDR */)
			vdso = aux[1];
	if (!find_kernel(&w.kernel, vdso) || SYS(SYS_sched_getaffinity, 0, sizeof w.cpus, &w.cpus) <= 0 ||
	    SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, &w.mask, 8)) {
		memset(out, 0, sizeof *out);
		return;
	}
	if (start(&w, o->built, o->guardian)) {
		linger(&w);
		out->mask = w.mask;
		w.mask |= relayed_signals;
		catch_signals(o->pipe, o->handler, o->restorer);
		out->pid = w.program.pid;
		out->connection = w.connection;
		out->listener = w.program.listener;
		out->plain = w.program.plain;
	} else {
		undo(&w);
		if (w.program.pinned)
			SYS(SYS_sched_setaffinity, 0, sizeof w.cpus, &w.cpus);
	}
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &w.mask, 0, 8);
}

__attribute__((used, section(".text.entry"))) void starter(u64 *stack, const struct outside *o)
{
	u64 argc = *stack;
	char **argv = (char **)stack + 1, **args = program_of(argc, argv);
	if (args && usual())
		go_on(args, argv + argc + 1, o);
}
