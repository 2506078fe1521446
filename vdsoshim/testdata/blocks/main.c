#define _GNU_SOURCE
#include "blocks.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

u8 *image;
u64 image_size;
struct memory *memory;
int failures;
static u64 has_xgetbv1;

/* ChaCha20 once more, written by the book (RFC 8439, 2.3) with djb's counter. */
static void expect(u8 *to, u64 blocks, const u8 *key, u64 counter)
{
	for (; blocks--; to += 64, counter++) {
		u32 s[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];

		memcpy(s + 4, key, 32);
		memcpy(s + 12, &counter, 8);
		memcpy(x, s, 64);
#define ROT(v, n) (v = (v) << (n) | (v) >> (32 - (n)))
#define QUARTER(a, b, c, d) do { \
	x[a] += x[b]; x[d] ^= x[a]; ROT(x[d], 16); \
	x[c] += x[d]; x[b] ^= x[c]; ROT(x[b], 12); \
	x[a] += x[b]; x[d] ^= x[a]; ROT(x[d], 8); \
	x[c] += x[d]; x[b] ^= x[c]; ROT(x[b], 7); \
} while (0)
		for (int i = 0; i < 10; i++) {
			QUARTER(0, 4, 8, 12); QUARTER(1, 5, 9, 13); QUARTER(2, 6, 10, 14); QUARTER(3, 7, 11, 15);
			QUARTER(0, 5, 10, 15); QUARTER(1, 6, 11, 12); QUARTER(2, 7, 8, 13); QUARTER(3, 4, 9, 14);
		}
		for (int i = 0; i < 16; i++)
			x[i] += s[i];
		memcpy(to, x, 64);
	}
}

/* Computed once for each length and counter: mutants run the same tests. */
static const u8 *expected(u64 units, u64 counter, const u8 *key)
{
	static struct { u64 units, counter; u8 stream[4 * UNIT]; } known[64];
	int i = 0;

	while (known[i].units && (known[i].units != units || known[i].counter != counter))
		i++;
	if (!known[i].units) {
		known[i].units = units;
		known[i].counter = counter;
		expect(known[i].stream, 16 * units, key, counter);
	}
	return known[i].stream;
}

static u8 test_key[32];
static u8 *key_at(const struct test *t)
{
	return t->key_inside ? memory->dst + PAGE + t->offset + t->units * UNIT - 32 : memory->key;
}

void prepare(const struct test *t)
{
	u64 *in = (u64 *)the.in, lowest = 2;

	for (int i = 0; i < 32; i++)
		test_key[i] = 0x91 * i + 7;
	memset(memory->dst, 0xa5, sizeof(memory->dst));
	memset(memory->scratch, 0, PAGE);
	memset(memory->save, 0, PAGE);
	memset(memory->scratch + SCRATCH, 0xa5, PAGE - SCRATCH);
	memset(memory->save + SAVE, 0xa5, PAGE - SAVE);
	memcpy(key_at(t), test_key, 32);
	for (u64 i = 0; i < 256; i++) {
		lowest = i < 128 ? 2 : 4;
		in[i] = t->upper == DIRTY || (i % 8 < lowest && t->upper != ONLY_WORD) ?
			MARK << 48 | i * 0x010203040507UL : 0;
	}
	if (t->upper >= ONE_WORD)
		in[t->word] = MARK << 48;
	for (int i = 0; i < 8; i++)
		the.masks_in[i] = 0x1111 * i + 3;
	memset(the.back, 0, sizeof(the.back));
	memset(the.masks_out, 0, sizeof(the.masks_out));
	the.fn = (u64)image + t->fn;
	the.args[0] = (u64)memory->dst + PAGE + t->offset;
	the.args[1] = t->units;
	the.args[2] = (u64)key_at(t);
	the.args[3] = t->counter;
	the.args[4] = (u64)memory->scratch;
	the.args[5] = (u64)memory->save;
	the.sp = t->sp;
	the.width = t->width;
	the.clean = t->upper == CLEAN;
	the.flags = t->flags;
	the.fill = t->fill;
	the.xgetbv = has_xgetbv1;
}

static int all(const u8 *p, u64 n, u8 value)
{
	while (n && p[0] == value)
		p++, n--;
	return !n;
}

/* enter left one value there. */
static int x87_is_pi(void)
{
	struct { u32 control, status, tag, rest[4]; } env;
	long double top;

	__asm__ volatile("fnstenv %0" : "=m"(env));
	__asm__ volatile("fstpt %0" : "=m"(top));
	return (env.tag & 0xffff) == 0x3fff && top == 3.14159265358979323851L;
}

