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
#include "lookup.h"
#include "launch.h"
#include "serve.h"
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
	u64 relayed = relayed_signals;
	int signals = SYS(SYS_signalfd4, -1, &relayed, 8, 02000000 | 04000 /* SFD_CLOEXEC | SFD_NONBLOCK */);
	struct {
		s32 fd;
		short events, revents;
	} p[3] = { { w->connection, 1, 0 }, { w->program.listener, 1, 0 }, { signals, 1, 0 } };
	for (int served = 0; served < enough;) {
		if (SYS(SYS_poll, p, 3, patience) == -EINTR)
			continue;
		if (p[0].revents)
			ended(w);
		if (p[1].revents == 0x10 /* POLLHUP */)
			p[1].fd = -1; // nobody is left under the filter: the guardian is about to tell
		else if (p[1].revents == 1 && serve(&w->program))
			served++;
		else
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
