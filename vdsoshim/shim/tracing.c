/*
 * Programs that trace others. A tracee stops for its tracer at every signal before it
 * gets it (ptrace_signal), at the SIGSYS of its trapped calls too. Here, in the
 * tracer, such stops are taken out of what wait4 and waitid tell, and the tracee goes on
 * as its tracer wanted; so are the stops of the shim's own calls in a tracee that is
 * followed call by call, and its steps through the shim.
 */
#include "shim.h"
#include "sigsys.h"
#include "tracing.h"
#include <asm/unistd_64.h>

static u64 APART peek_user(u32 tid, u64 at)
{
	u64 value = 0;

	shim_ptrace(PTRACE_PEEKUSER, tid, at, (long)&value);
	return value;
}

/* A SIGSYS of a call that the shim serves, not the program. */
static int ours(const struct info *info)
{
	if (info->signo != SIGSYS)
		return 0;
	return info->code == SYS_SECCOMP ? (u32)info->err - TRAP_DATA < TRAP_RULES :
		info->code == SYS_USER_DISPATCH && shim_plan.sigsys & SIGSYS_SUD;
}

/* Whether a tracee at the exit of its call has yet to get the SIGSYS of that, or another
 * signal. */
static int APART has_yet(u32 tid, int signo)
{
	struct { u64 off; u32 flags; int nr; } args = { .nr = 1 };
	struct info info;

	for (; shim_ptrace(PTRACE_PEEKSIGINFO, tid, (long)&args, (long)&info) == 1; args.off++)
		if (signo == SIGSYS ? ours(&info) : info.signo == signo)
			return 1;
	return 0;
}

/* A stop at a call, of a tracee that is followed: 1 where its tracer is to hear of it, or a
 * negative signal that it is to get. */
static int APART at_call(struct traced *t)
{
	u64 info[3] = { 0 }, rip = peek_user(t->tid, USER_RIP), off = rip - (u64)shim_exits, nr;
	u64 back = 0, size = off >= EXIT_MASKED && off < EXIT_OPEN ? MASKED_SIZE : EXIT_SIZE;

	if (shim_ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, (long)info) <= 0)
		return 1;
	nr = peek_user(t->tid, USER_ORIG_RAX);
	if (t->inside > INSIDE_AGAIN && (int)nr == -1 && off >= EXITS_SIZE) {
		int signo = t->inside - INSIDE_AGAIN;

		/* The kernel has the call begin again itself, since a signal is pending. A filter
		 * of the program's may have refused to queue it. */
		t->inside = 0;
		if (!has_yet(t->tid, signo))
			return -signo;
		shim_ptrace(PTRACE_POKEUSER, t->tid, USER_ORIG_RAX, peek_user(t->tid, USER_RAX));
		shim_ptrace(PTRACE_POKEUSER, t->tid, USER_RAX, -ERESTARTNOINTR);
		shim_ptrace(PTRACE_POKEUSER, t->tid, USER_RIP, rip + 2);
		shim_ptrace(PTRACE_POKEUSER, t->tid, USER_RCX, rip + 2);
		return 1;
	}
	if ((unsigned char)info[0] == INFO_ENTRY) {
		if (off < EXITS_SIZE && off - EXIT_RETURN > EXIT_SIZE && (off < EXIT_SIZE || t->inside || off >= EXIT_OPEN + OPEN_EXITS * EXIT_SIZE ||
					 (off >= EXIT_OPEN && off < EXIT_OPEN + EXIT_SIZE)))
			return 0;
		t->inside = 1;
		t->nr = nr;
		return 1;
	}
	if (off < EXITS_SIZE) {
		if (off < EXIT_SIZE || off % size == 0 || !t->inside)
			return 0; /* ours, or the call is yet to be made */
		if (size == EXIT_SIZE) {
			/* Back at the site, where the exit goes. */
			shim_ptrace(PTRACE_PEEKDATA, t->tid, (rip & -size) + SIGSYS_DATA, (long)&back);
			if (!back)
				return 0;
			shim_ptrace(PTRACE_POKEUSER, t->tid, USER_RIP, back);
			shim_ptrace(PTRACE_POKEUSER, t->tid, USER_RCX, back);
		}
	} else if (t->inside ? t->nr != __NR_rt_sigreturn && ((int)nr == -1 ? (u32)peek_user(t->tid, USER_RAX) == t->nr : has_yet(t->tid, SIGSYS)) :
		   (int)nr == -1) {
		if ((int)nr != -1)
			t->nr = nr; /* the tracer may have asked for another call */
		return 0; /* trapped, or to be made again; our handler's end */
	}
	if (t->inside && (int)nr == -1 && t->nr != __NR_rt_sigreturn) /* answered by the handler, or an exec that was handed off */
		shim_ptrace(PTRACE_POKEUSER, t->tid, USER_ORIG_RAX, t->nr);
	t->inside = 0;
	return 1;
}

