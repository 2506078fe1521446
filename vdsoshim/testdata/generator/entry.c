/*
 * What both entries change besides what they must: nothing. The reflected one
 * is compared with the system call instruction, registers and all.
 */
#include "harness.h"
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R11 = 11, FLAGS = 16, REGS };
enum { SYSCALL, JUMP, CALL };
#define ARITHMETIC 0x8d5	/* OF SF ZF AF PF CF */
#define DIRECTION 0x400
#define XMM15 (160 + 15 * 16)

extern u64 entry_in[REGS], entry_out[REGS], entry_how, entry_target, entry_mask;
extern u8 entry_vectors_in[16384], entry_vectors_out[16384];
extern const char entry_behind[];
void entry_run(void);

static u8 *buf, *small, *stack;
static u64 places[8][2];	/* offset and size of each vector component */

static void find_vectors(void)
{
	u32 a, b, c, d, low, high;

	asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	entry_mask = low & num("states");
	for (int i = 2; i < 8; i++)
		if (entry_mask >> i & 1) {
			__cpuid_count(13, i, a, b, c, d);
			places[i][0] = b;
			places[i][1] = a;
		}
}

/* Random registers, with the upper parts of vectors in use or not: the block
 * functions tell the difference. */
static void fill(int upper)
{
	u64 *header = (u64 *)(entry_vectors_in + 512);

	for (int i = 0; i < REGS; i++)
		entry_in[i] = rnd();
	entry_in[FLAGS] = 0x202 | (rnd() & ARITHMETIC);
	for (unsigned i = 32; i < sizeof(entry_vectors_in); i += 8) {
		u64 r = rnd();
		memcpy(entry_vectors_in + i, &r, 8);
	}
	memset(entry_vectors_in, 0, 32);
	memset(header, 0, 64);
	*(u16 *)entry_vectors_in = 0x37f;
	entry_vectors_in[4] = 0xff;	/* all eight in use */
	*(u32 *)(entry_vectors_in + 24) = 0x1f80 | (rnd() & 0xe03f);
	header[0] = upper ? entry_mask : 3;
	if (!upper)
		for (int i = 2; i < 8; i++)
			memset(entry_vectors_in + places[i][0], 0, places[i][1]);
	memset(entry_vectors_out, 0, sizeof(entry_vectors_out));
}

static void run(int how, u64 target)
{
	entry_how = how;
	entry_target = target;
	entry_run();
}

static void check_vectors(const char *what, int zero)
{
	u64 end = 416;

	if (zero)
		memset(entry_vectors_in + XMM15, 0, 16);
	if (memcmp(entry_vectors_in + 24, entry_vectors_out + 24, 4))
		fail("%s: mxcsr", what);
	if (memcmp(entry_vectors_in, entry_vectors_out, 5))
		fail("%s: x87's control", what);
	for (u64 i = 32; i < end; i++)
		if (entry_vectors_in[i] != entry_vectors_out[i] && (i >= 160 || i % 16 < 10)) {
			fail("%s: %s %lu", what, i < 160 ? "st" : "xmm", (i - (i < 160 ? 32 : 160)) / 16);
			return;
		}
	for (int c = 2; c < 8; c++)
		if (memcmp(entry_vectors_in + places[c][0], entry_vectors_out + places[c][0], places[c][1])) {
			fail("%s: vector component %d", what, c);
			return;
		}
}

static void check_random(const char *what, const u8 *p, u64 n)
{
	for (u64 i = 0, zeros = 0; i < n; i++) {
		zeros = p[i] ? 0 : zeros + 1;
		if (zeros == 8) {
			fail("%s: %lu bytes, zeros at %lu", what, n, i);
			return;
		}
	}
}

/* One request by both, and everything compared but the bytes. */
static long compare(u64 to, u64 len, u64 flags, u64 sp, int upper)
{
	u64 real[REGS], got[REGS], in[REGS];
	char what[128];

	snprintf(what, sizeof(what), "%lu bytes to %lx, flags %lx, rsp %lx", len, to, flags, sp);
	fill(upper);
	entry_in[RAX] = NR_GETRANDOM;
	entry_in[RDI] = to;
	entry_in[RSI] = len;
	entry_in[RDX] = flags;
	entry_in[RSP] = sp;
	if (rnd() % 16 == 0)
		entry_in[FLAGS] |= DIRECTION;
	memcpy(in, entry_in, sizeof(in));
	run(SYSCALL, 0);
	memcpy(real, entry_out, sizeof(real));
	run(JUMP, reflected);
	memcpy(got, entry_out, sizeof(got));
	/* r11 lacks the flags that nobody sets but for a string instruction. */
	real[R11] &= ~(u64)DIRECTION;
	got[R11] &= ~(u64)DIRECTION;
	for (int i = 0; i < REGS; i++)
		if (got[i] != real[i])
			fail("%s: register %d is %lx, not %lx", what, i, got[i], real[i]);
	if (got[RCX] != (u64)entry_behind || got[RSP] != sp || got[FLAGS] != in[FLAGS])
		fail("%s: rcx %lx, rsp %lx, flags %lx", what, got[RCX], got[RSP], got[FLAGS]);
	check_vectors(what, 0);
	return got[RAX];
}

