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
#define SI_USER 0
#define MADE_ANY ~0UL	/* for any number */

_Static_assert(sizeof(struct state) <= SIGSYS_SIZE - SIGSYS_STATE, "no room for the state");
#define MOV_EAX (char)0xb8	/* mov $nr, %eax */
#define AUDIT_ARCH_X86_64 0xc000003e
#define AUDIT_ARCH_I386 0x40000003
#define EAGAIN 11
#define EINTR 4
#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define SIG_DFL 0
#define SIG_IGN 1
#define SA_NODEFER 0x40000000UL
#define SA_RESETHAND 0x80000000UL
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#define GRND_NONBLOCK 1
#define GRND_INSECURE 4
#define HASH 0x9e3779b97f4a7c15UL

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
static const struct record *record_at(u64 rip)
{
	const struct record *r = (const struct record *)(rip & -(u64)STUB_SIZE);

	if (!LINK->stubs || rip - LINK->stubs >= STUBS_SIZE || r->site + 2 != r->back)
		return 0;
	return r;
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

/* Makes the context that a handler of the program's sees one of its site: a call
 * that begins again does so there, and one that is done has come back. */
void HIDDEN shim_unexit(struct context *uc)
{
	u64 off = uc->rip - (u64)shim_exits, size = EXIT_SIZE;
	const struct record *r = record_at(uc->rip);

	if (r) {
		off = uc->rip % STUB_SIZE;
		uc->rip = r->site;
		if (off >= STUB_MADE && off < STUB_DISPATCH)
			uc->rip = uc->rcx = r->back;
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
	if (off % size)
		uc->rcx = m->back;
	else
		uc->rip -= 2;
}

/* Where the call that ended at rip was made for: behind the program's site. */
static u64 site_of(u64 rip)
{
	u64 off = rip - ((u64)shim_exits + EXIT_OPEN);
	const struct record *r = record_at(rip);

	if (r)
		return r->back;
	if (off >= OPEN_EXITS * EXIT_SIZE)
		return rip;
	return ((struct exit *)((rip & -(u64)EXIT_SIZE) + SIGSYS_DATA))->back;
}

/* Makes the call here and now. */
static void call_here(struct context *uc)
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
	call_here(uc);
	gate(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8, 0, 0);
}

static void leave_by_exit(struct context *uc, u32 nr, u64 back, u64 family)
{
	u64 at = shim_exit_for(back, family);

	if (!at && (nr == __NR_clone || nr == __NR_clone3 || nr == __NR_fork || nr == __NR_vfork))
		at = exit_among(back, family, last_exit(family), KEPT_EXITS);
	if (!at)
		call_waiting(uc, nr);
	else
		uc->rip = at;
}

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
 * again, and then ever more seldom: it may find that it can't be patched. */
static void learn(u64 back, u32 nr, u32 rule)
{
	if (nr >= DISPATCH_CALLS || shim_table[nr] <= DISPATCH_FORGET || STATE->own)
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
	if (row->kind == TRAP_CALL) {
		call_here(uc);
		return;
	}
	if (row->kind > TRAP_CALL) {
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
	if (nr == __NR_clone || nr == __NR_clone3 || nr == __NR_fork || nr == __NR_vfork)
		set_armed(0);
	leave_by_exit(uc, nr, back, family);
}

/* Dispatch for this thread, but where the program uses it itself. The exits and the
 * stubs are let through; what lies between is data, which can't be executed. */
static void arm(void)
{
	u64 size = LINK->stubs ? FROM_EXITS_SIZE : EXITS_SIZE;

	if (!STATE->own && !gate(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, (long)shim_exits, size, 0, 0))
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

/* As the kernel does with a signal that is fatal: the default action, with the
 * program's registers. */
static void die(struct info *info)
{
	const struct action dfl = { .flags = 0x04000000 /* SA_RESTORER */, .restorer = (u64)shim_restorer };

	gate(__NR_rt_sigaction, SIGSYS, (long)&dfl, 0, 8, 0, 0);
	gate(__NR_rt_tgsigqueueinfo, gate(__NR_getpid, 0, 0, 0, 0, 0, 0), gate(__NR_gettid, 0, 0, 0, 0, 0, 0),
	     SIGSYS, (long)info, 0, 0);
}

/* Keeps a signal that its thread blocks, as the kernel would; one, as there. */
static void hold(const struct info *info)
{
	u32 tid = gate(__NR_gettid, 0, 0, 0, 0, 0, 0);
	struct state *s = STATE;
	u32 waiter = __atomic_load_n(&s->waiter, __ATOMIC_ACQUIRE);

	if (waiter && waiter != tid && !gate(__NR_rt_tgsigqueueinfo, gate(__NR_getpid, 0, 0, 0, 0, 0, 0), waiter, SIGSYS, (long)info, 0, 0))
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
	u32 tid = gate(__NR_gettid, 0, 0, 0, 0, 0, 0);
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
		gate(__NR_rt_tgsigqueueinfo, gate(__NR_getpid, 0, 0, 0, 0, 0, 0), gate(__NR_gettid, 0, 0, 0, 0, 0, 0),
		     SIGSYS, (long)&info, 0, 0);
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
	if (record_at(uc->rip))
		return shim_table[nr] == DISPATCH_KERNEL && shim_traps.rule[nr] == TRAP_SIGNALS;
	if (!armed() && (!shim_traps.rule[nr] || shim_traps.rule[nr] == TRAP_OTHERS || (nr < 3 && !(shim_plan.sigsys & SIGSYS_MOST))))
		return 0;
	if (uc->rip - (u64)__ehdr_start < IMAGE_SIZE || !shim_readable(uc->rip - 2))
		return 0;
	if (*(const unsigned short *)(uc->rip - 2) != SYSCALL_INSN)
		return 0;
	if (shim_table[nr] == DISPATCH_KERNEL && has_record(uc->rip))
		return 0;
	if (shim_readable(uc->rip - 8) && *(const char *)(uc->rip - 7) == MOV_EAX)
		return *(const u32 *)(uc->rip - 6) == nr;
	/* A site that has made none has no exit that one could have come from. */
	return made(uc->rip, nr, 0) || !made(uc->rip, MADE_ANY, 0);
}

/*
 * A SIGSYS that is the program's: sent to it, or forced by a filter or by dispatch of
 * its own. Returns its handler, 0 if there is nothing to run.
 */
static u64 program(struct info *info, struct context *uc, u32 number, int forced)
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

/* Returns the program's handler if there is one to run, else 0. */
u64 HIDDEN shim_sigsys(struct info *info, struct context *uc, u32 number)
{
	u32 nr = info->nr, rule = 0;
	int forced = 0;

	if (info->arch == AUDIT_ARCH_X86_64 && info->code == SYS_SECCOMP) {
		u32 data = info->err - TRAP_DATA;

		forced = 1;
		if (data >= TRAP_RULES)
			return program(info, uc, number, 1);
		if (data)
			rule = data;
		else if (nr < DISPATCH_CALLS)
			rule = shim_traps.rule[nr];
		if (shim_plan.sigsys & SIGSYS_SUD && !armed())
			arm();
	} else if (info->arch == AUDIT_ARCH_X86_64 && info->code == SYS_USER_DISPATCH) {
		if (STATE->own || !(shim_plan.sigsys & SIGSYS_SUD))
			return program(info, uc, number, 1);
		set_armed(1);
		rule = nr < DISPATCH_CALLS ? shim_traps.rule[nr] : TRAP_OTHERS;
	} else if (info->code == SYS_USER_DISPATCH && info->arch == AUDIT_ARCH_I386 && !STATE->own) {
		/* int $0x80, which no rule is about. */
		shim_foreign(uc);
		return 0;
	} else if (info->code == -TRACEME_CODE) {
		shim_traceme();
		return 0;
	} else
		return program(info, uc, number, forced);
	u64 rip = uc->rip, back = site_of(rip);

	if (!made(back, nr, 1))
		made(back, MADE_ANY, 1);
	serve(uc, nr, rule, back);
	if (uc->rip == rip && back == rip) {
		u64 at = shim_exit_for(back, EXIT_EXEMPT);

		if (at)
			uc->rip = at + 2; /* see dropped */
	}
	return 0;
}
