/*
 * SIGSYS as the program's own signal, behind the handler of ours: sent to it, forced by a
 * filter or by dispatch of its own, blocked, held, and given back.
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define EINTR 4
#define SI_USER 0
#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define SIG_DFL 0
#define SIG_IGN 1
#define SA_NODEFER 0x40000000UL
#define SA_RESETHAND 0x80000000UL
#define MADE_ANY ~0UL	/* for any number */
#define MOV_EAX (char)0xb8	/* mov $nr, %eax */

_Static_assert(sizeof(struct state) <= SIGSYS_SIZE - SIGSYS_STATE, "no room for the state");

/* These are not inline: the image has little room. */
u32 HIDDEN __attribute__((noinline)) shim_tid(void)
{
	return gate(__NR_gettid, 0, 0, 0, 0, 0, 0);
}

/* Queues a signal for a thread, as it was. */
long HIDDEN __attribute__((noinline)) shim_queue(u32 tid, const struct info *info)
{
	return gate(__NR_rt_tgsigqueueinfo, gate(__NR_getpid, 0, 0, 0, 0, 0, 0), tid, info->signo, (long)info, 0, 0);
}

/* As the kernel does with a signal that is fatal: the default action, with the
 * program's registers. */
static void die(struct info *info)
{
	const struct action dfl = { .flags = 0x04000000 /* SA_RESTORER */, .restorer = (u64)shim_restorer };

	gate(__NR_rt_sigaction, SIGSYS, (long)&dfl, 0, 8, 0, 0);
	shim_queue(shim_tid(), info);
}

