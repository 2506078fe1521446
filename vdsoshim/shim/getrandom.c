/*
 * __vdso_getrandom, with the interface of the kernel's lib/vdso/getrandom.c.
 * The generator behind it is the kernel's own where it has one, otherwise the
 * system call through the gate.
 */
#include "shim.h"
#include <asm/unistd_64.h>

#define EFAULT 14
#define GRND_KNOWN 7u			/* NONBLOCK, RANDOM, INSECURE */
#define MAX_BYTES 0x7ffff000UL		/* INT_MAX & PAGE_MASK */

typedef long getrandom_fn(void *, u64, u32, void *, u64);

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
static long fill(char *buf, u64 len, u32 flags)
{
	u64 done = 0;

	if (len > MAX_BYTES)
		len = MAX_BYTES;
	do {
		long n = gate(__NR_getrandom, (long)(buf + done), len - done, flags, 0, 0, 0);

		if (n <= 0)
			return done ? (long)done : n;
		done += n;
	} while (done < len);
	return done;
}

long HIDDEN shim_getrandom(void *buf, u64 len, u32 flags, void *state, u64 state_len)
{
	getrandom_fn *kernel = (getrandom_fn *)LINK->to[LINK_GETRANDOM];
	long n;

	if (is_query(buf, len, flags, state_len)) {
		answer_query(state);
		n = 0;
	} else if (straddles(state))
		n = -EFAULT;
	else if ((flags & ~GRND_KNOWN) || state_len != shim_plan.state_size)
		n = gate(__NR_getrandom, (long)buf, len, flags, 0, 0, 0);
	else if (kernel)
		n = kernel(buf, len, flags, state, state_len);
	else
		n = fill(buf, len, flags);

	/* Go's runtime takes xmm15 for zero and does not clear it after the call. */
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

#define PUBLIC __attribute__((visibility("default"), alias("shim_getrandom")))

long PUBLIC __vdso_getrandom(void *, u64, u32, void *, u64);
long PUBLIC __attribute__((weak)) getrandom(void *, u64, u32, void *, u64);
