/*
 * ChaCha20 with AVX-512 (F and VL), 16 or 32 blocks at a time; see chacha.h.
 *
 * A register holds one word of the state of 16 blocks, so a unit takes 16
 * registers and nothing moves between lanes before the end. Rotation is one
 * instruction, what the rounds began with is added from memory, and the
 * transposition gets its spare register by a spill.
 *
 * One unit has four independent chains of operations, which can't keep a
 * processor busy whose vector operations take two cycles (Zen 5): there, two
 * units in all 32 registers take the time of one. But the second unit's are
 * also the program's ymm and xmm registers, and the save area has room for 17
 * registers only. So two go together if the upper parts of all registers are
 * clear, as compilers leave them at calls: xmm0 to xmm15 are then kept beside
 * ymm16 to ymm31. vzeroupper gives their upper parts back as they were, since
 * the program's SSE code is slower where they count as used.
 */
#include "chacha.h"

#define SLOT(i) 64 * (i)(%r9)
#define SLOT_XMM(i) 64 * (i) + 32(%r9)

/* In scratch: counters of two units, low words and high words, two spills. */
	.set counters_a, 0
	.set counters_b, 128
#define SPILL0 256(%r8)
#define SPILL1 320(%r8)
#define SCRATCH_LINES 0, 1, 2, 3, 4, 5
#define SCRATCH_LINES_ONE 0, 1, 4, 5	/* where unit b was never used */

	.section .rodata.chacha_avx512, "a", @progbits
	.balign 64
	/* The low words of both, taken from each 16 bytes in turn, count up. */
.Lcount:
	.quad 0, 1, 4, 5, 8, 9, 12, 13
	.quad 2, 3, 6, 7, 10, 11, 14, 15
.Lsigma:
	.long SIGMA0, SIGMA1, SIGMA2, SIGMA3

	/* Names for the words of unit u; the transposition moves them. */
	.macro NAMES u, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15
	.set \u\()0, %zmm\r0
	.set \u\()1, %zmm\r1
	.set \u\()2, %zmm\r2
	.set \u\()3, %zmm\r3
	.set \u\()4, %zmm\r4
	.set \u\()5, %zmm\r5
	.set \u\()6, %zmm\r6
	.set \u\()7, %zmm\r7
	.set \u\()8, %zmm\r8
	.set \u\()9, %zmm\r9
	.set \u\()10, %zmm\r10
	.set \u\()11, %zmm\r11
	.set \u\()12, %zmm\r12
	.set \u\()13, %zmm\r13
	.set \u\()14, %zmm\r14
	.set \u\()15, %zmm\r15
	.endm

	.macro ADD4 u, x0, x1, x2, x3, y0, y1, y2, y3
	vpaddd \u\()\y0, \u\()\x0, \u\()\x0
	vpaddd \u\()\y1, \u\()\x1, \u\()\x1
	vpaddd \u\()\y2, \u\()\x2, \u\()\x2
	vpaddd \u\()\y3, \u\()\x3, \u\()\x3
	.endm

	.macro XOR4 u, x0, x1, x2, x3, y0, y1, y2, y3
	vpxord \u\()\y0, \u\()\x0, \u\()\x0
	vpxord \u\()\y1, \u\()\x1, \u\()\x1
	vpxord \u\()\y2, \u\()\x2, \u\()\x2
	vpxord \u\()\y3, \u\()\x3, \u\()\x3
	.endm

	.macro ROTATE4 u, n, x0, x1, x2, x3
	vprold $\n, \u\()\x0, \u\()\x0
	vprold $\n, \u\()\x1, \u\()\x1
	vprold $\n, \u\()\x2, \u\()\x2
	vprold $\n, \u\()\x3, \u\()\x3
	.endm

	/* x += y; z = (z ^ x) <<< n, for four words each of the units. */
	.macro QUARTER units, n, x0, x1, x2, x3, y0, y1, y2, y3, z0, z1, z2, z3
	.irp u, \units
	ADD4 \u, \x0, \x1, \x2, \x3, \y0, \y1, \y2, \y3
	XOR4 \u, \z0, \z1, \z2, \z3, \x0, \x1, \x2, \x3
	ROTATE4 \u, \n, \z0, \z1, \z2, \z3
	.endr
	.endm

	.macro ROUNDS units:vararg
	mov $10, %eax
	.balign 64