/* Keeps a signal that its thread blocks, as the kernel would; one, as there. */
static void hold(const struct info *info)
{
	u32 tid = shim_tid();
	struct state *s = STATE;
	u32 waiter = __atomic_load_n(&s->waiter, __ATOMIC_ACQUIRE);

	if (waiter && waiter != tid && !shim_queue(waiter, info))
		return;
	for (int i = 0; i < HELD; i++)
		if (s->hold[i].tid == tid)
			return;
	for (int i = 0; i < HELD; i++) {
		u32 none = 0;

		if (!__atomic_compare_exchange_n(&s->hold[i].tid, &none, tid, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		s->hold[i].info = *info;
		__atomic_store_n(&s->hold[i].ready, 1, __ATOMIC_RELEASE);
		__atomic_add_fetch(&s->held, 1, __ATOMIC_RELEASE);
		return;
	}
}

/* Takes the signal that this thread holds. */
int HIDDEN shim_take(struct info *info)
{
	struct state *s = STATE;

	if (!__atomic_load_n(&s->held, __ATOMIC_ACQUIRE))
		return 0;
	u32 tid = shim_tid();
	for (int i = 0; i < HELD; i++)
		if (s->hold[i].tid == tid && s->hold[i].ready) {
			if (info)
				*info = s->hold[i].info;
			s->hold[i].ready = 0;
			__atomic_store_n(&s->hold[i].tid, 0, __ATOMIC_RELEASE);
			__atomic_sub_fetch(&s->held, 1, __ATOMIC_RELEASE);
			return 1;
		}
	return 0;
}

/* Gives the signal back to the kernel: the thread blocks it no longer. */
void HIDDEN shim_requeue(void)
{
	struct info info;

	if (shim_take(&info))
		shim_queue(shim_tid(), &info);
}

/* The same where a handler that blocked it returns: the kernel keeps it until the handler's
 * frame is gone. Handlers for one signal after the other need the stack of one. */
void HIDDEN shim_return_held(void)
{
	u64 sys = SYS_BIT;

	gate(__NR_rt_sigprocmask, SIG_BLOCK, (long)&sys, 0, SIGSET, 0, 0);
	set_blocks(0);
	shim_requeue();
}

/* Likewise for one that comes while a handler returns, in the last instructions before the
 * kernel has the mask that was. */
static int returns(const struct info *info, struct context *uc)
{
	if (uc->rip - (u64)shim_returning >= (u64)(shim_returning_end - shim_returning) && uc->rip != (u64)shim_handled)
		return 0;
	uc->mask |= SYS_BIT;
	shim_queue(shim_tid(), info);
	return 1;
}

/* Whether the site that ends at back has made calls of number nr by a signal, as far as is
 * known: sometimes so where it has not. Note takes down that it does. */
static int made(u64 back, u64 nr, int note)
{
	u64 hash = (back * HASH ^ nr) * HASH >> 32;
	int is = 1;

	for (int i = 0; i < 2; i++, hash >>= 16) {
		u32 *word = &STATE->made[hash % MADE / 32], bit = 1U << hash % 32;

		if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit)
			continue;
		is = 0;
		if (note)
			__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
	}
	return is;
}

/* Whether calls of the site that ends at back are made by a record. */
static int has_record(u64 back)
{
	const struct record *r = (const struct record *)LINK->stubs;

	if (!r)
		return 0;
	/* The first unit begins with the bytes in use. */
	for (u64 n = *(const u64 *)r / STUB_SIZE; n > 1; n--)
		if (r[n - 1].back == back && r[n - 1].site + 2 == back)
			return 1;
	return 0;
}

/* How many calls are about to be made by the site that ends at back itself, although a
 * record may make its others. */
static u32 *again(u64 back, int add)
{
	struct again *a = STATE->again;

	for (int i = 0; i < AGAIN; i++, a++) {
		u64 is = __atomic_load_n(&a->back, __ATOMIC_RELAXED);

		if (!is && add && __atomic_compare_exchange_n(&a->back, &is, back, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			is = back;
		if (is == back)
			return &a->n;
	}
	return 0;
}

/* A call was interrupted before it was made, in an exit or a record, and begins again at
 * its site, which is where the program's handler finds it. */
void HIDDEN shim_again(u64 back)
{
	u32 *n = LINK->stubs ? again(back, 1) : 0;

	if (n)
		__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

/* Such a call has begun: its signal is here. */
static void begun(u64 back)
{
	u32 *n = again(back, 0);

	for (u32 is = n ? __atomic_load_n(n, __ATOMIC_RELAXED) : 0; is;)
		if (__atomic_compare_exchange_n(n, &is, is - 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
}

/* Takes down that the site that ends at back makes calls of number nr by a signal, which
 * came at rip. */
void HIDDEN shim_made(u64 rip, u64 back, u64 nr)
{
	if (rip == back)
		begun(back);
	if (!made(back, nr, 1))
		made(back, MADE_ANY, 1);
}

/*
 * The kernel keeps one SIGSYS for a thread: where another thread's is pending when a
 * call is trapped, the trap's own is dropped (legacy_queue in kernel/signal.c), and the
 * call with it: it would return its number. A context that looks like that goes back
 * to the instruction. A call that was made and returned such a number looks the same; so
 * what this handler answers goes on from an exit, and where many calls are the kernel's,
 * the numbers that are results of every day are left alone. Where all are dispatched
 * the kernel lets none return to its site, but exits and records do, and a signal may come
 * just then: so the number must be one that the site makes. Of what a record makes, the filter
 * traps calls that wait under a mask. What is sent to a whole process drops nothing.
 */
static int dropped(const struct info *info, const struct context *uc)
{
	u64 nr = uc->rax;

	if (nr >= DISPATCH_CALLS || uc->rcx != uc->rip || uc->r11 != uc->eflags || info->code == SI_USER)
		return 0;
	if (shim_record_at(uc->rip))
		return shim_table[nr] == DISPATCH_KERNEL && shim_traps.rule[nr] == TRAP_SIGNALS;
	if (!armed() && (!shim_traps.rule[nr] || shim_traps.rule[nr] == TRAP_OTHERS || (nr < 3 && !(shim_plan.sigsys & SIGSYS_MOST))))
		return 0;
	if (uc->rip - (u64)__ehdr_start < IMAGE_SIZE || !shim_readable(uc->rip - 2))
		return 0;
	if (*(const unsigned short *)(uc->rip - 2) != SYSCALL_INSN)
		return 0;
	const u32 *n = again(uc->rip, 0);
	if (shim_table[nr] == DISPATCH_KERNEL && has_record(uc->rip) && !(n && __atomic_load_n(n, __ATOMIC_RELAXED)))
		return 0;
	if (shim_readable(uc->rip - 8) && *(const char *)(uc->rip - 7) == MOV_EAX)
		return *(const u32 *)(uc->rip - 6) == nr;
	if (made(uc->rip, nr, 0))
		return 1;
	/* Where all are trapped, a site that has made none has no exit that one could have
	 * come from; elsewhere it may have returned by itself. */
	return (armed() || shim_plan.sigsys & SIGSYS_MOST) && !made(uc->rip, MADE_ANY, 0);
}

/*
 * A SIGSYS that is the program's: sent to it, or forced by a filter or by dispatch of
 * its own. Returns its handler, 0 if there is nothing to run.
 */
u64 HIDDEN shim_program(struct info *info, struct context *uc, u32 number, int forced)
{
	const struct action *act = &ACTION[number];

	if (!forced && dropped(info, uc))
		uc->rip -= 2;

	struct masked *in = shim_masked_at(uc->rip);
	int blocked = in && in->nr ? (int)in->blocked : blocks();
	u64 mask = in && in->nr ? in->mask : uc->mask;

	if (blocked && !forced) {
		if (in && in->nr == __NR_rt_sigtimedwait && !(uc->rip % MASKED_SIZE)) {
			/* It had yet to begin to wait: it begins anew, at its site. */
			uc->rip = in->back - 2;
		}
		hold(info);
		return 0;
	}
	if (!forced && returns(info, uc))
		return 0;
	if (forced) {
		shim_unexit(uc);
		info->addr = uc->rip;
	}
	if (act->handler == SIG_DFL || (forced && (blocked || act->handler == SIG_IGN))) {
		die(info);
		return 0;
	}
	if (act->handler == SIG_IGN)
		return 0;
	if (in && in->nr && !(uc->rip % MASKED_SIZE)) {
		/* A call that waits under another mask, and was about to begin. */
		uc->rax = -EINTR;
		uc->rip += 2;
	}
	if (blocks())
		uc->mask |= SYS_BIT;
	mask |= act->mask;
	if (!(act->flags & SA_NODEFER))
		mask |= SYS_BIT;
	set_blocks((mask & SYS_BIT) != 0);
	mask &= ~SYS_BIT;
	if (act->flags & SA_RESETHAND) {
		const struct action dfl = { 0 };

		shim_install(&dfl, 0);
	}
	if (!STATE->own)
		gate(__NR_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
	shim_unexit(uc);
	return act->handler;
}
