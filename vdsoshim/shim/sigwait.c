/*
 * Calls that wait under another mask, or for SIGSYS: they are made from exits that
 * give the kernel another argument than the program did, and put the program's back.
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define MASK_RDI 0
#define MASK_R10 1
#define MASK_R9 2
#define MASK_R8 3
#define GETEVENTS_EXT_ARG 8	/* IORING_ENTER_EXT_ARG */

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
	int did = blocks();
	if (to)
		*reg = to == 2 ? (u64)ptr : (u64)&want->mask;
	set_blocks(want->blocked != 0);
	uc->rax = gate(want->nr, uc->rdi, uc->rsi, uc->rdx, uc->r10, uc->r8, uc->r9);
	set_blocks(did);
	*reg = had;
	return SERVED;
}

/* A call that waits under another mask. To is where that stands: 1 at the argument,
 * 2 behind a pointer and a size. */
static enum served waits(struct context *uc, u32 nr, u64 back, u32 group, u64 *reg, u64 to)
{
	struct masked want = { .back = back, .saved = *reg, .nr = nr };
	u64 at[3] = { *reg, SIGSET, 0 };

	if (!*reg || (to == 2 && !shim_peek(at, *reg, nr == __NR_io_uring_enter ? 24 : 16)))
		return LEFT;
	if (to == 2) {
		want.size = at[1];
		want.more = at[2];
	}
	if (!at[0] || (u32)at[1] != SIGSET || !shim_peek(&want.mask, at[0], SIGSET))
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

	if (uc->r10 != SIGSET || !shim_peek(&set, uc->rdi, SIGSET) || !(set & SYS_BIT))
		return LEFT;
	if (shim_take(&info)) {
		uc->rax = SIGSYS;
		if (uc->rsi && !shim_poke(uc->rsi, (u64 *)&info, sizeof info))
			uc->rax = -EFAULT;
		return SERVED;
	}
	want.blocked = blocks();
	__atomic_store_n(&STATE->waiter, shim_tid(), __ATOMIC_RELEASE);
	return masked(uc, MASK_RDI, &uc->rdi, &want, 0);
}

/* LEFT too where the call is none of these. */
HIDDEN enum served shim_waits(struct context *uc, u32 nr, u64 back)
{
	switch (nr) {
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
	}
	return LEFT;
}
