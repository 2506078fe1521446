/*
 * The vDSO's functions that take a clock. The kernel's own reads the clocks that user
 * space can read; of the others, processor time above all, its functions make the
 * system call, at an instruction that the filter does not exempt. For those the call is
 * made here, by the gate.
 */
#include "shim.h"
#include <asm/unistd_64.h>

/* Clocks below CLOCKS_END that user space can't read: all but REALTIME, MONOTONIC, _RAW, both
 * _COARSE, BOOTTIME, TAI and the auxiliary ones (include/vdso/datapage.h). From CLOCKS_END
 * on, and below 0, are a process's or a descriptor's, or none. */
#define CLOCKS_END 24
#define CLOCKS_BY_CALL 0xf70c

	.macro CLOCK name, nr, link
	.balign 16, 0xcc
	.globl shim_\name
	.hidden shim_\name
	.type shim_\name, @function
shim_\name:
	.cfi_startproc
	cmp $CLOCKS_END, %edi
	jae 1f
	mov $CLOCKS_BY_CALL, %eax
	bt %edi, %eax
	jc 1f
	jmp *(__ehdr_start + LINK_OFF + 8 * (\link))(%rip)
1:	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	mov $\nr, %eax
	lea 2f(%rip), %rbx
	jmp shim_gate
2:	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_\name, . - shim_\name
	.endm

	.text
	CLOCK clock_gettime, __NR_clock_gettime, LINK_CLOCK_GETTIME
	CLOCK clock_getres, __NR_clock_getres, LINK_CLOCK_GETRES
