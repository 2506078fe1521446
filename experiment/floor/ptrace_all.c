/* ptrace_all: the least that a tracer must do to serve getrandom(16) without a
 * filter, by stopping every call.
 *
 *	ptrace_all once|twice program [argument...]
 *
 * twice: as tracers have always done it, each call stops at entry and exit
 * (PTRACE_SYSCALL). once: as the supervisor of this project does it, a call that
 * follows one which was served is expected to be served too; it stops once, and is
 * skipped (PTRACE_SYSEMU). Where that was wrong it is made after all.
 */
#include "tracer.h"

static void child(char **argv) { (void)argv; }

int main(int argc, char **argv)
{
	struct __ptrace_syscall_info call;
	int status, inside = 0, request = PTRACE_SYSCALL;
	if (argc < 3)
		return 125;
	int once = strcmp(argv[1], "once") == 0;
	begin(PTRACE_O_TRACEEXEC, child, argv + 2);
	for (;;) {
		pid_t pid = wait4(-1, &status, __WALL | __WNOTHREAD, NULL);
		if (pid < 0 || WIFEXITED(status) || WIFSIGNALED(status))
			break;
		int sig = status >> 16 ? 0 : WSTOPSIG(status);
		if (sig == (SIGTRAP | 0x80)) {
			sig = 0;
			if (inside) {
				inside = 0;
			} else {
				if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call) < 0)
					fail("look");
				int skipped = request == PTRACE_SYSEMU;
				if (call.op != PTRACE_SYSCALL_INFO_ENTRY) {
				} else if (call.entry.nr == SYS_getrandom) {
					long result = serve(pid, &call);
					if (!skipped)
						poke(pid, REG(orig_rax), -1);
					poke(pid, REG(rax), result);
					request = once ? PTRACE_SYSEMU : PTRACE_SYSCALL;
					inside = !once;
				} else if (skipped) {
					poke(pid, REG(orig_rax), -1);
					poke(pid, REG(rax), call.entry.nr);
					poke(pid, REG(rip), call.instruction_pointer - 2);
					request = PTRACE_SYSCALL;
					inside = 1;
				} else {
					inside = 1;
				}
			}
		}
		if (ptrace(request, pid, 0, (long)sig) != 0)
			fail("continue");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
