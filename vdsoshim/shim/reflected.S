/*
 * Where patched system call instructions lead to, besides the generator.
 *
 * A site's stub sets rcx to the address behind the site, as the kernel does, and
 * jumps to an entry: shim_reflected_getrandom, or one of shim_constants.
 * Everything but rax, rcx and r11 has to stay, the flags too, and there is no
 * stack; see shim_reflected_getrandom for the rest.
 *
 * A site that can bring any number, or passes through to the kernel, has a
 * record in the region's stubs as well, made by the supervisor (STUB_ in
 * shim.h). It is code, so that the filter can exempt its system call by address:
 *
 *	movzbl -2(%rcx), %ecx
 *	lea -SYSCALL_FIRST(%rcx), %ecx
 *	jrcxz 1f
 *	jmp *site
 * 1:	syscall
 *	mov $(site + 2), %rcx
 *	jmp *%rcx
 *	mov $record, %ecx
 *	jmp shim_dispatch
 *
 * Whatever answers a call, or makes it, looks first whether the site still is what
 * it was. Where a debugger or the kernel's uprobes have a breakpoint, the call goes
 * back to the site, for the breakpoint to be met.
 */
#include "shim.h"
#include "generator.h"

#define DW_RCX 2
#define DW_R11 11
#define DW_RIP 16

#define TABLE (__ehdr_start + LINK_OFF + 8 * LINK_TABLE)(%rip)
#define SELF (__ehdr_start + LINK_OFF + 8 * LINK_SELF)(%rip)

#define FORGET (__ehdr_start + FORGET_OFF)(%rip)

	/* The return address is in the record rcx. */
	.macro CFI_RECORD
	.cfi_escape 0x10, DW_RIP, 2, 0x70 + DW_RCX, STUB_RETURN
	.endm

	/* The record is in the upper half of a register: breg, const1u, shr, plus_uconst */
	.macro CFI_RECORD_ABOVE reg
	.cfi_escape 0x10, DW_RIP, 7, 0x70 + \reg, 0, 0x08, 32, 0x25, 0x23, STUB_RETURN
	.endm

/* Sets the flags for what jne asks: is the site, with what is behind it in reg,
 * something else now? */
	.macro CMP_SITE reg, off
	cmpb $SYSCALL_FIRST, \off(\reg)
	.endm

	.macro FLAGS_BACK
	add $0x7f, %al
	sahf
	.endm

/* As shim_dispatch, and counts the call in a row of this processor's, see
 * forward.S. r11 keeps the record and the flags for that long. */
	.text
	.balign 64
	.globl shim_counted_dispatch
	.hidden shim_counted_dispatch
	.type shim_counted_dispatch, @function
shim_counted_dispatch:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	CFI_RECORD
	mov %rax, %r11
	lahf
	seto %al
	movzwl %ax, %eax
	xchg %rax, %r11
	shl $32, %rcx
	CFI_RECORD_ABOVE DW_RCX
	or %rcx, %r11
	CFI_RECORD_ABOVE DW_R11
	shr $32, %rcx
	mov STUB_SITE(%rcx), %rcx
	CMP_SITE %rcx, 0
	jne 2f
	.globl shim_cpu_dispatch
	.hidden shim_cpu_dispatch
shim_cpu_dispatch:
	mov $0x7b, %ecx
	lsl %ecx, %ecx
	and $(COUNTER_ROWS - 1), %ecx
	shl $COUNTER_ROW_SHIFT, %ecx
	add SELF, %rcx
	cmp $DISPATCH_CALLS, %rax
	jae 1f
	lock incq COUNTERS_OFF + 8 * COUNTER_CALLS(%rcx, %rax, 8)
1:	mov %r11, %rcx
	shr $32, %rcx
	mov STUB_COUNTER(%rcx), %ecx
	add SELF, %rcx
	lock incq (%rcx)
2:	mov %r11, %rcx
	shr $32, %rcx
	CFI_RECORD
	mov %r11d, %r11d
	xchg %rax, %r11
	jmp .Ldispatch
	.balign 64, 0xcc
	.cfi_endproc
	.size shim_counted_dispatch, . - shim_counted_dispatch

/* rcx is the record, rax the number. What the policy leaves alone goes back to
 * the site's own instruction, where the filter sees it, and so does a number with
 * anything in the upper half, which the kernel ignores and tracers see. */
	.globl shim_dispatch
	.hidden shim_dispatch
	.type shim_dispatch, @function
shim_dispatch:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	CFI_RECORD
	mov %rax, %r11
	lahf
	seto %al
.Ldispatch:
	cmp $DISPATCH_CALLS, %r11
	jae 2f
	shl $2, %r11d
	add TABLE, %r11
	cmpl $DISPATCH_VALUE, (%r11)
	jbe 1f
	mov STUB_RETURN(%rcx), %rcx
	.cfi_remember_state
	.cfi_register rip, rcx
	mov (%r11), %r11d
	add SELF, %r11
	FLAGS_BACK
	jmp *%r11
