/*
 * A program that enters a block function of the image as nothing else would:
 * with every register filled, no stack, and memory around what it may write
 * that must stay. It is compiled and run by blockregs_test.go.
 */
#ifndef BLOCKS_H
#define BLOCKS_H

/* Offsets into struct call, for call.S. */
#define CALL_FN 0
#define CALL_ARGS 8		/* rdi, rsi, rdx, rcx, r8, r9 */
#define CALL_SP 56
#define CALL_WIDTH 64
#define CALL_CLEAN 72
#define CALL_FLAGS 80
#define CALL_FILL 88
#define CALL_XGETBV 96
#define CALL_USED_BEFORE 104
#define CALL_USED_AFTER 112
#define CALL_OUT 120		/* the general registers afterwards, by number */
#define CALL_RETURN 248
#define CALL_MXCSR 256
#define CALL_MASKS_IN 264
#define CALL_MASKS_OUT 328
#define CALL_IN 392
#define CALL_BACK 2440

#define MXCSR 0x1fa5		/* two sticky flags that no result sets */

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define UNIT 1024
#define SCRATCH 512
#define SAVE 1088
#define PAGE 4096

struct call {
	u64 fn, args[6];
	u64 sp;
	u64 width;		/* bytes of a vector register that are filled and compared */
	u64 clean;		/* leave upper parts as vzeroupper does */
	u64 flags;		/* to set: direction, trap */
	u64 fill;		/* what registers hold that no argument stands in */
	u64 xgetbv;		/* the processor tells which registers are in use */
	u64 used_before, used_after;
	u64 out[16];
	u64 returned;		/* what rbx was */
	u64 mxcsr;
	u64 masks_in[8], masks_out[8];
	u8 in[32][64], back[32][64];
};
_Static_assert(offsetof(struct call, out) == CALL_OUT && offsetof(struct call, mxcsr) == CALL_MXCSR &&
	       offsetof(struct call, in) == CALL_IN && offsetof(struct call, back) == CALL_BACK, "call.S knows them");
extern struct call the;

/* Enters the.fn. */
void enter(void);

extern u8 *image;
extern u64 image_size;

/* Memory of a call: the areas are at the beginning of pages of their own, the
 * destination has space before and behind it. */
struct memory {
	u8 scratch[PAGE], save[PAGE], key[PAGE];
	u8 dst[3 * PAGE];
};
extern struct memory *memory;

extern int failures;
#define CHECK(cond, ...) do { \
	if (!(cond) && failures++ < 10) { \
		printf("FAIL %s:%d: %s: ", __FILE__, __LINE__, #cond); \
		printf(__VA_ARGS__); \
		printf("\n"); \
	} \
} while (0)

/* What the program has in the upper parts of its vector registers: nothing;
 * something in all; in one word, with or without anything in the lower parts. */
enum upper { CLEAN, DIRTY, ONE_WORD, ONLY_WORD };

struct test {
	u64 fn, width, units, counter, sp, flags, fill;
	enum upper upper;
	int word;		/* the number of that word */
	int key_inside;		/* the key is the end of the destination */
	int offset;		/* of the destination */
};

/* What every vector word of the program begins with, so that it is known again. */
#define MARK 0x5eedUL

void prepare(const struct test *t);
/* dropped: the destination is worthless. */
void verify(const struct test *t, int dropped);
void run(const struct test *t);

/* Runs all tests of a function; the quick ones for a mutant. */
void check_registers(u64 fn, u64 width);

/* Single-steps through it: no secret in the save area at any instruction, and
 * whatever is dropped at some instruction, it ends well. */
enum kind { GENERAL, VECTORS, VECTORS_SHORT };
void check_steps(u64 fn, u64 width, enum kind k, int drop);

/* Without each instruction in turn that stdin names, the tests must fail. */
void check_mutants(u64 fn, u64 width, enum kind k);

#endif
#endif
