// A function that makes one call: the instruction before it loads the number. NAME_site is the
// `syscall` instruction, NAME_back what is behind it.
#define SITE(name, before)                                                                  \
	asm(".text\n.balign 64\n.globl " #name ", " #name "_site\n.type " #name ", @function\n"  \
	    #name ":\n.cfi_startproc\n	" before "\n" #name "_site:\n	syscall\n" #name "_back:\n	ret\n" \
	    ".cfi_endproc\n.size " #name ", . - " #name "\n");                               \
	long name(long a, long b, long c, long d)
