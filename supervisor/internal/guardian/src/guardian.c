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
// so that it is small, and has its memory to itself when its parent is killed. (Before
// the Go runtime begins there is nothing else but the initial stack, which it then has.) So it
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

#include "state.h"

#include "child.h"
#include "messages.h"
#include "generation.h"
#include "tree.h"
#include "launch.h"

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
	struct signalfd_siginfo si;
	while (SYS(SYS_read, signals, &si, sizeof si) == sizeof si)
		; // whatever came until now did not reach the program, or ended it
	let_go(signals);
	take_name();

	int wake = 0, empty = 0, listener = -1, called = 0;
	u32 begun = 0; // look at the program at once: a SIGCHLD was left out as well
	for (;;) {
		int next = pass(); // makes two of the descriptors
		struct {
			s32 fd;
			short events, revents;
		} p[6] = { { signals, 1, 0 }, { my->control, 1, 0 }, { my->supervisor, 1, 0 }, { my->clones, 1, 0 }, { my->jumps, 1, 0 },
			   { listener, 1 /* to be received */ | 4 /* to be answered */, 0 } };
		// A supervisor that stopped with the program must go on with it, whoever
		// continues the program: until it says that it is awake, since it may be
		// about to stop. What it has said meanwhile comes first: it may be awake, have
		// been told of another stop and rest for that.
		struct {
			s32 fd;
			short events, revents;
		} said = { my->control, 1, 0 };
		int due = wake && (called || !my->stopped) && SYS(SYS_poll, &said, 1, 0) == 0;
		if (due)
			SYS(SYS_kill, parent, SIGCONT);
		if (!due)
			slack(SLACK);
		long ready = SYS(SYS_poll, p, 6, begun++ == 0 ? 0 : due && (next < 0 || next > 10) ? 10 : next);
		slack(0);
		if (ready < 0)
			continue;
		long n = 0;
		if (p[1].revents) {
			n = receive(&command, fd, 0x40 /* MSG_DONTWAIT */);
			if (n > 0 && command == CMD_WAKE)
				my->moved = my->grouped = 0; // what is read from here on came later
		}
		if (p[3].revents)
			hear();
		if (p[4].revents)
			check_jumps();
		if (p[5].revents) {
			// Its shell has to see that it has stopped before it goes on.
			SYS(SYS_poll, 0, 0, 20);
			called = p[5].revents & p[5].events;
			SYS(SYS_close, listener);
			listener = -1;
		}
		while (SYS(SYS_read, signals, &si, sizeof si) == sizeof si) {
			if (asked(&si)) {
				bump();
				continue;
			}
			if (si.ssi_signo >= SIGCONT && si.ssi_signo <= SIGTTOU) // all of job control, but SIGSTOP
				my->grouped = now();
			else if (si.ssi_signo != SIGCHLD)
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
			if (n > 0 && command == CMD_ADOPT && fd[0] >= 0) {
				// Another supervisor serves from here on.
				SYS(SYS_close, my->supervisor);
				my->supervisor = fd[0];
				continue;
			}
			if (n > 0 && (command == CMD_WAKE || command == CMD_AWAKE)) {
				wake = command == CMD_WAKE;
				called = 0;
				if (listener >= 0)
					SYS(SYS_close, listener);
				listener = fd[0];
				continue;
			}
			if (n > 0 && (command == CMD_CONTINUE || command == CMD_STOP)) {
				hand_on(pid, command == CMD_STOP ? SIGTSTP : SIGCONT);
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
