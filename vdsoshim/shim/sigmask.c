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

#define EINVAL 22
#define EFAULT 14
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SIG_IGN 1
#define SIGKILL 9
#define SIGSTOP 19
#define UNBLOCKABLE (1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1))
#define SA_SIGINFO 4
#define SA_RESTORER 0x04000000
#define SA_ONSTACK 0x08000000
#define SA_RESTART 0x10000000
#define SA_NODEFER 0x40000000
#define SIGSET 8		/* bytes of a mask */
#define MASK_RDI 0
#define MASK_R10 1
#define MASK_R9 2
#define MASK_R8 3
#define GETEVENTS_EXT_ARG 8	/* IORING_ENTER_EXT_ARG */
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

static int peek(u64 *to, u64 at, u64 size)
{
	if (!shim_readable(at) || (size > 8 && !shim_readable(at + size - 8)))
		return 0;
	for (u64 i = 0; i < size / 8; i++)
		to[i] = ((u64 *)at)[i];
	return 1;
}

static int poke(u64 at, const u64 *from, u64 size)
{
	if (!writable(at) || (size > 8 && !writable(at + size - 8)))
		return 0;
	for (u64 i = 0; i < size / 8; i++)
		((u64 *)at)[i] = from[i];
	return 1;
}

/* The number of the action, new or not; ACTIONS where there is no room. What another
 * thread is writing just now is not waited for: in a child it never gets done. */
