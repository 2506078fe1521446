/*
 * The vDSO's functions as real system calls, made from an address that the
 * filter does not exempt, so that it sees them as any other. These calls have
 * at most three arguments, which C and the kernel pass in the same registers.
 * getrandom's stub is in getrandom.c, because of the query.
 *
 * In the image as it is linked they are also what the vDSO's names stand for,
 * until the symbol table is completed at launch.
 */
#include "shim.h"
#include <asm/unistd_64.h>

	.macro STUB name, nr
	.globl shim_stub_\name
	.hidden shim_stub_\name
	.type shim_stub_\name, @function
	.balign 16, 0xcc
shim_stub_\name:
	.cfi_startproc
	mov $\nr, %eax
	syscall
	ret
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_stub_\name, . - shim_stub_\name

	.globl __vdso_\name
	.set __vdso_\name, shim_stub_\name
	.type __vdso_\name, @function
	.size __vdso_\name, . - shim_stub_\name
	.weak \name
	.set \name, shim_stub_\name
	.type \name, @function
	.size \name, . - shim_stub_\name
	.endm

	.text
	STUB clock_gettime, __NR_clock_gettime
	STUB clock_getres, __NR_clock_getres
	STUB gettimeofday, __NR_gettimeofday
	STUB time, __NR_time
	STUB getcpu, __NR_getcpu
