/*
 * ChaCha20 with AVX2, eight blocks at a time; see chacha.h.
 *
 * A register holds one word of the state of eight blocks. Rotations by 12 and
 * 7 need a spare register each, so row a of the state stays in scratch: of
 * the rows it is read and written at the greatest distance. Two quarter
 * rounds stand together, which processors overlap with the next two.
 *
 * All 16 ymm registers are used. In ymm0 to ymm15 the program may have more
 * than 128 bits each, and where AVX-512 is enabled more than 256, which every
 * AVX instruction clears: there shim_chacha_avx2_zmm must be called. Whatever
 * there is comes back; if all but xmm0 to xmm15 was zero, then by vzeroupper,
 * since the program's SSE code is slower where upper parts count as used.
 */
#include "chacha.h"

#define SLOT(i) 64 * (i)(%r9)

/* In scratch: row a, the key, and low and high words of the counters. */
#define A(i) 32 * (i)(%r8)
#define KEY(i) 128 + 4 * (i)(%r8)
#define COUNTER_LOW 160(%r8)
#define COUNTER_HIGH 192(%r8)
#define SCRATCH_LINES 0, 1, 2, 3, 4, 5, 6

	.section .rodata.chacha_avx2, "a", @progbits
	.balign 32
.Lconstants:
	/* vpshufb: each word rotated left by 16 and by 8 */
	.byte 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
	.byte 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
	.byte 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14
	.byte 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14
	/* The low words of both, taken from each 16 bytes in turn, count up. */
	.quad 0, 1, 4, 5
	.quad 2, 3, 6, 7
	.long SIGMA0, SIGMA1, SIGMA2, SIGMA3
#define ROTATE16 (%r11)
#define ROTATE8 32(%r11)
#define COUNT(i) 64 + 32 * (i)(%r11)
#define SIGMA(i) 128 + 4 * (i)(%r11)

/* Rows b, c and d; ymm0 to ymm3 are spare. */
#define b0 %ymm4
#define b1 %ymm5
#define b2 %ymm6
#define b3 %ymm7
#define c0 %ymm8
#define c1 %ymm9
#define c2 %ymm10
#define c3 %ymm11
#define d0 %ymm12
#define d1 %ymm13
#define d2 %ymm14
#define d3 %ymm15

	/* Two quarter rounds. */
	.macro QUARTERS ai, bi, ci, di, aj, bj, cj, dj
	vpaddd A(\ai), \bi, %ymm0
	vpaddd A(\aj), \bj, %ymm1
	vpxor %ymm0, \di, \di
	vpxor %ymm1, \dj, \dj
	vpshufb ROTATE16, \di, \di
	vpshufb ROTATE16, \dj, \dj
	vpaddd \di, \ci, \ci
	vpaddd \dj, \cj, \cj
	vpxor \ci, \bi, \bi
	vpxor \cj, \bj, \bj
	vpslld $12, \bi, %ymm2
	vpslld $12, \bj, %ymm3
	vpsrld $20, \bi, \bi
	vpsrld $20, \bj, \bj
	vpor %ymm2, \bi, \bi
	vpor %ymm3, \bj, \bj
	vpaddd \bi, %ymm0, %ymm0
	vpaddd \bj, %ymm1, %ymm1
	vmovdqa %ymm0, A(\ai)
	vmovdqa %ymm1, A(\aj)
	vpxor %ymm0, \di, \di
	vpxor %ymm1, \dj, \dj
	vpshufb ROTATE8, \di, \di
	vpshufb ROTATE8, \dj, \dj
	vpaddd \di, \ci, \ci
	vpaddd \dj, \cj, \cj
	vpxor \ci, \bi, \bi
	vpxor \cj, \bj, \bj
	vpslld $7, \bi, %ymm2
	vpslld $7, \bj, %ymm3
	vpsrld $25, \bi, \bi
	vpsrld $25, \bj, \bj
	vpor %ymm2, \bi, \bi
	vpor %ymm3, \bj, \bj
	.endm

	/* Adds a word that is the same in all blocks. */
	.macro ADD_WORD x, memory:vararg
	vpbroadcastd \memory, %ymm0
	vpaddd %ymm0, \x, \x
	.endm

	/* Eight words of eight blocks, x by number, become these 32 bytes of one
	 * block each, and are stored. Needs two spare registers, s and t. */
	.macro INTERLEAVE x0, x1, x2, x3, s, t
	vpunpckldq %ymm\x1, %ymm\x0, %ymm\s
	vpunpckhdq %ymm\x1, %ymm\x0, %ymm\x0
	vpunpckldq %ymm\x3, %ymm\x2, %ymm\t
	vpunpckhdq %ymm\x3, %ymm\x2, %ymm\x2
	vpunpckhqdq %ymm\t, %ymm\s, %ymm\x1
	vpunpckhqdq %ymm\x2, %ymm\x0, %ymm\x3
	vpunpcklqdq %ymm\x2, %ymm\x0, %ymm\x2
	vpunpcklqdq %ymm\t, %ymm\s, %ymm\x0
	.endm
	.macro STORE_HALF x0, x1, x2, x3, x4, x5, x6, x7, s, t, offset
	INTERLEAVE \x0, \x1, \x2, \x3, \s, \t
	INTERLEAVE \x4, \x5, \x6, \x7, \s, \t
	STORE_TWO \x0, \x4, \s, \offset
	STORE_TWO \x1, \x5, \s, \offset+64
	STORE_TWO \x2, \x6, \s, \offset+128
	STORE_TWO \x3, \x7, \s, \offset+192
	.endm
	.macro STORE_TWO x, y, s, offset
	vperm2i128 $0x20, %ymm\y, %ymm\x, %ymm\s
	vperm2i128 $0x31, %ymm\y, %ymm\x, %ymm\x
	vmovdqu %ymm\s, \offset(%rdi)
	vmovdqu %ymm\x, \offset+256(%rdi)
	.endm

	.text
	.balign 64
