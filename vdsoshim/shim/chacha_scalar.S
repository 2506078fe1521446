/*
 * ChaCha20 with general registers only, one block at a time; see chacha.h.
 *
 * Of the state's four rows b and d stay in registers, a and c in scratch: ten
 * registers are left beside the two areas' addresses. A word of a or c is
 * needed again five operations after it was written, which is about what a
 * load from a pending store takes, so the rounds wait little for memory. The
 * four quarter rounds of a round are independent, and processors overlap them;
 * their order is among the steadiest of all that were measured.
 */
#include "chacha.h"

#define A(i) 4 * (i)(%r8)
#define C(i) 16 + 4 * (i)(%r8)
#define KEY(i) 32 + 4 * (i)(%r8)

#define DST (%r9)
#define BLOCKS 8(%r9)
#define COUNTER 16(%r9)
#define COUNTER_HIGH 20(%r9)
#define ROUNDS 24(%r9)

	.macro QUARTER a, b, c, d
	mov A(\a), %eax
	mov C(\c), %ecx
	add \b, %eax
	xor %eax, \d
	rol $16, \d
	add \d, %ecx
	xor %ecx, \b
	rol $12, \b
	add \b, %eax
	mov %eax, A(\a)
	xor %eax, \d
	rol $8, \d
	add \d, %ecx
	mov %ecx, C(\c)
	xor %ecx, \b
	rol $7, \b
	.endm

	.text
	.balign 64
CHACHA_ENTRY shim_chacha_scalar
	shl $4, %rsi
	mov %rdi, DST
	mov %rsi, BLOCKS
	mov %rcx, COUNTER
	.irp i, 0, 2, 4, 6
	mov 4 * \i(%rdx), %rax
	mov %rax, KEY(\i)
	.endr

	.balign 32
.Lblock:
	movl $SIGMA0, A(0)
	movl $SIGMA1, A(1)
	movl $SIGMA2, A(2)
	movl $SIGMA3, A(3)
	mov KEY(4), %rax
	mov KEY(6), %rcx
	mov %rax, C(0)
	mov %rcx, C(2)
	mov KEY(0), %edx
	mov KEY(1), %esi
	mov KEY(2), %edi
	mov KEY(3), %r10d
	mov COUNTER, %r11d
	mov COUNTER_HIGH, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	movl $10, ROUNDS

	.balign 32
.Lround:
	QUARTER 0, %edx, 0, %r11d
	QUARTER 2, %edi, 2, %r14d
	QUARTER 1, %esi, 1, %r13d
	QUARTER 3, %r10d, 3, %r15d
	QUARTER 0, %esi, 2, %r15d
	QUARTER 3, %edx, 1, %r14d
	QUARTER 1, %edi, 3, %r11d
	QUARTER 2, %r10d, 0, %r13d
	subl $1, ROUNDS
	jnz .Lround

	mov DST, %rax
	add KEY(0), %edx
	add KEY(1), %esi
	add KEY(2), %edi
	add KEY(3), %r10d
	mov %edx, 16(%rax)
	mov %esi, 20(%rax)
	mov %edi, 24(%rax)
	mov %r10d, 28(%rax)
	add COUNTER, %r11d
	add COUNTER_HIGH, %r13d
	mov %r11d, 48(%rax)
	mov %r13d, 52(%rax)
	mov %r14d, 56(%rax)
	mov %r15d, 60(%rax)
	mov A(0), %edx
	mov A(1), %esi
	mov A(2), %edi
	mov A(3), %r10d
	add $SIGMA0, %edx
	add $SIGMA1, %esi
	add $SIGMA2, %edi
	add $SIGMA3, %r10d
	mov %edx, (%rax)
	mov %esi, 4(%rax)
	mov %edi, 8(%rax)
	mov %r10d, 12(%rax)
	mov C(0), %edx
	mov C(1), %esi
	mov C(2), %edi
	mov C(3), %r10d
	add KEY(4), %edx
	add KEY(5), %esi
	add KEY(6), %edi
	add KEY(7), %r10d
	mov %edx, 32(%rax)
	mov %esi, 36(%rax)
	mov %edi, 40(%rax)
	mov %r10d, 44(%rax)
	addq $64, DST
	addq $1, COUNTER
	subq $1, BLOCKS
	jnz .Lblock

	xor %eax, %eax
	.irp i, 0, 8, 16, 24, 32, 40, 48, 56
	mov %rax, \i(%r8)
	.endr
	mov %rax, DST			/* the others have come down to zero */
	mov %rax, COUNTER
CHACHA_RETURN shim_chacha_scalar
