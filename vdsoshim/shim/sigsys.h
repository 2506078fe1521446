/*
 * What the mechanisms trap and sud keep in the program, see sigsys.c.
 *
 * Everything here is a constant once it is written: an exit's return address, an
 * action that the program gave for a signal. Nothing is freed, nothing is locked, and
 * threads, signal handlers, children of fork and those of vfork, which share it, may
 * all find and add what they need at any time. What changes stands where the kernel
 * keeps it, for each thread or process as it should: SIGSYS's disposition in the
 * table of dispositions, whether a thread blocks it in its register ES.
 */
#ifndef SIGSYS_H
#define SIGSYS_H

/* The plan's flags. */
#define SIGSYS_TRAP 1
#define SIGSYS_SUD 2
#define SIGSYS_COUNT 4	/* calls are counted */
#define SIGSYS_MOST 8	/* hardly any call is not trapped */
#define SIGSYS_FOLLOW 16	/* and counted for each site */

/* What the filter gives with SECCOMP_RET_TRAP: this, or this + 1 + the index of the
 * rule. A number that filters of a program's own are not likely to use. */
#define TRAP_DATA 0x5300

/* Rules and what they say: shim_traps. */
#define TRAP_RULES 1024
#define TRAP_ROWS 128
#define TRAP_ROW_SIZE 16
#define TRAP_KERNEL 0	/* the kernel serves it */
#define TRAP_CONSTANT 1	/* value */
/* larger: offset of an entry, as for patched sites that bring one number */

/* In place of a rule: */
#define TRAP_SIGNALS 0xfffd	/* none, but all are trapped, see sigmask.c */
#define TRAP_SOME 0xfffe	/* the filter says which one, and that some are trapped */
#define TRAP_OTHERS 0xffff	/* the filter has more to say, and traps none */

/* What tells the supervisor of a site: an execve, which is always notified, of a path
 * that is none, from the open gate, with the address behind the site, the number, and
 * how often it was trapped. An address of 0 tells it that calls are to be made at their
 * sites again. */
#define SITE_PATH 2
#define SITE_AFTER 2
#define SITE_OTHERS 32	/* where no rule names the call: the kernel's own, by a signal */
#define SITE_MOST 4096
#define SITE_BEYOND 64
/* Where they are counted, the first call is told too, and others with this bit, until the
 * answer to one is the number of the site's counter. */
#define SITE_UNCOUNTED 0x100000000

/* Likewise: a process asks to be traced. Its arguments are an address in its memory and what
 * stands there. The answer: only once it has executed something, or now, while it has no
 * tracer. */
#define TRACED_PATH 3
#define TRACED_LATER 1
#define TRACED_NOW 2
/* Likewise: a tracer asks what it is to do with a tracee. Its arguments are where the order
 * goes, and the tracee. */
#define ORDERS_PATH 4
/* The si_code of a SIGSYS by which a process is told to ask now is this, negative. */
#define TRACEME_CODE 0x5301
/* And by which a tracer has a call begin anew at its site, and a signal come again behind
 * that, is this and the signal's number, negative. Its code stands in si_errno. */
#define AGAIN_CODE 0x5380
#define SIGNALS 64

/* Families of exits, by their code's offset from EXITS_OFF. What belongs to each stands
 * at the same distance from SIGSYS_OFF. The filter exempts the first two. */
#define EXIT_SIZE 16
#define EXIT_EXEMPT 0
#define EXEMPT_EXITS 511	/* the first is a gate, as of the others */
#define KEPT_EXITS 16		/* the last of a family: for calls that make threads and processes */
#define EXIT_RETURN (EXEMPT_EXITS * EXIT_SIZE)	/* where the program's handlers return */
#define EXIT_MASKED 0x2000	/* with another argument in a register than the program's */
#define MASKED_SIZE 64
#define MASKED 32
#define MASKED_GROUP 8		/* of each register: rdi, r10, r9, r8 */
#define EXIT_WAITING 0x2800	/* for wait4 and waitid, which tell tracers of stops: tracing.c */
#define WAITING_SIZE MASKED_SIZE
#define WAITING 16
#define WAITING_WAITID 8	/* the first of those for waitid */
#define WAITING_NULL 12		/* and for either, without memory for what happened */
#define EXIT_OPEN 0x2c00
#define OPEN_EXITS 127
#define EXIT_STOPPED (EXIT_OPEN + OPEN_EXITS * EXIT_SIZE)	/* where those go on for a stop */

