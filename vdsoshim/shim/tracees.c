/*
 * What a tracer wants of each of its tracees, by their numbers: how it let the tracee go on,
 * and whether it was told of a call's entry but not yet of its exit. Nothing else knows
 * that: the kernel does not tell, and a tracee's own memory is another's where it forks.
 *
 * A tracer may have any number of tracees. What is known of one that lives must stay: without it
 * the next stop is told that should not be, or the other way round. So the first table is
 * followed by pages as they are needed. Those that are gone make room: no one need
 * tell of that.
 */
#include "shim.h"
#include "sigsys.h"
#include "tracing.h"
#include <asm/unistd_64.h>

#define PROT_RW 3
#define PRIVATE_ANONYMOUS 0x22
#define MORE ((PAGE_SIZE - sizeof(struct tracees)) / sizeof(struct traced))

_Static_assert(TRACED > 0, "no room for the first");

static struct traced *place(struct tracees *in, u32 tid)
{
	return &in->of[tid % (in == &STATE->tracees ? TRACED : MORE)];
}

/* Another page of them. */
static struct tracees *APART more(struct tracees *last)
{
	struct tracees *none = 0;
	long page = gate(__NR_mmap, 0, PAGE_SIZE, PROT_RW, PRIVATE_ANONYMOUS, -1, 0);

	if (page < 0 && page > -PAGE_SIZE)
		return 0;
	if (!__atomic_compare_exchange_n(&last->more, &none, (struct tracees *)page, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
		gate(__NR_munmap, page, PAGE_SIZE, 0, 0, 0, 0);
		return none;
	}
	return (struct tracees *)page;
}

/* What is known of a tracee: 0 of one that was not yet let go on. */
struct traced HIDDEN APART *shim_traced(u32 tid)
{
	for (struct tracees *in = &STATE->tracees; in; in = in->more) {
		struct traced *t = place(in, tid);

		if (t->tid == tid)
			return t;
	}
	return 0;
}

/* The same, as of one that was not yet let go on where there is none; 0 where there is no
 * memory for it. Only a tracee's tracer uses what is known of it. */
struct traced HIDDEN APART *shim_tracee(u32 tid)
{
	struct traced *t = shim_traced(tid);

	for (struct tracees *in = &STATE->tracees; in && !t; in = in->more ? in->more : more(in)) {
		struct traced *free = place(in, tid);
		u32 is = __atomic_load_n(&free->tid, __ATOMIC_RELAXED);

		if ((!is || gate(__NR_tkill, is, 0, 0, 0, 0, 0) == -ESRCH) &&
		    __atomic_compare_exchange_n(&free->tid, &is, tid, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			t = free;
			shim_begin_tracing(t);
		}
	}
	return t;
}

/* A new tracee, whose number another one may have had. */
void HIDDEN shim_begin_tracing(struct traced *t)
{
	t->how = PTRACE_CONT;
	t->inside = 0;
}

/*
 * 1 where a tracee, which is stopped, has asked to be traced since its tracer looked last: what is
 * known of its number is then of another one, that is gone. Those that are attached to are
 * known to be new, and what a tracee makes begins with a stop that is told in any case. -EIO
 * where it has no shim, -ESRCH where it is not stopped, or not ours.
 */
long HIDDEN APART shim_fresh(u32 tid)
{
	u64 asked = 0;
	long err = shim_ptrace(PTRACE_PEEKDATA, tid, (long)&STATE->fresh, (long)&asked);

	if (err || asked != tid)
		return err;
	shim_ptrace(PTRACE_POKEDATA, tid, (long)&STATE->fresh, 0);
	return 1;
}
