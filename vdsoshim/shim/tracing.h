/* What tracing.c and tracers.c have in common. */
#include <asm/unistd_64.h>

#define SIGTRAP 5
#define WALL 0x40000000
#define SYS_SECCOMP 1
#define SYS_USER_DISPATCH 2
#define CLD_TRAPPED 4
#define PTRACE_TRACEME 0
#define PTRACE_PEEKDATA 2
#define PTRACE_PEEKUSER 3
#define PTRACE_POKEDATA 5
#define PTRACE_POKEUSER 6
#define PTRACE_CONT 7
#define PTRACE_SINGLESTEP 9
#define PTRACE_ATTACH 16
#define PTRACE_SYSCALL 24
#define PTRACE_SYSEMU 31
#define PTRACE_SYSEMU_SINGLESTEP 32
#define PTRACE_SETOPTIONS 0x4200
#define PTRACE_GETEVENTMSG 0x4201
#define PTRACE_GETSIGINFO 0x4202
#define PTRACE_SETSIGINFO 0x4203
#define PTRACE_SEIZE 0x4206
#define PTRACE_PEEKSIGINFO 0x4209
#define PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG 0x4210	/* Linux 6.4 */
#define PTRACE_GET_SYSCALL_INFO 0x420e
#define PTRACE_O_TRACEEXEC 0x10
#define EXEC_STOP (SIGTRAP | 4 << 8)
#define SIGSTOP 19
#define INFO_ENTRY 1
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTART_RESTARTBLOCK 516
#define APART __attribute__((noinline))	/* frames are small */
/* struct user_regs_struct */
#define USER_RAX 80
#define USER_RCX 88
#define USER_ORIG_RAX 120
#define USER_RIP 128

/* tracees.c */
struct traced HIDDEN *shim_traced(u32 tid);
struct traced HIDDEN *shim_tracee(u32 tid);
void HIDDEN shim_begin_tracing(struct traced *t);
long HIDDEN shim_fresh(u32 tid);
/* tracers.c */
long HIDDEN shim_ptrace(long request, u32 tid, long addr, long data);
void HIDDEN shim_obey(u32 tid);
