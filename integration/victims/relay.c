// Two sites, each with two bytes before it, share the padding behind their function:
// a relay of one must not become the other's.
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

asm(".text\n.balign 64\n.globl two\n.type two, @function\ntwo:\n.cfi_startproc\n"
    "	test %edi, %edi\n"
    "	jnz 1f\n"
    "	mov %esi, %eax\n	xor %edi, %edi\n	syscall\n	mov $1, %edx\n	ret\n"
    "1:	mov %esi, %eax\n	xor %edi, %edi\n	syscall\n	mov $2, %edx\n	ret\n"
    ".cfi_endproc\n.size two, . - two\n.balign 64\n"
    ".type behind, @function\nbehind:\n.cfi_startproc\n	ret\n.cfi_endproc\n.size behind, . - behind\n");

int main(void)
{
	long parent = getppid();
	int wrong = 0;
	for (int i = 0; i < 16; i++)
		for (long which = 0; which < 2; which++) {
			register long rdx asm("rdx") = 0;
			long result;
			asm volatile("call two" : "=a"(result), "+r"(rdx) : "D"(which), "S"((long)SYS_getppid) : "rcx", "r11", "memory");
			wrong += result != parent || rdx != which + 1;
		}
	printf("%d calls went wrong\n", wrong);
	return wrong != 0;
}