void verify(const struct test *t, int dropped)
{
	static const char *names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
				      "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
	u8 *dst = memory->dst + PAGE + t->offset;
	u64 size = t->units * UNIT;

	for (int i = 0; i < 16; i++) {
		u64 want = i == 3 ? the.returned : i == 4 ? t->sp : i == 5 || i == 12 ? t->fill : 0;

		CHECK(the.out[i] == want, "%s is %lx, not %lx", names[i], the.out[i], want);
	}
	for (u64 i = 0; i < (t->width == 64 ? 32 : 16); i++)
		CHECK(!memcmp(the.in[i], the.back[i], t->width), "vector register %lu, units %lu, upper parts %d %d",
		      i, t->units, t->upper, t->word);
	CHECK(t->width < 64 || !memcmp(the.masks_in, the.masks_out, sizeof(the.masks_in)), "mask registers");
	CHECK((the.mxcsr & 0xffff) == MXCSR, "mxcsr %lx", the.mxcsr);
	CHECK(x87_is_pi(), "the x87 registers");
	/* ymm and the upper halves of zmm0 to zmm15, as the processor sees it. */
	CHECK(t->upper != CLEAN || !(the.used_after & ~the.used_before & 0x44), "in use: %lx, before %lx",
	      the.used_after, the.used_before);

	if (!dropped)
		CHECK(!memcmp(dst, expected(t->units, t->counter, test_key), size), "the key stream of %lu units from %lx",
		      t->units, t->counter);
	CHECK(all(memory->dst, dst - memory->dst, 0xa5) &&
	      all(dst + size, memory->dst + sizeof(memory->dst) - dst - size, 0xa5), "written outside the destination");
	CHECK(all(memory->scratch, SCRATCH, 0), "something is left in scratch");
	CHECK(all(memory->save, SAVE, 0), "something is left in the save area");
	CHECK(all(memory->scratch + SCRATCH, PAGE - SCRATCH, 0xa5), "written behind scratch");
	CHECK(all(memory->save + SAVE, PAGE - SAVE, 0xa5), "written behind the save area");
}

void run(const struct test *t)
{
	prepare(t);
	enter();
	verify(t, 0);
}

void check_registers(u64 fn, u64 width)
{
	static const u64 counters[] = {0, 0xfffffff0, 0xffffffe8, 0xffffffffffffffef, 0x123456789abcdef0};

	for (u64 units = 1; units <= 3; units++)
		for (int i = 0; i < 5; i++)
			for (int upper = CLEAN; upper <= DIRTY; upper++) {
				struct test t = {fn, width, units, counters[i], .upper = upper, .key_inside = i & 1,
						 .offset = i * 13, .flags = upper == CLEAN ? 0x400 : 0,
						 .sp = i & 1 ? 0 : 0xdead000000000001,
						 .fill = i & 2 ? 1 : 0x7171717171717171};
				run(&t);
			}
	/* Each word that makes a register more than short, alone. */
	for (int word = 0; word < (width == 64 ? 256 : 128); word++)
		for (int upper = ONE_WORD; upper <= ONLY_WORD; upper++)
			if (word % 8 >= (word < 128 ? 2 : 4) && (u64)word % 8 < width / 8) {
				struct test t = {fn, width, 2, 0, .upper = upper, .word = word, .fill = 1};
				run(&t);
			}
}

static u64 number(const char *s) { return strtoull(s, 0, 0); }

/* blocks MODE IMAGE ENTRY WIDTH KIND */
int main(int argc, char **argv)
{
	struct stat st;
	int fd = argc == 6 ? open(argv[2], O_RDONLY) : -1;
	u32 a = 13, b, c = 1, d;

	setvbuf(stdout, 0, _IONBF, 0);
	if (fd < 0 || fstat(fd, &st))
		return 2;
	image_size = st.st_size;
	image = mmap(0, image_size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd, 0);
	/* With holes around, for what runs away. */
	u8 *room = mmap(0, sizeof(struct memory) + 32 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image == MAP_FAILED || room == MAP_FAILED)
		return 2;
	memory = (struct memory *)(room + 16 * PAGE);
	if (mprotect(memory, sizeof(*memory), PROT_READ | PROT_WRITE))
		return 2;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	has_xgetbv1 = a >> 2 & 1;

	u64 fn = number(argv[3]), width = number(argv[4]);
	if (!strcmp(argv[1], "registers"))
		check_registers(fn, width);
	else if (!strcmp(argv[1], "steps"))
		check_steps(fn, width, number(argv[5]), 1);
	else if (!strcmp(argv[1], "mutants"))
		check_mutants(fn, width, number(argv[5]));
	else
		return 2;
	return failures != 0;
}
