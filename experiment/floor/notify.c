/* notify: the least that a supervisor must do to serve getrandom(16).
 *
 *	notify program [argument...]
 *
 * The same flags and the same steps as the supervisor of this project, and
 * nothing else: one thread, one call, no counters. It can't be had for less
 * without leaving out a check, so it is what ours is compared with.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not in the headers of Debian 12. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* Linux 5.19 */
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.6 */
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

static int listener;

static void fail(const char *what)
{
	perror(what);
	_exit(125);
}

/* Runs in the parent's memory and descriptor table (CLONE_VM, CLONE_FILES), both
 * of which exec unshares: so the listener is left behind for the parent. */
static int child(void *argv)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000 /* x32 */, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog filter = { sizeof code / sizeof code[0], code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		fail("no_new_privs");
	listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER |
			   SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &filter);
	if (listener < 0)
		fail("seccomp");
	execv(*(char **)argv, argv);
	fail("exec");
	return 0;
}

static void answer(struct seccomp_notif *call)
{
	char bytes[16];
	struct iovec ours = { bytes, sizeof bytes }, theirs = { (void *)call->data.args[0], call->data.args[1] };
	struct seccomp_notif_resp resp = { .id = call->id };
	if (call->data.args[1] != sizeof bytes || call->data.args[2] != 0)
		resp.error = -EINVAL; /* the probe asks for nothing else */
	else if (syscall(SYS_getrandom, bytes, sizeof bytes, 1 /* GRND_NONBLOCK */) != sizeof bytes)
		resp.error = -EAGAIN;
	/* Whose memory is it? The id is the caller's only while it waits. */
	else if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->id) != 0)
		return;
	else if (process_vm_writev(call->pid, &ours, 1, &theirs, 1, 0) != sizeof bytes)
		resp.error = -EFAULT;
	else
		resp.val = sizeof bytes;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) != 0 && errno != ENOENT)
		fail("send");
}

int main(int argc, char **argv)
{
	static char stack[64 << 10] __attribute__((aligned(16)));
	struct seccomp_notif call;
	int status;
	if (argc < 2)
		return 125;
	pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, argv + 1);
	if (pid < 0)
		fail("clone");
	/* Refused before Linux 6.6: slower, and ours is then too. */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	for (;;) {
		memset(&call, 0, sizeof call); /* RECV refuses anything else */
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0)
			answer(&call);
		else if (errno == ENOENT)
			break; /* the last task is gone */
		else if (errno != EINTR)
			fail("receive");
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 125;
	return WEXITSTATUS(status);
}