#define SIGSYS_DATA (SIGSYS_OFF - EXITS_OFF)	/* from an exit to what belongs to it */

/* Offsets from SIGSYS_OFF. */
#define SIGSYS_ACTIONS 0x3800
#define ACTIONS 64
#define ACTION_SIZE 32
#define ACTION_MASK 24
#define SIGSYS_STATE 0x4000
#define STATE_HELD 0

/* In ES: this thread blocks SIGSYS, as far as the program knows. A data segment that
 * every Linux has (__CPUNODE_SEG): in 64-bit mode nothing looks at it, the
 * kernel keeps it for each thread, and threads and children inherit it. */
#define BLOCKED 0x7b
/* In DS: calls of this thread are dispatched. It is taken away before a call that makes a
 * thread or process, where dispatch is not armed, and comes back with the next call
 * that is dispatched. */
#define ARMED 0x7b

/* struct rt_sigframe (asm/sigframe.h) without the return address. */
#define UC_R8 40
#define UC_R9 48
#define UC_R10 56
#define UC_RDI 104
#define UC_RSI 112
#define UC_RBP 120
#define UC_RBX 128
#define UC_RCX 152
#define UC_RDX 136
#define UC_RAX 144
#define UC_RSP 160
#define UC_RIP 168
#define UC_MASK 296

#define SIGSYS 31
#define SIGSYS_BYTE 3	/* of a mask, and the bit in it */
#define SIGSYS_BIT 0x40

#ifndef __ASSEMBLER__

struct action {		/* the kernel's struct sigaction */
	u64 handler, flags, restorer, mask;
};

struct context {	/* the kernel's struct ucontext */
	u64 flags, link, stack[3];
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u64 rest[14];
	u64 mask;
};

struct info {		/* siginfo_t; the union as SIGSYS has it */
	int signo, err, code, pad;
	u64 addr;
	int nr;
	u32 arch;
	u64 rest[12];
};

struct exit {
	u64 back, seen;
};

struct record {		/* of a patched site: reflected.S */
	char code[STUB_SITE];
	u64 site, back;
};

struct masked {
	u64 back;	/* the address behind the site */
	u64 saved;	/* what the register is to be again */
	u64 mask;	/* the program's, without SIGSYS */
	u64 ptr, size, more;	/* what points to it, for calls that want that */
	u64 blocked;	/* SIGSYS was in the mask */
	u64 nr;		/* the call; written last */
};

#define MADE 4096
#define HASH 0x9e3779b97f4a7c15UL	/* 2^64 by the golden ratio: spreads addresses */

#define HELD 16

struct held {		/* a SIGSYS that its thread blocks */
	u32 tid, ready;
	struct info info;
};

#define AGAIN 16

struct again {		/* calls that are to be made by the site itself, which has a record */
	u64 back;
	u32 n, unused;
};

struct state {
	u32 held;	/* how many there are */
	u32 waiter;	/* a thread that waits for SIGSYS */
	union {
		u32 shy;	/* one of these */
		struct {
			unsigned char own;	/* the program uses Syscall User Dispatch itself */
			unsigned char filtered;	/* it has a filter of its own, which may kill for calls of ours */
		};
	};
	u32 quiet;	/* tracees are not to tell of an exec */
	u32 ready[ACTIONS];	/* 1: being written, 2: there */
	u32 taken[MASKED];	/* likewise */
	struct held hold[HELD];
	u32 beyond;	/* calls from sites that have no exit */
	u32 made[MADE / 32];	/* which numbers sites make, as a Bloom filter */
	struct again again[AGAIN];
	u64 fresh;	/* a thread that has asked to be traced, until its tracer looks */
	struct tracees {	/* tracees.c */
		struct tracees *more;
		struct traced {
			u32 tid;
			unsigned char how, inside;
			unsigned short nr;	/* of the call whose entry was told */
		} of[];
	} tracees;	/* the rest of the page */
};
#define INSIDE_AGAIN 1	/* in inside: this and the signal's number where the call is to begin anew */
#define TRACED ((SIGSYS_SIZE - SIGSYS_STATE - sizeof(struct state)) / sizeof(struct traced))