CHACHA_ENTRY shim_chacha_avx2
	vmovdqa %ymm0, SLOT(0)
	vmovdqa %ymm1, SLOT(1)
	.irp i, 2, 4, 6, 8, 10, 12, 14
	vpor %ymm\i, %ymm0, %ymm0
	.endr
	.irp i, 3, 5, 7, 9, 11, 13, 15
	vpor %ymm\i, %ymm1, %ymm1
	.endr
	vpor %ymm0, %ymm1, %ymm0
	vextracti128 $1, %ymm0, %xmm0
	vptest %xmm0, %xmm0
	jz .Lsave_xmm
	.irp i, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa %ymm\i, SLOT(\i)
	.endr
	mov $32, %r10d			/* bytes of each register that were kept */
	jmp .Lstart

.Lsave_xmm:
	.irp i, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa %xmm\i, SLOT(\i)
	.endr
	mov $16, %r10d

.Lstart:
	lea .Lconstants(%rip), %r11
	vmovdqu (%rdx), %ymm0
	vmovdqa %ymm0, KEY(0)
	add %rsi, %rsi			/* half units */

.Lblocks:
	vmovq %rcx, %xmm0
	vpbroadcastq %xmm0, %ymm0
	vpaddq COUNT(1), %ymm0, %ymm1
	vpaddq COUNT(0), %ymm0, %ymm0
	vshufps $0x88, %ymm1, %ymm0, d0
	vshufps $0xdd, %ymm1, %ymm0, d1
	vmovdqa d0, COUNTER_LOW
	vmovdqa d1, COUNTER_HIGH
	vpxor %xmm14, %xmm14, %xmm14
	vpxor %xmm15, %xmm15, %xmm15
	.irp i, 0, 1, 2, 3
	vpbroadcastd SIGMA(\i), %ymm\i
	vmovdqa %ymm\i, A(\i)
	.endr
	.irp i, 4, 5, 6, 7, 8, 9, 10, 11
	vpbroadcastd KEY(\i - 4), %ymm\i
	.endr

	mov $10, %eax
	.balign 64
.Lround:
	QUARTERS 0, b0, c0, d0, 1, b1, c1, d1
	QUARTERS 2, b2, c2, d2, 3, b3, c3, d3
	QUARTERS 0, b1, c2, d3, 1, b2, c3, d0
	QUARTERS 2, b3, c0, d1, 3, b0, c1, d2
	dec %eax
	jnz .Lround

	.irp i, 4, 5, 6, 7, 8, 9, 10, 11
	ADD_WORD %ymm\i, KEY(\i - 4)
	.endr
	vpaddd COUNTER_LOW, d0, d0
	vpaddd COUNTER_HIGH, d1, d1
	STORE_HALF 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 32
	.irp i, 0, 1, 2, 3
	vpbroadcastd SIGMA(\i), %ymm\i
	vpaddd A(\i), %ymm\i, %ymm\i
	.endr
	STORE_HALF 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0
	add $8, %rcx
	add $(CHACHA_UNIT / 2), %rdi
	dec %rsi
	jnz .Lblocks

	vpxor %xmm0, %xmm0, %xmm0
	.irp i, SCRATCH_LINES
	vmovdqa %ymm0, 32 * \i(%r8)
	.endr
	cmp $32, %r10d
	ja .Lrestore_zmm
	je .Lrestore_ymm
	vzeroupper
	.irp i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa SLOT(\i), %xmm\i
	vmovdqa %ymm0, SLOT(\i)
	.endr
	vmovdqa SLOT(0), %xmm0
	jmp .Lwipe

.Lrestore_ymm:
	.irp i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa SLOT(\i), %ymm\i
	vmovdqa %ymm0, SLOT(\i)
	.endr
	vmovdqa SLOT(0), %ymm0
	jmp .Lwipe

.Lrestore_zmm:
	.irp i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa64 SLOT(\i), %zmm\i
	vmovdqa64 %zmm0, SLOT(\i)
	.endr
	vmovdqa64 SLOT(0), %zmm0
.Lwipe:
	xor %eax, %eax
	.irp j, 0, 8, 16, 24, 32, 40, 48, 56
	mov %rax, \j(%r9)
	.endr
CHACHA_RETURN shim_chacha_avx2

CHACHA_ENTRY shim_chacha_avx2_zmm
	vmovdqa64 %zmm0, SLOT(0)
	vmovdqa64 %zmm1, SLOT(1)
	vpternlogq $0xfe, %zmm2, %zmm3, %zmm0
	vpternlogq $0xfe, %zmm4, %zmm5, %zmm1
	vpternlogq $0xfe, %zmm6, %zmm7, %zmm0
	vpternlogq $0xfe, %zmm8, %zmm9, %zmm1
	vpternlogq $0xfe, %zmm10, %zmm11, %zmm0
	vpternlogq $0xfe, %zmm12, %zmm13, %zmm1
	vpternlogq $0xfe, %zmm14, %zmm15, %zmm0
	vporq %zmm0, %zmm1, %zmm0
	vextracti64x4 $1, %zmm0, %ymm1
	vextracti128 $1, %ymm0, %xmm0
	vpor %ymm0, %ymm1, %ymm0
	vptest %ymm0, %ymm0
	jz .Lsave_xmm
	.irp i, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa64 %zmm\i, SLOT(\i)
	.endr
	mov $64, %r10d
	jmp .Lstart
	.balign 64, 0xcc
	.cfi_endproc
	.size shim_chacha_avx2_zmm, . - shim_chacha_avx2_zmm
