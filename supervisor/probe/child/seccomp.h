// Filters and their listener (seccomp(2), seccomp_unotify(2)).

#define F_NEW_LISTENER 8UL

struct answer { u64 id; long val; s32 error; u32 flags; };
struct given { u64 id; u32 flags, srcfd, newfd, newfd_flags; };
struct notice { u64 id; u32 pid, flags; struct seccomp_data data; };

enum {
	IOC_RECV = 0xc0502100,
	IOC_SEND = 0xc0182101,
	IOC_ADDFD = 0x40182103,
	IOC_SET_FLAGS = 0x40082104,
};
enum { SEND_VALUE, SEND_CONTINUE, GIVE_FD, GIVE_FD_AND_SEND };

static void install(void)
{
	long r = filter(arg[0], SYS_getppid, SECCOMP_RET_ALLOW);
	if (r < 0)
		no(SYS_seccomp, r);
	yes(0);
}

// action: does the kernel know the action arg[0]?
static void action(void)
{
	u32 a = arg[0];
	long r = SYS(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &a);
	if (r < 0)
		no(SYS_seccomp, r);
	yes(0);
}

// notify: one whole exchange. arg[0]: more flags for the filter; arg[1]: flags
// to set on the listener; arg[2]: how to answer.
static void notify(void)
{
	long parent = SYS(SYS_getpid);
	long pid = spawn(CLONE_FILES);
	if (pid == 0) {
		long fd = filter(arg[0] | F_NEW_LISTENER, SYS_getppid, SECCOMP_RET_USER_NOTIF);
		shared->number = fd;
		__atomic_store_n(&shared->state, 1, __ATOMIC_RELEASE);
		if (fd < 0)
			quit(9);
		long r = SYS(SYS_getppid);
		switch (arg[2]) {
		case SEND_VALUE:
			quit(r != 4242);
		case SEND_CONTINUE:
			quit(r != parent);
		default:
			quit(r < 0 || SYS(SYS_fcntl, r, 1 /* F_GETFD */) < 0);
		}
	}
	while (!__atomic_load_n(&shared->state, __ATOMIC_ACQUIRE)) {
		s32 status;
		if (SYS(SYS_wait4, pid, &status, 1 /* WNOHANG */ | WALL, 0) == pid)
			unknown(SYS_seccomp, 0); // killed for asking
		SYS(SYS_sched_yield);
	}
	long fd = shared->number;
	if (fd < 0) {
		if (fd == -EBUSY) // somebody else listens already; flags are checked before that
			say(UNKNOWN, SYS_seccomp, EBUSY, 0);
		no(SYS_seccomp, fd);
	}
	long r;
	if (arg[1] && (r = SYS(SYS_ioctl, fd, IOC_SET_FLAGS, arg[1])) < 0)
		no(SYS_ioctl, r);
	struct notice n;
	do {
		memset(&n, 0, sizeof n);
		r = SYS(SYS_ioctl, fd, IOC_RECV, &n);
	} while (r == -EINTR);
	if (r < 0)
		no(SYS_ioctl, r);
	struct answer a = { n.id, 4242, 0, 0 };
	if (arg[2] == SEND_CONTINUE)
		a = (struct answer){ n.id, 0, 0, 1 /* SECCOMP_USER_NOTIF_FLAG_CONTINUE */ };
	if (arg[2] >= GIVE_FD) {
		struct given g = { n.id, arg[2] == GIVE_FD_AND_SEND ? 2 : 0, 1, 0, 0 };
		r = SYS(SYS_ioctl, fd, IOC_ADDFD, &g);
		if (r < 0)
			no(SYS_ioctl, r);
		a.val = r;
	}
	if (arg[2] != GIVE_FD_AND_SEND && (r = SYS(SYS_ioctl, fd, IOC_SEND, &a)) < 0)
		no(SYS_ioctl, r);
	if (await(pid) != 0)
		no(SYS_ioctl, 0);
	yes(0);
}

// listeners: can one process have two?
static void listeners(void)
{
	must(SYS_seccomp, filter(F_NEW_LISTENER, SYS_getppid, SECCOMP_RET_USER_NOTIF));
	long r = filter(F_NEW_LISTENER, SYS_getppid, SECCOMP_RET_USER_NOTIF);
	if (r < 0)
		no(SYS_seccomp, r);
	yes(0);
}

// trap: the action sends SIGSYS.
static void trap(void)
{
	long pid = spawn(0);
	if (pid == 0) {
		on_signal(SIGSYS, (u64)caught);
		long r = filter(0, SYS_getppid, SECCOMP_RET_TRAP);
		shared->number = r;
		if (r == 0)
			SYS(SYS_getppid);
		quit(1);
	}
	if (EXITED(await(pid)) == CAUGHT + SIGSYS)
		yes(0);
	no(SYS_seccomp, shared->number);
}
