/*
 * What the generator keeps for each slot, see generator.S. Offsets in bytes.
 */
#ifndef GENERATOR_H
#define GENERATOR_H

/* Threads that were preempted in a call keep a slot each until they run again. */
#define SLOTS_SHIFT 7
#define SLOTS (1 << SLOTS_SHIFT)
#define SLOT_SHIFT 11

/* The plain part, 2 KiB at SLOTS_OFF: ordinary memory that is neither dropped
 * nor wiped at a fork. Nothing secret is ever written here. */
#define SLOT_LOCK 0		/* bit LOCK_BIT: taken. A cache line of its own */
#define SLOT_REGS 64		/* the program's general registers, see SAVED_ */
#define SLOT_VECTORS 256	/* the program's vector registers */
#define SLOT_PAGES 1408		/* pages known to be writable, by number modulo KNOWN_PAGES */
#define KNOWN_PAGES 32
#define SLOT_EPOCH (SLOT_PAGES + 8 * KNOWN_PAGES)	/* in which they are */

/* In the first slot, a cache line that all read: how often pages were forgotten, and
 * in the lower half whether they are to be now. A call that can take a page from the
 * program sets that to 1, by one store that changes neither flags nor registers. */
#define FORGET_OFF (SLOTS_OFF + 1728)

#define SAVED_DI (SLOT_REGS + 0)
#define SAVED_SI (SLOT_REGS + 8)
#define SAVED_DX (SLOT_REGS + 16)
#define SAVED_CX (SLOT_REGS + 24)
#define SAVED_8 (SLOT_REGS + 32)
#define SAVED_9 (SLOT_REGS + 40)
#define SAVED_10 (SLOT_REGS + 48)
#define SAVED_11 (SLOT_REGS + 56)
#define SAVED_FLAGS (SLOT_REGS + 64)
#define SAVED_AX (SLOT_REGS + 72)
#define SAVED_BX (SLOT_REGS + 80)
#define SAVED_12 (SLOT_REGS + 88)
#define SAVED_13 (SLOT_REGS + 96)
#define SAVED_14 (SLOT_REGS + 104)
#define SAVED_15 (SLOT_REGS + 112)
/* Not the program's: what a refill has to find again. */
#define WORK_DI (SLOT_REGS + 120)
#define WORK_SI (SLOT_REGS + 128)
#define WORK_DX (SLOT_REGS + 136)
#define WORK_9 (SLOT_REGS + 144)
#define WORK_10 (SLOT_REGS + 152)

/* Bit 1 is set in every value of the flags register, so the word may hold one
 * while it is locked, and clear in every address of a slot. */
#define LOCK_BIT 1

/* The secret part, a page at LINK_SECRETS. */
#define BATCH 2016		/* random bytes, zero once handed out */
#define SECRET_KEY BATCH	/* 32 bytes, so that 2 KiB of key stream end behind it */
#define SECRET_GENERATION 2048	/* 0 after the page was dropped or wiped */
#define SECRET_POSITION 2056	/* of the first byte that was not handed out */
#define SECRET_SCRATCH 2112	/* of the block functions */

/* Longest request that is served under one lock. Its pages fit among the known
 * ones. */
#define REQUEST_MAX 65535

#endif