/* A tracee that is told of stands at its site, not behind the call in an exit; but where the
 * call is to begin again, which the kernel does when it goes on. */
static int APART at_site(u32 tid)
{
	u64 rip = peek_user(tid, USER_RIP), off = rip - (u64)shim_exits, back = 0;

	if (off < EXIT_SIZE || off >= EXIT_OPEN + OPEN_EXITS * EXIT_SIZE || (off >= EXIT_MASKED && off < EXIT_OPEN + EXIT_SIZE) ||
	    !(off % EXIT_SIZE) || -peek_user(tid, USER_RAX) - ERESTARTSYS <= ERESTART_RESTARTBLOCK - ERESTARTSYS)
		return 1;
	shim_ptrace(PTRACE_PEEKDATA, tid, (rip & -(u64)EXIT_SIZE) + SIGSYS_DATA, (long)&back);
	if (back) {
		shim_ptrace(PTRACE_POKEUSER, tid, USER_RIP, back);
		shim_ptrace(PTRACE_POKEUSER, tid, USER_RCX, back);
	}
	return 1;
}

/*
 * A signal that came while the handler served a call, which is yet to be made in an exit. The
 * program's handler would run between the call's entry and its exit, as no signal does that
 * the kernel delivers. So the call begins anew: it ends with ERESTARTNOINTR, as far as
 * the tracer is told, and then the tracee stops for the signal.
 */
static int APART begins_again(u32 tid, struct traced *t, u32 stop)
{
	u64 off = peek_user(tid, USER_RIP) - (u64)shim_exits;
	u64 size = off >= EXIT_MASKED && off < EXIT_OPEN ? MASKED_SIZE : EXIT_SIZE;
	struct info info;

	if (!t || t->how != PTRACE_SYSCALL || !t->inside || off < EXIT_SIZE || off >= EXIT_OPEN + OPEN_EXITS * EXIT_SIZE || off % size ||
	    off == EXIT_OPEN || off == EXIT_RETURN || stop == SIGSTOP || stop > SIGNALS || shim_ptrace(PTRACE_GETSIGINFO, tid, 0, (long)&info))
		return 0;
	info.err = info.code;
	info.code = -(AGAIN_CODE + (int)stop);
	info.signo = SIGSYS;
	if (shim_ptrace(PTRACE_SETSIGINFO, tid, 0, (long)&info))
		return 0;
	t->inside = INSIDE_AGAIN + stop;
	return !shim_ptrace(PTRACE_SYSCALL, tid, 0, SIGSYS);
}

/* An exec, whose exit is yet to come. It may be another thread's, which was let go on in its
 * own way, has told the entry, and now has its leader's number. */
static long APART at_exec(u32 tid, struct traced *t)
{
	u64 former = tid;
	const struct traced *f;

	shim_ptrace(PTRACE_GETEVENTMSG, tid, 0, (long)&former);
	f = shim_traced(former);
	if (!t)
		t = shim_tracee(tid);
	if (!t)
		return PTRACE_CONT;
	if (f)
		t->how = f->how;
	t->inside = 1;
	t->nr = __NR_execve;
	return t->how;
}

