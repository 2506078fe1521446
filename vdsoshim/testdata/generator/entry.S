/*
 * entry_run: all registers as in entry_in and entry_vectors_in, then one of
 *
 *	entry_how 0	the system call instruction
 *		  1	entry_target in its place, by a jump
 *		  2	entry_target, by a call
 *
 * and all registers into entry_out and entry_vectors_out. In the first two
 * nothing uses a stack, so rsp may be anything.
 */
	.irp name, entry_in, entry_out, entry_how, entry_target, entry_mask, entry_vectors_in, entry_vectors_out
	.globl \name
	.endr
	.lcomm kept, 8
	.comm entry_in, 17 * 8, 8
	.comm entry_out, 17 * 8, 8
	.comm entry_how, 8, 8
	.comm entry_target, 8, 8
	.comm entry_mask, 8, 8
	.comm entry_vectors_in, 16384, 64
	.comm entry_vectors_out, 16384, 64

	/* In the order of the instructions' numbers, rsp apart. */
	.macro EACH do
	\do rax, 0
	\do rcx, 1
	\do rdx, 2
	\do rbx, 3
	\do rbp, 5
	\do rsi, 6
	\do rdi, 7
	\do r8, 8
	\do r9, 9
	\do r10, 10
	\do r11, 11
	\do r12, 12
	\do r13, 13
	\do r14, 14
	\do r15, 15
	.endm
	.macro IN reg, i
	mov entry_in + 8 * \i(%rip), %\reg
	.endm
	.macro OUT reg, i
	mov %\reg, entry_out + 8 * \i(%rip)
	.endm

	.text
	.globl entry_run, entry_behind
entry_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, kept(%rip)
	mov entry_mask(%rip), %eax
	xor %edx, %edx
	lea entry_vectors_in(%rip), %rcx
	xrstor64 (%rcx)
	mov entry_how(%rip), %rax
	cmp $1, %rax
	je 1f
	ja 2f
	push entry_in + 8 * 16(%rip)
	popfq
	EACH IN
	mov entry_in + 8 * 4(%rip), %rsp
	jmp .Lsite
1:	push entry_in + 8 * 16(%rip)
	popfq
	EACH IN
	mov entry_in + 8 * 4(%rip), %rsp
	lea entry_behind(%rip), %rcx
	jmp *entry_target(%rip)
2:	push entry_in + 8 * 16(%rip)
	popfq
	EACH IN
	mov entry_in + 8 * 4(%rip), %rsp
	call *entry_target(%rip)
	jmp entry_behind

.Lsite:	syscall
entry_behind:
	EACH OUT
	mov %rsp, entry_out + 8 * 4(%rip)
	mov kept(%rip), %rsp
	pushfq
	pop entry_out + 8 * 16(%rip)
	mov entry_mask(%rip), %eax
	xor %edx, %edx
	lea entry_vectors_out(%rip), %rcx
	xsave64 (%rcx)
	/* What C code expects. */
	fninit
	cld
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.section .note.GNU-stack, "", @progbits
