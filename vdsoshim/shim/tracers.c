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

/* What is known of a tracee: nothing of one that was not yet let go on. */
struct traced HIDDEN *shim_traced(u32 tid)
{
	struct traced *t = &STATE->traced[tid % TRACED];

	if (t->tid != tid)
		*t = (struct traced){ .tid = tid, .how = PTRACE_CONT };
	return t;
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
		o.result = o.request ? ptrace(o.request, tid, o.addr, o.data) :
			gate(__NR_wait4, tid, (long)o.room, WALL, 0, 0, 0);
}

HIDDEN enum served shim_trace(struct context *uc)
{
	/* The parent has this on its stack too if that is where both run. */
	volatile u64 mark = (u64)TRACED_PATH << 32;
	u64 word;

	switch (uc->rdi) {
	case PTRACE_TRACEME:
		mark |= (u64)gate(__NR_gettid, 0, 0, 0, 0, 0, 0);
		if (shim_tell(TRACED_PATH, (u64)&mark, mark, 0) != 1)
			break;
		uc->rax = 0;
		return SERVED;
	case PTRACE_SEIZE:
	case PTRACE_SETOPTIONS:
		/* Nothing would stop an image that is executed, and has yet to be handed off. */
		if (uc->r10 & PTRACE_O_TRACEEXEC)
			STATE->quiet = 0;
		else if (uc->rdi == PTRACE_SEIZE || STATE->quiet) {
			STATE->quiet = 1;
			uc->rax = ptrace(uc->rdi, uc->rsi, uc->rdx, uc->r10 | PTRACE_O_TRACEEXEC);
			return SERVED;
		}
		break;
	case PTRACE_CONT:
	case PTRACE_SINGLESTEP:
	case PTRACE_SYSCALL:
	case PTRACE_SYSEMU:
	case PTRACE_SYSEMU_SINGLESTEP:
		/* Where there is no shim, there may have to be one. */
		if (ptrace(PTRACE_PEEKDATA, uc->rsi, (long)__ehdr_start, (long)&word) == -EIO)
			shim_obey(uc->rsi);
		shim_traced(uc->rsi)->how = uc->rdi;
	}
	return LEFT;
}

/* What was put off: TRACEME_CODE. */
void HIDDEN shim_traceme(void)
{
	if (!ptrace(PTRACE_TRACEME, 0, 0, 0))
		gate(__NR_kill, gate(__NR_getpid, 0, 0, 0, 0, 0, 0), SIGTRAP, 0, 0, 0, 0);
}
