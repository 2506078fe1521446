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
 * Two entries share this code, as a macro, since they save different
 * registers and their callers' frames are found in different ways:
 *
 *	shim_getrandom	the vDSO's function, from C
 *	shim_reflected_getrandom
 *			in place of a system call instruction: changes what that
 *			changes (rax, rcx, r11) and nothing else, and has no stack
 *
 * Within, r8 is the slot, r10 its secret page, r9 the generation, rdi and rsi
 * the rest of the request. Marks above the flags in edx tell what was done.
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

/*
 * Copies rsi bytes, at least one, from rcx to rdi and erases them. The last
 * eight go first, since the words before them may overlap them. Changes rax
 * and r11.
 */
	.macro HAND_OUT
	cmp $8, %esi
	jb 5f
	mov -8(%rcx, %rsi), %r11
	mov %r11, -8(%rdi, %rsi)
	xor %eax, %eax
	cmp $40, %esi
	jb 3f
2:
	.irp at, 0, 8, 16, 24
	mov \at(%rcx, %rax), %r11
	movq $0, \at(%rcx, %rax)
	mov %r11, \at(%rdi, %rax)
	.endr
	add $32, %rax
	lea 40(%rax), %r11
	cmp %rsi, %r11
	jbe 2b
3:	lea 8(%rax), %r11
	cmp %rsi, %r11
	jae 4f
	mov (%rcx, %rax), %r11
	movq $0, (%rcx, %rax)
	mov %r11, (%rdi, %rax)
	add $8, %rax
	jmp 3b
4:	movq $0, -8(%rcx, %rsi)
	jmp 9f

5:	cmp $4, %esi
	jb 6f
	mov (%rcx), %eax
	mov -4(%rcx, %rsi), %r11d
	mov %eax, (%rdi)
	mov %r11d, -4(%rdi, %rsi)
	movl $0, (%rcx)
	movl $0, -4(%rcx, %rsi)
	jmp 9f
	/* The first two of two or three, then the last. A single byte is a case of
	 * its own: the next lock waits for every store. */
6:	cmp $2, %esi
	jb 7f
	movzwl (%rcx), %eax
	movzbl -1(%rcx, %rsi), %r11d
	mov %ax, (%rdi)
	mov %r11b, -1(%rdi, %rsi)
	movw $0, (%rcx)
	movb $0, -1(%rcx, %rsi)
	jmp 9f
7:	movzbl (%rcx), %eax
	mov %al, (%rdi)
	movb $0, (%rcx)
9:
	.endm

/*
 * Serves the request, with the slot taken, and goes on behind it when it is
 * served. \name_give_up is where it goes when it can't.
 */
	.macro SERVE name
	cmp $BATCH, %rsi
	ja .L\name\()_direct
.L\name\()_batch:
	cmp %r9, SECRET_GENERATION(%r10)
	jne .L\name\()_refill
	/* Behind a refill the generation is not compared again: if the page is
	 * gone already, the check below finds that. */
.L\name\()_fresh:
	mov SECRET_POSITION(%r10), %ecx
	lea (%rcx, %rsi), %eax
	cmp $BATCH, %eax
	ja .L\name\()_short
	mov %eax, SECRET_POSITION(%r10)
	add %r10, %rcx
	HAND_OUT
	/* Read after the bytes, so it says of which page they were. */
.L\name\()_check:
	cmp %r9, SECRET_GENERATION(%r10)
	jne .L\name\()_changed
	cmp %r9, CONTROL
	jne .L\name\()_changed
	.endm

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

