/* sites: what system calls cost at instructions that may be patched, by several
 * ways in turn.
 *
 *	sites FILTER ROUNDS MICROSECONDS way...
 *
 * FILTER is a file with a seccomp filter, an array of struct sock_filter, that is
 * installed first; "-" for none. A way is one of
 *
 *	empty		the loop, with nothing in place of the system call
 *	getppid, getuid, getrandom
 *			the loop, with the instruction behind the one that loads
 *			its number; getrandom for 16 bytes
 *	vdso		the vDSO's getrandom, for 16 bytes
 *	syscall:WAY	the same by a function as the C library's syscall() is, which
 *			can bring any number; syscall:empty has no system call in it
 *	WAY=NUMBER	it must return that
 *
 * Prints a line for each round: nanoseconds a call, by each way. Each way has a
 * window of about that many microseconds. The first tenth of the rounds is
 * warm-up and not printed.
 */
#include "bare.h"
#include "window.h"
#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

enum { WAYS = 16, TICKS = 1 << 16 };

typedef unsigned long loop_fn(long calls, void *buf);
loop_fn loop_empty, loop_getppid, loop_getuid, loop_getrandom;
long like_syscall(long nr, ...), like_syscall_empty(long nr, ...);

/* Each with a word of its own for the instruction that may be replaced, as most
 * are in libraries. rax at the end is what the last call returned. */
__asm__(".text\n"
	".macro LOOP name, nr, call:vararg\n"
	"	.balign 64\n"
	"	.type loop_\\name, @function\n"
	"	.globl loop_\\name\n"
	"loop_\\name:\n"
	"	.cfi_startproc\n"
	"	push %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_offset rbx, -16\n"
	"	mov %rdi, %rbx\n"
	"	mov %rsi, %rdi\n"
	"	mov $16, %esi\n"
	"	xor %edx, %edx\n"
	"	.balign 64\n"
	"1:	mov $\\nr, %eax\n"
	"	\\call\n"
	"	dec %rbx\n"
	"	jnz 1b\n"
	"	pop %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore rbx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size loop_\\name, . - loop_\\name\n"
	".endm\n"
	"LOOP empty, 16\n"
	"LOOP getppid, 110, syscall\n"
	"LOOP getuid, 102, syscall\n"
	"LOOP getrandom, 318, syscall\n"
	/* Instruction by instruction what glibc has, but for errno. */
	".macro LIKE name, call:vararg\n"
	"	.balign 16\n"
	"	.type \\name, @function\n"
	"	.globl \\name\n"
	"\\name:\n"
	"	.cfi_startproc\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	\\call\n"
	"	cmp $-4095, %rax\n"
	"	jae 1f\n"
	"	ret\n"
	"1:	mov $-1, %rax\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size \\name, . - \\name\n"
	".endm\n"
	"LIKE like_syscall, syscall\n"
	"LIKE like_syscall_empty\n");

typedef long vdso_fn(void *, unsigned long, unsigned, void *, unsigned long);
static vdso_fn *vdso;
static struct {
	unsigned size, prot, flags, reserved[13];
} params;
static void *state;

struct way {
	loop_fn *loop;	/* 0: the vDSO, or by the function: */
	long (*by)(long nr, ...);
	long nr;
	long calls;	/* in a window */
	long wanted;	/* result, -1 for any */
};
static struct way ways[WAYS];
static unsigned ticks[TICKS];
static char out[WAYS * 24];

static __attribute__((noinline)) unsigned long loop_vdso(long calls, void *buf)
{
	long r = 16;
	for (; calls > 0; calls--)
		r = vdso(buf, 16, 0, state, params.size);
	return r;
}

static __attribute__((noinline)) unsigned long loop_by(long (*by)(long, ...), long nr, long calls, void *buf)
{
	long r = 0;
	for (; calls > 0; calls--)
		r = by(nr, buf, 16l, 0l);
	return r;
}

static unsigned long window(struct way *w, long calls)
{
	static char buf[16];
	unsigned long r, t = tsc();
	r = w->by ? loop_by(w->by, w->nr, calls, buf) : w->loop(calls, buf);
	t = tsc() - t;
	if (w->wanted >= 0 && r != w->wanted)
		quit(125);
	return t;
}

/* call3 takes too few arguments for these. */
static long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long r;
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

