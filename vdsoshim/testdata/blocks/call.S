/*
 * Everything that a block function may not change has a value of its own when
 * it is entered, and is kept when it comes back. There is no stack between.
 */
#include "blocks.h"

	.text
	.globl enter
enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, stack(%rip)

	fninit
	fldpi
	movl $MXCSR, mxcsr(%rip)
	ldmxcsr mxcsr(%rip)
	mov the+CALL_WIDTH(%rip), %rax
	cmp $32, %rax
	jb 1f
	je 2f
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7
	kmovw the+CALL_MASKS_IN+8*\i(%rip), %k\i
	.endr
	.irp i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 the+CALL_IN+64*\i(%rip), %zmm\i
	.endr
	cmpq $0, the+CALL_CLEAN(%rip)
	jne 3f
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu64 the+CALL_IN+64*\i(%rip), %zmm\i
	.endr
	jmp 4f
2:	cmpq $0, the+CALL_CLEAN(%rip)
	jne 3f
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu the+CALL_IN+64*\i(%rip), %ymm\i
	.endr
	jmp 4f
3:	vzeroupper
1:	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu the+CALL_IN+64*\i(%rip), %xmm\i
	.endr
4:
	cmpq $0, the+CALL_XGETBV(%rip)
	je 5f
	mov $1, %ecx
	xgetbv
	mov %eax, the+CALL_USED_BEFORE(%rip)
5:
	pushf
	mov the+CALL_FLAGS(%rip), %rax
	or %rax, (%rsp)
	mov the+CALL_FILL(%rip), %rax
	mov %rax, %rbp
	mov %rax, %r10
	mov %rax, %r11
	mov %rax, %r12
	mov %rax, %r13
	mov %rax, %r14
	mov %rax, %r15
	mov the+CALL_ARGS(%rip), %rdi
	mov the+CALL_ARGS+8(%rip), %rsi
	mov the+CALL_ARGS+16(%rip), %rdx
	mov the+CALL_ARGS+24(%rip), %rcx
	mov the+CALL_ARGS+32(%rip), %r8
	mov the+CALL_ARGS+40(%rip), %r9
	lea 1f(%rip), %rbx
	popf
	mov the+CALL_SP(%rip), %rsp
	jmp *the+CALL_FN(%rip)

1:	mov %rax, the+CALL_OUT(%rip)
	mov %rcx, the+CALL_OUT+8(%rip)
	mov %rdx, the+CALL_OUT+16(%rip)
	mov %rbx, the+CALL_OUT+24(%rip)
	mov %rsp, the+CALL_OUT+32(%rip)
	mov %rbp, the+CALL_OUT+40(%rip)
	mov %rsi, the+CALL_OUT+48(%rip)
	mov %rdi, the+CALL_OUT+56(%rip)
	.irp i, 8, 9, 10, 11, 12, 13, 14, 15
	mov %r\i, the+CALL_OUT+8*\i(%rip)
	.endr
	lea 1b(%rip), %rax
	mov %rax, the+CALL_RETURN(%rip)
	mov stack(%rip), %rsp
	pushf
	andq $~0x500, (%rsp)		/* trap, direction */
	popf

	cmpq $0, the+CALL_XGETBV(%rip)
	je 5f
	mov $1, %ecx
	xgetbv
	mov %eax, the+CALL_USED_AFTER(%rip)
5:
	stmxcsr the+CALL_MXCSR(%rip)
	mov the+CALL_WIDTH(%rip), %rax
	cmp $32, %rax
	jb 1f
	je 2f
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7
	kmovw %k\i, the+CALL_MASKS_OUT+8*\i(%rip)
	.endr
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu64 %zmm\i, the+CALL_BACK+64*\i(%rip)
	.endr
	.irp i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 %zmm\i, the+CALL_BACK+64*\i(%rip)
	.endr
	vzeroupper
	jmp 4f
2:	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu %ymm\i, the+CALL_BACK+64*\i(%rip)
	.endr
	vzeroupper
	jmp 4f
1:	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu %xmm\i, the+CALL_BACK+64*\i(%rip)
	.endr
4:
	movl $0x1f80, mxcsr(%rip)
	ldmxcsr mxcsr(%rip)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.bss
	.balign 64
	.globl the
the:	.skip CALL_BACK + 2048
stack:	.skip 8
mxcsr:	.skip 4
	.section .note.GNU-stack, "", @progbits
