// What the guardian does once: from its fork until the program has been started.

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
		u32 command = 0;
		int fd[2];
		long n = receive(&command, fd, 0x42 /* MSG_PEEK | MSG_DONTWAIT */);
		if (n == 0 || (n > 0 && command == CMD_KILL)) {
			kill_tree();
			SYS(SYS_exit_group, 0);
		}
		if (SYS(SYS_wait4, pid, &status, WNOHANG | WUNTRACED, 0) != pid)
			continue;
		// Stopped with its group, it would keep all waiting. The supervisor stops it once it
		// is the program: what came before is not reported.
		if ((status & 0xff) == 0x7f) {
			SYS(SYS_kill, pid, SIGCONT);
			continue;
		}
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
