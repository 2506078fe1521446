/*
 * Ways from a symbol of ours to code elsewhere: tail jumps through the link
 * page. They change no register, flag or stack byte, so they serve functions
 * whose calling convention nobody has told us about.
 */
#include "shim.h"

	.text
	.balign 32
	.globl shim_forward
	.hidden shim_forward
	.type shim_forward, @function
shim_forward:
	.cfi_startproc
	.set slot, 0
	.rept FORWARD_SLOTS
	jmp *(__ehdr_start + LINK_OFF + 8 * slot)(%rip)
	.balign 8, 0xcc
	.set slot, slot + 1
	.endr
	.cfi_endproc
	.size shim_forward, . - shim_forward

/*
 * Counting entries, for functions with the C calling convention only: they
 * change rax, r10, r11 and the flags. Each CPU has a row of its own, since an
 * increment of a line that another CPU owns costs more than the call; the
 * lock prefix is for the thread that moves between reading the CPU's number
 * and counting.
 *
 * The first eight bytes of an entry read the segment limit that the kernel
 * keeps the CPU's number in (__CPUNODE_SEG, asm/segment.h). Where the
 * processor has it, the eight bytes of shim_rdpid are put there at launch.
 */
	.globl shim_counted
	.hidden shim_counted
	.type shim_counted, @function
shim_counted:
	.cfi_startproc
	.set slot, 0
	.rept COUNTED_SLOTS
	mov $0x7b, %eax
	lsl %eax, %eax
	and $(COUNTER_ROWS - 1), %eax
	shl $COUNTER_ROW_SHIFT, %eax
	lea (__ehdr_start + COUNTERS_OFF + 8 * slot)(%rip), %r10
	lock incq (%r10, %rax)
	jmp *(__ehdr_start + LINK_OFF + 8 * (LINK_COUNTED + slot))(%rip)
	.balign 32, 0xcc
	.set slot, slot + 1
	.endr
	.cfi_endproc
	.size shim_counted, . - shim_counted

	.globl shim_rdpid
	.hidden shim_rdpid
	.type shim_rdpid, @function
shim_rdpid:
	.cfi_startproc
	rdpid %rax
	.byte 0x0f, 0x1f, 0x40, 0x00	/* nopl 0(%rax), four bytes */
	.size shim_rdpid, . - shim_rdpid
	.balign 16, 0xcc
	.cfi_endproc