/*
 * In place of a system call instruction that is reflected to here by a jump:
 *
 *	rax, rdi, rsi, rdx	as for the call
 *	rcx			address behind the instruction
 *	rsp			any value at all
 *
 * It goes on at rcx with rax, rcx and r11 as the kernel leaves them; the flags
 * and all else are as they were. What it does not serve goes to the instruction
 * itself, at rcx - 2. The sixteen bits of r11 that only a stack would tell are
 * those of a program that sets none of the rare flags.
 *
 * A bad buffer has to give EFAULT, but a fault here would be the program's
 * SIGSEGV. So bytes go only into pages that the kernel itself has just written
 * to: a request for another page, or a byte of it, is made by system call, through
 * the gate, and when that succeeds the page is known until the slot's batch is
 * used up, the generation changes, or the program makes a call by which it may lose
 * pages, see shim_forget.
 */
	/* The frame is that of the code around the instruction. */
	.macro CFI_RETURN_call base
	CFI_AT DW_RIP, \base, SAVED_CX
	.endm

	.balign 64
	.globl shim_reflected_getrandom
	.hidden shim_reflected_getrandom
	.type shim_reflected_getrandom, @function
shim_reflected_getrandom:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	lahf
	seto %al
	mov %eax, %r11d
	/* A breakpoint at the site, see reflected.S. */
	cmpw $SYSCALL_INSN, -2(%rcx)
	jne .Lcall_site
	/* Unknown flags, two that exclude each other, lengths and addresses that
	 * are strange: the kernel's. */
	cmp $GRND_KNOWN, %edx
	ja .Lcall_site
	mov %edx, %eax
	and $GRND_RANDOM_INSECURE, %eax
	cmp $GRND_RANDOM_INSECURE, %eax
	je .Lcall_site
	lea -1(%rsi), %rax
	cmp $REQUEST_MAX, %rax
	jae .Lcall_site
	/* Not the first page either: 0 in the table of known pages is none. */
	lea -PAGE_SIZE(%rdi), %rax
	shr $47, %rax
	jnz .Lcall_site
	cmpq $0, GENERATOR
	je .Lcall_site

	OWN_SLOT shim_cpu_call
	TAKE .Lcall_other
.Lcall_taken:
	mov %rcx, SAVED_CX(%rax)
	.cfi_remember_state
	CFI_RETURN_call DW_RAX
	mov %r8, SAVED_8(%rax)
	mov %r9, SAVED_9(%rax)
	mov %r10, SAVED_10(%rax)
	mov %r11, SAVED_FLAGS(%rax)
	mov %rdi, SAVED_DI(%rax)
	mov %rsi, SAVED_SI(%rax)
	mov %rdx, SAVED_DX(%rax)
	mov %rax, %r8
	CFI_RETURN_call DW_R8
	FIND_SECRET
	mov CONTROL, %r9

	mov FORGET, %rax
	cmp %rax, SLOT_EPOCH(%r8)
	jne .Lcall_forget
.Lcall_remembered:
	mov %rdi, %rax
	shr $12, %rax
	lea -1(%rdi, %rsi), %rcx
	shr $12, %rcx
1:	mov %eax, %r11d
	and $(KNOWN_PAGES - 1), %r11d
	cmp %rax, SLOT_PAGES(%r8, %r11, 8)
	jne .Lcall_kernel
	inc %rax
	cmp %rcx, %rax
	jbe 1b
.Lcall_known:
	SERVE call

	/* Back, as from the kernel. The slot is given up last, and nothing of
	 * it is read afterwards: the result is the length, which is in rsi. */
	mov SAVED_FLAGS(%r8), %eax
	movzbl %ah, %ecx
	movzbl %al, %r11d
	shl $11, %r11d
	lea 0x200(%rcx, %r11), %r11
	add $0x7f, %al
	sahf
	mov %r8, %rax
	CFI_RETURN_call DW_RAX
	mov SAVED_DI(%rax), %rdi
	mov SAVED_SI(%rax), %rsi
	mov SAVED_DX(%rax), %rdx
	mov SAVED_9(%rax), %r9
	mov SAVED_10(%rax), %r10
	mov SAVED_CX(%rax), %rcx
	.cfi_restore_state
	.cfi_remember_state
	mov SAVED_8(%rax), %r8
	movq $0, SLOT_LOCK(%rax)
	mov %rsi, %rax
	jmp *%rcx

	/* The program may have lost pages since. What it loses from here on changes the
	 * word again, in the middle of this loop too. */
	.cfi_restore_state
	.cfi_remember_state
	CFI_RETURN_call DW_R8
