/*
 * SIGSYS's handler, and those of other signals: the program's stand behind ours. A handler
 * that blocks SIGSYS is installed without that, and shim_actions sets it.
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define SIG_IGN 1
#define SA_SIGINFO 4
#define SA_RESTORER 0x04000000
#define SA_ONSTACK 0x08000000
#define SA_RESTART 0x10000000
#define SA_NODEFER 0x40000000

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

const struct action HIDDEN *shim_action_at(u64 handler)
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

long HIDDEN shim_sigaction(struct context *uc)
{
	struct action act = { 0 }, old = { 0 };
	int sig = uc->rdi;
	long err;

	if (uc->r10 != SIGSET)
		return -EINVAL;
	if (uc->rsi && !shim_peek((u64 *)&act, uc->rsi, sizeof act))
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
	const struct action *a = shim_action_at(old.handler);
	if (a && sig == SIGSYS) {
		old = *a;
	} else if (a) {
		old.handler = a->handler;
		old.restorer = a->restorer;
		old.mask |= a->mask;
	}
	return shim_poke(uc->rdx, (u64 *)&old, sizeof old) ? 0 : -EFAULT;
}