/* Whether the tracer is to hear of a stop; if not the tracee has been let go on. */
static int APART seen(u32 tid, u32 stop)
{
	struct traced *t = shim_traced(tid);
	struct info info = { 0 };
	long pass = 0, how;

	if (t && shim_fresh(tid) == 1)
		shim_begin_tracing(t);
	how = t ? t->how : PTRACE_CONT;
	if (stop >> 8) {
		/* A call that makes a process has its exit to come, whether its entry was told or not. */
		if (t && (short)stop > 0 /* not PTRACE_EVENT_STOP */)
			t->inside = 1;
		if (stop != EXEC_STOP)
			return 1;
		how = at_exec(tid, t);
		if (!STATE->quiet)
			return 1;
		shim_obey(tid);
	} else if (stop != SIGSYS && ((stop & 0x7f) != SIGTRAP || (how != PTRACE_SYSCALL && how != PTRACE_SINGLESTEP))) {
		return !begins_again(tid, t, stop) && at_site(tid);
	} else if (shim_ptrace(PTRACE_GETSIGINFO, tid, 0, (long)&info)) {
		return 1;
	} else if (stop == SIGSYS) {
		if (!ours(&info))
			return 1;
		static const u64 off[4];	/* struct ptrace_sud_config */

		if ((how | 7) == PTRACE_SYSEMU /* or PTRACE_SYSCALL */ && info.code == SYS_USER_DISPATCH &&
		    !shim_ptrace(PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, tid, sizeof off, (long)off)) {
			/* Calls that are dispatched have no stops of their own. From here on the
			 * filter traps those that a rule names. */
			shim_ptrace(PTRACE_POKEUSER, tid, USER_RIP, peek_user(tid, USER_RIP) - 2);
		} else {
			pass = SIGSYS;
			/* Its handler's calls tell when a step is to be had again. */
			if (how == PTRACE_SINGLESTEP)
				how = PTRACE_SYSCALL;
		}
	} else {
		u64 off = peek_user(tid, USER_RIP) - (u64)shim_exits;
		int call = (info.code & 0x7f) == SIGTRAP;

		if (how == PTRACE_SYSCALL ? !call || (pass = -at_call(t)) < 0 : !call && off >= EXITS_SIZE)
			return 1;
		if (how == PTRACE_SINGLESTEP && call && (off < EXIT_SIZE || off >= EXIT_OPEN + OPEN_EXITS * EXIT_SIZE))
			how = PTRACE_SYSCALL;
	}
	return shim_ptrace(how, tid, 0, pass) != 0;
}

/* The stop that a tracee is in, 0 if it is in none. */
static u32 APART stop_of(u32 tid)
{
	struct info info;

	if (shim_ptrace(PTRACE_GETSIGINFO, tid, 0, (long)&info))
		return 0;
	return info.code >> 8 > 0 ? (u32)info.code : (u32)info.signo;
}

/* An exit for wait4 and waitid. */
HIDDEN enum served shim_wait(struct context *uc, u32 nr, u64 back)
{
	u64 at = nr == __NR_wait4 ? uc->rsi : uc->rdx;
	u32 i = at ? 0 : WAITING_NULL, end = at ? WAITING_WAITID : WAITING;

	if (uc->rip == (u64)shim_exits + EXIT_STOPPED + 2) {
		/* As the exit left it: the result, and the address behind the site. */
		const u64 *kept = (const u64 *)uc->rsp;
		long result = kept[0];
		u32 tid = result, stop = 0, found = result > 0;

		back = kept[1];
		if (nr == __NR_wait4 && found && at) {
			stop = *(const u32 *)at;
			found = (stop & 0xff) == 0x7f;
			stop >>= 8;
		} else if (nr == __NR_waitid && !result && at) {
			const u32 *child = (const u32 *)at;

			found = child[0] && child[2] == CLD_TRAPPED;
			tid = child[4];
			stop = child[6];
		} else if (found) {
			/* It does not want to know. */
			stop = stop_of(tid);
			found = stop != 0;
		}
		uc->rsp += 160 + 16;
		uc->rax = result;
		uc->rip = uc->rcx = back;
		if (found && !seen(tid, stop)) {
			uc->rax = nr;
			uc->rip -= 2;
		}
		return GONE;
	}
	u64 looks = nr == __NR_wait4 ? at : at + 8;
	if (at && (!shim_readable(looks & -8) || !shim_readable((looks + 3) & -8)))
		return LEFT;
	if (nr == __NR_waitid) {
		i += at ? WAITING_WAITID : 2;
		end = at ? WAITING_NULL : WAITING;
	} else if (!at)
		end = WAITING_NULL + 2;
	for (; i < end; i++) {
		u64 *data = (u64 *)(shim_exits + EXIT_WAITING + i * WAITING_SIZE + SIGSYS_DATA), is = 0;

		if (__atomic_compare_exchange_n(data, &is, back, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED) || is == back) {
			uc->rip = (u64)data - SIGSYS_DATA;
			return GONE;
		}
	}
	return LEFT;
}

/* Whether a call that has waited found a stop, which is to be looked at first. */
int HIDDEN shim_unlooked(const struct context *uc, u64 off)
{
	u64 i = (off - EXIT_WAITING) / WAITING_SIZE;

	if (!(off % WAITING_SIZE))
		return 0;
	if (i >= WAITING_NULL)
		return (long)uc->rax > 0;
	return i < WAITING_WAITID ? *(const unsigned char *)uc->rsi == 0x7f : ((const u32 *)uc->rdx)[2] == CLD_TRAPPED;
}
