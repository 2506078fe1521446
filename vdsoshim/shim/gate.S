/*
 * The gate: the one system call instruction that the filter lets through.
 *
 * It returns by rbx instead of by the stack, since those who use it may have
 * none: the handoff runs before there is any memory of ours, and the fast
 * paths must work with whatever is in rsp. rbx is the one register left that
 * is neither an argument nor changed by the instruction and that C code can
 * be told about.
 *
 * seccomp sees the address after the instruction, shim_gate + 2.
 */
#include "shim.h"

	.text
	.balign 16
	.globl shim_gate
	.hidden shim_gate
	.type shim_gate, @function
shim_gate:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rbx
	syscall
	jmp *%rbx
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_gate, . - shim_gate
