// Registers, flags, and memory near the stack: a system call changes rax, rcx, r11 and
// the memory that it names, and nothing else.
#include "behaviour.h"
#include "../victims/trip.h"

static const char names[16][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
				   "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

SITE(by_number, "mov $318, %eax; syscall");
SITE(by_passed, "mov $110, %eax; syscall");
SITE(by_any, "mov %r12, %rdi; syscall");
SITE(by_lea, "lea 8(%rbx), %rdx; syscall");

static uint8_t buf[8192] __attribute__((aligned(4096)));

// What is made: each kind of implementation, at each shape of a site.
static const struct kind {
	const char *name;
	long nr;
	char *at, *back;
	uint64_t rdi, rsi;
	long want;
} kinds[] = {
#define K(name, nr, site, ...) { name, nr, site, site##_return, __VA_ARGS__ }
	K("getrandom", SYS_getrandom, by_number, (uint64_t)(buf + 128), 32, 32),
	K("getrandom, any site", SYS_getrandom, by_any, (uint64_t)(buf + 128), 304, 304),
	K("getrandom of nowhere", SYS_getrandom, by_any, 0, 16, -EFAULT),
	K("passed", SYS_getppid, by_passed, 0, 0, -1),
	K("passed, any site", SYS_getppid, by_any, 0, 0, -1),
	K("passed, fails", SYS_kill, by_any, (uint64_t)-1, 99, -EINVAL),
	K("constant", SYS_sched_get_priority_max, by_lea, SCHED_FIFO, 0, 99),
	K("constant error", SYS_getpmsg, by_any, 0, 0, -ENOSYS),
	K("clock", SYS_clock_gettime, by_any, CLOCK_MONOTONIC, (uint64_t)(buf + 4096), 0),
	K("passed, lea", SYS_gettid, by_lea, 0, 0, -1),
};
#define KINDS (int)(sizeof kinds / sizeof *kinds)

static void prepare(const struct kind *k, uint64_t sp)
{
	vectors = __builtin_cpu_supports("avx512bw") ? 2 : __builtin_cpu_supports("avx2") ? 1 : 0;
	for (size_t i = 0; i < sizeof in / 8; i++)
		((uint64_t *)&in)[i] = next();
	asm volatile("fxsave64 %0" : "=m"(in.fx));
	for (int i = 32; i < 160; i++)
		in.fx[i] = i % 16 < 9 ? next() : i % 16 == 9 ? 0x3f : 0;
	for (int i = 160; i < 160 + 256; i++)
		in.fx[i] = next();
	in.flags = 0x202;
	in.gpr[RAX] = k->nr;
	in.gpr[RDI] = in.gpr[R12] = k->rdi;
	in.gpr[RSI] = k->rsi;
	in.gpr[RDX] = 0;
	in.gpr[RBX] = -8;
	in.gpr[RSP] = sp;
	target = k->at;
}

static uint8_t stack[12288] __attribute__((aligned(4096)));
#define TOP ((uint64_t)stack + 8192)

// For each kind rounds calls, after which differs says what is not as it must be.
static void each(int rounds, uint64_t sp, void (*alter)(int round), const char *(*differs)(const struct kind *))
{
	for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
		const char *first = NULL;
		int wrong = 0, results = 0;
		for (int i = 0; i < rounds; i++) {
			prepare(k, sp);
			if (alter)
				alter(i);
			trip();
			results += (long)out.gpr[RAX] == k->want || (k->want == -1 && (long)out.gpr[RAX] >= 0);
			const char *d = differs(k);
			wrong += d != NULL;
			first = first ? first : d;
		}
		printf("%s: %d of %d right, %s\n", k->name, results, rounds, first ? first : "all kept");
		if (wrong)
			printf("  %d times\n", wrong);
	}
}

static const char *general(const struct kind *k)
{
	static char what[8];
	UNUSED(k);
	for (int r = 0; r < 16; r++)
		if (r != RAX && r != RCX && r != R11 && out.gpr[r] != in.gpr[r])
			return strcpy(what, names[r]);
	return NULL;
}
BEHAVIOUR(general_registers) { each(20, TOP, NULL, general); }

