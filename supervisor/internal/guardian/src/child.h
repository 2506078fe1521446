// The forked child, until it executes the program.

#define OWN_FILTER 0x7265666c // bpf.OwnFilter

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
		r = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog, 0, 0, OWN_FILTER);
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