.Lround\@:
	QUARTER "\units", 16, 0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15
	QUARTER "\units", 12, 8, 9, 10, 11, 12, 13, 14, 15, 4, 5, 6, 7
	QUARTER "\units", 8, 0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15
	QUARTER "\units", 7, 8, 9, 10, 11, 12, 13, 14, 15, 4, 5, 6, 7
	QUARTER "\units", 16, 0, 1, 2, 3, 5, 6, 7, 4, 15, 12, 13, 14
	QUARTER "\units", 12, 10, 11, 8, 9, 15, 12, 13, 14, 5, 6, 7, 4
	QUARTER "\units", 8, 0, 1, 2, 3, 5, 6, 7, 4, 15, 12, 13, 14
	QUARTER "\units", 7, 10, 11, 8, 9, 15, 12, 13, 14, 5, 6, 7, 4
	dec %eax
	jnz .Lround\@
	.endm

	/* The state of unit u, whose counters begin at rcx. */
	.macro BEGIN u
	vpbroadcastq %rcx, \u\()14
	vpaddq .Lcount+64(%rip), \u\()14, \u\()15
	vpaddq .Lcount(%rip), \u\()14, \u\()14
	vshufps $0x88, \u\()15, \u\()14, \u\()12
	vshufps $0xdd, \u\()15, \u\()14, \u\()13
	vmovdqa64 \u\()12, counters_\u(%r8)
	vmovdqa64 \u\()13, counters_\u+64(%r8)
	vpxord \u\()14, \u\()14, \u\()14
	vpxord \u\()15, \u\()15, \u\()15
	.irp i, 0, 1, 2, 3
	vpbroadcastd .Lsigma+4*\i(%rip), \u\i
	.endr
	.irp i, 4, 5, 6, 7, 8, 9, 10, 11
	vpbroadcastd 4*(\i-4)(%rdx), \u\i
	.endr
	add $16, %rcx
	.endm

	/* Adds what unit u began with. */
	.macro FINISH u
	.irp i, 0, 1, 2, 3
	vpaddd .Lsigma+4*\i(%rip){1to16}, \u\i, \u\i
	.endr
	.irp i, 4, 5, 6, 7, 8, 9, 10, 11
	vpaddd 4*(\i-4)(%rdx){1to16}, \u\i, \u\i
	.endr
	vpaddd counters_\u(%r8), \u\()12, \u\()12
	vpaddd counters_\u+64(%r8), \u\()13, \u\()13
	.endm

	/* x and y become low and high of both, and the spare register another. */
	.macro PAIR low, high, x, y
	\high \y, \x, spare
	\low \y, \x, \x
	.set other, \y
	.set \y, spare
	.set spare, other
	.endm

	/* Four words of 16 blocks become these words of block 4k + j in lane k
	 * of 16 bytes, with j = 0, 2, 1, 3 in x0 to x3. */
	.macro TRANSPOSE x0, x1, x2, x3
	PAIR vpunpckldq, vpunpckhdq, \x0, \x1
	PAIR vpunpckldq, vpunpckhdq, \x2, \x3
	PAIR vpunpcklqdq, vpunpckhqdq, \x0, \x2
	PAIR vpunpcklqdq, vpunpckhqdq, \x1, \x3
	.endm

	/* Joins the lanes of blocks j, j + 4, j + 8 and j + 12, and stores them. */
	.macro STORE_BLOCKS j, x0, x1, x2, x3
	PAIR "vshufi32x4 $0x44,", "vshufi32x4 $0xee,", \x0, \x1
	PAIR "vshufi32x4 $0x44,", "vshufi32x4 $0xee,", \x2, \x3
	PAIR "vshufi32x4 $0x88,", "vshufi32x4 $0xdd,", \x0, \x2
	PAIR "vshufi32x4 $0x88,", "vshufi32x4 $0xdd,", \x1, \x3
	vmovdqu64 \x0, 64*\j(%rdi)
	vmovdqu64 \x2, 64*\j+256(%rdi)
	vmovdqu64 \x1, 64*\j+512(%rdi)
	vmovdqu64 \x3, 64*\j+768(%rdi)
	.endm

	/* Stores unit u as blocks. One spill gives the spare register for the
	 * first three quarters of the words, another one for what follows. */
	.macro STORE u
	vmovdqa64 \u\()15, SPILL0
	.set spare, \u\()15
	TRANSPOSE \u\()0, \u\()1, \u\()2, \u\()3
	TRANSPOSE \u\()4, \u\()5, \u\()6, \u\()7
	TRANSPOSE \u\()8, \u\()9, \u\()10, \u\()11
	vmovdqa64 \u\()4, SPILL1
	.set \u\()15, spare
	.set spare, \u\()4
	vmovdqa64 SPILL0, \u\()15
	TRANSPOSE \u\()12, \u\()13, \u\()14, \u\()15
	STORE_BLOCKS 1, \u\()2, \u\()6, \u\()10, \u\()14
	STORE_BLOCKS 2, \u\()1, \u\()5, \u\()9, \u\()13
	STORE_BLOCKS 3, \u\()3, \u\()7, \u\()11, \u\()15
	.set \u\()4, \u\()15
	vmovdqa64 SPILL1, \u\()4
	STORE_BLOCKS 0, \u\()0, \u\()4, \u\()8, \u\()12
	add $CHACHA_UNIT, %rdi
	.endm

	/* Sets rax to zero if the upper halves of zmm16 to zmm31 and all but the
	 * lowest quarters of zmm0 to zmm15 are, and spoils zmm16 to zmm31. */
	.macro UPPER_PARTS
	vpternlogq $0xfe, %zmm17, %zmm18, %zmm16
	vporq %zmm0, %zmm1, %zmm17
	vpternlogq $0xfe, %zmm20, %zmm21, %zmm19
	vporq %zmm2, %zmm3, %zmm18
	vpternlogq $0xfe, %zmm23, %zmm24, %zmm22
	vpternlogq $0xfe, %zmm4, %zmm5, %zmm17
	vpternlogq $0xfe, %zmm26, %zmm27, %zmm25
	vpternlogq $0xfe, %zmm6, %zmm7, %zmm18
	vpternlogq $0xfe, %zmm29, %zmm30, %zmm28
	vpternlogq $0xfe, %zmm8, %zmm9, %zmm17
	vpternlogq $0xfe, %zmm19, %zmm31, %zmm16
	vpternlogq $0xfe, %zmm10, %zmm11, %zmm18
	vpternlogq $0xfe, %zmm25, %zmm28, %zmm22
	vpternlogq $0xfe, %zmm12, %zmm13, %zmm17
	vporq %zmm16, %zmm22, %zmm16
	vpternlogq $0xfe, %zmm14, %zmm15, %zmm18
	vporq %zmm17, %zmm18, %zmm17
	vshufi64x2 $0xee, %zmm16, %zmm16, %zmm16
	vshufi64x2 $0xf9, %zmm17, %zmm17, %zmm17
	vporq %zmm16, %zmm17, %zmm16
	vextracti64x4 $1, %zmm16, %ymm17
	vporq %ymm16, %ymm17, %ymm16
	vextracti32x4 $1, %ymm16, %xmm17
	vporq %xmm16, %xmm17, %xmm16
	vpunpckhqdq %xmm16, %xmm16, %xmm17
	vporq %xmm16, %xmm17, %xmm16
	vmovq %xmm16, %rax
	.endm

	/* For the slot of the register whose zeros wiped the others. */
	.macro WIPE_SLOT i, words:vararg
	xor %eax, %eax
	.irp j, \words
	mov %rax, 8*\j+SLOT(\i)
	.endr
	.endm

	.text
	.balign 64