1:
	.cfi_restore_state
	je 4f
	cmpl $DISPATCH_KERNEL, (%r11)
	jb 3f
	/* To the kernel, from the record. */
	sub TABLE, %r11
	shr $2, %r11d
	FLAGS_BACK
	mov %r11d, %eax
	mov %rcx, %r11
	mov STUB_RETURN(%rcx), %rcx
	.cfi_remember_state
	.cfi_register rip, rcx
	jmp *%r11
	.cfi_restore_state
3:	cmpl $DISPATCH_FORGET, (%r11)
	jne 6f
	cmpq $0, (__ehdr_start + LINK_OFF + 8 * LINK_GENERATOR)(%rip)
	je 6f
	movl $1, FORGET
6:	sub TABLE, %r11
	shr $2, %r11d
2:	FLAGS_BACK
	mov %r11, %rax
	mov STUB_SITE(%rcx), %rcx
	.cfi_remember_state
	.cfi_register rip, rcx
	jmp *%rcx
	.cfi_restore_state

	/* A constant that has no code of its own. The flags come back before the
	 * value does, with r11's in the upper half of eax meanwhile. */
4:	mov STUB_SITE(%rcx), %rcx
	CMP_SITE %rcx, 0
	jne 5f
	lea 2(%rcx), %rcx
	.cfi_register rip, rcx
	lea (shim_values - shim_table)(%r11, %r11), %r11
	sub TABLE, %r11
	shl $3, %al
	imul $0x10001, %eax, %eax
	add $0x78, %al
	sahf
	bswap %eax
	movzwl %ax, %eax
	lea 0x200(%rax), %eax
	xchg %rax, %r11
	mov (%rax), %rax
	jmp *%rcx
5:	CFI_SITE
	sub TABLE, %r11
	shr $2, %r11d
	FLAGS_BACK
	mov %r11d, %eax
	jmp *%rcx
	.balign 64, 0xcc
	.cfi_endproc
	.size shim_dispatch, . - shim_dispatch

/*
 * In front of a call by which the program may lose pages, such as munmap: the pages
 * that the generator may write to are known no longer. The call is then made at the
 * site, where it would have been.
 */
	.globl shim_forget
	.hidden shim_forget
	.type shim_forget, @function
shim_forget:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	movl $1, FORGET
	lea -2(%rcx), %rcx
	CFI_SITE
	jmp *%rcx
	.balign 64, 0xcc
	.cfi_endproc
	.size shim_forget, . - shim_forget

/*
 * Constants: number and value are written in at launch. rax need not have the
 * number.
 */
	.globl shim_constants
	.hidden shim_constants
	.type shim_constants, @function
shim_constants:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	.rept CONSTANTS
	lahf
	seto %al
	CMP_SITE %rcx, -2
	jne 1f
	movzbl %al, %r11d
	shl $11, %r11d
	FLAGS_BACK
	movzbl %ah, %eax
	lea 0x200(%rax, %r11), %r11
	movabs $0x1122334455667788, %rax
	jmp *%rcx
1:	FLAGS_BACK
	mov $0x11223344, %eax
	.cfi_remember_state
	lea -2(%rcx), %rcx
	CFI_SITE
	jmp *%rcx
	.cfi_restore_state
	.balign CONSTANT_SIZE, 0xcc
	.endr
	.cfi_endproc
	.size shim_constants, . - shim_constants

/*
 * The region's stubs, which the supervisor writes: of them the image only has how
 * they are unwound. A thread that waits in a record's system call is cancelled
 * there, and what unwinds it finds this by the segment's length in memory. All are
 * aligned units of STUB_SIZE bytes, none has a frame, and each ends with the address
 * behind its site.
 */
	.section .stubs, "ax", @nobits
	.globl shim_stubs
	.hidden shim_stubs
	.type shim_stubs, @object
shim_stubs:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	/* *((rip & -STUB_SIZE) + STUB_UNWIND): breg16, const1s, and, plus_uconst */
	.cfi_escape 0x10, DW_RIP, 7, 0x70 + DW_RIP, 0, 0x09, -STUB_SIZE & 0xff, 0x1a, 0x23, STUB_UNWIND
	.zero STUBS_SIZE
	.cfi_endproc
	.size shim_stubs, . - shim_stubs

/* What the dispatcher does with each number: 0, DISPATCH_KERNEL, DISPATCH_VALUE, or
 * an offset into the image. Written at launch. */
	.section .rodata, "a", @progbits
	.balign 64
	.globl shim_table
	.hidden shim_table
	.type shim_table, @object
shim_table:
	.zero 4 * DISPATCH_CALLS
	.size shim_table, . - shim_table

/* The constants, by number, where that says DISPATCH_VALUE. */
	.globl shim_values
	.hidden shim_values
	.type shim_values, @object
shim_values:
	.zero 8 * DISPATCH_CALLS
	.size shim_values, . - shim_values
