#define _GNU_SOURCE
#include "region.h"
#include <elf.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static struct outcome result;
static sigjmp_buf back;

/* The routine ends with an undefined instruction behind its last call. */
static void on_sigill(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	result.rdi = g[REG_RDI];
	result.rsi = g[REG_RSI];
	result.rdx = g[REG_RDX];
	result.r8 = g[REG_R8];
	result.rax = g[REG_RAX];
	result.rsp = g[REG_RSP];
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 4; j++)
			if (uc->uc_mcontext.fpregs->_xmm[i].element[j] != 0x5a5a0000u + 4 * i + j)
				result.vectors++;
	siglongjmp(back, 1);
}

static u32 pattern[16][4] __attribute__((aligned(16)));

__attribute__((noreturn)) static void enter(u64 rip, u64 rdi, u64 rsi, u64 rdx, u64 mm, u64 user, u64 nr)
{
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 4; j++)
			pattern[i][j] = 0x5a5a0000u + 4 * i + j;
	register u64 r10 asm("r10") = nr;
	register u64 r8 asm("r8") = mm;
	register u64 r9 asm("r9") = user;
	/* No stack: a push would fault at once. */
	asm volatile("movdqa 0(%%rbx), %%xmm0; movdqa 16(%%rbx), %%xmm1; movdqa 32(%%rbx), %%xmm2;"
		     "movdqa 48(%%rbx), %%xmm3; movdqa 64(%%rbx), %%xmm4; movdqa 80(%%rbx), %%xmm5;"
		     "movdqa 96(%%rbx), %%xmm6; movdqa 112(%%rbx), %%xmm7; movdqa 128(%%rbx), %%xmm8;"
		     "movdqa 144(%%rbx), %%xmm9; movdqa 160(%%rbx), %%xmm10; movdqa 176(%%rbx), %%xmm11;"
		     "movdqa 192(%%rbx), %%xmm12; movdqa 208(%%rbx), %%xmm13; movdqa 224(%%rbx), %%xmm14;"
		     "movdqa 240(%%rbx), %%xmm15;"
		     "mov $24, %%esp; jmp *%%rax"
		     : : "a"(rip), "D"(rdi), "S"(rsi), "d"(rdx), "b"(pattern), "r"(r10), "r"(r8), "r"(r9)
		     : "memory");
	__builtin_unreachable();
}

/* What the supervisor prepares: the program's own layout, from /proc/self/stat
 * (proc_pid_stat(5)); exe_fd -1 keeps the executable. */
static void prepare_mm(struct prctl_mm_map *mm)
{
	u64 f[53] = {0};
	char line[4096], *p;
	int fd = open("/proc/self/stat", O_RDONLY);
	ssize_t n = read(fd, line, sizeof(line) - 1);

	close(fd);
	line[n > 0 ? n : 0] = 0;
	p = strrchr(line, ')') + 2;
	for (int i = 3; i <= 52; i++) {
		f[i] = strtoull(p, &p, 10);
		if (i == 3)
			p++;	/* the state is a letter */
	}
	*mm = (struct prctl_mm_map){
		.start_code = f[26], .end_code = f[27], .start_stack = f[28],
		.start_data = f[45], .end_data = f[46], .start_brk = f[47], .brk = (u64)sbrk(0),
		.arg_start = f[48], .arg_end = f[49], .env_start = f[50], .env_end = f[51],
		.exe_fd = -1,
	};
}

static u64 saved_auxv(u64 type)
{
	u64 pair[2];
	int fd = open("/proc/self/auxv", O_RDONLY);

	while (read(fd, pair, sizeof(pair)) == sizeof(pair))
		if (pair[0] == type) {
			close(fd);
			return pair[1];
		}
	close(fd);
	return 0;
}

void map_image(const struct region *r)
{
	void *p = mmap((void *)r->base, r->control, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_FIXED_NOREPLACE, r->fd, 0);
	CHECK(p == (void *)r->base, "map the image: %m");
}

