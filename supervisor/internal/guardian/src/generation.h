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

static volatile u64 *generation;
static u64 tick;               // ms between two bumps, 0 for none
static u64 due;                // when to bump next, 0 for never
static int watching;
static int page = -1;          // the memory file, for `reflect reseed` to read
static int clones = -1;        // the kernel's messages about devices
static int jumps = -1;         // a timer that tells when the clock was set, or the machine slept

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
	__atomic_fetch_add(generation, BUMP, __ATOMIC_SEQ_CST);
}

// map_generation keeps the memory file's descriptor.
static long map_generation(int fd, u64 offset)
{
	long at = SYS(SYS_mmap, 0, 4096, 3, 1 /* MAP_SHARED */, fd, offset);
	if (at < 0 && at > -4096)
		return at;
	generation = (volatile u64 *)at;
	page = fd;
	due = now() + WATCH_AFTER;
	return 0;
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
	clones = SYS(SYS_socket, 16, 3 | 02004000 /* SOCK_RAW, CLOEXEC, NONBLOCK */, NETLINK_KOBJECT_UEVENT);
	if (clones < 0)
		return;
	SYS(SYS_setsockopt, clones, 1 /* SOL_SOCKET */, 26 /* SO_ATTACH_FILTER */, &filter, sizeof filter);
	if (SYS(SYS_bind, clones, &to, sizeof to) < 0) {
		SYS(SYS_close, clones);
		clones = -1;
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
	jumps = SYS(SYS_timerfd_create, 0 /* CLOCK_REALTIME */, 02004000 /* TFD_CLOEXEC, TFD_NONBLOCK */);
	if (jumps >= 0 && SYS(SYS_timerfd_settime, jumps, 3 /* ABSTIME, CANCEL_ON_SET */, &never, 0) < 0) {
		SYS(SYS_close, jumps);
		jumps = -1;
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
	static char msg[8192]; // UEVENT_BUFFER_SIZE is 2048
	struct sockaddr_nl from;
	u32 len;
	long n;
	do {
		len = sizeof from;
		n = SYS(SYS_recvfrom, clones, msg, sizeof msg, 0x40 /* MSG_DONTWAIT */, &from, &len);
		if (n == -105 /* ENOBUFS */ || (n > 0 && from.nl_pid == 0 && is_clone(msg, n)))
			bump();
	} while (n >= 0 || n == -105 || n == -EINTR);
}

static void check_jumps(void)
{
	u64 ends;
	if (SYS(SYS_read, jumps, &ends, sizeof ends) == -125 /* ECANCELED */)
		bump();
}

// slack lets the kernel wake us late, or, with 0, on time again.
static void slack(u64 ns)
{
	if (watching)
		SYS(SYS_prctl, PR_SET_TIMERSLACK, ns);
}

// pass does what is due and returns how many ms to wait for what comes next.
static int pass(void)
{
	if (!due)
		return -1;
	u64 t = now();
	if (t < due)
		return due - t;
	if (!watching) {
		watching = 1;
		watch_clones();
		watch_jumps();
	}
	bump(); // the first time for what happened before
	due = tick ? t + tick : 0;
	return due ? (int)tick : -1;
}

// asked says whether a signal is a request to bump. The kernel lets a process of
// the same user or of root send it (kill(2)), and nobody sends it by mistake.
static int asked(const struct signalfd_siginfo *si)
{
	return si->ssi_signo == RESEED_SIGNAL && si->ssi_code == -1 /* SI_QUEUE */ && si->ssi_int == RESEED_VALUE;
}
