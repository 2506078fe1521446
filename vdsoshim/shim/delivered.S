/*
 * Where the kernel delivers signals to when trap or sud is in use: every handler that
 * the program installs stands behind one of shim_actions, and SIGSYS is ours. What
 * runs here has the kernel's frame on the stack, whose registers are the program's
 * and are restored from there, so all of them may be used.
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define DW_OP_breg7 0x77
	/* Register reg stands at this offset of the frame: the stack pointer, when the
	 * restorer runs. */
	.macro CFI_AT reg, off
	.cfi_escape 0x10, \reg, 3, DW_OP_breg7, (\off) & 0x7f | 0x80, (\off) >> 7
	.endm

	.macro GATE
	lea 1f(%rip), %rbx
	jmp shim_gate
1:
	.endm

	.text
	.balign 16
	.globl shim_actions
	.hidden shim_actions
	.type shim_actions, @function
shim_actions:
	.cfi_startproc
	.set n, 0
	.rept ACTIONS
	mov $n, %eax
	jmp shim_delivered
	.balign 16, 0xcc
	.set n, n + 1
	.endr
	.cfi_endproc
	.size shim_actions, . - shim_actions

/* eax is the action's number, edi the signal, rsi its siginfo_t, rdx the context. */
	.globl shim_delivered
	.hidden shim_delivered
	.type shim_delivered, @function
shim_delivered:
	.cfi_startproc
	cmp $SIGSYS, %edi
	je 3f
	shl $5, %eax			/* ACTION_SIZE */
	lea (__ehdr_start + SIGSYS_OFF + SIGSYS_ACTIONS)(%rip), %rcx
	add %rax, %rcx
	/* What the handler sees as the mask to return to, and what it blocks. */
	mov %es, %eax
	cmp $BLOCKED, %eax
	jne 1f
	orb $SIGSYS_BIT, UC_MASK + SIGSYS_BYTE(%rdx)
	jmp 2f
1:	testb $SIGSYS_BIT, ACTION_MASK + SIGSYS_BYTE(%rcx)
	jz 2f
	mov $BLOCKED, %eax
	mov %eax, %es
2:	lea shim_exits(%rip), %rax
	sub UC_RIP(%rdx), %rax
	neg %rax
	cmp $FROM_EXITS_SIZE, %rax
	jb 5f
6:	xor %eax, %eax
	jmp *(%rcx)

5:	/* Nothing of these is the program's. */
	mov %rdi, %rbx
	mov %rsi, %r12
	mov %rdx, %r13
	mov %rcx, %r14
	mov %rdx, %rdi
	sub $8, %rsp
	.cfi_adjust_cfa_offset 8
	call shim_unexit
	add $8, %rsp
	.cfi_adjust_cfa_offset -8
	mov %rbx, %rdi
	mov %r12, %rsi
	mov %r13, %rdx
	mov %r14, %rcx
	jmp 6b

3:	mov %rsi, %r12
	mov %rdx, %rbx
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %eax, %edx
	sub $8, %rsp
	.cfi_adjust_cfa_offset 8
	call shim_sigsys
	add $8, %rsp
	.cfi_adjust_cfa_offset -8
	test %rax, %rax
	jnz 4f
	mov %rbx, %rsp
	mov $__NR_rt_sigreturn, %eax
	jmp shim_gate
4:	/* The program's own handler. */
	mov $SIGSYS, %edi
	mov %r12, %rsi
	mov %rbx, %rdx
	mov %rax, %rcx
	xor %eax, %eax
	jmp *%rcx
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_delivered, . - shim_delivered

/*
 * Where handlers return to. The mask that the program, or its handler, wants back
 * may have SIGSYS in it, which the kernel must not get. The unwind table says that
 * this is a signal frame, and starts before the first instruction, since
 * unwinders look up an address less one.
 */
	.balign 16
	.cfi_startproc
	.cfi_signal_frame
	/* Not what it returns to, which an exit has for its own: debuggers take two
	 * frames with one address for a loop. */
	.cfi_def_cfa rsp, 0
	CFI_AT 0, UC_RAX
	CFI_AT 1, UC_RDX
	CFI_AT 2, UC_RCX
	CFI_AT 3, UC_RBX
	CFI_AT 4, UC_RSI
	CFI_AT 5, UC_RDI
	CFI_AT 6, UC_RBP
	CFI_AT 7, UC_RSP
	CFI_AT 8, UC_R8
	CFI_AT 9, UC_R9
	CFI_AT 10, UC_R10
	CFI_AT 11, 64
	CFI_AT 12, 72
	CFI_AT 13, 80
	CFI_AT 14, 88
	CFI_AT 15, 96
	CFI_AT 16, UC_RIP
	nop
	.globl shim_restorer
	.hidden shim_restorer
	.type shim_restorer, @function