static const char *rcx(const struct kind *k) { return out.gpr[RCX] == (uint64_t)k->back ? NULL : "rcx"; }
BEHAVIOUR(rcx_is_the_next_address) { each(20, TOP, NULL, rcx); }

static void arithmetic(int round)
{
	static const int bits[6] = { 1, 4, 0x10, 0x40, 0x80, 0x800 };
	for (int b = 0; b < 6; b++)
		in.flags |= round >> b & 1 ? bits[b] : 0;
}
static const char *r11(const struct kind *k)
{
	UNUSED(k);
	return out.gpr[R11] == in.flags ? NULL : "r11";
}
BEHAVIOUR(r11_is_the_flags) { each(64, TOP, arithmetic, r11); }

static const char *flags(const struct kind *k)
{
	UNUSED(k);
	return out.flags == in.flags ? NULL : "flags";
}
BEHAVIOUR(arithmetic_flags) { each(64, TOP, arithmetic, flags); }

static void direction(int round) { arithmetic(round), in.flags |= 0x400; }
BEHAVIOUR(direction_flag) { each(64, TOP, direction, flags); }
BEHAVIOUR(direction_flag_in_r11) { each(64, TOP, direction, r11); }

// The processor checks alignment in user mode where this flag is set.
static void alignment(int round) { arithmetic(round), in.flags |= 0x40000; }
BEHAVIOUR(alignment_flag) { each(64, TOP, alignment, flags); }
BEHAVIOUR(alignment_flag_in_r11) { each(64, TOP, alignment, r11); }
static void unaligned(int round)
{
	alignment(round);
	if (in.gpr[RAX] == SYS_getrandom && in.gpr[RDI])
		in.gpr[RDI] = in.gpr[R12] = (uint64_t)buf + 1 + round % 63;
}
BEHAVIOUR(alignment_flag_and_buffer) { each(64, TOP, unaligned, flags); }

// The ID flag can be changed by a program too, and nothing else in this half.
static void identification(int round) { arithmetic(round), in.flags |= 0x200000; }
BEHAVIOUR(identification_flag) { each(64, TOP, identification, flags); }

static const char *x87(const struct kind *k)
{
	UNUSED(k);
	if (memcmp(in.fx, out.fx, 2))
		return "control word";
	if (memcmp(in.fx + 2, out.fx + 2, 2))
		return "status word";
	if (in.fx[4] != out.fx[4])
		return "tags";
	for (int r = 0; r < 8; r++)
		if (memcmp(in.fx + 32 + 16 * r, out.fx + 32 + 16 * r, 10))
			return "stack";
	return NULL;
}
static void x87_state(int round)
{
	in.fx[0] = 0x7f, in.fx[1] = round & 0xf; // precision and rounding
	in.fx[2] = 0, in.fx[3] = (round & 7) << 3 | (round & 1 ? 0x41 : 0); // top, conditions
	in.fx[4] = round * 5;
}
BEHAVIOUR(x87_state_and_tags) { each(40, TOP, x87_state, x87); }

static const char *mxcsr(const struct kind *k)
{
	UNUSED(k);
	return memcmp(in.fx + 24, out.fx + 24, 4) ? "mxcsr" : NULL;
}
static void mxcsr_bits(int round)
{
	uint32_t v = 0x1f80 | (round & 3) << 13 | (round & 4 ? 0x8040 : 0) | (round & 0x38);
	memcpy(in.fx + 24, &v, 4);
}
BEHAVIOUR(mxcsr_rounding_and_status) { each(64, TOP, mxcsr_bits, mxcsr); }

static const char *vector(const struct kind *k)
{
	UNUSED(k);
	for (int r = 0; vectors && r < (vectors == 2 ? 32 : 16); r++)
		if (memcmp(in.zmm[r], out.zmm[r], vectors == 2 ? 64 : 32))
			return memcmp(in.zmm[r], out.zmm[r], 16) ? "xmm" : "upper half of a vector register";
	if (!vectors && memcmp(in.fx + 160, out.fx + 160, 256))
		return "xmm";
	return vectors == 2 && memcmp(in.k, out.k, sizeof in.k) ? "mask register" : NULL;
}
BEHAVIOUR(vector_and_mask_registers) { each(30, TOP, NULL, vector); }

