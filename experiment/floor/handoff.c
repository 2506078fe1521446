/* handoff: the least that starting a program under a supervisor takes.
 *
 *	handoff program [argument...]
 *
 * A filter with a listener that notifies execve, and one handoff: the caller is
 * seized, goes on with its exec, is stopped before its first instruction, asks for
 * a descriptor and gets it, maps a page of that where the shim would be, and is let
 * go. Nothing else of what reflect does: no shim, no policy, nobody who survives the
 * supervisor, no signals, no later exec. A launcher in Go can't start in less than
 * this and an empty Go program take together.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <sys/ptrace.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* Linux 5.19 */
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_ADDFD /* Linux 5.9; SEND 5.14 */
#define SECCOMP_IOCTL_NOTIF_ADDFD SECCOMP_IOW(3, struct seccomp_notif_addfd)
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

static volatile int listener = -1;
static pid_t pid;

static void fail(const char *what)
{
	perror(what);
	_exit(125);
}

/* As in notify.c, but the exec itself is notified, so nobody can wait for it. */
static int child(void *argv)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
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

static void receive(struct seccomp_notif *call)
{
	memset(call, 0, sizeof *call);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, call) != 0)
		fail("receive");
}

static void trace(long request, void *addr, void *data)
{
	if (ptrace(request, pid, addr, data) < 0)
		fail("ptrace");
}

static int await(void)
{
	int status;
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		fail("wait");
	return status >> 8;
}

static void until(long request, int stop)
{
	trace(request, 0, 0);
	while (await() != stop)
		trace(request, 0, 0);
}

/* The vDSO's syscall instruction; it stands at one offset in every process. */
static unsigned long instruction(void)
{
	unsigned char *vdso = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
	for (unsigned long i = 0; i < 8192; i++)
		if (vdso[i] == 0x0f && vdso[i + 1] == 0x05)
			return i;
	fail("no syscall instruction");
	return 0;
}

static unsigned long vdso_of(pid_t pid)
{
	char path[32];
	Elf64_auxv_t aux[64];
	snprintf(path, sizeof path, "/proc/%d/auxv", pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(aux, sizeof aux[0], 64, f) : 0;
	for (size_t i = 0; i < n; i++)
		if (aux[i].a_type == AT_SYSINFO_EHDR)
			return aux[i].a_un.a_val;
	fail("no vDSO");
	return 0;
}

/* enter takes the stopped program to the entry of a call of ours. */
static void enter(struct user_regs_struct regs, unsigned long insn, long nr, long a, long b, long c, long d, long e)
{
	regs.rip = insn, regs.rax = nr, regs.orig_rax = -1;
	regs.rdi = a, regs.rsi = b, regs.rdx = c, regs.r10 = d, regs.r8 = e, regs.r9 = 0;
	trace(PTRACE_SETREGS, 0, &regs);
	until(PTRACE_SYSCALL, SIGTRAP | 0x80);
}

int main(int argc, char **argv)
{
	static char stack[64 << 10] __attribute__((aligned(16)));
	struct seccomp_notif call;
	struct user_regs_struct saved, regs;
	int status;
	if (argc < 2)
		return 125;
	unsigned long insn = instruction();
	/* Both on one processor, as ours: a turn is then a switch and wakes nobody. */
	cpu_set_t all, one;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_getaffinity(0, sizeof all, &all) != 0 || sched_setaffinity(0, sizeof one, &one) != 0)
		fail("affinity");
	pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, argv + 1);
	if (pid < 0)
		fail("clone");
	int file = memfd_create("page", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, 4096) != 0)
		fail("memfd");
	while (listener < 0)
		sched_yield();

	receive(&call);
	trace(PTRACE_SEIZE, 0, (void *)(PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	trace(PTRACE_INTERRUPT, 0, 0);
	struct seccomp_notif_resp go = { .id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go) != 0)
		fail("send");
	while ((status = await()) != (SIGTRAP | PTRACE_EVENT_EXEC << 8))
		trace(PTRACE_CONT, 0, 0);
	until(PTRACE_SYSCALL, SIGTRAP | 0x80);
	trace(PTRACE_GETREGS, 0, &saved);
	insn += vdso_of(pid);

	enter(saved, insn, SYS_execve, 0, 0, 0, 0, 0);
	trace(PTRACE_SYSCALL, 0, 0);
	receive(&call);
	struct seccomp_notif_addfd give = { .id = call.id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = file, .newfd_flags = O_CLOEXEC };
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give) < 0)
		fail("give a descriptor");
	while (await() != (SIGTRAP | 0x80))
		trace(PTRACE_SYSCALL, 0, 0);
	trace(PTRACE_GETREGS, 0, &regs);
	enter(saved, insn, SYS_mmap, 0x100000, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, regs.rax);
	until(PTRACE_SYSCALL, SIGTRAP | 0x80);
	trace(PTRACE_GETREGS, 0, &regs);
	if (regs.rax != 0x100000)
		fail("map");
	sched_setaffinity(pid, sizeof all, &all);
	saved.orig_rax = -1;
	trace(PTRACE_SETREGS, 0, &saved);
	trace(PTRACE_DETACH, 0, 0);

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 125;
	return WEXITSTATUS(status);
}