static u64 wild(void)
{
	static const u64 some[] = {0, 1, 8, 24, 4095, 1UL << 47, 0xffff800000000000, ~0UL, ~7UL};

	return rnd() % 2 ? rnd() : some[rnd() % (sizeof(some) / sizeof(*some))];
}

static void check_jump(void)
{
	u64 lengths = num("lengths");

	for (u64 i = 0; i < lengths; i++) {
		u64 len = i < 300 ? i : rnd() % 4 ? rnd() % 5000 : rnd() % 70001;
		u64 at = rnd() % 4096;

		if (rnd() % 16 == 0)
			++*control;
		memset(buf, 0, at + len + 64);
		long n = compare((u64)buf + at, len, rnd() % 8 ? rnd() % 6 : rnd() % 16, wild(), i % 2);
		if (n > 0)
			check_random("jump", buf + at, n);
		for (u64 j = 0; j < at; j++)
			if (buf[j])
				fail("%lu bytes: a byte before them was written", len);
		for (u64 j = at + len; j < at + len + 64; j++)
			if (buf[j])
				fail("%lu bytes: a byte behind them was written", len);
	}
	for (u64 flags = 0; flags < 64; flags++)
		compare((u64)buf, 16, flags | (rnd() % 2 ? rnd() << 32 : 0), wild(), 1);
	/* Every combination of arithmetic flags went by; here are all lengths near
	 * the ends of what is served at once. */
	for (u64 len = 65530; len < 65540; len++)
		compare((u64)buf, len, 0, wild(), 1);
}

/* The words around the stack pointer, as far as the red zone goes and further. */
static void check_red_zone(void)
{
	static const u64 lengths[] = {8, 16, 100, 2016, 3000, 4096};

	for (unsigned i = 0; i < 100; i++) {
		u64 *words = (u64 *)(stack + PAGE);

		for (int j = -256; j < 256; j++)
			words[j] = 0x5eed000000000000 + (u64)j;
		compare((u64)buf, lengths[i % 6], 0, (u64)words, i & 1);
		for (int j = -256; j < 256; j++)
			if (words[j] != 0x5eed000000000000 + (u64)j)
				fail("word %d of the stack was written", j);
	}
}