// XINUSE (xgetbv 1) says which parts of the state are in their initial configuration.
static uint32_t in_use(void)
{
	uint32_t a, d;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(1));
	return a & 0xe6; // ymm, and AVX-512's three; xmm is in use in every program
}
BEHAVIOUR(clean_vector_state_stays_clean)
{
	if (!__builtin_cpu_supports("avx2"))
		return;
	for (int i = 0; i < 6; i++) {
		__asm__ volatile("vzeroall" ::: "memory");
		uint32_t before = in_use();
		CALL(NR_GETRANDOM, buf, 4096, 0, 0);
		CALL(NR_GETPPID, 0, 0, 0, 0);
		uint32_t after = in_use();
		printf("parts in use: %x, %x\n", before & 4, after & 4);
	}
}

BEHAVIOUR(segment_bases)
{
	for (int i = 0; i < 4; i++) {
		unsigned long f[2], g[2], mine = 0x1234567000;
		syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, mine + i);
		syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &f[0]);
		CALL(NR_GETRANDOM, buf, 100, 0, 0);
		CALL(NR_GETPPID, 0, 0, 0, 0);
		CALL(NR_CLOCK_GETTIME, CLOCK_MONOTONIC, buf, 0, 0);
		syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &g[1]);
		syscall(SYS_arch_prctl, 0x1003, &f[1]);
		__asm__ volatile("mov %%fs:0, %0" : "=r"(f[0]));
		printf("gs %lx, fs kept %d\n", g[1], f[0] == f[1]);
	}
}

// Memory around the stack pointer, which each call must leave alone.
static uint8_t before[sizeof stack];
static void fill_stack(int round)
{
	UNUSED(round);
	for (size_t i = 0; i < sizeof stack; i++)
		before[i] = stack[i] = next();
}
static const char *red_zone_written(const struct kind *k)
{
	UNUSED(k);
	return memcmp(stack + 8192 - 128, before + 8192 - 128, 128) ? "red zone" : NULL;
}
static const char *below_written(const struct kind *k)
{
	UNUSED(k);
	return memcmp(stack + 4096, before + 4096, 4096 - 128) ? "below the red zone" : NULL;
}
static const char *above_written(const struct kind *k)
{
	UNUSED(k);
	return memcmp(stack + 8192, before + 8192, 4096) ? "above the stack pointer" : NULL;
}
BEHAVIOUR(red_zone) { each(20, TOP, fill_stack, red_zone_written); }
BEHAVIOUR(below_the_red_zone) { each(20, TOP, fill_stack, below_written); }
BEHAVIOUR(above_the_stack_pointer) { each(20, TOP, fill_stack, above_written); }

BEHAVIOUR(stack_pointer_zero) { each(20, 0, NULL, general); }
BEHAVIOUR(stack_pointer_not_canonical) { each(20, 0xdeadbeef12345678, NULL, general); }
BEHAVIOUR(stack_pointer_into_read_only_memory)
{
	char *p = pages(1);
	mprotect(p, 4096, PROT_READ);
	each(20, (uint64_t)p + 2048, NULL, general);
}
// 800 bytes, as a goroutine has, and below them a page that must not be touched.
BEHAVIOUR(stack_of_800_bytes)
{
	char *p = pages(3);
	mprotect(p, 4096, PROT_NONE);
	each(20, (uint64_t)p + 4096 + 800, NULL, general);
}

// The kernel takes the low half of the number, and of arguments of 32 bits.
static void garbage(int round) { in.gpr[RAX] |= (next() | 1) << 32, UNUSED(round); }
BEHAVIOUR(upper_half_of_the_number) { each(20, TOP, garbage, general); }
BEHAVIOUR(upper_half_of_flags)
{
	for (int i = 0; i < 4; i++)
		printf("%s, %s, %s\n", result(CALL(NR_GETRANDOM, buf, 16, 0xabcdef0100000000, 0)),
		       result(CALL(NR_GETRANDOM, buf, 16, 0xabcdef0100000001, 0)), result(CALL(NR_CLOCK_GETTIME, 0x500000001, buf, 0, 0)));
}
