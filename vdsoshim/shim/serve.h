/*
 * How a request is served from a batch, once a slot is taken: what every call does. See
 * generator.S.
 */

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
