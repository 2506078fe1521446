/*
 * What serving a request needs rarely: a new batch, a request of several parts or longer
 * than a batch, a page that was dropped. See generator.S.
 */

	.macro GATE
	lea 1f(%rip), %rbx
	jmp shim_gate
1:
	.endm

/* Where a register of the caller is, in terms of DWARF: at the address
 * "base + off" (DW_CFA_expression, DW_OP_breg). */
	.macro CFI_AT reg, base, off
	.cfi_escape 0x10, \reg, 3, 0x70 + \base, (\off & 0x7f) | 0x80, \off >> 7
	.endm
#define DW_RAX 0
#define DW_RBX 3
#define DW_R8 8
#define DW_R12 12
#define DW_RIP 16

/* What the gate and the block functions change goes into the slot, which is
 * r12 from here to RESTORE, and a fresh key comes from the kernel. */
	.macro KEEP_AND_KEY name
	mov %rdi, WORK_DI(%r8)
	mov %rsi, WORK_SI(%r8)
	mov %rdx, WORK_DX(%r8)
	mov %r9, WORK_9(%r8)
	mov %r10, WORK_10(%r8)
	mov %rbx, SAVED_BX(%r8)
	mov %r12, SAVED_12(%r8)
	mov %r13, SAVED_13(%r8)
	mov %r14, SAVED_14(%r8)
	mov %r15, SAVED_15(%r8)
	mov %r8, %r12
	.cfi_remember_state
	CFI_AT DW_RBX, DW_R12, SAVED_BX
	CFI_AT 12, DW_R12, SAVED_12
	CFI_AT 13, DW_R12, SAVED_13
	CFI_AT 14, DW_R12, SAVED_14
	CFI_AT 15, DW_R12, SAVED_15
	CFI_RETURN_\name DW_R12
	lea SECRET_KEY(%r10), %rdi
	mov $32, %esi
	mov $GRND_NONBLOCK, %edx
	mov $__NR_getrandom, %eax
	GATE
	cmp $32, %rax
	jne .L\name\()_no_key
	.endm

/* Fills rsi units from rdi on with what the key expands to, and erases the
 * key, which may be their end. r10 is the secret page. */
	.macro EXPAND
	lea SECRET_KEY(%r10), %rdx
	xor %ecx, %ecx
	lea SECRET_SCRATCH(%r10), %r8
	lea SLOT_VECTORS(%r12), %r9
	mov PLAN(PLAN_BLOCKS), %eax
	lea __ehdr_start(%rip), %rbx
	add %rbx, %rax
	lea 1f(%rip), %rbx
	jmp *%rax
1:	mov WORK_10(%r12), %r10
	.irp at, 0, 8, 16, 24
	movq $0, SECRET_KEY + \at(%r10)
	.endr
	.endm

	.macro RESTORE
	mov %r12, %r8
	mov WORK_DI(%r8), %rdi
	mov WORK_SI(%r8), %rsi
	mov WORK_DX(%r8), %rdx
	mov WORK_9(%r8), %r9
	mov WORK_10(%r8), %r10
	mov SAVED_BX(%r8), %rbx
	mov SAVED_13(%r8), %r13
	mov SAVED_14(%r8), %r14
	mov SAVED_15(%r8), %r15
	mov SAVED_12(%r8), %r12
	.cfi_restore_state
	.endm

/* No page is known to be writable any more. Changes rax. */
	.macro FORGET_PAGES slot
	xor %eax, %eax
9:	movq $0, SLOT_PAGES(\slot, %rax, 8)
	inc %eax
	cmp $KNOWN_PAGES, %eax
	jb 9b
	.endm

/* From here on rdi and rsi are what is left of the request. */
	.macro BEGIN_PARTS
	test $MARK_MOVED, %edx
	jnz 1f
	mov %rdi, SAVED_DI(%r8)
	mov %rsi, SAVED_SI(%r8)
	or $MARK_MOVED, %edx
1:
	.endm

/*
 * What SERVE needs rarely. The generation is written before the key is there,
 * so that a page that is dropped at any moment is told from one that is not;
 * after a fork the other process finds it wiped. Each refill has a key of its
 * own, of which nothing is kept.
 */
	.macro SERVE_RARELY name
.L\name\()_refill:
	mov %r9, SECRET_GENERATION(%r10)
	KEEP_AND_KEY \name
	mov %r10, %rdi
	mov $BATCH_UNITS, %esi
	EXPAND
	movl $0, SECRET_POSITION(%r10)
	FORGET_PAGES %r12
	RESTORE
	jmp .L\name\()_fresh

	/* More than is left: that first, then the rest from new ones. The page is
	 * judged before it gets a new generation. */
.L\name\()_short:
	BEGIN_PARTS
	mov %rsi, WORK_SI(%r8)
	mov $BATCH, %esi
	sub %ecx, %esi
	jz 1f
	movl $BATCH, SECRET_POSITION(%r10)
	add %r10, %rcx
	HAND_OUT
	cmp %r9, SECRET_GENERATION(%r10)
	jne .L\name\()_changed
1:	add %rsi, %rdi
	sub %rsi, WORK_SI(%r8)
	mov WORK_SI(%r8), %rsi
	jmp .L\name\()_refill

	/* Longer than a batch: whole units go straight to the buffer, the rest
	 * comes from the batch. */
.L\name\()_direct:
	BEGIN_PARTS
	cmp %r9, SECRET_GENERATION(%r10)
	je 1f
	/* In this order: a page that is dropped in between has no generation,
	 * so its zeros are not taken for a batch. */
	mov %r9, SECRET_GENERATION(%r10)
	movl $BATCH, SECRET_POSITION(%r10)
	FORGET_PAGES %r8
1:	KEEP_AND_KEY \name
	mov WORK_DI(%r12), %rdi
	mov WORK_SI(%r12), %rsi
	shr $10, %rsi
	EXPAND
	RESTORE
	mov %rsi, %rax
	and $-UNIT, %rax
	add %rax, %rdi
	sub %rax, %rsi
	jz .L\name\()_check
	/* A refill for the rest would give a lost page its generation back. */
	cmp %r9, SECRET_GENERATION(%r10)
	je .L\name\()_batch
	jmp .L\name\()_changed

	/* The page was dropped, or the generation is another: what was copied
	 * is worthless. Once more, with everything new. */
.L\name\()_changed:
	test $MARK_AGAIN, %edx
	jnz .L\name\()_give_up
	or $MARK_AGAIN, %edx
	mov CONTROL, %r9
	test $MARK_MOVED, %edx
	jz .L\name\()_refill
	mov SAVED_DI(%r8), %rdi
	mov SAVED_SI(%r8), %rsi
	cmp $BATCH, %rsi
	jbe .L\name\()_refill
	jmp .L\name\()_direct

.L\name\()_no_key:
	/* The kernel's generator is not ready: for callers to hear or wait. */
	.cfi_remember_state
	CFI_AT DW_RBX, DW_R12, SAVED_BX
	CFI_AT 12, DW_R12, SAVED_12
	CFI_AT 13, DW_R12, SAVED_13
	CFI_AT 14, DW_R12, SAVED_14
	CFI_AT 15, DW_R12, SAVED_15
	CFI_RETURN_\name DW_R12
	RESTORE
.L\name\()_give_up:
	movq $0, SECRET_GENERATION(%r10)
	test $MARK_MOVED, %edx
	jz 1f
	mov SAVED_DI(%r8), %rdi
	mov SAVED_SI(%r8), %rsi
1:
	.endm
