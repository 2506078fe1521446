// The processes that the program has started: who is left of them, and what becomes of the first.

#define AGO 500 // ms: by how much later than the guardian the supervisor may learn of a signal

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
		my->moved = now();
		my->stopped = m.type == MSG_STOP;
		my->ended = m.type == MSG_EXIT || m.type == MSG_EXEC_FAILED;
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

// led_away is Cmd.ledAway: the program leads a group of its own, where natively it would lead ours.
static int led_away(s32 program)
{
	long group = SYS(SYS_getpgid, 0);
	return group == SYS(SYS_getppid) && SYS(SYS_getpgid, program) == program && SYS(SYS_getsid, program) == SYS(SYS_getsid, 0);
}

// hand_on sends the program a SIGCONT or SIGTSTP that the supervisor got, unless it was for
// the whole group. Of such a one we have our own, but not always: a SIGCONT removes
// stop signals that nobody has read yet, and these a SIGCONT (prepare_signal). So any of
// them says as much, and for SIGCONT that the program has stopped or gone on since the
// supervisor stopped for it.
static void hand_on(s32 program, int sig)
{
	u64 t = now();
	int whole = my->grouped && t - my->grouped < AGO;
	if (my->ended)
		return;
	if (whole && led_away(program))
		program = -program;
	else if (whole || (sig == SIGCONT && my->moved && (my->stopped || t - my->moved < AGO)))
		return;
	SYS(SYS_kill, program, sig);
}