struct traps {
	unsigned short rule[DISPATCH_CALLS];	/* by number: 1 + the index of its one rule */
	unsigned char row[TRAP_RULES];		/* by that */
	struct row {
		u64 value, kind;
	} rows[TRAP_ROWS];
};
extern const struct traps HIDDEN shim_traps;

#define DATA ((char *)(__ehdr_start + SIGSYS_OFF))
#define ACTION ((struct action *)(DATA + SIGSYS_ACTIONS))
#define STATE ((struct state *)(DATA + SIGSYS_STATE))
#define SYS_BIT (1UL << (SIGSYS - 1))

extern const char HIDDEN shim_actions[], HIDDEN shim_restorer[], HIDDEN shim_exits[];
extern const char HIDDEN shim_returning[], HIDDEN shim_returning_end[], HIDDEN shim_handled[];

static inline int blocks(void)
{
	u32 es;

	__asm__ volatile("mov %%es, %0" : "=r"(es));
	return es == BLOCKED;
}

static inline void set_blocks(int on)
{
	if (blocks() != on)
		__asm__ volatile("mov %0, %%es" : : "r"(on ? BLOCKED : 0));
}

static inline int armed(void)
{
	u32 ds;

	__asm__ volatile("mov %%ds, %0" : "=r"(ds));
	return ds == ARMED;
}

static inline void set_armed(int on)
{
	if (armed() != on)
		__asm__ volatile("mov %0, %%ds" : : "r"(on ? ARMED : 0));
}

#define ESRCH 3
#define EIO 5
#define ENOMEM 12
#define EFAULT 14
#define EINVAL 22
#define SIGSET 8	/* bytes of a mask */
#define UNBLOCKABLE (1UL << 8 | 1UL << 18)	/* SIGKILL, SIGSTOP */

/* sigmask.c: calls that could see or block SIGSYS. */
enum served { LEFT, SERVED, GONE };
HIDDEN enum served shim_virtual(struct context *uc, u32 nr, u64 back);
int HIDDEN shim_peek(u64 *to, u64 at, u64 size);
int HIDDEN shim_poke(u64 at, const u64 *from, u64 size);
/* sigaction.c */
long HIDDEN shim_install(const struct action *act, struct action *old);
u32 HIDDEN shim_intern(const struct action *act);
const struct action HIDDEN *shim_action_at(u64 handler);
long HIDDEN shim_sigaction(struct context *uc);
/* sigwait.c */
HIDDEN enum served shim_waits(struct context *uc, u32 nr, u64 back);
void HIDDEN shim_requeue(void);
/* leave.c */
u64 HIDDEN shim_exit_for(u64 back, u64 family);
HIDDEN struct masked *shim_masked_at(u64 rip);
HIDDEN const struct record *shim_record_at(u64 rip);
u64 HIDDEN shim_site_of(u64 rip);
void HIDDEN shim_unexit(struct context *uc);
void HIDDEN shim_call_here(struct context *uc);
void HIDDEN shim_leave(struct context *uc, u32 nr, u64 back, u64 family);
/* own.c */
void HIDDEN shim_made(u64 rip, u64 back, u64 nr);
void HIDDEN shim_again(u64 back);
int HIDDEN shim_take(struct info *info);
u32 HIDDEN shim_tid(void);
long HIDDEN shim_queue(u32 tid, const struct info *info);
u64 HIDDEN shim_program(struct info *info, struct context *uc, u32 number, int forced);
/* sigsys.c */
long HIDDEN shim_tell(u64 path, u64 a, u64 b, u64 c);
long HIDDEN shim_begin(int now);
int HIDDEN shim_readable(u64 at);
u64 HIDDEN shim_sigsys(struct info *info, struct context *uc, u32 number);
/* tracers.c */
HIDDEN enum served shim_trace(struct context *uc);
void HIDDEN shim_traceme(void);
void HIDDEN shim_signal_again(struct info *info, struct context *uc);
/* tracing.c */
HIDDEN enum served shim_wait(struct context *uc, u32 nr, u64 back);
int HIDDEN shim_unlooked(const struct context *uc, u64 off);
/* delivered.S */
void HIDDEN shim_foreign(struct context *uc);
void HIDDEN shim_enter(u64 entry, struct context *uc);

#endif
#endif
