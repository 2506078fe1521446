/*
 * The middle of the handoff, see entry.S: everything that wants a stack. It
 * runs on the link page, in the program, with all signals blocked and before
 * the program's first instruction, and writes nothing but that page and the
 * structure that the supervisor prepared.
 */
#include "shim.h"
#include "sigsys.h"
#include <asm/unistd_64.h>

#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_DROPPABLE 8
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_FIXED_NOREPLACE 0x100000
#define MADV_DONTDUMP 16
#define MADV_WIPEONFORK 18
#define MLOCK_ONFAULT 1
#define PR_SET_MM 35
#define PR_SET_MM_MAP_SIZE 15
#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
#define ENOENT 2
#define EFAULT 14
#define EEXIST 17
#define AT_NULL 0
#define AT_PHDR 3
#define AT_BASE 7
#define AT_SYSINFO_EHDR 33

/* Linux before 4.17 takes MAP_FIXED_NOREPLACE for a hint. */
static long map(u64 addr, u64 size, long prot, long flags, long fd, u64 off)
{
	long at = gate(__NR_mmap, addr, size, prot, flags, fd, off);

	if (at < 0 && at > -PAGE_SIZE)
		return at;
	if ((u64)at != addr) {
		gate(__NR_munmap, at, size, 0, 0, 0, 0);
		return -EEXIST;
	}
	return 0;
}

/* struct prctl_mm_map, linux/prctl.h */
struct mm_map {
	u64 words[11];
	u64 auxv;
	u32 auxv_size, exe_fd;
};

/* entry.S knows the offsets. */
struct handoff {
	long fd, counters;	/* in: descriptors, the second may be -1 */
	u64 *stack;		/* in: the initial stack, argc on top */
	struct mm_map *mm;	/* in: or 0 */
	u64 user_size;		/* in: bytes of the user's own image, or 0 */
	u64 nr;			/* in: the call that ends the handoff, see entry.S */
	long err, step;		/* out: -errno and the step that failed */
	u64 *slot;		/* out: where AT_SYSINFO_EHDR's value stands */
	u64 value;		/* out: what it becomes */
	u64 kernel;		/* out: where the kernel's vDSO is */
};

/* Maps the user's own image over the kernel's, whose data pages it finds at
 * the same distance then. The kernel doesn't let its mapping be split, so the
 * whole of it is covered; what goes beyond must not hit another mapping. */
static long map_user(u64 kernel, u64 size, long fd)
{
	u64 covered = shim_plan.kernel_size;
	long err;

	size = (size + PAGE_SIZE - 1) & -(u64)PAGE_SIZE;
	if (size < covered)
		size = covered;
	if (size > covered) {
		err = map(kernel + covered, size - covered, PROT_READ | PROT_EXEC,
			  MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, REGION_SIZE + covered);
		if (err)
			return err;
	}
	err = map(kernel, covered, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, REGION_SIZE);
	if (err && size > covered)
		gate(__NR_munmap, kernel + covered, size - covered, 0, 0, 0, 0);
	return err;
}

static long move(u64 from, u64 size, u64 to)
{
	long at = gate(__NR_mremap, from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to, 0);

	return at == (long)to ? 0 : at;
}

static long protect(u64 at, u64 size, long prot)
{
	return gate(__NR_mprotect, at, size, prot, 0, 0, 0);
}

/* Moves the kernel's vDSO, with its data in front, into the region: unwinders find an object
 * by its extent, and so the image's tables, which describe the kernel's functions too. Nobody
 * knows yet where it was. Returns where it is: where it was, if that can't be done. */
