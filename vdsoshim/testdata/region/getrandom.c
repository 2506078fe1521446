#define _GNU_SOURCE
#include "region.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef ssize_t getrandom_fn(void *, size_t, unsigned, void *, size_t);

struct params {
	u32 size, prot, flags, reserved[13];
};

static char *pages, *states, *hole;
static struct { ssize_t ret; } *shared;

/* A call in a child: what it returned, or 1000000 + the signal. */
static ssize_t outcome(getrandom_fn *f, void *buf, size_t len, unsigned flags, void *state, size_t size)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		shared->ret = f(buf, len, flags, state, size);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 1000000 + WTERMSIG(status) : shared->ret;
}

static void check_query(getrandom_fn *ours, getrandom_fn *theirs)
{
	struct params a, b;

	memset(&a, 0xff, sizeof(a));
	memset(&b, 0xff, sizeof(b));
	CHECK(ours(0, 0, 0, &a, ~0UL) == 0, "query");
	if (theirs) {
		CHECK(theirs(0, 0, 0, &b, ~0UL) == 0, "query");
		CHECK(!memcmp(&a, &b, sizeof(a)), "size %u prot %x flags %x, theirs %u %x %x",
		      a.size, a.prot, a.flags, b.size, b.prot, b.flags);
	}
	for (int i = 0; i < 13; i++)
		CHECK(a.reserved[i] == 0, "reserved[%d] = %x", i, a.reserved[i]);
	states = mmap(0, 8192, a.prot, a.flags, -1, 0);
	CHECK(states != MAP_FAILED, "the flags %x of the answer: %m", a.flags);
}

static void check_cases(getrandom_fn *ours, getrandom_fn *theirs, size_t size)
{
	char *straddle = states + 4096 - size + 1, *last = states + 4096 - size;
	const struct {
		const char *what;
		void *buf;
		size_t len;
		unsigned flags;
		void *state;
		size_t size;
		ssize_t want;
	} cases[] = {
		{"plain", pages, 16, 0, states, size, 16},
		{"one byte", pages, 1, 0, states, size, 1},
		{"a page", pages, 4096, 0, states, size, 4096},
		{"much", pages, 65536, 0, states, size, 65536},
		{"nothing", pages, 0, 0, states, size, 0},
		{"nothing, nowhere", 0, 0, 0, states, size, 0},
		{"state at the end of its page", pages, 16, 0, last, size, 16},
		{"straddling state", pages, 16, 0, straddle, size, -EFAULT},
		{"straddling state, nothing", pages, 0, 0, straddle, size, -EFAULT},
		{"straddling state, bad flags", pages, 16, 8, straddle, size, -EFAULT},
		{"straddling state, bad size", pages, 16, 0, straddle, 7, -EFAULT},
		{"straddling state, query's size", pages, 0, 0, straddle, ~0UL, -EFAULT},
		{"nonblock", pages, 16, 1, states, size, 16},
		{"random", pages, 16, 2, states, size, 16},
		{"insecure", pages, 16, 4, states, size, 16},
		{"random, nonblock", pages, 16, 3, states, size, 16},
		{"unknown flag", pages, 16, 8, states, size, -EINVAL},
		{"all flags", pages, 16, ~0u, states, size, -EINVAL},
		{"unknown flag, nothing", pages, 0, 8, states, size, -EINVAL},
		{"size too small", pages, 16, 0, states, size - 1, 16},
		{"size too large", pages, 16, 0, states, size + 1, 16},
		{"no size", pages, 16, 0, states, 0, 16},
		{"no state, no size", pages, 16, 0, 0, 0, 16},
		{"query with a buffer", pages, 0, 0, states, ~0UL, 0},
		{"query with a length", 0, 1, 0, states, ~0UL, -EFAULT},
		{"query with flags", 0, 0, 1, states, ~0UL, 0},
		{"query, wild pointer", 0, 0, 0, (void *)64, ~0UL, 1000000 + SIGSEGV},
		{"insecure and random, bad size", pages, 16, 6, states, 0, -EINVAL},
		{"bad buffer, bad size", (void *)64, 16, 0, states, 0, -EFAULT},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ssize_t a = outcome(ours, cases[i].buf, cases[i].len, cases[i].flags, cases[i].state, cases[i].size);
		CHECK(a == cases[i].want, "%s: %zd, not %zd", cases[i].what, a, cases[i].want);
		if (!theirs)
			continue;
		ssize_t b = outcome(theirs, cases[i].buf, cases[i].len, cases[i].flags, cases[i].state, cases[i].size);
		CHECK(a == b, "%s: %zd, theirs %zd", cases[i].what, a, b);
	}
}

/* A generator in the program faults with the program; the system call behind
 * the gate says EFAULT, or how far it came. */
