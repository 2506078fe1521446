/* A kernel's vDSO of the future: symbols that nobody has heard of. */
	.text
	.globl __vdso_made_up
	.type __vdso_made_up, @function
__vdso_made_up:
	mov $0x7ea5ed, %eax
	ret
	.size __vdso_made_up, . - __vdso_made_up

	.weak made_up
	.set made_up, __vdso_made_up
	.type made_up, @function

	.globl __vdso_older
	.type __vdso_older, @notype
__vdso_older:
	xor %eax, %eax
	syscall
	ret

	.section .rodata, "a"
	.balign 8
	.globl made_up_data
	.type made_up_data, @object
made_up_data:
	.quad 0x1122334455667788, 42
	.size made_up_data, . - made_up_data
