/*
 * __vdso_getrandom, with the interface of the kernel's lib/vdso/getrandom.c:
 * what generator.S, which is asked first, leaves over. That is the query, bad
 * arguments, long requests, and programs without slots: there the kernel's own
 * function serves, or the system call through the gate.
 */
#include "shim.h"
#include "generator.h"
#include <asm/unistd_64.h>

#define EFAULT 14
#define GRND_KNOWN 7u			/* NONBLOCK, RANDOM, INSECURE */
#define MAX_BYTES 0x7ffff000UL		/* INT_MAX & PAGE_MASK */

typedef long getrandom_fn(void *, u64, u32, void *, u64);

getrandom_fn HIDDEN shim_getrandom;

/* struct vgetrandom_opaque_params, linux/random.h */
struct params {
	u32 size, prot, flags, reserved[13];
};

static inline int is_query(const void *buf, u64 len, u32 flags, u64 state_len)
{
	return state_len == ~0UL && !buf && !len && !flags;
}

static inline void answer_query(struct params *p)
{
	p->size = shim_plan.state_size;
	p->prot = shim_plan.state_prot;
	p->flags = shim_plan.state_flags;
	for (int i = 0; i < 13; i++)
		p->reserved[i] = 0;
}

/* A state across two pages could lose one of them, so this comes first, and
 * for a length of zero too. */
static inline int straddles(const void *state)
{
	return ((u64)state & (PAGE_SIZE - 1)) + shim_plan.state_size > PAGE_SIZE;
}

/* Fills the buffer by system calls. A signal cuts a long one short; callers
 * of the vDSO's function don't expect that, it never is. */
long HIDDEN shim_fill_by_call(char *buf, u64 len, u32 flags)
{
	u64 done = 0;

	do {
		long n = gate(__NR_getrandom, (long)(buf + done), len - done, flags, 0, 0, 0);

		if (n <= 0)
			return done ? (long)done : n;
		done += n;
	} while (done < len);
	return done;
}

/* A request that is longer than a slot is held for. */
static long pieces(char *buf, u64 len, u32 flags, void *state, u64 state_len)
{
	u64 done = 0;

	do {
		u64 piece = len - done;

		if (piece > REQUEST_MAX)
			piece = REQUEST_MAX & -1024UL;
		long n = shim_getrandom(buf + done, piece, flags, state, state_len);

		if (n <= 0)
			return done ? (long)done : n;
		done += n;
	} while (done < len);
	return done;
}

long HIDDEN shim_getrandom_rare(void *buf, u64 len, u32 flags, void *state, u64 state_len)
{
	getrandom_fn *kernel = (getrandom_fn *)LINK->to[LINK_GETRANDOM];
	long n;

	if (is_query(buf, len, flags, state_len)) {
		answer_query(state);
		n = 0;
	} else if (straddles(state))
		n = -EFAULT;
	else if ((flags & ~GRND_KNOWN) || state_len != shim_plan.state_size || !len)
		n = gate(__NR_getrandom, (long)buf, len, flags, 0, 0, 0);
	else {
		if (len > MAX_BYTES)
			len = MAX_BYTES;
		if (LINK->generator)
			n = pieces(buf, len, flags, state, state_len);
		else if (kernel)
			n = kernel(buf, len, flags, state, state_len);
		else
			n = shim_fill_by_call(buf, len, flags);
	}

	/* See shim_getrandom. */
	__asm__ volatile("pxor %xmm15, %xmm15");
	return n;
}

/* The same interface with the real system call behind it, for the filter to
 * see. The query stays: a C library that gets no parameters from it would
 * use what it finds there. */
long HIDDEN shim_stub_getrandom(void *buf, u64 len, u32 flags, void *state, u64 state_len)
{
	long n = __NR_getrandom;

	if (is_query(buf, len, flags, state_len)) {
		answer_query(state);
		return 0;
	}
	if (straddles(state))
		return -EFAULT;
	__asm__ volatile("syscall"
			 : "+a"(n)
			 : "D"(buf), "S"(len), "d"(flags)
			 : "rcx", "r11", "memory");
	return n;
}
