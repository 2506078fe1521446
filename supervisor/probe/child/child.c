// The probes' child: tries one kernel feature and says on descriptor 1 how that
// went. It is executed anew for every probe, because filters, no_new_privs and
// the like can't be taken back; it is freestanding, so that what is tried is the
// only thing that happens.
//
// argv[1] is the name of the probe, the rest are its numbers in hexadecimal.

#include "shared.h"

static u64 arg[8];
static u64 vdso; // AT_SYSINFO_EHDR

#include "seccomp.h"
#include "ptrace.h"
#include "memory.h"
#include "processor.h"

// call makes one call, of which the kernel's own answer is known.
static void call(void) { yes(sys6(arg[0], arg[1], arg[2], arg[3], arg[4], arg[5], arg[6])); }

static void launch(void) { yes(0); } // that it runs is the answer

static const struct {
	const char *name;
	void (*run)(void);
} probes[] = {
	{ "launch", launch },
	{ "call", call },
	{ "filter", install },
	{ "action", action },
	{ "notify", notify },
	{ "listeners", listeners },
	{ "trap", trap },
	{ "trace", trace },
	{ "seize", seize },
	{ "seize-other", seize_other },
	{ "syscall-info", syscall_info },
	{ "sysemu", sysemu },
	{ "vm", vm },
	{ "proc-mem", proc_mem },
	{ "pidfd-getfd", pidfd_getfd },
	{ "pidfd-open", pidfd_open },
	{ "mm-map", mm_map },
	{ "memfd-exec", memfd_exec },
	{ "lsm", lsm },
	{ "map-low", map_low },
	{ "seal", seal },
	{ "subreaper", subreaper },
	{ "droppable", droppable },
	{ "vdso-getrandom", vdso_getrandom },
	{ "vdso-clock", vdso_clock },
	{ "fsgsbase", fsgsbase },
	{ "rdpid", rdpid },
	{ "sud", sud },
	{ "wait", wait_for_ever },
};

static u64 hex(const char *s)
{
	u64 v = 0;
	for (; *s; s++)
		v = v << 4 | (*s <= '9' ? *s - '0' : *s - 'a' + 10);
	return v;
}

__attribute__((used, noreturn)) static void start(u64 *sp)
{
	u64 argc = *sp;
	char **argv = (char **)(sp + 1), **env = argv + argc + 1;
	while (*env)
		env++;
	for (u64 *aux = (u64 *)(env + 1); aux[0]; aux += 2)
		if (aux[0] == 33)
			vdso = aux[1];
	for (u64 i = 2; i < argc && i < 10; i++)
		arg[i - 2] = hex(argv[i]);

	// A kernel that never answers must not keep a child for ever; and whoever
	// started us may ignore SIGCHLD, which would reap our children, or SIGALRM.
	SYS(SYS_alarm, PATIENCE);
	on_signal(SIGCHLD, 0);
	on_signal(SIGALRM, 0);
	u64 core[2] = { 0, 0 };
	SYS(SYS_setrlimit, 4 /* RLIMIT_CORE */, core);
	u64 none = 0;
	SYS(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, 0, 8);

	shared = (void *)MUST(SYS_mmap, 0, 4096, PROT_R | PROT_W, MAP_SHARED | MAP_ANON, -1, 0);
	for (u64 i = 0; i < sizeof probes / sizeof *probes; i++)
		if (argc > 1 && same(argv[1], probes[i].name))
			probes[i].run();
	quit(2);
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");
