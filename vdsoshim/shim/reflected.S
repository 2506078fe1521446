/*
 * Where patched system call instructions lead to, besides the generator.
 *
 * A site's stub sets rcx to the address behind the site, as the kernel does, and
 * jumps to an entry: shim_reflected_getrandom, or one of shim_constants behind
 * its first instruction. Everything but rax, rcx and r11 has to stay, the flags
 * too, and there is no stack; see shim_reflected_getrandom for the rest.
 *
 * A site that can bring any number, or passes through to the kernel, has a
 * record in the region's stubs as well, made by the supervisor (STUB_ in
 * shim.h). It is code, so that the filter can exempt its system call by address:
 *
 *	syscall
 *	mov $(site + 2), %rcx
 *	jmp *%rcx
 *	...
 *	mov $record, %ecx
 *	jmp shim_dispatch
 */
#include "shim.h"

#define DW_RCX 2
#define DW_RIP 16

#define TABLE (__ehdr_start + LINK_OFF + 8 * LINK_TABLE)(%rip)
#define SELF (__ehdr_start + LINK_OFF + 8 * LINK_SELF)(%rip)

	/* The return address is in the record rcx. */
	.macro CFI_RECORD
	.cfi_escape 0x10, DW_RIP, 2, 0x70 + DW_RCX, STUB_RETURN
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
	mov %eax, %r11d
	lahf
	seto %al
	xchg %rax, %r11
	shl $32, %rcx
	or %rcx, %r11
	/* Somewhere in the upper half of r11, which no rule describes. */
	.cfi_undefined rip
	.globl shim_cpu_dispatch
	.hidden shim_cpu_dispatch
shim_cpu_dispatch:
	mov $0x7b, %ecx
	lsl %ecx, %ecx
	and $(COUNTER_ROWS - 1), %ecx
	shl $COUNTER_ROW_SHIFT, %ecx
	add SELF, %rcx
	cmp $DISPATCH_CALLS, %eax
	jae 1f
	lock incq COUNTERS_OFF + 8 * COUNTER_CALLS(%rcx, %rax, 8)
1:	mov %r11, %rcx
	shr $32, %rcx
	mov STUB_COUNTER(%rcx), %ecx
	add SELF, %rcx
	lock incq (%rcx)
	mov %r11, %rcx
	shr $32, %rcx
	CFI_RECORD
	mov %r11d, %r11d
	xchg %rax, %r11
	jmp .Ldispatch
	.balign 64, 0xcc
	.cfi_endproc
	.size shim_counted_dispatch, . - shim_counted_dispatch

/* rcx is the record, eax the number. What the policy leaves alone goes back to
 * the site's own instruction, where the filter sees it. */
	.globl shim_dispatch
	.hidden shim_dispatch
	.type shim_dispatch, @function
shim_dispatch:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	CFI_RECORD
	mov %eax, %r11d
	lahf
	seto %al
.Ldispatch:
	cmp $DISPATCH_CALLS, %r11d
	jae 2f
	shl $2, %r11d
	add TABLE, %r11
	cmpl $DISPATCH_KERNEL, (%r11)
	jbe 1f
	mov (%r11), %r11d
	add SELF, %r11
	FLAGS_BACK
	jmp *%r11
1:
	jb 3f
	/* To the kernel, from the record. */
	sub TABLE, %r11
	shr $2, %r11d
	FLAGS_BACK
	mov %r11d, %eax
	jmp *%rcx
3:	sub TABLE, %r11
	shr $2, %r11d
2:	FLAGS_BACK
	mov %r11d, %eax
	mov STUB_SITE(%rcx), %rcx
	.cfi_register rip, rcx
	jmp *%rcx
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_dispatch, . - shim_dispatch

/* shim_reflected_getrandom for the dispatcher. */
	.globl shim_dispatched_getrandom
	.hidden shim_dispatched_getrandom
	.type shim_dispatched_getrandom, @function
shim_dispatched_getrandom:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	CFI_RECORD
	mov STUB_RETURN(%rcx), %rcx
	.cfi_register rip, rcx
	jmp shim_reflected_getrandom
	.balign 64, 0xcc
	.cfi_endproc
	.size shim_dispatched_getrandom, . - shim_dispatched_getrandom

/*
 * Constants: the value is written in at launch. The flags are read, but no
 * instruction changes them. Each has two entries: with the record in rcx, and
 * CONSTANT_DIRECT behind it with the return address.
 */
	.globl shim_constants
	.hidden shim_constants
	.type shim_constants, @function
shim_constants:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.rept CONSTANTS
	CFI_RECORD
	mov STUB_RETURN(%rcx), %rcx
	.cfi_register rip, rcx
	lahf
	seto %al
	movzbl %al, %r11d
	movzbl %ah, %eax
	lea (, %r11, 8), %r11
	lea (, %r11, 8), %r11
	lea (, %r11, 8), %r11
	lea 0x200(%rax, %r11, 4), %r11
	movabs $0x1122334455667788, %rax
	jmp *%rcx
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

/* What the dispatcher does with each number: 0, DISPATCH_KERNEL, or an offset
 * into the image. Written at launch. */
	.section .rodata, "a", @progbits
	.balign 64
	.globl shim_table
	.hidden shim_table
	.type shim_table, @object
shim_table:
	.zero 4 * DISPATCH_CALLS
	.size shim_table, . - shim_table
