/* What happens while a call is explored, see explore.c. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "ledger.h"
#include "target.h"

#define BUFFER (BUFFERS + 24)
#define STACK (STACKS + 8 * PAGE)
#define NESTED_STACK (STACKS + 15 * PAGE)

struct scenario {
	const char *name;
	enum entry entry;
	u32 position, len;
	char before;	/* b: the generation changes, d: drop, l: the slot is taken, a: all are, u: unknown page */
};

extern u64 own;			/* the processor's slot, its offset */
extern long explored, drops;

void take_locks(struct proc *p, int all, u64 value);
/* Until the call is done, with bytes from us where it asks; false if it failed. */
int drive(struct proc *p);
/* A whole call from number first on, and the ledger's judgement. */
void first_draw(u16 first);
void draw(struct proc *p, enum entry e, u64 len, u64 stack);
/* The word happens, then everybody goes on. compared: the call has compared
 * the generation for the last time. */
void happen(struct proc *parent, const struct scenario *s, struct call *c, const char *word, int compared);

#endif