static void check_bad_buffers(getrandom_fn *ours, getrandom_fn *theirs, size_t size)
{
	const struct { const char *what; void *buf; size_t len; ssize_t call; } cases[] = {
		{"wild", (void *)64, 16, -EFAULT},
		{"kernel half", (void *)0xffff800000000000, 16, -EFAULT},
		{"not canonical", (void *)0x8000000000000000, 16, -EFAULT},
		{"read-only", hole + 8192, 16, -EFAULT},
		{"into a hole", hole + 4096 - 8, 16, -EFAULT},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ssize_t a = outcome(ours, cases[i].buf, cases[i].len, 0, states, size);
		if (theirs) {
			ssize_t b = outcome(theirs, cases[i].buf, cases[i].len, 0, states, size);
			CHECK(a == b, "%s: %zd, theirs %zd", cases[i].what, a, b);
		} else
			CHECK(a == cases[i].call || a > 0, "%s: %zd", cases[i].what, a);
	}
}

/* xmm15 is zero after the shim's function, since Go's runtime counts on it,
 * and untouched by the others. The stack has the 800 bytes that Go's runtime
 * leaves, with nothing below them. */
static void check_registers(getrandom_fn *f, size_t size, int zero)
{
	char *small = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(small, 4096, PROT_NONE);
	for (size_t len = 0; len < 5000; len = 3 * len + 1) {
		u64 ret, low, high;
		register u64 r8 asm("r8") = size;

		asm volatile("pcmpeqd %%xmm15, %%xmm15\n\t"
			     "mov %%rsp, %%r12\n\t"
			     "lea 800(%%rbx), %%rsp\n\t"
			     "call *%%rax\n\t"
			     "mov %%r12, %%rsp\n\t"
			     "movq %%xmm15, %%rdi\n\t"
			     "punpckhqdq %%xmm15, %%xmm15\n\t"
			     "movq %%xmm15, %%rsi\n\t"
			     : "=a"(ret), "=D"(low), "=S"(high), "+r"(r8)
			     : "a"(f), "D"(pages), "S"(len), "d"(0), "c"(states), "b"(small + 4096)
			     : "r9", "r10", "r11", "r12", "r13", "xmm15", "memory", "cc");
		CHECK(ret == len, "%zu bytes: %ld", len, (long)ret);
		CHECK(low == (zero ? 0 : ~0UL) && high == low, "xmm15 is %lx %lx after %zu bytes", high, low, len);
	}
	munmap(small, 8192);
}

static void check_output(getrandom_fn *f, size_t size)
{
	u64 last[2] = {0, 0}, now[2];

	for (int i = 0; i < 1000; i++) {
		memset(now, 0, sizeof(now));
		CHECK(f(now, sizeof(now), 0, states, size) == sizeof(now), "short");
		CHECK(now[0] && now[1] && now[0] != now[1] && memcmp(now, last, sizeof(now)), "not random");
		memcpy(last, now, sizeof(now));
	}
	for (size_t len = 0; len < 300; len++) {
		memset(pages, 0x77, 512);
		CHECK(f(pages, len, 0, states, size) == (ssize_t)len, "%zu bytes", len);
		for (size_t i = len; i < 512; i++)
			CHECK(pages[i] == 0x77, "byte %zu behind %zu was written", i, len);
	}
}

void check_getrandom(const struct region *r, enum behind b)
{
	getrandom_fn *ours = find(r->base, "__vdso_getrandom"), *theirs = find(r->kernel, "__vdso_getrandom");
	struct params p;

	CHECK(ours && ours == find(r->base, "getrandom"), "getrandom's two names");
	pages = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hole = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(hole + 4096, 4096);
	mprotect(hole + 8192, 4096, PROT_READ);
	shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check_query(ours, theirs);
	ours(0, 0, 0, &p, ~0UL);
	check_cases(ours, theirs, p.size);
	check_bad_buffers(ours, b == SHIM || b == FORWARDED ? theirs : 0, p.size);
	check_registers(ours, p.size, b == SHIM || b == SHIM_CALL);
	check_output(ours, p.size);
}

/* More than 2 GiB of one small file, mapped over and over. */
void check_cap(const struct region *r)
{
	getrandom_fn *ours = find(r->base, "__vdso_getrandom");
	size_t piece = 1 << 21, whole = (1UL << 31) + piece;
	int fd = memfd_create("cap", 0);
	char *p = mmap(0, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct params q;

	ftruncate(fd, piece);
	for (size_t at = 0; at < whole; at += piece)
		mmap(p + at, piece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	ours(0, 0, 0, &q, ~0UL);
	char *state = mmap(0, 4096, q.prot, q.flags, -1, 0);
	ssize_t n = ours(p, (1UL << 31) + 5, 0, state, q.size);
	CHECK(n == 0x7ffff000, "%zd bytes of 2 GiB", n);
	munmap(p, whole);
	close(fd);
}
