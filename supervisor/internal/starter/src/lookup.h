// What was asked for, and whether it is for the starter.

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

// at_least reports whether a soft limit is no lower than that, in its unit.
static int at_least(u32 resource, u64 least)
{
	struct limits l;
	return !SYS(SYS_prlimit64, 0, resource, 0, &l) && l.soft >= least;
}

// usual reports whether this process is as most are: it has standard descriptors, so that
// ours don't get their numbers, waits for its children, may write to memory files, and
// has room for the Go runtime, which must not fail when the program runs already.
static int usual(void)
{
	struct ksigaction chld;
	for (int fd = 0; fd < 3; fd++)
		if (SYS(SYS_fcntl, fd, F_GETFD) < 0)
			return 0;
	return at_least(1 /* RLIMIT_FSIZE */, ~0UL) && at_least(2 /* RLIMIT_DATA */, ~0UL) && at_least(9 /* RLIMIT_AS */, ~0UL) &&
	       at_least(3 /* RLIMIT_STACK */, 256 << 10) && at_least(6 /* RLIMIT_NPROC */, 256) && at_least(7 /* RLIMIT_NOFILE */, 64) &&
	       at_least(11 /* RLIMIT_SIGPENDING */, 16) && // for keep.h's signal
	       !SYS(SYS_rt_sigaction, SIGCHLD, 0, &chld, 8) && !chld.handler && !(chld.flags & SA_NOCLDWAIT);
}
