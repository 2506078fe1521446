# A 32-bit program: getrandom (355), clock_gettime64 (403) and a write; its exit
# status is how many random bytes came, 16.
	.globl _start
	.text
_start:
	mov $355, %eax
	mov $bytes, %ebx
	mov $16, %ecx
	xor %edx, %edx
	int $0x80
	mov %eax, %edi
	mov $403, %eax
	mov $1, %ebx
	mov $time, %ecx
	int $0x80
	add %eax, %edi
	mov $4, %eax
	mov $1, %ebx
	mov $text, %ecx
	mov $length, %edx
	int $0x80
	# With an argument: execute it, with the rest and without an environment.
	mov (%esp), %ecx
	cmp $2, %ecx
	jl 1f
	mov $11, %eax
	mov 8(%esp), %ebx
	lea 8(%esp), %ecx
	xor %edx, %edx
	int $0x80
1:
	mov $1, %eax
	mov %edi, %ebx
	int $0x80
	hlt
	.section .rodata
text:	.ascii "32 bits\n"
	.set length, . - text
	.bss
bytes:	.skip 16
time:	.skip 16