static u64 move_kernel(u64 kernel, u64 base)
{
	const u32 *size = shim_plan.moved;
	u64 from, to = base + KERNEL_OFF, all = 0;
	long err;
	int i;

	for (i = 0; i < MOVED; i++)
		all += size[i];
	if (!all || map(to, all, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0))
		return kernel;
	/* May anything become executable here (MDWE, SELinux)? */
	if (protect(to, all, PROT_READ | PROT_EXEC)) {
		gate(__NR_munmap, to, all, 0, 0, 0, 0);
		return kernel;
	}
	from = kernel + size[MOVED - 1] - all;
	if (!move(from, all, to)) {
		to += all;
		goto moved;
	}
	/* One mapping at a time, before Linux 6.17. What is not there has been moved, by a call that
	 * failed half way. */
	for (i = 0; i < MOVED; from += size[i], to += size[i], i++)
		if (size[i] && (err = move(from, size[i], to)) && err != -EFAULT)
			goto back;
moved:
	to -= size[MOVED - 1];
	/* Who samples the program from its beginning (perf record) hears of mappings that become
	 * executable, and not of those that move. */
	protect(to, size[MOVED - 1], PROT_READ);
	protect(to, size[MOVED - 1], PROT_READ | PROT_EXEC);
	return to;
back:
	while (i--) {
		from -= size[i], to -= size[i];
		if (size[i])
			move(to, size[i], from);
	}
	gate(__NR_munmap, to, all, 0, 0, 0, 0);
	return kernel;
}

/* Memory where the kernel likes, or 0. */
static u64 map_anywhere(u64 hint, u64 size, long prot, long flags)
{
	long at = gate(__NR_mmap, hint, size, prot, flags | MAP_ANONYMOUS, -1, 0);

	return at < 0 && at > -PAGE_SIZE ? 0 : (u64)at;
}

/* The secret parts of the generator's slots, or 0. */
static u64 map_secrets(void)
{
	const long rw = PROT_READ | PROT_WRITE;
	u64 secrets = shim_plan.fallback ? 0 : map_anywhere(0, SECRETS_SIZE, rw, MAP_DROPPABLE);

	if (secrets)
		return secrets;
	/* Linux before 6.11. Wiped at a fork or not at all; the rest is for
	 * where it works, so that nothing secret gets into a file. */
	secrets = map_anywhere(0, SECRETS_SIZE, rw, MAP_PRIVATE);
	if (!secrets)
		return 0;
	if (gate(__NR_madvise, secrets, SECRETS_SIZE, MADV_WIPEONFORK, 0, 0, 0)) {
		gate(__NR_munmap, secrets, SECRETS_SIZE, 0, 0, 0, 0);
		return 0;
	}
	gate(__NR_madvise, secrets, SECRETS_SIZE, MADV_DONTDUMP, 0, 0, 0);
	gate(__NR_mlock2, secrets, SECRETS_SIZE, MLOCK_ONFAULT, 0, 0, 0);
	return secrets;
}

/* The generator's slots: without them the system call serves. */
static void map_generator(struct link *link, u64 base)
{
	u64 slots = base + SLOTS_OFF;

	if (!shim_plan.blocks || map(slots, SLOTS_SIZE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0))
		return;
	link->secrets = map_secrets();
	if (link->secrets)
		link->generator = slots;
	else
		gate(__NR_munmap, slots, SLOTS_SIZE, 0, 0, 0, 0);
}

/* Memory for stubs, where the kernel likes it best if not at the address asked
 * for: whether a jump reaches it is seen when there is a site. */
