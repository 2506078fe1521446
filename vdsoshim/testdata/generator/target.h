/*
 * A process that is held by ptrace and does nothing but make calls. The
 * kernel's random bytes come from the test: the gate's system call instruction
 * is a breakpoint there, and at the reflected site's own a filter stops it.
 */
#ifndef TARGET_H
#define TARGET_H

#include "harness.h"

struct proc {
	pid_t pid;
	struct user_regs_struct regs;	/* while it is stopped */
};

enum entry { VDSO, REFLECTED };

struct call {
	enum entry entry;
	u64 buf, len, flags, rsp;
	struct user_regs_struct before;	/* what begin set */
};

/* How a process stopped. */
enum stop { DONE, KERNEL, BROKEN };

void start(struct proc *p);		/* forks the process, which adopts the image */
void open_gate(struct proc *p);	/* from now on the kernel answers itself */
void finish(struct proc *p);		/* kills it */
void begin(struct proc *p, struct call *c);
/* Runs until the call is done or it wants bytes from the kernel, or for one
 * instruction, which is DONE too. */
enum stop resume(struct proc *p);
enum stop step(struct proc *p);
/* Runs until it is at address at, or as resume. */
enum stop resume_to(struct proc *p, u64 at, int *there);
/* The process is right before a system call: at the gate or at the site. */
int at_kernel(const struct proc *p);
/* Is it behind the call? */
int is_done(const struct proc *p);
/* Answers the call that it wants with n bytes, or an error. */
void answer(struct proc *p, const void *bytes, long n);
u64 result(const struct proc *p);

/* The registers after a call: what may not have changed. */
void check_registers(const struct proc *p, const struct call *c, const char *what);

long inject(struct proc *p, long nr, u64 a, u64 b, u64 c);	/* a system call */
void fork_proc(struct proc *p, struct proc *child);
void load(const struct proc *p, u64 addr, void *to, u64 n);
void store(const struct proc *p, u64 addr, const void *from, u64 n);
u64 peek(const struct proc *p, u64 addr);
void poke(const struct proc *p, u64 addr, u64 value);
/* For each page from an address on, up to max: is it in memory? */
void presence(const struct proc *p, u64 from, u64 to, u8 *there, int max);
void set_regs(struct proc *p);
void get_regs(struct proc *p);
void drop(struct proc *p);	/* all secrets, as under memory pressure */

/* The memory that calls are made with: buffers, then stacks. */
#define BUFFERS 0x7e0000000UL
#define BUFFERS_SIZE (64 * PAGE)
#define STACKS 0x7e1000000UL
#define STACKS_SIZE (16 * PAGE)
#define STATE (BUFFERS + BUFFERS_SIZE - PAGE)

/* Everything of a stopped process that a call can change. */
struct snapshot {
	struct proc p;
	u8 vectors[16384];
	u64 vectors_size;
	u64 control;
	int n;
	struct { u64 at; u8 bytes[4096]; } page[256];
};
void take(struct proc *p, struct snapshot *s);
void put_back(struct proc *p, const struct snapshot *s);

#endif
