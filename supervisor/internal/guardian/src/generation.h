// The generation: a number in the control page, which programs can only read.
// Whoever keeps random bytes in a program compares it with what it was when the
// bytes were made, and makes new ones when it has changed.
//
// It is changed here, and not by the supervisor alone, since this process lives
// as long as the tree does. Its mapping of the page is older than the seal that
// forbids all others to write.

#include <linux/netlink.h>

#define BUMP 2 // from an odd number on: never 0
#define RESEED_SIGNAL 64
#define RESEED_VALUE 0x5eed
#define WATCH_AFTER 100 // ms: most programs end sooner, and need nothing of this
#define SLACK 125000000UL // ns: by how much a tick may be late, to share another's wake-up

static u64 now(void)
{
	struct {
		u64 s, ns;
	} t = { 0, 0 };
	SYS(SYS_clock_gettime, 1 /* CLOCK_MONOTONIC */, &t);
	return t.s * 1000 + t.ns / 1000000;
}

static void bump(void)
{
	__atomic_fetch_add(my->generation, BUMP, __ATOMIC_SEQ_CST);
}

static void begin_generation(void)
{
	my->generation = my->launch->page;
	my->page = my->launch->region;
	my->tick = my->launch->tick;
	my->clones = my->jumps = -1;
	my->due = now() + WATCH_AFTER;
}

// watch_clones listens for what the kernel says when the machine's generation
// identifier changed (drivers/virt/vmgenid.c, Linux >= 6.10): it runs a second
// time, from a snapshot. Where there is no network to ask or no right to, nothing
// is heard. Messages about devices that come and go are left out by the filter.
static void watch_clones(void)
{
	struct sockaddr_nl to = { .nl_family = 16 /* AF_NETLINK */, .nl_groups = 1 };
	struct sock_filter code[] = {
		{ 0x20 /* LD W ABS */, 0, 0, 0 },
		{ 0x15 /* JEQ K */, 0, 1, 0x6368616e /* "chan", of "change@" */ },
		{ 0x06 /* RET K */, 0, 0, ~0U },
		{ 0x06 /* RET K */, 0, 0, 0 },
	};
	struct sock_fprog filter = { 4, code };
	my->clones = SYS(SYS_socket, 16, 3 | 02004000 /* SOCK_RAW, CLOEXEC, NONBLOCK */, NETLINK_KOBJECT_UEVENT);
	if (my->clones < 0)
		return;
	SYS(SYS_setsockopt, my->clones, 1 /* SOL_SOCKET */, 26 /* SO_ATTACH_FILTER */, &filter, sizeof filter);
	if (SYS(SYS_bind, my->clones, &to, sizeof to) < 0) {
		SYS(SYS_close, my->clones);
		my->clones = -1;
	}
}

// watch_jumps makes a timer that never ends but is cancelled when the clock is
// set, which is what happens after a restored snapshot, and when the machine wakes,
// be it from an image on disk (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
static void watch_jumps(void)
{
	struct {
		long interval_s, interval_ns, s, ns;
	} never = { 0, 0, 1L << 33, 0 };
	my->jumps = SYS(SYS_timerfd_create, 0 /* CLOCK_REALTIME */, 02004000 /* TFD_CLOEXEC, TFD_NONBLOCK */);
	if (my->jumps >= 0 && SYS(SYS_timerfd_settime, my->jumps, 3 /* ABSTIME, CANCEL_ON_SET */, &never, 0) < 0) {
		SYS(SYS_close, my->jumps);
		my->jumps = -1;
	}
}

// is_clone says whether a message has the field that tells of a new machine.
static int is_clone(const char *msg, long n)
{
	static const char field[] = "\0NEW_VMGENID=1"; // with the zeros around it
	for (long i = 0; i + (long)sizeof field <= n; i++) {
		u64 j = 0;
		while (j < sizeof field && msg[i + j] == field[j])
			j++;
		if (j == sizeof field)
			return 1;
	}
	return 0;
}

// hear takes the kernel's messages. Others can send to the group as well, udev
// among them: the kernel's have port 0. Where some were lost, this one may be.
static void hear(void)
{
	char *msg = my->message;
	struct sockaddr_nl from;
	u32 len;
	long n;
	do {
		len = sizeof from;
		n = SYS(SYS_recvfrom, my->clones, msg, sizeof my->message, 0x40 /* MSG_DONTWAIT */, &from, &len);
		if (n == -105 /* ENOBUFS */ || (n > 0 && from.nl_pid == 0 && is_clone(msg, n)))
			bump();
	} while (n >= 0 || n == -105 || n == -EINTR);
}

static void check_jumps(void)
{
	u64 ends;
	if (SYS(SYS_read, my->jumps, &ends, sizeof ends) == -125 /* ECANCELED */)
		bump();
}

// slack lets the kernel wake us late, or, with 0, on time again.
static void slack(u64 ns)
{
	if (my->watching)
		SYS(SYS_prctl, PR_SET_TIMERSLACK, ns);
}

// pass does what is due and returns how many ms to wait for what comes next.
static int pass(void)
{
	if (!my->due)
		return -1;
	u64 t = now();
	if (t < my->due)
		return my->due - t;
	if (!my->watching) {
		my->watching = 1;
		watch_clones();
		watch_jumps();
	}
	bump(); // the first time for what happened before
	my->due = my->tick ? t + my->tick : 0;
	return my->due ? (int)my->tick : -1;
}

// asked says whether a signal is a request to bump. The kernel lets a process of
// the same user or of root send it (kill(2)), and nobody sends it by mistake.
static int asked(const struct signalfd_siginfo *si)
{
	return si->ssi_signo == RESEED_SIGNAL && si->ssi_code == -1 /* SI_QUEUE */ && si->ssi_int == RESEED_VALUE;
}