/* Runs the routine on a stack made up for it. AT_SYSINFO_EHDR can go by
 * another number, to be missed. */
struct outcome handoff(const struct region *r, u64 auxv_type)
{
	static char alternate[65536];
	static u64 block[256];
	struct prctl_mm_map mm;
	struct sigaction old, sa = {.sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t ss = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	u64 *p = block, before = saved_auxv(AT_SYSINFO_EHDR);
	u64 *volatile slot = 0;	/* survives the long jump */
	int fd;

	*p++ = 2;
	*p++ = (u64)"program";
	*p++ = (u64)"argument";
	*p++ = 0;
	*p++ = (u64)"A=1";
	*p++ = 0;
	fd = open("/proc/self/auxv", O_RDONLY);
	ssize_t n = read(fd, p, sizeof(block) - (p - block) * 8);
	close(fd);
	for (u64 *q = p; q < p + n / 8; q += 2)
		if (q[0] == AT_SYSINFO_EHDR) {
			q[0] = auxv_type;
			q[1] = r->kernel;
			slot = q + 1;
		}
	u64 copy[256];
	memcpy(copy, block, sizeof(block));
	prepare_mm(&mm);

	sigaltstack(&ss, 0);
	sigaction(SIGILL, &sa, &old);
	memset(&result, 0, sizeof(result));
	if (!sigsetjmp(back, 1))
		enter(r->base + r->handoff, r->fd, r->counters, (u64)block, (u64)&mm, r->user_size, SYS_execve);
	sigaction(SIGILL, &old, 0);

	result.value = *slot;
	if (result.rdi == 0 && !r->user_size)
		CHECK(saved_auxv(AT_SYSINFO_EHDR) == r->base, "the kernel's copy of the vector says %lx", saved_auxv(AT_SYSINFO_EHDR));
	else
		CHECK(saved_auxv(AT_SYSINFO_EHDR) == before, "the kernel's copy of the vector changed");
	copy[slot - block] = *slot;
	CHECK(!memcmp(copy, block, sizeof(block)), "the stack changed");
	for (unsigned i = 0; i < sizeof(mm); i++)
		CHECK(!((char *)&mm)[i], "byte %u of prctl's structure is left", i);
	CHECK(fcntl(r->fd, F_GETFD) == -1, "the memory file is still open");
	if (r->counters >= 0)
		CHECK(fcntl(r->counters, F_GETFD) == -1, "the counters' file is still open");
	CHECK((int64_t)result.rax == -14, "the final call returned %ld", (long)result.rax);
	CHECK(result.vectors == 0, "%d vector registers changed", result.vectors);
	return result;
}

/* perms returns one of a mapping's four letters in /proc/self/maps, '?' for a
 * hole. */
char perms(u64 addr, int which)
{
	char line[512];
	u64 from, to;
	char mode[5], out = '?';
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && addr >= from && addr < to)
			out = mode[which];
	fclose(f);
	return out;
}

/* find looks a symbol up as a C library does. */
void *find(u64 image, const char *name)
{
	Elf64_Ehdr *eh = (void *)image;
	Elf64_Phdr *ph = (void *)(image + eh->e_phoff);
	u64 dyn[0x20] = {0};

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			for (Elf64_Dyn *d = (void *)(image + ph[i].p_vaddr); d->d_tag; d++)
				if (d->d_tag < 0x20)
					dyn[d->d_tag] = d->d_un.d_val;
	Elf64_Sym *sym = (void *)(image + dyn[DT_SYMTAB]);
	u32 count = ((u32 *)(image + dyn[DT_HASH]))[1];

	for (u32 i = 1; i < count; i++)
		if (!strcmp((char *)(image + dyn[DT_STRTAB] + sym[i].st_name), name))
			return (void *)(image + sym[i].st_value);
	return 0;
}
