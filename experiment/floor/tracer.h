/* What the two minimal tracers have in common. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	_exit(125);
}

static void poke(pid_t pid, size_t reg, long value)
{
	ptrace(PTRACE_POKEUSER, pid, reg, value);
}

#define REG(name) offsetof(struct user_regs_struct, name)

/* What getrandom(16) returns, once the bytes are there. */
static long serve(pid_t pid, struct __ptrace_syscall_info *call)
{
	char bytes[16];
	struct iovec ours = { bytes, sizeof bytes }, theirs = { (void *)call->entry.args[0], call->entry.args[1] };
	if (call->entry.args[1] != sizeof bytes || call->entry.args[2] != 0)
		return -EINVAL; /* the probe asks for nothing else */
	if (syscall(SYS_getrandom, bytes, sizeof bytes, 1 /* GRND_NONBLOCK */) != sizeof bytes)
		return -EAGAIN;
	if (process_vm_writev(pid, &ours, 1, &theirs, 1, 0) != sizeof bytes)
		return -EFAULT;
	return sizeof bytes;
}

/* Forks a child that waits to be attached to, and attaches. */
static pid_t begin(long options, void (*child)(char **argv), char **argv)
{
	int status;
	/* Nobody waits for the signal; to send it takes 0.2 µs a stop. */
	struct sigaction quiet = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP };
	sigaction(SIGCHLD, &quiet, NULL);
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		raise(SIGSTOP);
		child(argv);
		execv(*argv, argv);
		fail("exec");
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | options) != 0)
		fail("attach");
	kill(pid, SIGCONT);
	return pid;
}
