/* ptrace: the least that a tracer must do to serve getrandom(16) where a filter
 * asks for it (SECCOMP_RET_TRACE).
 *
 *	ptrace program [argument...]
 *
 * The same steps as the supervisor of this project, and nothing else: one thread,
 * one process, one call. To set the two registers by PTRACE_POKEUSER takes 1 µs
 * less than by PTRACE_GETREGS and PTRACE_SETREGS.
 */
#include "tracer.h"

static void child(char **argv)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000 /* x32 */, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
	};
	struct sock_fprog filter = { sizeof code / sizeof code[0], code };
	(void)argv;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		fail("no_new_privs");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
		fail("seccomp");
}

int main(int argc, char **argv)
{
	struct __ptrace_syscall_info call;
	int status;
	if (argc < 2)
		return 125;
	begin(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC, child, argv + 1);
	for (;;) {
		pid_t pid = wait4(-1, &status, __WALL | __WNOTHREAD, NULL);
		if (pid < 0 || WIFEXITED(status) || WIFSIGNALED(status))
			break;
		int sig = status >> 16 ? 0 : WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_SECCOMP) {
			if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call) < 0)
				fail("look");
			long result = serve(pid, &call);
			poke(pid, REG(orig_rax), -1);
			poke(pid, REG(rax), result);
		}
		if (ptrace(PTRACE_CONT, pid, 0, (long)sig) != 0)
			fail("continue");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
