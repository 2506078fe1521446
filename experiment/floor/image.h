/* Brings the shim's image into the program itself, as the supervisor brings it
 * into programs: maps it and runs the handoff routine. No filter stands around
 * the program, so that the kernel's own ways can be measured beside ours. */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

typedef uint64_t u64;
typedef uint32_t u32;

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

/* find looks a symbol up as C libraries do. */
static void *find(u64 image, const char *name)
{
	Elf64_Ehdr *eh = (void *)image;
	Elf64_Phdr *ph = (void *)(image + eh->e_phoff);
	u64 dyn[32] = { 0 };
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			for (Elf64_Dyn *d = (void *)(image + ph[i].p_vaddr); d->d_tag; d++)
				if (d->d_tag > 0 && d->d_tag < 32)
					dyn[d->d_tag] = d->d_un.d_val;
	Elf64_Sym *sym = (void *)(image + dyn[DT_SYMTAB]);
	u32 *hash = (void *)(image + dyn[DT_HASH]);
	for (u32 i = 1; hash && i < hash[1]; i++)
		if (strcmp((char *)(image + dyn[DT_STRTAB] + sym[i].st_name), name) == 0)
			return (void *)(image + sym[i].st_value);
	return NULL;
}

static sigjmp_buf handed_off;
static long handoff_error, handoff_step;

/* The routine ends with an undefined instruction. */
static void on_sigill(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	handoff_error = g[REG_RDI];
	handoff_step = g[REG_RSI];
	siglongjmp(handed_off, 1);
}

/* See vdsoshim's package comment. */
static void handoff(u64 routine, int fd)
{
	static char alternate[65536];
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof alternate };
	struct sigaction old, sa = { .sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	u64 stack[] = { 0, 0, 0, AT_SYSINFO_EHDR, getauxval(AT_SYSINFO_EHDR), 0, 0 };
	sigaltstack(&ss, NULL);
	sigaction(SIGILL, &sa, &old);
	if (sigsetjmp(handed_off, 1) == 0) {
		register u64 r8 __asm__("r8") = 0, r9 __asm__("r9") = 0, r10 __asm__("r10") = SYS_execve;
		__asm__ volatile("jmp *%0" : : "a"(routine), "D"((long)fd), "S"(-1L), "d"(stack),
				 "r"(r8), "r"(r9), "r"(r10) : "memory");
		__builtin_unreachable();
	}
	sigaction(SIGILL, &old, NULL);
	if (handoff_error != 0) {
		fprintf(stderr, "handoff: error %ld in step %ld\n", -handoff_error, handoff_step);
		exit(125);
	}
}

static struct image {
	const char *what;
	u64 size, region, handoff, reflected, base;
} images[8];

/* load maps an image once. What it is: "path,", then the sizes of image and
 * region, and where the handoff routine and the entry in place of a getrandom
 * system call stand, as numbers with commas. */
static const struct image *load(const char *what)
{
	struct image *i = images;
	while (i->what && strcmp(i->what, what) != 0)
		if (++i == images + sizeof images / sizeof *images)
			exit(125);
	if (i->what)
		return i;
	char path[4096];
	if (sscanf(what, "%4095[^,],%lu,%lu,%lu,%lu", path, &i->size, &i->region, &i->handoff, &i->reflected) != 5)
		fail(what);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		fail(path);
	/* Any place will do where the whole region is free. */
	char *at = mmap(NULL, i->region, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || munmap(at, i->region) != 0 ||
	    mmap(at, i->size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) != at)
		fail(path);
	handoff((u64)at + i->handoff, fd); /* closes fd */
	i->base = (u64)at;
	i->what = what;
	return i;
}