CHACHA_ENTRY shim_chacha_avx512
	.irp i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqa64 %zmm\i, SLOT(\i - 16)
	.endr
	mov $-1, %r10			/* two units at once if there are as many */
	cmp $2, %rsi
	jb .Lbegin
	UPPER_PARTS
	test %rax, %rax
	jnz .Lbegin
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa %xmm\i, SLOT_XMM(\i)
	.endr
	mov $2, %r10d

	NAMES a, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	NAMES b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
.Lbegin:
	BEGIN a
	cmp %r10, %rsi
	jae .Lboth
	ROUNDS a
	jmp .Lfinish
.Lboth:
	BEGIN b
	ROUNDS a, b
	FINISH b			/* reads the key, which STORE may overwrite */
.Lfinish:
	FINISH a
	STORE a
	cmp %r10, %rsi
	jb 1f
	STORE b
	dec %rsi
1:
	dec %rsi
	jnz .Lbegin

	cmp $2, %r10
	je .Lrestore_all
	vpxord %zmm31, %zmm31, %zmm31
	.irp i, SCRATCH_LINES_ONE
	vmovdqa64 %zmm31, 64 * \i(%r8)
	.endr
	.irp i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	vmovdqa64 SLOT(\i - 16), %zmm\i
	vmovdqa64 %zmm31, SLOT(\i - 16)
	.endr
	vmovdqa64 SLOT(15), %zmm31
	WIPE_SLOT 15, 0, 1, 2, 3, 4, 5, 6, 7
	jmp .Lreturn

.Lrestore_all:
	vzeroupper
	vpxor %xmm0, %xmm0, %xmm0
	.irp i, SCRATCH_LINES
	vmovdqa64 %zmm0, 64 * \i(%r8)
	.endr
	vmovdqa64 SLOT(0), %ymm16
	.irp i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa SLOT_XMM(\i), %xmm\i
	.endr
	.irp i, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqa64 SLOT(\i - 16), %ymm\i
	vmovdqa64 %zmm0, SLOT(\i - 16)
	.endr
	vmovdqa SLOT_XMM(0), %xmm0
	WIPE_SLOT 0, 0, 1, 2, 3, 4, 5

.Lreturn:
CHACHA_RETURN shim_chacha_avx512
