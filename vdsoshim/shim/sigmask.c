/*
 * What keeps SIGSYS deliverable: where it is blocked, or its handler is not ours, the
 * kernel kills at the next call that is trapped (force_sig_info_to_task). So calls
 * that block it, or install handlers that do, are made without it, and the program
 * finds it as it left it. These calls reach the SIGSYS handler whether a rule names
 * them or not (bpf, signalCalls).
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define CLONE_CLEAR_SIGHAND 0x100000000UL
#define ARGUMENTS 64		/* CLONE_ARGS_SIZE_VER0 */

/* Whether 8 bytes can be read, or written. All signals are blocked, so this changes
 * nothing but what is written to. */
int HIDDEN shim_readable(u64 at)
{
	return !gate(__NR_rt_sigprocmask, SIG_BLOCK, at, 0, SIGSET, 0, 0);
}

static int writable(u64 at)
{
	return !gate(__NR_rt_sigprocmask, SIG_BLOCK, 0, at, SIGSET, 0, 0);
}

int HIDDEN shim_peek(u64 *to, u64 at, u64 size)
{
	if (!shim_readable(at) || (size > 8 && !shim_readable(at + size - 8)))
		return 0;
	for (u64 i = 0; i < size / 8; i++)
		to[i] = ((u64 *)at)[i];
	return 1;
}

int HIDDEN shim_poke(u64 at, const u64 *from, u64 size)
{
	if (!writable(at) || (size > 8 && !writable(at + size - 8)))
		return 0;
	for (u64 i = 0; i < size / 8; i++)
		((u64 *)at)[i] = from[i];
	return 1;
}

static long sigprocmask(struct context *uc)
{
	u64 old = uc->mask | (blocks() ? SYS_BIT : 0), mask = old, set;

	if (uc->r10 != SIGSET)
		return -EINVAL;
	if (uc->rsi) {
		if (!shim_peek(&set, uc->rsi, SIGSET))
			return -EFAULT;
		set &= ~UNBLOCKABLE;
		switch ((int)uc->rdi) {
		case SIG_BLOCK:
			mask |= set;
			break;
		case SIG_UNBLOCK:
			mask &= ~set;
			break;
		case SIG_SETMASK:
			mask = set;
			break;
		default:
			return -EINVAL;
		}
		set_blocks((mask & SYS_BIT) != 0);
		uc->mask = mask & ~SYS_BIT;
		if (old & ~mask & SYS_BIT)
			shim_requeue();
	}
	if (uc->rdx && !shim_poke(uc->rdx, &old, SIGSET))
		return -EFAULT;
	return 0;
}

/* The kernel would count all of them as blocked here. */
static long sigpending(struct context *uc)
{
	u64 set, held = 0;
	long err;

	if (uc->rsi != SIGSET)
		return uc->rsi > SIGSET ? -EINVAL : 1;
	err = gate(__NR_rt_sigpending, (long)&set, SIGSET, 0, 0, 0, 0);
	if (err)
		return err;
	if (__atomic_load_n(&STATE->held, __ATOMIC_ACQUIRE)) {
		u32 tid = shim_tid();

		for (int i = 0; i < HELD; i++)
			if (STATE->hold[i].tid == tid)
				held = SYS_BIT;
	}
	set = (set & uc->mask) | held;
	return shim_poke(uc->rdi, &set, SIGSET) ? 0 : -EFAULT;
}

/* Dispatch that the program asks for is its own from here on. Where the selector says at once
 * that calls are to be dispatched, so would this handler's return be, which kills. Then the
 * kernel is asked here with a selector that says no, and for good from an exit. */
static enum served prctl(struct context *uc, u64 back)
{
	const u64 allow = 0;
	struct action old;
	int says;
	long r;

	if ((int)uc->rdi != PR_SET_SYSCALL_USER_DISPATCH)
		return LEFT;
	if ((LINK->stubs || shim_plan.sigsys & SIGSYS_SUD) && uc->rsi && !STATE->own)
		shim_tell(SITE_PATH, 0, 0, 0); /* it is to see calls at their sites */
	says = uc->rsi && uc->r8 && shim_readable(uc->r8 & -8) && *(const char *)uc->r8;
	r = gate(__NR_prctl, uc->rdi, uc->rsi, uc->rdx, uc->r10, says ? (u64)&allow : uc->r8, 0);
	if (!r && !STATE->own && uc->rsi) {
		STATE->own = 1;
		set_armed(0);
		if (!shim_install(0, &old)) {
			const struct action *a = shim_action_at(old.handler);

			if (a)
				shim_install(a, 0);
		}
	}
	if (says && !r) {
		gate(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0, 0);
		shim_leave(uc, __NR_prctl, back, EXIT_EXEMPT);
		return GONE;
	}
	uc->rax = r;
	return SERVED;
}

static enum served with(struct context *uc, long result)
{
	uc->rax = result;
	return SERVED;
}

HIDDEN enum served shim_virtual(struct context *uc, u32 nr, u64 back)
{
	u64 flags;
	long r;

	switch (nr) {
	case __NR_rt_sigaction:
		return with(uc, shim_sigaction(uc));
	case __NR_rt_sigprocmask:
		return with(uc, sigprocmask(uc));
	case __NR_rt_sigpending:
		r = sigpending(uc);
		return r > 0 ? LEFT : with(uc, r);
	case __NR_rt_sigreturn:
		/* By our restorer, on the program's frame. */
		uc->rip = (u64)shim_restorer;
		return GONE;
	case __NR_wait4:
	case __NR_waitid:
		return shim_wait(uc, nr, back);
	case __NR_ptrace:
		return shim_trace(uc);
	case __NR_prctl:
		return prctl(uc, back);
	case __NR_clone3:
		/* As before Linux 5.5: it would take our handler away. */
		if (uc->rsi >= ARGUMENTS && shim_peek(&flags, uc->rdi, 8) && flags & CLONE_CLEAR_SIGHAND)
			return with(uc, -EINVAL);
	}
	return shim_waits(uc, nr, back);
}
