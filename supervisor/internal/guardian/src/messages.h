// The connection to the supervisor: one packet a message.

#include "packets.h"

// receive takes one command and the descriptors that may come with it. It
// returns 0 at the end of the connection, or -errno.
static long receive(u32 *command, int fd[2], int flags)
{
	struct iovec_ iov = { command, sizeof *command };
	struct rights ctl = { 0, 0, 0, { -1, -1 } };
	struct msghdr_ hdr = { 0, 0, 0, &iov, 1, &ctl, sizeof ctl, 0, 0 };
	long n;
	while ((n = SYS(SYS_recvmsg, my->control, &hdr, flags | 0x40000000 /* MSG_CMSG_CLOEXEC */)) == -EINTR)
		;
	for (int i = 0; i < 2; i++)
		fd[i] = n > 0 && ctl.len >= 20 + 4 * (u64)i ? ctl.fd[i] : -1;
	return n;
}

static long send_flags(struct msg *m, int fd, int flags)
{
	struct iovec_ iov = { m, sizeof *m };
	struct rights ctl = { 20, 1 /* SOL_SOCKET */, 1 /* SCM_RIGHTS */, { fd, 0 } };
	struct msghdr_ hdr = { 0, 0, 0, &iov, 1, fd >= 0 ? &ctl : 0, fd >= 0 ? sizeof ctl : 0, 0, 0 };
	long r;
	while ((r = SYS(SYS_sendmsg, my->control, &hdr, flags | 0x4000 /* MSG_NOSIGNAL */)) == -EINTR)
		;
	return r;
}

static void send(struct msg *m, int fd)
{
	send_flags(m, fd, 0);
}

// A supervisor that is stopped reads nothing, and only we wake it: so nothing that
// is sent meanwhile may wait for room. What there is no room for it can do without:
// it looks at the program itself once it is awake.
static void tell(struct msg *m)
{
	send_flags(m, -1, 0x40 /* MSG_DONTWAIT */);
}

static void tell_end(struct msg *m)
{
	while (send_flags(m, -1, 0x40 /* MSG_DONTWAIT */) == -11 /* EAGAIN */) {
		SYS(SYS_pidfd_send_signal, my->supervisor, SIGCONT, 0, 0);
		SYS(SYS_poll, 0, 0, 10);
	}
}

static void report(u32 type, s32 pid, s32 status, u32 detail)
{
	struct msg m = { type, pid, status, detail, { 0 } };
	if (type == MSG_SIGNAL)
		tell(&m);
	else
		tell_end(&m);
}
