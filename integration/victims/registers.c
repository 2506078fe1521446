// Makes each of several kinds of calls at each of several shapes of sites, before,
// while and after the site is patched, with all registers set to random values, and
// compares everything that a system call must not change. Says how many were wrong.
#define _GNU_SOURCE
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "trip.h"

SITE(five_random, "mov $318, %eax; syscall");
SITE(five_constant, "mov $102, %eax; syscall");
SITE(five_pass, "mov $110, %eax; syscall");
SITE(seven_random, "mov $318, %rax; syscall");
SITE(seven_pass, "mov $110, %rax; syscall");
SITE(cross_random, ".skip 5, 0x90; mov $318, %eax; syscall");
SITE(line_random, ".skip 61, 0x90; mov $318, %eax; syscall");
SITE(two_any, "mov %eax, %eax; syscall");
SITE(three_any, "mov %r12, %rdi; syscall");
SITE(cross_any, ".skip 3, 0x90; mov %r12, %rdi; syscall");
SITE(four_any, "lea 8(%rbx), %rdx; syscall");
SITE(six_any, "mov $0x1234567, %r10d; syscall");
SITE(near_any, "lea three_any(%rip), %r10; syscall");
SITE(flags_any, "test %r12, %r12; mov $0x1234567, %r10d; syscall"); // the displaced code may set flags

static const struct site {
	const char *name;
	char *at, *back;
	long calls[3];
} sites[] = {
#define S(name, ...) { #name, name, name##_return, { __VA_ARGS__ } }
#define ANY SYS_getrandom, SYS_getuid, SYS_getppid
	S(five_random, SYS_getrandom), S(five_constant, SYS_getuid), S(five_pass, SYS_getppid),
	S(seven_random, SYS_getrandom), S(seven_pass, SYS_getppid), S(cross_random, SYS_getrandom),
	S(line_random, SYS_getrandom), S(two_any, ANY), S(three_any, ANY), S(cross_any, ANY),
	S(four_any, ANY), S(six_any, ANY), S(near_any, ANY), S(flags_any, ANY),
};
#define SITES (int)(sizeof sites / sizeof *sites)

static uint8_t buf[4096] __attribute__((aligned(4096))), stack[8192] __attribute__((aligned(4096)));
static int wrong;
#define CHECK(cond, ...)                           \
	do {                                       \
		if (!(cond) && wrong++ < 20) {     \
			printf(__VA_ARGS__);       \
			putchar('\n');             \
		}                                  \
	} while (0)

// What each register must hold afterwards.
static uint64_t want(const struct site *s, long nr, int reg, long uid)
{
	switch (reg) {
	case RAX: return nr == SYS_getrandom ? in.gpr[RSI] : nr == SYS_getuid ? (uint64_t)uid : (uint64_t)getppid();
	case RCX: return (uint64_t)s->back;
	case R11: return s->at == flags_any ? out.flags : in.flags;
	case RDX: return s->at == four_any ? in.gpr[RBX] + 8 : in.gpr[RDX];
	case R10: return s->at == near_any ? (uint64_t)three_any : s->at == six_any || s->at == flags_any ? 0x1234567 : in.gpr[R10];
	}
	return in.gpr[reg];
}

