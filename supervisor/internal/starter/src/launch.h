// The launch, which is the supervisor's: see start_linux.go and launch_linux.go for what each
// step is for.

// What is being started. The descriptors are -1 and the addresses 0 until there is
// something to undo.
struct work {
	char **args, **env; // the program's
	struct kernel kernel;
	struct set cpus; // ours
	u64 mask;        // the signals that were blocked when we began
	u64 random[2];
	u64 space; // the guardian's memory, which is of no use here
	u64 restorer; // of handlers
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
	for (u64 i = 0; i < sizeof addresses / sizeof *addresses; i++)
		x->filter[addresses[i]].k += w->out->base;
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

// hexadecimal reads a number, and goes behind it.
static u64 hexadecimal(const char **s)
{
	u64 n = 0;
	for (;; (*s)++)
		if (**s >= '0' && **s <= '9')
			n = n << 4 | (u64)(**s - '0');
		else if (**s >= 'a' && **s <= 'f')
			n = n << 4 | (u64)(**s - 'a' + 10);
		else
			return n;
}

static int begins(const char *s, const char *with)
{
	while (*with && *s == *with)
		s++, with++;
	return !*with;
}

// find_data finds the mappings in front of the kernel's vDSO, as vdsoshim.KernelData does.
static void find_data(struct kernel *k)
{
	char text[PageSize];
	u64 next = 0, begin = (u64)k->at;
	u32 n = 0;
	// A filter around us may kill for a call that programs here did not make so far.
	if (SYS(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) || read_file("/proc/self/maps", text, sizeof text) <= 0)
		return;
	for (const char *at = text; *at; at += *at == '\n') {
		u64 from = hexadecimal(&at);
		at += *at == '-';
		u64 to = hexadecimal(&at);
		while (*at && *at != '\n' && *at != '[')
			at++;
		if (begins(at, "[vvar")) {
			if (from != next)
				n = 0;
			if (n == maxMoved - 1)
				return;
			k->data[n++] = to - from;
			next = to;
		} else if (begins(at, "[vdso]")) {
			if (from == begin && to == begin + k->size && next == begin)
				k->mappings = n;
			return;
		}
		while (*at && *at != '\n')
			at++;
	}
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
	find_data(&w->kernel);
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
	if (!ready(&w->program, w->connection))
		return 0;
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
	const int fds[] = { w->connection, w->theirs, w->program.listener, w->program.signals, s->region, s->wake };
	for (u64 i = 0; i < sizeof fds / sizeof *fds; i++)
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

// let_go has the program run, with somebody who receives its calls.
static int let_go(struct work *w)
{
	SYS(SYS_sched_setaffinity, 0, sizeof w->cpus, &w->cpus); // which the thread inherits
	if (!start_keeping(&w->program, w->out, w->space, SPACE, w->restorer))
		return 0;
	trace(&w->program, PTRACE_DETACH, 0, 0); // it fails if that was killed, which the guardian tells
	return 1;
}

// start starts the program, and returns whether it runs.
static int start(struct work *w, const unsigned char *built, void (*guardian)(void))
{
	u64 insn = find_instruction(&w->kernel);
	if (!insn || SYS(SYS_getrandom, w->random, sizeof w->random, 0) != sizeof w->random || !(w->out->base = choose_base(w->random[0])))
		return 0;
	u64 asked = relayed_signals & ~w->mask;
	w->program.signals = SYS(SYS_signalfd4, -1, &asked, 8, 02000000 | 04000 /* SFD_CLOEXEC | SFD_NONBLOCK */);
	w->out->wake = SYS(SYS_eventfd2, 0, 02000000 | 04000 /* EFD_CLOEXEC | EFD_NONBLOCK */);
	if (w->program.signals < 0 || w->out->wake < 0)
		return 0;
	return make_region(w) && start_guardian(w, guardian) && complete_region(w, built) && await_start(w) &&
	       (together(&w->program, &w->cpus), hand_off(&w->program, insn, w->out->base, w->out->region)) && let_go(w);
}