.Lcall_forget:
	test %eax, %eax
	jz 1f
	mov %rax, %rcx
	shr $32, %rcx
	inc %ecx
	shl $32, %rcx
	lock cmpxchg %rcx, FORGET
	jne .Lcall_forget
	mov %rcx, %rax
1:	mov %rax, SLOT_EPOCH(%r8)
	FORGET_PAGES %r8
	jmp .Lcall_remembered

	/* A short request is the kernel's then. Of a longer one it writes a byte into
	 * each page. Where it refuses that, the whole is the kernel's: what it says of
	 * a byte need not be what it says of the request. */
	.cfi_restore_state
	.cfi_remember_state
	CFI_RETURN_call DW_R8
.Lcall_kernel:
	cmp $KERNEL_BLOCK, %rsi
	jbe .Lcall_whole
	mov %rbx, SAVED_BX(%r8)
	CFI_AT DW_RBX, DW_R8, SAVED_BX
.Lcall_page:
	mov $1, %esi
	mov $__NR_getrandom, %eax
	GATE
	sub $1, %rax
	jne .Lcall_refused
	mov %rdi, %rax
	shr $12, %rax
	mov %eax, %r11d
	and $(KNOWN_PAGES - 1), %r11d
	mov %rax, SLOT_PAGES(%r8, %r11, 8)
	or $(PAGE_SIZE - 1), %rdi
	inc %rdi
	mov SAVED_DI(%r8), %rax
	add SAVED_SI(%r8), %rax
	cmp %rax, %rdi
	jb .Lcall_page
	xor %eax, %eax
.Lcall_refused:
	test %rax, %rax
	mov SAVED_DI(%r8), %rdi
	mov SAVED_SI(%r8), %rsi
	mov SAVED_BX(%r8), %rbx
	.cfi_restore rbx
	je .Lcall_known
	jmp .Lcall_whole

	/* The kernel serves it; the pages are known then. */
	SERVE_RARELY call
.Lcall_whole:
	mov SAVED_DX(%r8), %rdx
	mov %rbx, SAVED_BX(%r8)
	CFI_AT DW_RBX, DW_R8, SAVED_BX
	mov $__NR_getrandom, %eax
	GATE
	mov SAVED_BX(%r8), %rbx
	.cfi_restore rbx
	cmp %rsi, %rax
	jne 2f
	mov %rdi, %rcx
	shr $12, %rcx
	lea -1(%rdi, %rsi), %r10
	shr $12, %r10
1:	mov %ecx, %r11d
	and $(KNOWN_PAGES - 1), %r11d
	mov %rcx, SLOT_PAGES(%r8, %r11, 8)
	inc %rcx
	cmp %r10, %rcx
	jbe 1b
2:
	/* Any result, so that no register is left to find the slot with at the
	 * end: r11's value waits in the lock itself, see LOCK_BIT. */
	mov %rax, SAVED_AX(%r8)
	mov SAVED_FLAGS(%r8), %eax
	movzbl %ah, %ecx
	movzbl %al, %r11d
	shl $11, %r11d
	lea 0x200(%rcx, %r11), %r11
	mov %r11, SLOT_LOCK(%r8)
	add $0x7f, %al
	sahf
	mov %r8, %r11
	mov SAVED_AX(%r11), %rax
	mov SAVED_9(%r11), %r9
	mov SAVED_10(%r11), %r10
	mov SAVED_CX(%r11), %rcx
	.cfi_restore_state
	.cfi_remember_state
	mov SAVED_8(%r11), %r8
	xchg %r11, SLOT_LOCK(%r11)
	jmp *%rcx

.Lcall_other:
	TAKE_OTHER .Lcall_taken, .Lcall_site

.Lcall_site:
	mov %r11d, %eax
	add $0x7f, %al
	sahf
	mov $__NR_getrandom, %eax
	lea -2(%rcx), %rcx
	.cfi_undefined rip
	jmp *%rcx
	.balign 64, 0xcc
	.cfi_restore_state
	.cfi_endproc
	.size shim_reflected_getrandom, . - shim_reflected_getrandom
