/*
 * The generator's slots: constants that all of it shares, and how a slot is taken. See
 * generator.S.
 */
#include "shim.h"
#include "generator.h"
#include <asm/unistd_64.h>

#define MARK_AGAIN 0x100
#define MARK_MOVED 0x200

#define GRND_NONBLOCK 1
#define GRND_KNOWN 7
#define GRND_RANDOM_INSECURE 6

#define PROBES 3		/* slots that are looked at besides the processor's own */
#define KERNEL_BLOCK 32		/* the kernel makes as many bytes in the time of one */
#define UNIT 1024		/* what a block function writes at least */
#define BATCH_UNITS 2		/* BATCH and SECRET_KEY */

#define CONTROL (__ehdr_start + CONTROL_OFF)(%rip)
#define PLAN(what) (shim_plan + (what))(%rip)
#define FORGET (__ehdr_start + FORGET_OFF)(%rip)
#define SECRETS (__ehdr_start + LINK_OFF + 8 * LINK_SECRETS)(%rip)
#define GENERATOR (__ehdr_start + LINK_OFF + 8 * LINK_GENERATOR)(%rip)

/* The slot of this processor: rax is its offset. Eight bytes that are
 * replaced by rdpid at launch where the processor has it, see forward.S. */
	.macro OWN_SLOT label
	.globl \label
	.hidden \label
\label:
	mov $0x7b, %eax
	lsl %eax, %eax
	and $(SLOTS - 1), %eax
	shl $SLOT_SHIFT, %eax
	.endm

/* Takes the slot at offset rax, or goes to other. rax is its address then. A
 * locked instruction costs most of a short call, so it is tried only where it
 * can succeed. */
	.macro TAKE other
	add GENERATOR, %rax
	testb $(1 << LOCK_BIT), SLOT_LOCK(%rax)
	jnz \other
	lock btsq $LOCK_BIT, SLOT_LOCK(%rax)
	jc \other
	.endm

/*
 * The processor's own slot is taken: by a thread that was preempted, or below
 * us by the code that this signal handler interrupted. The next ones depend on
 * the stack, so that many threads on few processors find all of them.
 */
	.macro TAKE_OTHER taken, none
	imul $0x61c88647, %rsp, %rax
	shr $(32 - SLOT_SHIFT - SLOTS_SHIFT), %eax
	and $((SLOTS - 1) << SLOT_SHIFT), %eax
	TAKE 1f
	jmp \taken
	.rept PROBES - 1
1:	sub GENERATOR, %rax
	add $(23 << SLOT_SHIFT), %eax
	and $((SLOTS - 1) << SLOT_SHIFT), %eax
	TAKE 1f
	jmp \taken
	.endr
1:	jmp \none
	.endm

/* r10 is the secret page of the slot r8. Changes rax. */
	.macro FIND_SECRET
	mov %r8, %rax
	sub GENERATOR, %rax
	mov SECRETS, %r10
	lea (%r10, %rax, 2), %r10
	.endm
