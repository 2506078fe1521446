/*
 * The SIGSYS handler of the mechanisms trap (SECCOMP_RET_TRAP) and sud (Syscall
 * User Dispatch). The kernel delivers SIGSYS in place of the call, with the registers
 * as the system call instruction left them, rax still the number. What the shim can
 * answer is answered here; everything else is made from an exit, see exits.S, once
 * this handler has returned.
 *
 * All signals are blocked meanwhile, and every system call of ours is made by the
 * gate, which the filter exempts and which stands in the range that dispatch allows.
 *
 * sud is armed at the handoff. The kernel disarms it in every new thread and process;
 * there the filter traps the first call that a rule names, and the handler arms it
 * again. So nobody follows clone and fork, and no call is missed.
 *
 * Dispatch never looks at the number. So that calls that no rule names need no signal,
 * their sites are patched, as far as that can be: they are then made by a site's record
 * among the region's stubs, which is in the range that dispatch allows too. The filter
 * exempts nothing there for it, and the dispatcher sends all that is reflected back to
 * the site.
 */
#include "shim.h"
#include "sigsys.h"
#include "generator.h"
#include <asm/unistd_64.h>

#define SYS_SECCOMP 1
#define SYS_USER_DISPATCH 2
#define AUDIT_ARCH_X86_64 0xc000003e
#define AUDIT_ARCH_I386 0x40000003
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#define PR_SET_SECCOMP 22
#define GRND_NONBLOCK 1
#define GRND_INSECURE 4

/* Counts a call that met the rule of number rule - 1. */
static void count(u32 rule)
{
	if (shim_plan.sigsys & SIGSYS_COUNT)
		__asm__ volatile("lock incq %0"
				 : "+m"(((u64 *)(__ehdr_start + COUNTERS_OFF + COUNTER_TRAPS))[rule - 1]) : : "cc");
}

/* Tells the supervisor something, by an execve, which is always notified, of a path that
 * is none: of a site (SITE_PATH), or, where that is 0, that no call may be made by sites'
 * records any more. */
long HIDDEN shim_tell(u64 path, u64 a, u64 b, u64 c)
{
	register long r10 __asm__("r10") = c;
	long r = __NR_execve;

	__asm__ volatile("lea 1f(%%rip), %%rbx\n\t"
			 "jmp shim_open_gate\n"
			 "1:"
			 : "+a"(r) : "D"(path), "S"(a), "d"(b), "r"(r10)
			 : "rbx", "rcx", "r11", "cc", "memory");
	return r;
}

/* Where sites are to be patched, the supervisor hears of one when it has been trapped
 * again, and then ever more seldom: it may find that it can't be patched. It no longer does
 * where a filter of the program's may kill for execve. */
static void learn(u64 back, u32 nr, u32 rule)
{
	if (nr >= DISPATCH_CALLS || shim_table[nr] <= DISPATCH_FORGET || STATE->shy)
		return;
	u64 at = shim_exit_for(back, EXIT_EXEMPT), n, counter = 0;
	struct exit *data = (struct exit *)(at + SIGSYS_DATA);
	int now, follow = rule && shim_plan.sigsys & SIGSYS_FOLLOW;
	if (at) {
		n = __atomic_add_fetch(&data->seen, 1, __ATOMIC_RELAXED);
		counter = n >> 32;
		n = (u32)n;
	} else {
		/* Those that have no exit are counted together. */
		n = SITE_BEYOND;
		if (__atomic_add_fetch(&STATE->beyond, 1, __ATOMIC_RELAXED) % SITE_BEYOND && !follow)
			return;
	}
	now = n >= (rule ? SITE_AFTER : SITE_OTHERS) && n <= SITE_MOST && !(n & (n - 1));
	if (follow && !counter) {
		counter = shim_tell(SITE_PATH, back, nr, n | SITE_UNCOUNTED);
		if (at && counter < COUNTER_SITES)
			__atomic_or_fetch(&data->seen, counter << 32, __ATOMIC_RELAXED);
		return;
	}
	if (follow)
		__atomic_add_fetch((u64 *)(__ehdr_start + COUNTERS_OFF + (COUNTER_ROWS << COUNTER_ROW_SHIFT)) + counter, 1, __ATOMIC_RELAXED);
	if (now)
		shim_tell(SITE_PATH, back, nr, n);
}