/* find looks the function up as C libraries do, and asks it for its state. */
static void find(long *stack)
{
	long *p = stack + 1 + stack[0] + 1;
	while (*p++)
		;
	while (*p && *p != AT_SYSINFO_EHDR)
		p += 2;
	const char *image = (const char *)p[1];
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Phdr *ph = (const void *)(image + eh->e_phoff);
	const Elf64_Dyn *d = 0;
	const unsigned *hash = 0;
	const Elf64_Sym *sym = 0;
	const char *names = 0;
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			d = (const void *)(image + ph[i].p_vaddr);
	for (; d && d->d_tag; d++)
		switch (d->d_tag) {
		case DT_HASH:
			hash = (const void *)(image + d->d_un.d_ptr);
			break;
		case DT_SYMTAB:
			sym = (const void *)(image + d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			names = image + d->d_un.d_ptr;
		}
	for (unsigned i = 1; hash && i < hash[1]; i++)
		if (same(names + sym[i].st_name, "__vdso_getrandom"))
			vdso = (vdso_fn *)(image + sym[i].st_value);
	if (!vdso || vdso(0, 0, 0, &params, -1ul) != 0)
		quit(126);
	state = (void *)call6(__NR_mmap, 0, 4096, params.prot, params.flags, -1, 0);
}

static void install(const char *path)
{
	static struct sock_filter code[4096];
	long fd = call3(__NR_open, (long)path, 0, 0), n = call3(__NR_read, fd, (long)code, sizeof code);
	struct sock_fprog filter = { n / (long)sizeof *code, code };
	if (n <= 0 || call6(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) != 0 ||
	    call3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&filter) != 0)
		quit(127);
	call3(__NR_close, fd, 0, 0);
}

static void choose(struct way *w, char *name, long *stack)
{
	static const char by[] = "syscall:";
	char *wanted = name;
	while (*wanted && *wanted != '=')
		wanted++;
	w->wanted = *wanted ? number(wanted + 1) : -1;
	*wanted = 0;
	int i = 0;
	while (by[i] && name[i] == by[i])
		i++;
	if (!by[i]) {
		name += i;
		w->by = same(name, "empty") ? like_syscall_empty : like_syscall;
	}
	if (same(name, "empty"))
		w->loop = loop_empty, w->nr = 16;
	else if (same(name, "getppid"))
		w->loop = loop_getppid, w->nr = __NR_getppid;
	else if (same(name, "getuid"))
		w->loop = loop_getuid, w->nr = __NR_getuid;
	else if (same(name, "getrandom"))
		w->loop = loop_getrandom, w->nr = __NR_getrandom;
	else if (same(name, "vdso")) {
		w->loop = loop_vdso;
		if (!vdso)
			find(stack);
	} else
		quit(125);
}

static void begin(long *stack)
{
	char **argv = (char **)(stack + 1);
	int n = stack[0] - 4;
	if (n < 1 || n > WAYS)
		quit(125);
	long rounds = number(argv[2]), period = number(argv[3]);
	if (rounds < 1 || rounds * n > TICKS)
		quit(125);
	for (int i = 0; i < n; i++)
		choose(&ways[i], argv[4 + i], stack);
	if (!same(argv[1], "-"))
		install(argv[1]);

	/* Before anything counts a patched site has been patched. */
	unsigned long ns = nanoseconds(), t = tsc();
	for (int i = 0; i < n; i++)
		window(&ways[i], 64);
	while (nanoseconds() - ns < 10000000)
		;
	double per_ns = (double)(tsc() - t) / (nanoseconds() - ns);
	for (int i = 0; i < n; i++)
		for (ways[i].calls = 64; window(&ways[i], ways[i].calls) < period * 1000 * per_ns;)
			ways[i].calls *= 2;

	ns = nanoseconds(), t = tsc();
	for (long r = 0; r < rounds; r++)
		for (int i = 0; i < n; i++) {
			window(&ways[i], ways[i].calls / 8); /* what the others left in the caches */
			ticks[r * n + i] = window(&ways[i], ways[i].calls);
		}
	per_ns = (double)(tsc() - t) / (nanoseconds() - ns);

	for (long r = rounds / 10; r < rounds; r++) {
		char *p = out;
		for (int i = 0; i < n; i++) {
			p = hundredths(p, ticks[r * n + i] / per_ns / ways[i].calls);
			*p++ = i + 1 < n ? ' ' : '\n';
		}
		put(out, p);
	}
	quit(0);
}
