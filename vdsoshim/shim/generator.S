/*
 * The generator: random bytes without a system call, without a stack, and
 * without thread-local storage, which a vDSO can't have.
 *
 * SLOTS slots serve all threads of the program. A slot is taken by one atomic
 * instruction for as long as one request lasts; the one that belongs to the
 * processor is nearly always free. It holds a batch of random bytes, from
 * which requests are copied, and erased as they go.
 *
 * The batch stands in a page that the kernel may drop at any moment (and wipes
 * at a fork). A word beside it, the generation, is written before anything
 * secret and compared after everything was copied: a page that was dropped in
 * between reads 0 there. The supervisor changes the generation when the machine
 * or the process was copied, so it is compared with the control page as well.
 *
 * The lock stands in memory that is never dropped or wiped, and nobody but its
 * taker frees it. A thread that never comes back (a long jump out of a signal
 * handler, a fork while another thread was here) leaves it taken for good, and
 * the others find another slot.
 *
 * Two entries share the code of slots.h, serve.h and refill.h, as macros, since
 * they save different registers and their callers' frames are found in different
 * ways:
 *
 *	shim_getrandom	the vDSO's function, from C: here
 *	shim_reflected_getrandom
 *			in place of a system call instruction: changes what that
 *			changes (rax, rcx, r11) and nothing else, and has no
 *			stack: reflected_getrandom.S
 *
 * Within, r8 is the slot, r10 its secret page, r9 the generation, rdi and rsi
 * the rest of the request. Marks above the flags in edx tell what was done.
 */
#include "slots.h"
#include "serve.h"
#include "refill.h"

/* The vDSO's function: the return address is on the stack throughout. */
	.macro CFI_RETURN_vdso base
	.endm

	.text
	.balign 64
	.globl shim_getrandom
	.hidden shim_getrandom
	.type shim_getrandom, @function
shim_getrandom:
	.cfi_startproc
	/* Everything out of the ordinary is for C to judge. */
	mov PLAN(PLAN_STATE_SIZE), %r9d
	mov %ecx, %eax
	and $(PAGE_SIZE - 1), %eax
	add %r9d, %eax
	cmp $PAGE_SIZE, %eax
	ja shim_getrandom_rare
	cmp %r9, %r8
	jne shim_getrandom_rare
	cmp $GRND_KNOWN, %edx
	ja shim_getrandom_rare
	lea -1(%rsi), %rax
	cmp $REQUEST_MAX, %rax
	jae shim_getrandom_rare
	cmpq $0, GENERATOR
	je shim_getrandom_rare

	/* A bad buffer faults here, where nothing is held. */
	movb $0, (%rdi)
	mov %edi, %eax
	and $(PAGE_SIZE - 1), %eax
	add %esi, %eax
	cmp $PAGE_SIZE, %eax
	ja .Lvdso_touch
.Lvdso_touched:
	OWN_SLOT shim_cpu_vdso
	TAKE .Lvdso_other
.Lvdso_taken:
	mov %rax, %r8
	FIND_SECRET
	mov CONTROL, %r9
	SERVE vdso
	mov %rsi, %rax
	test $MARK_MOVED, %edx
	jnz .Lvdso_in_parts
.Lvdso_free:
	movq $0, SLOT_LOCK(%r8)
	/* What was copied last. */
	xor %r11d, %r11d
	/* Go's runtime takes xmm15 for zero and does not clear it after the call. */
	pxor %xmm15, %xmm15
	ret

.Lvdso_in_parts:
	mov SAVED_SI(%r8), %rax
	jmp .Lvdso_free

	/* Each page, but the first, and the last byte's. */
.Lvdso_touch:
	movb $0, -1(%rdi, %rsi)
	mov %rdi, %rax
	lea (%rdi, %rsi), %r11
1:	add $PAGE_SIZE, %rax
	cmp %r11, %rax
	jae .Lvdso_touched
	movb $0, (%rax)
	jmp 1b

.Lvdso_other:
	TAKE_OTHER .Lvdso_taken, .Lvdso_none

	SERVE_RARELY vdso
	movq $0, SLOT_LOCK(%r8)
	xor %r11d, %r11d
.Lvdso_none:
	and $GRND_KNOWN, %edx
	pxor %xmm15, %xmm15
	jmp shim_fill_by_call
	.balign 64, 0xcc
	.cfi_endproc
	.size shim_getrandom, . - shim_getrandom

	.globl __vdso_getrandom
	.set __vdso_getrandom, shim_getrandom
	.type __vdso_getrandom, @function
	.size __vdso_getrandom, . - shim_getrandom
	.weak getrandom
	.set getrandom, shim_getrandom
	.type getrandom, @function
	.size getrandom, . - shim_getrandom