static void check_bad_pointers(void)
{
	u8 *p = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const u64 lengths[] = {1, 8, 16, 32, 33, 64, 1000, 2016, 2017, 4096, 5000, 65535, 70000};

	munmap(p + PAGE, PAGE);				/* 1: hole */
	mprotect(p + 3 * PAGE, PAGE, PROT_READ);	/* 3: read-only */
	mprotect(p + 5 * PAGE, PAGE, PROT_NONE);
	munmap(p + 7 * PAGE, PAGE);
	const u64 bad[] = {
		0, 1, 64, PAGE - 1, PAGE, (u64)p + PAGE, (u64)p + 2 * PAGE - 1, (u64)p + 3 * PAGE, (u64)p + 4 * PAGE - 1,
		(u64)p + 5 * PAGE, (u64)p + 7 * PAGE, (1UL << 47) - PAGE, (1UL << 47) - 1, 1UL << 47, 1UL << 56, 1UL << 63,
		0xffff800000000000, 0xffffffff81000000, -PAGE, ~0UL, (u64)reflected,
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		for (unsigned j = 0; j < sizeof(lengths) / sizeof(*lengths); j++)
			for (int twice = 0; twice < 2; twice++)
				if (compare(bad[i], lengths[j], 0, wild(), 1) != -EFAULT &&
				    bad[i] + lengths[j] <= (u64)p + 2 * PAGE && bad[i] >= (u64)p)
					fail("%lu bytes to %lx are no fault", lengths[j], bad[i]);
	/* Out of a usable page, known or not, and into one. */
	for (u64 before = 1; before < 100; before += 7)
		for (u64 len = before + 1; len < 3000; len = 2 * len + 1)
			for (int known = 0; known < 2; known++) {
				++*control;
				if (known)
					compare((u64)p, 64, 0, wild(), 1), compare((u64)p + 2 * PAGE, 64, 0, wild(), 1);
				compare((u64)p + PAGE - before, len, 0, wild(), 1);
				compare((u64)p + 2 * PAGE - before, len, 0, wild(), 1);
				compare((u64)p + 3 * PAGE - before, len, 0, wild(), 1);
				compare((u64)p + 5 * PAGE - before, len, 0, wild(), 1);
			}
	munmap(p, 8 * PAGE);
}

/* The limit of pages that are known to be writable: one that is taken away is
 * the program's SIGSEGV until the slot's batch is used up, then EFAULT. */
static void check_taken_away(void)
{
	for (int used_up = 0; used_up < 2; used_up++)
		for (int protect = 0; protect < 2; protect++) {
			int status;

			fflush(stdout);
			if (!fork()) {
				u8 *p = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

				setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
				pin();
				failures = 0;
				/* By the kernel, by a new batch, by the kernel. */
				for (int i = 0; i < 4; i++)
					compare((u64)p, 16, 0, 0, 1);
				if (protect)
					mprotect(p, PAGE, PROT_READ);
				else
					munmap(p, PAGE);
				for (int i = 0; i < 3 && used_up; i++)
					compare((u64)buf, 2016, 0, 0, 1);
				_exit(compare((u64)p, 16, 0, 0, 1) == -EFAULT && !failures ? 0 : 1);
			}
			wait(&status);
			if (used_up ? status != 0 : !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
				fail("a page that is %s: %x, %d", protect ? "protected" : "unmapped", status, used_up);
		}
}

/* The C calling convention keeps six registers; we keep all vectors but the
 * one that must be zero. room: bytes that are left on the stack. */
static void call(u64 len, u64 flags, u64 size, u64 room, int upper)
{
	char what[128];
	u64 in[REGS];

	snprintf(what, sizeof(what), "call for %lu bytes, flags %lx, %lu bytes of stack", len, flags, room);
	fill(upper);
	entry_in[RDI] = (u64)buf + 8;
	entry_in[RSI] = len;
	entry_in[RDX] = flags;
	entry_in[RCX] = (u64)buf + 128 * PAGE;
	entry_in[R8] = size;
	entry_in[RSP] = (u64)small + PAGE + room;
	memcpy(in, entry_in, sizeof(in));
	memset(buf, 0, len + 64);
	run(CALL, vdso);
	long n = entry_out[RAX];
	if (flags > 7 ? n != -EINVAL : n != (long)len)
		fail("%s: %ld", what, n);
	static const int kept[] = {RBX, RSP, RBP, 12, 13, 14, 15};
	for (int i = 0; i < 7; i++)
		if (entry_out[kept[i]] != in[kept[i]])
			fail("%s: register %d", what, kept[i]);
	check_vectors(what, 1);
	check_random(what, buf + 8, n > 0 ? n : 0);
}

static void check_call(void)
{
	for (u64 i = 0; i < num("lengths"); i++) {
		u64 len = 1 + (i < 300 ? i : rnd() % 4 ? rnd() % 5000 : rnd() % 65535);

		if (rnd() % 16 == 0)
			++*control;
		/* Room for the return address, and nothing below it. */
		call(len, rnd() % 8, state_size, 8, i % 2);
	}
	for (u64 i = 0; i < 200; i++) {
		call(0, 0, state_size, 800, i % 2);
		call(65536 + rnd() % 70000, 0, state_size, 800, i % 2);
		call(16, 8, state_size, 800, i % 2);
		call(16, 0, 7, 800, i % 2);
	}
	for (u64 s = 0; s < slots_size; s += SLOT_SIZE)
		*(u64 *)(slots + s) = 2;
	for (u64 i = 1; i < 300; i++)
		call(i, 0, state_size, 800, i % 2);
	for (u64 i = 0; i < 300; i++)
		compare((u64)buf, i, 0, wild(), i % 2);
	for (u64 s = 0; s < slots_size; s += SLOT_SIZE)
		*(u64 *)(slots + s) = 0;
}

int run_entry(void)
{
	adopt();
	find_vectors();
	buf = mmap(0, 160 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	small = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(small, PAGE, PROT_NONE);
	check_jump();
	check_red_zone();
	check_bad_pointers();
	check_call();
	check_taken_away();
	return 0;
}
