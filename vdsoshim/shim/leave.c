/*
 * Where a call is made that the SIGSYS handler leaves to the kernel: at an exit of the
 * site's own, see exits.S, or, where there is none left, in the handler. And the way back,
 * from an address in the shim to the site that it stands for.
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define EAGAIN 11
#define SIG_SETMASK 2

/* One of count exits of a family, from the first on, for calls whose site ends at back; 0
 * where all are taken. */
static u64 exit_among(u64 back, u64 family, u64 first, u64 count)
{
	u64 exits = (u64)shim_exits + family;
	struct exit *data = (struct exit *)(exits + SIGSYS_DATA);
	u64 hash = back * HASH >> 32;

	for (u64 n = 0; n < count; n++) {
		u64 i = first + (hash + n) % count;
		u64 is = __atomic_load_n(&data[i].back, __ATOMIC_RELAXED);

		if (!is && __atomic_compare_exchange_n(&data[i].back, &is, back, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			is = back;
		if (is == back)
			return exits + EXIT_SIZE * i;
	}
	return 0;
}

static u64 last_exit(u64 family)
{
	return (family == EXIT_OPEN ? OPEN_EXITS : EXEMPT_EXITS) - KEPT_EXITS;
}

/* The exit of a family for calls whose site ends at back, 0 where the table is full. */
u64 HIDDEN shim_exit_for(u64 back, u64 family)
{
	return exit_among(back, family, 1, last_exit(family) - 1);
}

/* The masked exit that rip is in, at its system call or behind it. */
HIDDEN struct masked *shim_masked_at(u64 rip)
{
	u64 off = rip - ((u64)shim_exits + EXIT_MASKED);

	if (off >= MASKED * MASKED_SIZE || (off % MASKED_SIZE != 0 && off % MASKED_SIZE != 2))
		return 0;
	return (struct masked *)((rip & -(u64)MASKED_SIZE) + SIGSYS_DATA);
}

/* The site's record that rip is in. */
HIDDEN const struct record *shim_record_at(u64 rip)
{
	const struct record *r = (const struct record *)(rip & -(u64)STUB_SIZE);

	if (!LINK->stubs || rip - LINK->stubs >= STUBS_SIZE || r->site + 2 != r->back)
		return 0;
	return r;
}

/* Makes the context that a handler of the program's sees one of its site: a call
 * that begins again does so there, and one that is done has come back. */
void HIDDEN shim_unexit(struct context *uc)
{
	u64 off = uc->rip - (u64)shim_exits, size = EXIT_SIZE;
	const struct record *r = shim_record_at(uc->rip);

	if (r) {
		off = uc->rip % STUB_SIZE;
		uc->rip = r->site;
		if (off >= STUB_MADE && off < STUB_DISPATCH)
			uc->rip = uc->rcx = r->back;
		else
			shim_again(r->back);
		return;
	}
	if (off >= EXITS_SIZE)
		return;
	if (off >= EXIT_MASKED && off < EXIT_OPEN)
		size = MASKED_SIZE;

	const struct masked *m = (const struct masked *)((u64)shim_exits + (off & -size) + SIGSYS_DATA);

	if (!(off & -size) || (off & -size) == EXIT_OPEN || !m->back)
		return; /* a gate */
	if (off >= EXIT_WAITING && off < EXIT_OPEN && shim_unlooked(uc, off))
		return;
	if (size == MASKED_SIZE)
		switch ((off - EXIT_MASKED) / (MASKED_SIZE * MASKED_GROUP)) {
		case 0:
			uc->rdi = m->saved;
			break;
		case 1:
			uc->r10 = m->saved;
			break;
		case 2:
			uc->r9 = m->saved;
			break;
		case 3:
			uc->r8 = m->saved;
		}
	uc->rip = m->back;
	if (off % size) {
		uc->rcx = m->back;
	} else {
		uc->rip -= 2;
		shim_again(m->back);
	}
}

/* Where the call that ended at rip was made for: behind the program's site. */
u64 HIDDEN shim_site_of(u64 rip)
{
	u64 off = rip - ((u64)shim_exits + EXIT_OPEN);
	const struct record *r = shim_record_at(rip);

	if (r)
		return r->back;
	if (off >= OPEN_EXITS * EXIT_SIZE)
		return rip;
	return ((struct exit *)((rip & -(u64)EXIT_SIZE) + SIGSYS_DATA))->back;
}

/* Makes the call here and now. */
void HIDDEN shim_call_here(struct context *uc)
{
	uc->rax = gate((int)uc->rax, uc->rdi, uc->rsi, uc->rdx, uc->r10, uc->r8, uc->r9);
}

/* Where more sites make calls than there are exits, the call is made here, with the
 * program's signals let in: what its handlers see of the stack is the difference.
 * A child with a stack of its own can't begin here, and one that shares it must not: for those
 * exits are kept. */
static void call_waiting(struct context *uc, u32 nr)
{
	u64 all = ~0UL;

	if (nr == __NR_clone || nr == __NR_clone3 || nr == __NR_vfork) {
		uc->rax = -EAGAIN;
		return;
	}
	gate(__NR_rt_sigprocmask, SIG_SETMASK, (long)&uc->mask, 0, 8, 0, 0);
	shim_call_here(uc);
	gate(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8, 0, 0);
}

void HIDDEN shim_leave(struct context *uc, u32 nr, u64 back, u64 family)
{
	u64 at = shim_exit_for(back, family);

	if (!at && (nr == __NR_clone || nr == __NR_clone3 || nr == __NR_fork || nr == __NR_vfork))
		at = exit_among(back, family, last_exit(family), KEPT_EXITS);
	if (!at)
		call_waiting(uc, nr);
	else
		uc->rip = at;
}
