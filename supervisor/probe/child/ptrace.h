// Tracing and reaching other processes (ptrace(2), process_vm_readv(2)).

enum {
	P_CONT = 7, P_SYSCALL = 24, P_SYSEMU = 31, P_SEIZE = 0x4206, P_INTERRUPT = 0x4207,
	P_GET_SYSCALL_INFO = 0x420e, P_SET_SYSCALL_INFO = 0x4212,
	O_SYSGOOD = 1, O_SECCOMP = 0x80, O_EXITKILL = 0x100000,
	EVENT_SECCOMP = 7,
};

static void give_back(void)
{
	__atomic_store_n(&shared->state, 1, __ATOMIC_RELEASE);
}

// waiting makes a child that makes calls until it is killed.
static long waiting(void)
{
	long pid = spawn(0);
	if (pid == 0)
		for (;;)
			SYS(SYS_getppid);
	return pid;
}

// stopped seizes and stops a child; the answer is no where that is refused.
static void stopped(long pid, u64 options)
{
	long r = SYS(SYS_ptrace, P_SEIZE, pid, 0, options | O_EXITKILL);
	if (r >= 0)
		r = SYS(SYS_ptrace, P_INTERRUPT, pid, 0, 0);
	if (r < 0) {
		reap(pid);
		no(SYS_ptrace, r);
	}
	if (!STOPPED(await(pid))) {
		reap(pid);
		no(SYS_ptrace, 0);
	}
}

static void seize(void)
{
	long pid = waiting();
	stopped(pid, 0);
	reap(pid);
	yes(0);
}

// seize_other: a process of the same user that is no descendant.
static void seize_other(void)
{
	long target = waiting(), tracer = spawn(0);
	if (tracer == 0)
		quit(-SYS(SYS_ptrace, P_SEIZE, target, 0, O_EXITKILL));
	s32 s = await(tracer);
	reap(target);
	if (SIGNALLED(s))
		unknown(SYS_ptrace, 0);
	if (EXITED(s))
		no(SYS_ptrace, EXITED(s));
	yes(0);
}

// trace: the action stops for a tracer.
static void trace(void)
{
	long pid = spawn(0);
	if (pid == 0) {
		while (!__atomic_load_n(&shared->state, __ATOMIC_ACQUIRE))
			SYS(SYS_sched_yield);
		if (filter(0, SYS_getppid, SECCOMP_RET_TRACE) < 0)
			quit(1);
		SYS(SYS_getppid);
		quit(2);
	}
	long r = SYS(SYS_ptrace, P_SEIZE, pid, 0, O_SECCOMP | O_EXITKILL);
	if (r < 0) {
		reap(pid);
		unknown(SYS_ptrace, r);
	}
	give_back();
	s32 s = await(pid);
	if (STOPPED(s)) {
		reap(pid);
		if (s >> 8 == (SIGTRAP | EVENT_SECCOMP << 8))
			yes(0);
	}
	no(SYS_seccomp, 0);
}

// syscall_info: reads what a stopped call is; with arg[0], writes it back.
static void syscall_info(void)
{
	long pid = waiting(), r;
	stopped(pid, O_SYSGOOD);
	if (SYS(SYS_ptrace, P_SYSCALL, pid, 0, 0) < 0 || !STOPPED(await(pid))) {
		reap(pid);
		unknown(SYS_ptrace, 0);
	}
	u64 info[11]; // struct ptrace_syscall_info: 88 bytes
	memset(info, 0, sizeof info);
	r = SYS(SYS_ptrace, P_GET_SYSCALL_INFO, pid, sizeof info, info);
	if (r >= 0 && arg[0]) {
		info[0] &= ~0xffffff00UL; // the bytes after op
		r = SYS(SYS_ptrace, P_SET_SYSCALL_INFO, pid, sizeof info, info);
	}
	reap(pid);
	if (r < 0)
		no(SYS_ptrace, r);
	yes(0);
}

static void sysemu(void)
{
	long pid = waiting();
	stopped(pid, O_SYSGOOD);
	long r = SYS(SYS_ptrace, P_SYSEMU, pid, 0, 0);
	s32 s = r < 0 ? 0 : await(pid);
	reap(pid);
	if (r < 0)
		no(SYS_ptrace, r);
	if (!STOPPED(s) || STOPSIG(s) != (SIGTRAP | 0x80))
		no(SYS_ptrace, 0);
	yes(0);
}

// vm: reads (arg[0] 0) or writes (1) a word of a child.
static void vm(void)
{
	static volatile u64 word = 1;
	long pid = waiting();
	u64 ours = 7;
	struct { void *base; u64 len; } local = { &ours, 8 }, remote = { (void *)&word, 8 };
	s32 nr = arg[0] ? SYS_process_vm_writev : SYS_process_vm_readv;
	long r = sys6(nr, pid, (u64)&local, 1, (u64)&remote, 1, 0);
	reap(pid);
	if (r != 8)
		no(nr, r < 0 ? r : 0);
	if (!arg[0] && ours != 1)
		no(nr, 0);
	yes(0);
}

// proc_mem: writes a page that the child itself can't write, through
// /proc/PID/mem, as its tracer (arg[0] 1) or not (proc_mem.force_override=).
static void proc_mem(void)
{
	static const char page[] = "read-only";
	long pid = waiting();
	if (arg[0])
		stopped(pid, 0);
	char path[32] = "/proc/", digits[12];
	char *p = path + 6, *d = digits;
	for (long n = pid; n; n /= 10)
		*d++ = '0' + n % 10;
	while (d > digits)
		*p++ = *--d;
	for (const char *s = "/mem"; (*p++ = *s); s++)
		;
	s32 nr = SYS_openat;
	long r = SYS(SYS_openat, -100, path, 1 /* O_WRONLY */);
	if (r >= 0) {
		nr = SYS_pwrite64;
		r = SYS(SYS_pwrite64, r, page, 1, page);
	}
	reap(pid);
	if (r == -2 /* ENOENT */)
		unknown(nr, r); // no /proc, or another pid namespace's
	if (r < 0)
		no(nr, r);
	yes(0);
}

static void pidfd_open(void)
{
	long self = SYS(SYS_getpid);
	long r = SYS(SYS_pidfd_open, self, 0);
	if (r < 0)
		no(SYS_pidfd_open, r);
	yes(0);
}

static void pidfd_getfd(void)
{
	long pid = waiting();
	long fd = SYS(SYS_pidfd_open, pid, 0);
	if (fd < 0) {
		reap(pid);
		no(SYS_pidfd_open, fd);
	}
	long r = SYS(SYS_pidfd_getfd, fd, 1, 0);
	reap(pid);
	if (r < 0)
		no(SYS_pidfd_getfd, r);
	yes(0);
}

// subreaper: an orphaned grandchild becomes our child.
static void subreaper(void)
{
	long r = SYS(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
	if (r < 0)
		no(SYS_prctl, r);
	long pid = spawn(0);
	if (pid == 0) {
		long orphan = SYS(SYS_clone, SIGCHLD);
		if (orphan == 0)
			quit(0);
		quit(orphan < 0);
	}
	if (await(pid) != 0)
		unknown(SYS_clone, 0);
	s32 status;
	r = SYS(SYS_wait4, -1, &status, WALL, 0);
	if (r <= 0)
		no(SYS_prctl, 0);
	yes(0);
}