static u64 map_near(u64 hint)
{
	return map_anywhere(hint, NEAR_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

/* Stubs in the region serve programs below 2 GiB, whose displacements reach
 * them. Libraries come later, next to the program's loader. */
static void map_stubs(struct link *link, u64 base, u64 phdr, u64 loader)
{
	if (!shim_plan.patch || map(base + STUBS_OFF, STUBS_SIZE, PROT_READ | PROT_EXEC,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0))
		return;
	link->stubs = base + STUBS_OFF;
	if (phdr >> 31)
		link->near_program = map_near((phdr & -(u64)PAGE_SIZE) - NEAR_SIZE);
	if (loader)
		link->near_libraries = map_near(0);
}

/* Memory for the handler of SIGSYS, and the handler: an exec resets it. */
static long map_sigsys(u64 base, int arm)
{
	long err;

	if (!shim_plan.sigsys)
		return 0;
	err = map(base + SIGSYS_OFF, SIGSYS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	return err ? err : shim_begin(arm);
}

/* Finds the auxiliary vector behind argv and envp, prepares the structure
 * for PR_SET_MM_MAP, and returns the place of AT_SYSINFO_EHDR's value. */
static u64 *find_auxv(u64 *stack, struct mm_map *mm, u64 *phdr, u64 *loader)
{
	u64 *p = stack + 1 + *stack + 1;
	u64 *auxv, *slot = 0;

	while (*p++)
		;
	for (auxv = p; *p != AT_NULL; p += 2)
		if (*p == AT_SYSINFO_EHDR)
			slot = p + 1;
		else if (*p == AT_PHDR)
			*phdr = p[1];
		else if (*p == AT_BASE)
			*loader = p[1];
	if (mm) {
		mm->auxv = (u64)auxv;
		mm->auxv_size = (char *)(p + 2) - (char *)auxv;
	}
	return slot;
}

/* Says where the image's functions lead. */
static void link_up(struct link *link, u64 kernel, u64 base)
{
	link->kernel = kernel;
	for (int i = 0; i < LINK_SLOTS; i++) {
		u64 to = shim_plan.link[i];

		if (to & PLAN_OURS)
			to = base + (to & ~PLAN_OURS);
		else if (to)
			to += kernel;
		link->to[i] = to;
	}
}

void HIDDEN shim_handoff_main(struct handoff *h)
{
	u64 base = (u64)__ehdr_start;
	struct link *link = (struct link *)(base + LINK_OFF);
	u64 phdr = 0, loader = 0;

	h->slot = 0;
	h->kernel = 0;

	h->step = STEP_CONTROL;
	h->err = map(base + CONTROL_OFF, PAGE_SIZE, PROT_READ,
		     MAP_SHARED | MAP_FIXED_NOREPLACE, h->fd, CONTROL_OFF);
	if (h->err)
		goto close;

	if (h->counters >= 0) {
		h->step = STEP_COUNTERS;
		h->err = map(base + COUNTERS_OFF, COUNTERS_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED_NOREPLACE, h->counters, 0);
		if (h->err)
			goto close;
	}

	h->step = STEP_AUXV;
	h->slot = find_auxv(h->stack, h->mm, &phdr, &loader);
	h->err = -ENOENT;
	if (!h->slot)
		goto close;
	h->kernel = *h->slot;
	if (!h->kernel)
		goto close;
	h->value = base;

	map_generator(link, base);
	link->self = base;
	link->table = (u64)shim_table;
	map_stubs(link, base, phdr, loader);

	h->step = STEP_SIGSYS;
	h->err = map_sigsys(base, !(h->nr >> 32));
	if (h->err)
		goto close;

	/* What fails behind this finds it where it is, see entry.S. */
	/* The kernel's copy of the auxiliary vector must not be left to name where it was, and not
	 * all kernels let it be changed (CONFIG_CHECKPOINT_RESTORE). What they write is a size: nobody
	 * reads the step from here on, unless there is another. */
	if (!h->user_size && h->mm && !gate(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE, (long)&h->step, 0, 0, 0))
		h->kernel = move_kernel(h->kernel, base);
	link_up(link, h->kernel, base);

	if (h->user_size) {
		h->step = STEP_USER;
		h->value = h->kernel;
		h->err = map_user(h->kernel, h->user_size, h->fd);
	}
close:
	gate(__NR_close, h->fd, 0, 0, 0, 0, 0);
	if (h->counters >= 0)
		gate(__NR_close, h->counters, 0, 0, 0, 0, 0);
}
