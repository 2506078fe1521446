#define _GNU_SOURCE
#include "blocks.h"
#include <signal.h>
#include <ucontext.h>

static const struct test *stepped;
static enum kind kind;
static int kept_short;
static u64 steps, drop_at;

/* Only what the program had in its registers may stand in the save area, or,
 * for the function that uses no vectors, pointers and counts. */
static int may_be_saved(int i, u64 word)
{
	const struct test *t = stepped;
	u64 dst = the.args[0];

	if (word == 0)
		return 1;
	if (kind != GENERAL)
		return word >> 48 == MARK;
	switch (i) {
	case 0:
		return word >= dst && word <= dst + t->units * UNIT;
	case 1:
		return word <= 16 * t->units;
	case 2:
		return word - t->counter <= 16 * t->units;
	case 3:
		return word <= 10;
	}
	return 0;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	u64 ip = r[REG_RIP];

	(void)sig;
	(void)info;
	if (ip - (u64)image >= image_size)
		return;
	steps++;
	CHECK((u64)r[REG_RSP] == stepped->sp && (u64)r[REG_RBP] == stepped->fill &&
	      (u64)r[REG_R12] == stepped->fill, "at image+%lx", ip - (u64)image);
	for (int i = 0; i < SAVE / 8 && !drop_at; i++) {
		u64 word = ((u64 *)memory->save)[i];

		CHECK(may_be_saved(i, word), "at image+%lx the save area has %lx at %d", ip - (u64)image, word, 8 * i);
	}
	kept_short |= ((u64 *)memory->save)[4] != 0;
	if (steps == drop_at) {
		/* The kernel may drop pages that hold secrets: key, output, scratch. */
		memset(memory->scratch, 0, SCRATCH);
		memset(memory->key, 0, 32);
		memset((u8 *)the.args[0], 0, stepped->units * UNIT);
		r[REG_EFL] &= ~0x100;
	}
}

void check_steps(u64 fn, u64 width, enum kind k, int drop)
{
	static u8 stack[1 << 16];
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	kind = k;
	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, 0);
	sigaction(SIGTRAP, &sa, 0);
	/* The scalar function takes 20,000 steps for a unit. */
	for (u64 units = 1; units <= (kind == GENERAL ? 1 : 3); units++)
		for (int upper = kind == GENERAL ? DIRTY : CLEAN; upper <= DIRTY; upper++) {
			struct test t = {fn, width, units, 5, .upper = upper, .flags = 0x100, .key_inside = 1,
					 .fill = 0x7171717171717171};

			stepped = &t;
			steps = drop_at = kept_short = 0;
			run(&t);
			CHECK(steps > 500, "%lu steps", steps);
			/* Then the half of ymm16's slot that would be zero has xmm0. */
			if (kind == VECTORS_SHORT && upper == CLEAN)
				CHECK(kept_short == (units > 1), "the short way was taken: %d, %lu units", kept_short, units);
			/* Two units with clear upper parts, one without: both ways of
			 * AVX-512. Near both ends at each step, in between at some. */
			if (units + upper != 2 || !drop)
				continue;
			for (u64 i = 1, total = steps; i <= total; i += i < 12 || i + 12 > total ? 1 : total / 12) {
				steps = 0;
				drop_at = i;
				prepare(&t);
				enter();
				verify(&t, 1);
				CHECK(steps == i, "dropped at step %lu, not %lu", steps, i);
			}
		}
}
