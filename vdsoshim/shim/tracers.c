/*
 * What a tracer in the run does for the supervisor, and asks of the kernel.
 *
 * An image that a tracee executes can't be handed off by the supervisor, since it has a
 * tracer. So the tracer does it: before it lets the image go on, it makes the
 * requests that the supervisor wants.
 *
 * A child of vfork that asks to be traced must not stop before its exec: its parent,
 * who could let it go on, waits for that. So it asks later: the supervisor, which does the
 * handoff of its image, then queues a SIGSYS of its own kind, whose handler asks, as
 * the image's first deed, and leaves it with the SIGTRAP that it would have begun with
 * (ptrace_event).
 */
#include "shim.h"
#include "sigsys.h"
#include "tracing.h"
#include <asm/unistd_64.h>

/* Not inline: there are many, and the image has little room. */
long HIDDEN APART shim_ptrace(long request, u32 tid, long addr, long data)
{
	return gate(__NR_ptrace, request, tid, addr, data, 0, 0);
}

/* What the supervisor wants of a tracee, and what came of it. */
struct order {
	u64 request, addr, data;	/* request 0: wait for it */
	long result;
	u64 room[28];	/* what data may point to: registers, a status */
};

void HIDDEN APART shim_obey(u32 tid)
{
	struct order o;

	while (shim_tell(ORDERS_PATH, (u64)&o, tid, 0) == 1)
		o.result = o.request ? shim_ptrace(o.request, tid, o.addr, o.data) :
			gate(__NR_wait4, tid, (long)o.room, WALL, 0, 0, 0);
}

HIDDEN enum served shim_trace(struct context *uc)
{
	/* The parent has this on its stack too if that is where both run. */
	volatile u64 mark = (u64)TRACED_PATH << 32;
	struct traced *t;
	long options = uc->r10, fresh;

	switch (uc->rdi) {
	case PTRACE_TRACEME:
		mark |= shim_tid();
		switch (shim_tell(TRACED_PATH, (u64)&mark, mark, 0)) {
		case TRACED_LATER:
			uc->rax = 0;
			return SERVED;
		case TRACED_NOW:
			STATE->fresh = (u32)mark;
		}
		break;
	case PTRACE_SEIZE:
	case PTRACE_SETOPTIONS:
		/* Nothing would stop an image that is executed, and has yet to be handed off. */
		if (options & PTRACE_O_TRACEEXEC)
			STATE->quiet = 0;
		else if (uc->rdi == PTRACE_SEIZE || STATE->quiet) {
			STATE->quiet = 1;
			options |= PTRACE_O_TRACEEXEC;
		}
		/* fall through */
	case PTRACE_ATTACH:
		uc->rax = shim_ptrace(uc->rdi, uc->rsi, uc->rdx, options);
		if (!uc->rax && uc->rdi != PTRACE_SETOPTIONS && (t = shim_traced(uc->rsi)))
			shim_begin_tracing(t);
		return SERVED;
	case PTRACE_CONT:
	case PTRACE_SINGLESTEP:
	case PTRACE_SYSCALL:
	case PTRACE_SYSEMU:
	case PTRACE_SYSEMU_SINGLESTEP:
		fresh = shim_fresh(uc->rsi);
		t = fresh == -ESRCH ? 0 : shim_tracee(uc->rsi);
		if (!t) {
			/* It goes on as it does, or stays where it is. */
			uc->rax = fresh == -ESRCH ? -ESRCH : -ENOMEM;
			return SERVED;
		}
		/* Where there is no shim, there may have to be one. */
		if (fresh == -EIO)
			shim_obey(uc->rsi);
		if (fresh == 1)
			shim_begin_tracing(t);
		t->how = uc->rdi;
		if ((unsigned char)uc->rdi != PTRACE_SYSCALL)
			t->inside = 0; /* the exit won't be told */
	}
	return LEFT;
}

/* The signal that a tracee stopped for before it made its call: AGAIN_CODE. What the handler
 * returns to is the site, and the signal comes there. */
void HIDDEN shim_signal_again(struct info *info, struct context *uc)
{
	shim_unexit(uc);
	info->signo = -info->code - AGAIN_CODE;
	info->code = info->err;
	info->err = 0;
	shim_queue(shim_tid(), info);
}

/* What was put off: TRACEME_CODE. */
void HIDDEN shim_traceme(void)
{
	if (!shim_ptrace(PTRACE_TRACEME, 0, 0, 0))
		gate(__NR_kill, gate(__NR_getpid, 0, 0, 0, 0, 0, 0), SIGTRAP, 0, 0, 0, 0);
}