u32 HIDDEN shim_intern(const struct action *act)
{
	for (u32 i = 0; i < ACTIONS; i++) {
		u32 *ready = &STATE->ready[i], is = __atomic_load_n(ready, __ATOMIC_ACQUIRE);
		struct action *a = &ACTION[i];

		if (!is && __atomic_compare_exchange_n(ready, &is, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			*a = *act;
			__atomic_store_n(ready, 2, __ATOMIC_RELEASE);
			return i;
		}
		if (is == 2 && a->handler == act->handler && a->flags == act->flags &&
		    a->restorer == act->restorer && a->mask == act->mask)
			return i;
	}
	return ACTIONS;
}

static const struct action *action_at(u64 handler)
{
	u64 off = handler - (u64)shim_actions;

	return off < 16 * ACTIONS ? &ACTION[off / 16] : 0;
}

/* SIGSYS's action as the program has it, behind ours. */
long HIDDEN shim_install(const struct action *act, struct action *old)
{
	struct action ours = {
		.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER | SA_RESTART,
		.restorer = (u64)shim_restorer, .mask = ~0UL,
	};
	u32 n = 0;

	if (act) {
		n = shim_intern(act);
		if (n == ACTIONS)
			return -EINVAL;
		if (act->handler > SIG_IGN)
			ours.flags = (ours.flags & ~(u64)SA_RESTART) | (act->flags & SA_RESTART);
		if (STATE->own && act->handler > SIG_IGN) {
			/* Dispatch of the program's own: a call to set the mask would be dispatched. */
			ours.mask = act->mask & ~SYS_BIT;
			ours.flags |= SA_NODEFER;
		}
	}
	ours.handler = (u64)shim_actions + 16 * n;
	return gate(__NR_rt_sigaction, SIGSYS, act ? (long)&ours : 0, (long)old, SIGSET, 0, 0);
}

static long sigaction(struct context *uc)
{
	struct action act = { 0 }, old = { 0 };
	int sig = uc->rdi;
	long err;

	if (uc->r10 != SIGSET)
		return -EINVAL;
	if (uc->rsi && !peek((u64 *)&act, uc->rsi, sizeof act))
		return -EFAULT;
	act.mask &= ~UNBLOCKABLE;
	if (sig == SIGSYS) {
		err = shim_install(uc->rsi ? &act : 0, &old);
		if (!err && uc->rsi && act.handler == SIG_IGN)
			shim_take(0);
	} else {
		struct action ours = act;

		if (uc->rsi && act.handler > SIG_IGN) {
			/* Flags, and the rest of the mask, are in the kernel. */
			const struct action kept = { act.handler, 0, act.restorer, act.mask & SYS_BIT };
			u32 n = shim_intern(&kept);

			ours.mask &= ~SYS_BIT;
			if (n < ACTIONS) {
				ours.handler = (u64)shim_actions + 16 * n;
				if (act.flags & SA_RESTORER)
					ours.restorer = (u64)shim_restorer;
			}
		}
		err = gate(__NR_rt_sigaction, sig, uc->rsi ? (long)&ours : 0, (long)&old, SIGSET, 0, 0);
	}
	if (err || !uc->rdx)
		return err;
	const struct action *a = action_at(old.handler);
	if (a && sig == SIGSYS) {
		old = *a;
	} else if (a) {
		old.handler = a->handler;
		old.restorer = a->restorer;
		old.mask |= a->mask;
	}
	return poke(uc->rdx, (u64 *)&old, sizeof old) ? 0 : -EFAULT;
}

static long sigprocmask(struct context *uc)
{
	u64 old = uc->mask | (blocks() ? SYS_BIT : 0), mask = old, set;

	if (uc->r10 != SIGSET)
		return -EINVAL;
	if (uc->rsi) {
		if (!peek(&set, uc->rsi, SIGSET))
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
	if (uc->rdx && !poke(uc->rdx, &old, SIGSET))
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
		u32 tid = gate(__NR_gettid, 0, 0, 0, 0, 0, 0);

		for (int i = 0; i < HELD; i++)
			if (STATE->hold[i].tid == tid)
				held = SYS_BIT;
	}
	set = (set & uc->mask) | held;
	return poke(uc->rdi, &set, SIGSET) ? 0 : -EFAULT;
}

/* Leaves by an exit with another argument in the register of a group. */
static enum served masked(struct context *uc, u32 group, u64 *reg, const struct masked *want, u64 to)
{
	static const u64 first = SIGSYS_DATA + EXIT_MASKED;

	for (u32 i = group * MASKED_GROUP; i < (group + 1) * MASKED_GROUP; i++) {
		struct masked *m = (struct masked *)(shim_exits + first) + i;
		u32 *taken = &STATE->taken[i], is = __atomic_load_n(taken, __ATOMIC_ACQUIRE);

		if (!is && __atomic_compare_exchange_n(taken, &is, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			*m = *want;
			if (to == 2)
				m->ptr = (u64)&m->mask;
			__atomic_store_n(taken, 2, __ATOMIC_RELEASE);
			is = 2;
		}
		if (is != 2 || m->back != want->back || m->saved != want->saved || m->mask != want->mask ||
		    m->size != want->size || m->more != want->more || m->blocked != want->blocked || m->nr != want->nr)
			continue;
		if (to)
			*reg = to == 2 ? (u64)&m->ptr : (u64)&m->mask;
		uc->rip = (u64)m - SIGSYS_DATA;
		return GONE;
	}
	/* No room: here, then, where the handlers of other signals see more stack. */
	u64 ptr[3] = { (u64)&want->mask, want->size, want->more };
	u64 had = *reg;
	if (to)
		*reg = to == 2 ? (u64)ptr : (u64)&want->mask;
	uc->rax = gate(want->nr, uc->rdi, uc->rsi, uc->rdx, uc->r10, uc->r8, uc->r9);
	*reg = had;
	return SERVED;
}

/* A call that waits under another mask. To is where that stands: 1 at the argument,
 * 2 behind a pointer and a size. */
static enum served waits(struct context *uc, u32 nr, u64 back, u32 group, u64 *reg, u64 to)
{
	struct masked want = { .back = back, .saved = *reg, .nr = nr };
	u64 at[3] = { *reg, SIGSET, 0 };

	if (!*reg || (to == 2 && !peek(at, *reg, nr == __NR_io_uring_enter ? 24 : 16)))
		return LEFT;
	if (to == 2) {
		want.size = at[1];
		want.more = at[2];
	}
	if (!at[0] || (u32)at[1] != SIGSET || !peek(&want.mask, at[0], SIGSET))
		return LEFT;
	want.mask &= ~UNBLOCKABLE;
	want.blocked = (want.mask & SYS_BIT) != 0;
	want.mask &= ~SYS_BIT;
	if (want.blocked == (u64)blocks() && !want.blocked)
		return LEFT;
	if (!want.blocked)
		shim_requeue();
	return masked(uc, group, reg, &want, to);
}

static enum served sigtimedwait(struct context *uc, u64 back)
{
	struct masked want = { .back = back, .saved = uc->rdi, .mask = uc->mask, .nr = __NR_rt_sigtimedwait };
	struct info info;
	u64 set;

	if (uc->r10 != SIGSET || !peek(&set, uc->rdi, SIGSET) || !(set & SYS_BIT))
		return LEFT;
	if (shim_take(&info)) {
		uc->rax = SIGSYS;
		if (uc->rsi && !poke(uc->rsi, (u64 *)&info, sizeof info))
			uc->rax = -EFAULT;
		return SERVED;
	}
	want.blocked = blocks();
	__atomic_store_n(&STATE->waiter, gate(__NR_gettid, 0, 0, 0, 0, 0, 0), __ATOMIC_RELEASE);
	return masked(uc, MASK_RDI, &uc->rdi, &want, 0);
}

/* Dispatch that the program asks for is its own from here on. */
static enum served prctl(struct context *uc)
{
	struct action old;

	if ((int)uc->rdi != PR_SET_SYSCALL_USER_DISPATCH)
		return LEFT;
	if (LINK->stubs && uc->rsi && !STATE->own)
		shim_tell(0, 0, 0); /* it is to see them at their sites */
	uc->rax = gate(__NR_prctl, uc->rdi, uc->rsi, uc->rdx, uc->r10, uc->r8, 0);
	if (uc->rax || STATE->own || !uc->rsi)
		return SERVED;
	STATE->own = 1;
	set_armed(0);
	if (!shim_install(0, &old)) {
		const struct action *a = action_at(old.handler);

		if (a)
			shim_install(a, 0);
	}
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
		return with(uc, sigaction(uc));
	case __NR_rt_sigprocmask:
		return with(uc, sigprocmask(uc));
	case __NR_rt_sigpending:
		r = sigpending(uc);
		return r > 0 ? LEFT : with(uc, r);
	case __NR_rt_sigreturn:
		/* By our restorer, on the program's frame. */
		uc->rip = (u64)shim_restorer;
		return GONE;
	case __NR_rt_sigsuspend:
		return uc->rsi == SIGSET ? waits(uc, nr, back, MASK_RDI, &uc->rdi, 1) : LEFT;
	case __NR_ppoll:
		return uc->r8 == SIGSET ? waits(uc, nr, back, MASK_R10, &uc->r10, 1) : LEFT;
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
		return uc->r9 == SIGSET ? waits(uc, nr, back, MASK_R8, &uc->r8, 1) : LEFT;
	case __NR_io_uring_enter:
		if (uc->r10 & GETEVENTS_EXT_ARG)
			return waits(uc, nr, back, MASK_R8, &uc->r8, 2);
		return uc->r9 == SIGSET ? waits(uc, nr, back, MASK_R8, &uc->r8, 1) : LEFT;
	case __NR_pselect6:
	case __NR_io_pgetevents:
		return waits(uc, nr, back, MASK_R9, &uc->r9, 2);
	case __NR_rt_sigtimedwait:
		return sigtimedwait(uc, back);
	case __NR_prctl:
		return prctl(uc);
	case __NR_clone3:
		/* As before Linux 5.5: it would take our handler away. */
		if (uc->rsi >= ARGUMENTS && peek(&flags, uc->rdi, 8) && flags & CLONE_CLEAR_SIGHAND)
			return with(uc, -EINVAL);
	}
	return LEFT;
}