static void serve(struct context *uc, u32 nr, u32 rule, u64 back)
{
	u64 family = EXIT_EXEMPT;
	const struct row *row = &shim_traps.rows[0];

	if (back == uc->rip)
		learn(back, nr, rule);
	if (rule >= TRAP_SOME)
		family = EXIT_OPEN;
	else if (rule && rule != TRAP_SIGNALS) {
		count(rule);
		row = &shim_traps.rows[shim_traps.row[rule]];
	}
	if (row->kind == TRAP_CONSTANT) {
		uc->rax = row->value;
		return;
	}
	if (row->kind > TRAP_CONSTANT) {
		/* getrandom, but for what may take long or wait */
		if (uc->rsi <= REQUEST_MAX && (uc->rdx & ~(u64)GRND_INSECURE) <= GRND_NONBLOCK) {
			/* Nobody tells here when the program loses pages: what a
			 * system call costs is little beside the signal. */
			if (LINK->generator)
				*(volatile u32 *)(__ehdr_start + FORGET_OFF) = 1;
			shim_enter((u64)__ehdr_start + row->kind, uc);
			return;
		}
	} else if (shim_virtual(uc, nr, back))
		return;
	/* Whatever seccomp is asked: a probe counts, too, where a rule traps it. */
	if (nr == __NR_seccomp || (nr == __NR_prctl && (int)uc->rdi == PR_SET_SECCOMP))
		STATE->filtered = 1;
	if (nr == __NR_clone || nr == __NR_clone3 || nr == __NR_fork || nr == __NR_vfork)
		set_armed(0);
	shim_leave(uc, nr, back, family);
}

/* Dispatch for this thread, but where the program uses it itself. The exits and the
 * stubs are let through; what lies between is data, which can't be executed. A filter of
 * the program's may kill for prctl: without dispatch ours traps what is reflected. */
static void arm(void)
{
	u64 size = LINK->stubs ? FROM_EXITS_SIZE : EXITS_SIZE;

	if (!STATE->shy && !gate(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, (long)shim_exits, size, 0, 0))
		set_armed(1);
}

/* At the handoff, with all signals blocked. The disposition that the program would
 * begin with is the default, or to ignore SIGSYS. */
long HIDDEN shim_begin(int now)
{
	struct action act = { 0 };
	long err = gate(__NR_rt_sigaction, SIGSYS, 0, (long)&act, 8, 0, 0);

	if (!err)
		err = shim_install(&act, 0);
	if (!err && now && shim_plan.sigsys & SIGSYS_SUD)
		arm();
	return err;
}

/* Returns the program's handler if there is one to run, else 0. */
u64 HIDDEN shim_sigsys(struct info *info, struct context *uc, u32 number)
{
	u32 nr = info->nr, rule = 0;
	int forced = 0;

	if (info->arch == AUDIT_ARCH_X86_64 && info->code == SYS_SECCOMP) {
		u32 data = info->err - TRAP_DATA;

		forced = 1;
		if (data >= TRAP_RULES)
			return shim_program(info, uc, number, 1);
		if (data)
			rule = data;
		else if (nr < DISPATCH_CALLS)
			rule = shim_traps.rule[nr];
		if (shim_plan.sigsys & SIGSYS_SUD && !armed())
			arm();
	} else if (info->arch == AUDIT_ARCH_X86_64 && info->code == SYS_USER_DISPATCH) {
		if (STATE->own || !(shim_plan.sigsys & SIGSYS_SUD))
			return shim_program(info, uc, number, 1);
		set_armed(1);
		rule = nr < DISPATCH_CALLS ? shim_traps.rule[nr] : TRAP_OTHERS;
	} else if (info->code == SYS_USER_DISPATCH && info->arch == AUDIT_ARCH_I386 && !STATE->own) {
		/* int $0x80, which no rule is about. */
		shim_foreign(uc);
		return 0;
	} else if (info->code == -TRACEME_CODE) {
		shim_traceme();
		return 0;
	} else if ((u32)-info->code - AGAIN_CODE <= SIGNALS) {
		shim_signal_again(info, uc);
		return 0;
	} else
		return shim_program(info, uc, number, forced);
	u64 rip = uc->rip, back = shim_site_of(rip);

	shim_made(rip, back, nr);
	serve(uc, nr, rule, back);
	if (uc->rip == rip && back == rip) {
		u64 at = shim_exit_for(back, EXIT_EXEMPT);

		if (at)
			uc->rip = at + 2; /* see dropped */
	}
	return 0;
}
