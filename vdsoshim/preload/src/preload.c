/*
 * An LD_PRELOAD library that serves getrandom() and getentropy() by the shim's
 * generator: what one would use without a supervisor. For experiments.
 *
 * The library brings the image along, completed for the running kernel by the Go
 * package, and maps it as the supervisor does: the image, its control page and its
 * slots, by the image's own handoff routine. Nobody changes the generation there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define ROOM (96 << 10)

typedef long entry_fn(void *, size_t, unsigned, void *, size_t);

/* Filled in by the Go package, which finds it by its first bytes. */
static struct {
	char magic[16];
	uint64_t image_size, region_size, control_off, handoff_off, entry_off, state_size;
	char pad[PAGE - 64];
	char image[ROOM];
} volatile const with __attribute__((aligned(PAGE), section(".data"))) = { .magic = "reflect-preload" };

static entry_fn *entry;
/* The entry asks for the state that the kernel's function would need, and does
 * nothing with it but look at its place: it must not lie across two pages. */
static char state[512] __attribute__((aligned(512)));

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return nr;
}
#define CALL(nr, ...) CALL_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(nr, a, b, c, d, e, f, ...) call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* A library that silently did nothing would be measured for what it is not. */
static void fail(const char *what, size_t n)
{
	CALL(SYS_write, 2, "reflect preload: ", 17);
	CALL(SYS_write, 2, what, n);
	CALL(SYS_write, 2, "\n", 1);
	CALL(SYS_exit_group, 125);
}
#define FAIL(what) fail(what, sizeof what - 1)

/* The routine ends by a system call that its caller chooses, with 0 or an error as
 * its first argument: exit, in a child that shares our memory. It uses no stack. */
long handoff_child(void *routine, long fd, void *stack, void *child_stack);
__asm__(".text\n"
	".balign 16\n"
	".hidden handoff_child\n"
	".type handoff_child, @function\n"
	"handoff_child:\n"
	"	.cfi_startproc\n"
	"	push %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_offset rbx, -16\n"
	"	push %r12\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_offset r12, -24\n"
	"	push %r13\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_offset r13, -32\n"
	"	mov %rdi, %rbx\n"
	"	mov %rsi, %r12\n"
	"	mov %rdx, %r13\n"
	"	mov $0x4100, %edi\n"	/* CLONE_VM, CLONE_VFORK, no signal at the end */
	"	mov %rcx, %rsi\n"
	"	xor %edx, %edx\n"
	"	xor %r10d, %r10d\n"
	"	xor %r8d, %r8d\n"
	"	mov $56, %eax\n"
	"	syscall\n"
	"	test %rax, %rax\n"
	"	jnz 1f\n"
	"	mov %rbx, %rax\n"
	"	mov %r12, %rdi\n"
	"	mov $-1, %rsi\n"	/* no counters */
	"	mov %r13, %rdx\n"
	"	xor %r8d, %r8d\n"
	"	xor %r9d, %r9d\n"
	"	mov $60, %r10d\n"	/* exit */
	"	jmp *%rax\n"
	"1:	pop %r13\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore r13\n"
	"	pop %r12\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore r12\n"
	"	pop %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore rbx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size handoff_child, . - handoff_child\n");

static int bad(long r) { return r < 0 && r > -PAGE; }

__attribute__((constructor)) static void begin(void)
{
	static uint64_t auxv[] = { 0, 0, 0, AT_SYSINFO_EHDR, 0, 0, 0 }; /* argc, argv, envp, vector */
	static char stack[256] __attribute__((aligned(16)));
	static uint64_t generation = 1;
	uint64_t all = ~0ul, before;
	int status = 0;

	if (!with.image_size)
		FAIL("no image");
	if (!(auxv[4] = getauxval(AT_SYSINFO_EHDR)))
		FAIL("this program has no vDSO");
	long fd = CALL(SYS_memfd_create, "reflect", MFD_CLOEXEC);
	if (fd < 0 || CALL(SYS_write, fd, with.image, with.image_size) != (long)with.image_size ||
	    CALL(SYS_ftruncate, fd, with.control_off + PAGE) ||
	    CALL(SYS_pwrite64, fd, &generation, sizeof generation, with.control_off) != sizeof generation)
		FAIL("memory file");
	/* Any place will do where the whole region is free. */
	long at = CALL(SYS_mmap, 0, with.region_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bad(at) || CALL(SYS_munmap, at, with.region_size) ||
	    CALL(SYS_mmap, at, with.image_size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0) != at)
		FAIL("memory for the image");
	CALL(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, 8);
	long child = handoff_child((char *)at + with.handoff_off, fd, auxv, stack + sizeof stack);
	CALL(SYS_close, fd);
	if (child < 0 || CALL(SYS_wait4, child, &status, __WALL, 0) != child || status != 0)
		FAIL("the handoff routine failed");
	CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, 8);
	entry = (entry_fn *)((char *)at + with.entry_off);
}

__attribute__((visibility("default"))) ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
	/* Before our constructor ran, in another library's. */
	long r = entry ? entry(buf, n, flags, state, with.state_size) : CALL(SYS_getrandom, buf, n, flags);
	if (r < 0) {
		errno = -r;
		return -1;
	}
	return r;
}

__attribute__((visibility("default"))) int getentropy(void *buf, size_t n)
{
	if (n > 256) {
		errno = EIO;
		return -1;
	}
	for (char *p = buf; n > 0;) {
		ssize_t r = getrandom(p, n, 0);
		if (r < 0 && errno != EINTR)
			return -1;
		if (r > 0)
			p += r, n -= r;
	}
	return 0;
}