shim_restorer:
	testb $SIGSYS_BIT, UC_MASK + SIGSYS_BYTE(%rsp)
	jnz 1f
	mov %es, %eax
	cmp $BLOCKED, %eax
	jne 2f
	xor %eax, %eax
	mov %eax, %es
	/* From here on SIGSYS could come on top of the frame that is about to go away, and
	 * the next one on top of that: it waits until that has gone, see own.c. */
	.globl shim_returning
	.hidden shim_returning
shim_returning:
	cmpl $0, (__ehdr_start + SIGSYS_OFF + SIGSYS_STATE + STATE_HELD)(%rip)
	je 2f
	mov $BLOCKED, %eax
	mov %eax, %es
	mov %rsp, %rbp
	and $-16, %rsp
	call shim_return_held
	mov %rbp, %rsp
2:	mov $__NR_rt_sigreturn, %eax
	jmp shim_handled
	.globl shim_returning_end
	.hidden shim_returning_end
shim_returning_end:
1:	andb $~SIGSYS_BIT, UC_MASK + SIGSYS_BYTE(%rsp)
	mov $BLOCKED, %eax
	mov %eax, %es
	jmp 2b
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_restorer, . - shim_restorer

/*
 * void shim_enter(entry, context): lets an entry for patched sites serve the call
 * that the program was about to make. The gate is the site: what is not served is
 * made there.
 */
	.globl shim_enter
	.hidden shim_enter
	.type shim_enter, @function
shim_enter:
	.cfi_startproc
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbx, -16
	push %r12
	.cfi_adjust_cfa_offset 8
	.cfi_offset r12, -24
	mov %rsi, %r12
	mov %rdi, %r11
	mov UC_RAX(%r12), %rax
	mov UC_RDI(%r12), %rdi
	mov UC_RSI(%r12), %rsi
	mov UC_RDX(%r12), %rdx
	mov UC_R10(%r12), %r10
	mov UC_R8(%r12), %r8
	mov UC_R9(%r12), %r9
	lea 1f(%rip), %rbx
	lea shim_gate + 2(%rip), %rcx
	jmp *%r11
1:	mov %rax, UC_RAX(%r12)
	pop %r12
	.cfi_adjust_cfa_offset -8
	pop %rbx
	.cfi_adjust_cfa_offset -8
	ret
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_enter, . - shim_enter

/* void shim_foreign(context): makes a call of 32 bits, by int $0x80. */
	.globl shim_foreign
	.hidden shim_foreign
	.type shim_foreign, @function
shim_foreign:
	.cfi_startproc
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbx, -16
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbp, -24
	push %r12
	.cfi_adjust_cfa_offset 8
	.cfi_offset r12, -32
	push %r13
	.cfi_adjust_cfa_offset 8
	.cfi_offset r13, -40
	mov %rdi, %r13
	mov UC_RAX(%r13), %rax
	mov UC_RBX(%r13), %rbx
	mov UC_RCX(%r13), %rcx
	mov UC_RDX(%r13), %rdx
	mov UC_RSI(%r13), %rsi
	mov UC_RDI(%r13), %rdi
	mov UC_RBP(%r13), %rbp
	lea 1f(%rip), %r12
	jmp shim_foreign_gate
1:	mov %rax, UC_RAX(%r13)
	pop %r13
	.cfi_adjust_cfa_offset -8
	pop %r12
	.cfi_adjust_cfa_offset -8
	pop %rbp
	.cfi_adjust_cfa_offset -8
	pop %rbx
	.cfi_adjust_cfa_offset -8
	ret
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_foreign, . - shim_foreign

/* Which rule a call meets and what that is, written at launch: struct traps. */
	.section .rodata, "a", @progbits
	.balign 64
	.globl shim_traps
	.hidden shim_traps
	.type shim_traps, @object
shim_traps:
	.zero 2 * DISPATCH_CALLS + TRAP_RULES + TRAP_ROWS * TRAP_ROW_SIZE
	.size shim_traps, . - shim_traps