static void check(const struct site *s, long nr, long uid)
{
	static const char names[16][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					   "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	// The direction flag in r11 only a stack would tell; see reflected.S.
	uint64_t df = in.flags & 0x400;
	out.gpr[R11] |= df;
	for (int r = 0; r < 16; r++)
		CHECK(out.gpr[r] == want(s, nr, r, uid), "%s, call %ld: %s is %lx instead of %lx, flags %lx", s->name, nr, names[r],
		      out.gpr[r], want(s, nr, r, uid), in.flags);
	if (s->at != flags_any)
		CHECK(((out.flags ^ in.flags) & 0xcd5) == 0, "%s, call %ld: flags %lx instead of %lx", s->name, nr, out.flags, in.flags);
	if (vectors) {
		CHECK(!memcmp(in.zmm, out.zmm, sizeof in.zmm), "%s, call %ld: vector registers", s->name, nr);
		CHECK(!memcmp(in.k, out.k, sizeof in.k), "%s, call %ld: mask registers", s->name, nr);
	} else {
		CHECK(!memcmp(in.fx + 160, out.fx + 160, 256), "%s, call %ld: xmm", s->name, nr);
	}
	// Control and status words, mxcsr, and the registers.
	CHECK(!memcmp(in.fx, out.fx, 2) && !memcmp(in.fx + 24, out.fx + 24, 4), "%s, call %ld: control words", s->name, nr);
	for (int r = 0; r < 8; r++)
		CHECK(!memcmp(in.fx + 32 + 16 * r, out.fx + 32 + 16 * r, 10), "%s, call %ld: st%d", s->name, nr, r);
}

static void make(const struct site *s, long nr, int arithmetic, uint64_t sp, long uid)
{
	static uint8_t stack_before[sizeof stack];
	for (size_t i = 0; i < sizeof in / 8; i++)
		((uint64_t *)&in)[i] = next();
	for (size_t i = 0; i < sizeof stack; i += 8)
		*(uint64_t *)(stack + i) = next();
	memcpy(stack_before, stack, sizeof stack);
	memset(buf, 0, sizeof buf);
	asm volatile("fxsave64 %0" : "=m"(in.fx));
	in.fx[0] = 0x7f;
	in.fx[1] = 3;
	for (int r = 0; r < 8; r++)
		memcpy(in.fx + 32 + 16 * r, "\x12\x34\x56\x78\x9a\xbc\xde\xf0\xff\x3f", 10);
	for (int i = 160; i < 160 + 256; i++)
		in.fx[i] = next();
	uint64_t offset = next() & 0x7ff, n = 1 + next() % 300;
	in.gpr[RAX] = next() << 32 | nr; // the kernel looks at half of it
	in.gpr[RDI] = in.gpr[R12] = (uint64_t)buf + offset;
	in.gpr[RSI] = n;
	in.gpr[RDX] = 0;
	in.gpr[RBX] = -8;
	in.gpr[RSP] = sp;
	static const int bits[7] = { 1, 4, 0x10, 0x40, 0x80, 0x800, 0x400 };
	in.flags = 0x202;
	for (int b = 0; b < 7; b++)
		in.flags |= arithmetic >> b & 1 ? bits[b] : 0;
	target = s->at;
	trip();
	check(s, nr, uid);
	CHECK(!memcmp(stack_before, stack, sizeof stack), "%s, call %ld: the stack was written to", s->name, nr);
	if (nr == SYS_getrandom) {
		int outside = 0, zero = 0;
		for (uint64_t i = 0; i < sizeof buf; i++)
			if (i < offset || i >= offset + n)
				outside += buf[i] != 0;
			else
				zero += buf[i] == 0;
		CHECK(outside == 0 && (n < 32 || (uint64_t)zero < n / 4), "%s: %d bytes outside the buffer, %d of %lu are 0", s->name, outside,
		      zero, n);
	}
}

// registers UID: getuid must return that.
int main(int argc, char **argv)
{
	long uid = argc > 1 ? atol(argv[1]) : getuid();
	char before[SITES][80];
	int made = 0, changed = 0;
	vectors = __builtin_cpu_supports("avx512bw") ? 2 : 0;
	for (int i = 0; i < SITES; i++)
		memcpy(before[i], sites[i].at, sizeof before[i]);
	const uint64_t sps[] = { (uint64_t)stack + 4096, 0, (uint64_t)stack, 0xdeadbeef12345, ~7ul };
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < SITES; i++)
			for (int c = 0; c < 3 && sites[i].calls[c]; c++)
				for (int a = 0; a < 128; a++, made++)
					make(&sites[i], sites[i].calls[c], a, sps[round], uid);
	for (int i = 0; i < SITES; i++)
		if (memcmp(before[i], sites[i].at, sizeof before[i]))
			changed++;
		else
			fprintf(stderr, "%s was not patched\n", sites[i].name);
	printf("%d calls, %d wrong\n", made, wrong);
	fprintf(stderr, "%d of %d sites patched\n", changed, SITES);
	return wrong != 0;
}
