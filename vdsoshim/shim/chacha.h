/*
 * What the three ChaCha20 block functions share. Each of
 *
 *	shim_chacha_avx512, shim_chacha_avx2, shim_chacha_avx2_zmm, shim_chacha_scalar
 *
 * writes the keystream of djb's ChaCha20 (words 0 to 3 the constants, 4 to 11
 * the key, 12 and 13 a 64-bit block counter, 14 and 15 zero), block by block:
 *
 *	rdi	destination, of any alignment
 *	rsi	its length in units of CHACHA_UNIT bytes, at least 1
 *	rdx	key, 32 bytes; may be the last 32 bytes of the destination
 *	rcx	counter of the first block
 *	r8	scratch: CHACHA_SCRATCH bytes, 64-byte aligned
 *	r9	save area: CHACHA_SAVE bytes, 64-byte aligned
 *	rbx	where to return to; they jump there
 *
 * They use no stack: rsp may be anything, and they may be interrupted by a
 * signal at every instruction. rbx, rbp, rsp, r12, mxcsr, x87 and mask
 * registers aren't touched, vector registers have their full value again at
 * the end. All other general registers are zero then, flags are undefined.
 *
 * The two areas differ in what may stand there. Scratch is memory that the
 * kernel may drop at any moment: everything secret goes there, and nothing
 * that leads anywhere, since it may read as zeros a moment later. The output
 * is then worthless, which the caller notices; nothing else may happen. The
 * save area is plain memory, which may be swapped out, dumped and forked:
 * it keeps what is not secret and must not be lost, as pointers and the
 * program's registers. Both are zero again at the end where they were used.
 */
#ifndef CHACHA_H
#define CHACHA_H

#define CHACHA_UNIT 1024
#define CHACHA_SCRATCH 512
#define CHACHA_SAVE 1088

#ifdef __ASSEMBLER__

/* "expand 32-byte k" */
#define SIGMA0 0x61707865
#define SIGMA1 0x3320646e
#define SIGMA2 0x79622d32
#define SIGMA3 0x6b206574

	/* The return address is in rbx, all the way. */
	.macro CHACHA_ENTRY name
	.globl \name
	.hidden \name
	.type \name, @function
\name:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rbx
	.cfi_undefined r13
	.cfi_undefined r14
	.cfi_undefined r15
	.endm

	/* Leaves nothing of key or state in general registers; rax is zero already,
	 * having wiped memory. */
	.macro CHACHA_RETURN name
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	jmp *%rbx
	.balign 64, 0xcc
	.cfi_endproc
	.size \name, . - \name
	.endm

#endif
#endif
