/*
 * Ways out of a SIGSYS handler, see sigsys.c. A call that the kernel is to make
 * can't be made inside the handler: it may wait, and signals are blocked there. So
 * the handler lets its frame return to an exit, with all registers as the program had
 * them. The exit makes the call with a system call instruction of its own, which
 * the kernel restarts if it has to, and goes back to the site: rcx holds that
 * address after a system call, so no register and no stack is needed. A child,
 * whatever its stack is, goes the same way.
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define CLD_TRAPPED 4
#define DW_RIP 16
#define DW_OP_and 0x1a
#define DW_OP_plus_uconst 0x23
#define DW_OP_const1s 0x09
#define DATA3 SIGSYS_DATA & 0x7f | 0x80, (SIGSYS_DATA >> 7) & 0x7f | 0x80, (SIGSYS_DATA >> 14) & 0x7f

	/* The return address is *((rip & -size) + SIGSYS_DATA). */
	.macro CFI_EXIT size
	.cfi_def_cfa rsp, 0
	.cfi_escape 0x10, DW_RIP, 9, 0x70 + DW_RIP, 0, DW_OP_const1s, -\size & 0xff, DW_OP_and, DW_OP_plus_uconst, DATA3
	.endm

/*
 * The gate: the one system call instruction that the filter lets through where no
 * handler is.
 *
 * It returns by rbx instead of by the stack, since those who use it may have
 * none: the handoff runs before there is any memory of ours, and the fast
 * paths must work with whatever is in rsp. rbx is the one register left that
 * is neither an argument nor changed by the instruction and that C code can
 * be told about.
 *
 * seccomp sees the address after the instruction, shim_gate + 2.
 */
	.section .exits, "ax", @progbits
	.globl shim_gate
	.hidden shim_gate
	.type shim_gate, @function
shim_gate:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rbx
	syscall
	jmp *%rbx
	.balign EXIT_SIZE, 0xcc
	.cfi_endproc
	.size shim_gate, . - shim_gate

	.globl shim_exits
	.hidden shim_exits
	.set shim_exits, shim_gate
	.cfi_startproc
	CFI_EXIT EXIT_SIZE
	.rept EXEMPT_EXITS - 1
100:	syscall
	mov 100b + SIGSYS_DATA(%rip), %rcx
	jmp *%rcx
	.balign EXIT_SIZE, 0xcc
	.endr
	.cfi_endproc

	/* What the program's handlers return by, and tracers hear of. */
	.globl shim_handled
	.hidden shim_handled
	.type shim_handled, @function
shim_handled:
	.cfi_startproc
	.cfi_undefined rip
	syscall
	ud2
	.balign EXIT_SIZE, 0xcc
	.cfi_endproc
	.size shim_handled, . - shim_handled

	/* With a mask that is not the program's: struct masked. */
	.macro MASKED_EXITS reg
	.rept MASKED_GROUP
100:	syscall
	mov 100b + SIGSYS_DATA + 8(%rip), %\reg
	mov 100b + SIGSYS_DATA(%rip), %rcx
	jmp *%rcx
	.balign MASKED_SIZE, 0xcc
	.endr
	.endm

	.cfi_startproc
	CFI_EXIT MASKED_SIZE
	MASKED_EXITS rdi
	MASKED_EXITS r10
	MASKED_EXITS r9
	MASKED_EXITS r8
	.cfi_endproc

	/* For calls that wait for children. A stop is looked at before the program
	 * hears of it, by a call that is trapped, below what the program has of its
	 * stack: it had room for a signal's frame. No flag is changed. */
#define WAITED_BELOW 160
	.macro STOPPED nr
	lea -WAITED_BELOW(%rsp), %rsp
	.cfi_adjust_cfa_offset WAITED_BELOW
	push 100b + SIGSYS_DATA(%rip)
	.cfi_adjust_cfa_offset 8
	push %rax
	.cfi_adjust_cfa_offset 8
	mov $\nr, %eax
	jmp shim_stopped
	.balign WAITING_SIZE, 0xcc
	.cfi_adjust_cfa_offset -WAITED_BELOW - 16
	.endm
	.macro WAITING_EXITS count, nr, register, offset, width, value
	.rept \count
100:	syscall
	mov\width \offset(%\register), %ecx
	lea -\value(%rcx), %ecx
	jrcxz 101f
	mov 100b + SIGSYS_DATA(%rip), %rcx
	jmp *%rcx
101:	STOPPED \nr
	.endr
	.endm
	.macro WAITING_BLIND count, nr
	.rept \count
100:	syscall
	STOPPED \nr
	.endr
	.endm

	.cfi_startproc
	CFI_EXIT WAITING_SIZE
	WAITING_EXITS WAITING_WAITID, __NR_wait4, rsi, 0, zbl, 0x7f
	WAITING_EXITS (WAITING_NULL - WAITING_WAITID), __NR_waitid, rdx, 8, l, CLD_TRAPPED
	WAITING_BLIND 2, __NR_wait4
	WAITING_BLIND 2, __NR_waitid
	.cfi_endproc

	/* For calls that have other rules than ours: the filter sees them. */
	.globl shim_open_gate
	.hidden shim_open_gate
	.type shim_open_gate, @function
shim_open_gate:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rbx
	syscall
	jmp *%rbx
	.balign 8, 0xcc
	.globl shim_foreign_gate
	.hidden shim_foreign_gate
shim_foreign_gate:
	int $0x80
	.cfi_register rip, r12
	jmp *%r12
	.balign EXIT_SIZE, 0xcc
	.cfi_endproc
	.size shim_open_gate, . - shim_open_gate
	.cfi_startproc
	CFI_EXIT EXIT_SIZE
	.rept OPEN_EXITS - 1
100:	syscall
	mov 100b + SIGSYS_DATA(%rip), %rcx
	jmp *%rcx
	.balign EXIT_SIZE, 0xcc
	.endr
	.cfi_endproc

	/* See STOPPED. Where the trap is dropped, see sigsys.c, the call returns its number. */
	.globl shim_stopped
	.hidden shim_stopped
	.type shim_stopped, @function
shim_stopped:
	.cfi_startproc
	.cfi_def_cfa rsp, WAITED_BELOW + 16
	.cfi_offset rip, -WAITED_BELOW - 8
	syscall
	jmp shim_stopped
	.balign EXIT_SIZE, 0xcc
	.cfi_endproc
	.size shim_stopped, . - shim_stopped
