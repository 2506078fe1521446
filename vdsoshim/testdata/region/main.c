#define _GNU_SOURCE
#include "region.h"
#include "../../layout.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int failures;

static u64 step(const char *s)
{
	return strtoull(s, 0, 0);
}

/* As succeed, but what must be so after a failure. */
static void expect_failure(const struct region *r, u64 type, long err, u64 want)
{
	struct outcome o = handoff(r, type);

	CHECK((long)o.rdi == -err, "error %ld, not %ld", -(long)o.rdi, err);
	CHECK(o.rsi == want, "step %lu, not %lu", o.rsi, want);
	CHECK(o.value == r->kernel, "the auxiliary vector was changed");
}

static void succeed(const struct region *r)
{
	struct outcome o = handoff(r, AT_SYSINFO_EHDR);
	const u64 *link = (u64 *)(r->base + r->link);

	CHECK(o.rdi == 0 && o.rsi == 0, "error %ld in step %lu", -(long)o.rdi, o.rsi);
	CHECK(o.rdx == r->kernel, "the kernel's vDSO is at %lx, not %lx", o.rdx, r->kernel);
	CHECK(o.r8 == 0, "prctl: %ld", (long)o.r8);
	CHECK(o.value == (r->user_size ? r->kernel : r->base), "AT_SYSINFO_EHDR is %lx", o.value);
	CHECK(perms(r->base, 0) == 'r' && perms(r->base, 1) == '-' && perms(r->base, 2) == 'x', "the image");
	CHECK(perms(r->base + r->link, 0) == 'r' && perms(r->base + r->link, 1) == '-' &&
	      perms(r->base + r->link, 2) == '-' && perms(r->base + r->link, 3) == 'p', "the link page");
	CHECK(perms(r->base + r->control, 0) == 'r' && perms(r->base + r->control, 1) == '-' &&
	      perms(r->base + r->control, 3) == 's', "the control page");
	CHECK(*(u64 *)(r->base + r->control), "the generation is 0");
	for (int i = LinkSecrets + 1; i < 512; i++)
		CHECK(link[i] == 0, "the routine left %lx at %d of the link page", link[i], i);
	CHECK(link[LinkGenerator] == (r->slots ? r->base + r->slots : 0), "the slots are at %lx", link[LinkGenerator]);
	CHECK(!link[LinkSecrets] == !r->slots && (!r->slots || perms(link[LinkSecrets], 1) == 'w'), "the secrets are at %lx", link[LinkSecrets]);
	CHECK(link[linkBase] == r->kernel, "the kernel's base in the link page is %lx", link[linkBase]);
	if (r->counters >= 0)
		CHECK(perms(r->base + r->counters_off, 1) == 'w' && perms(r->base + r->counters_off, 3) == 's', "counters");
	else
		CHECK(perms(r->base + r->counters_off, 0) == '?', "counters are mapped");
}

static u64 kernel_end;

static u64 map_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	off_t size = (lseek(fd, 0, SEEK_END) + 4095) & -4096;
	/* A hole behind it, for a user's image that is longer. */
	char *p = mmap(0, size + (1 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + size, 1 << 20);
	p = mmap(p, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
	CHECK(p != MAP_FAILED, "%s: %m", path);
	close(fd);
	kernel_end = (u64)p + size;
	return (u64)p;
}

/* region MODE fd counters base handoff link control counters user-size gate kernel-file slots reflected
 * where slots is 0 if there is to be no generator */
int main(int argc, char **argv)
{
	const char *mode = argv[1];
	struct region r;

	if (argc != 14)
		return 2;
	r = (struct region){
		.fd = step(argv[2]), .counters = atoi(argv[3]), .base = step(argv[4]), .handoff = step(argv[5]),
		.link = step(argv[6]), .control = step(argv[7]), .counters_off = step(argv[8]),
		.user_size = step(argv[9]), .gate = step(argv[10]), .slots = step(argv[12]),
		.kernel = *argv[11] ? map_file(argv[11]) : getauxval(AT_SYSINFO_EHDR),
	};
	setvbuf(stdout, 0, _IONBF, 0);
	map_image(&r);

	if (!strcmp(mode, "functions")) {
		succeed(&r);
		check_functions(&r, 0);
		check_getrandom(&r, FORWARDED);
	} else if (!strcmp(mode, "shim")) {
		succeed(&r);
		check_functions(&r, 0);
		check_getrandom(&r, SHIM);
	} else if (!strcmp(mode, "stubs")) {
		succeed(&r);
		check_functions(&r, 1);
		check_getrandom(&r, CALL);
	} else if (!strcmp(mode, "counters")) {
		succeed(&r);
		check_counters(&r);
	} else if (!strcmp(mode, "cap")) {
		succeed(&r);
		check_cap(&r);
	} else if (!strcmp(mode, "unwind")) {
		succeed(&r);
		check_unwind(&r, 0);
	} else if (!strcmp(mode, "unwindgate")) {
		succeed(&r);
		check_unwind(&r, r.gate);
	} else if (!strcmp(mode, "reflected")) {
		succeed(&r);
		check_reflected(&r, step(argv[13]));
	} else if (!strcmp(mode, "madeup")) {
		succeed(&r);
		check_made_up(&r);
		check_getrandom(&r, SHIM_CALL);
	} else if (!strcmp(mode, "user")) {
		long (*f)(void);
		succeed(&r);
		f = find(r.kernel, "__vdso_made_up");
		CHECK(f && f() == 0x7ea5ed, "the user's image is not there");
	} else if (!strcmp(mode, "userkernel")) {
		/* A copy of the kernel's own image in its place: it finds its data. */
		succeed(&r);
		CHECK(perms(r.kernel, 2) == 'x' && perms(r.kernel, 1) == '-', "the image");
		check_functions(&r, 1);
		struct timespec a, b;
		int (*f)(clockid_t, struct timespec *) = find(r.kernel, "__vdso_clock_gettime");
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
		CHECK(f(CLOCK_MONOTONIC, &b) == 0 && b.tv_sec - a.tv_sec <= 1 && b.tv_sec >= a.tv_sec, "the clock is off");
	} else if (!strcmp(mode, "usertaken")) {
		/* Another mapping right behind the kernel's. */
		mmap((void *)kernel_end, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		expect_failure(&r, AT_SYSINFO_EHDR, EEXIST, 5);
	} else if (!strcmp(mode, "link")) {
		mmap((void *)(r.base + r.link), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		expect_failure(&r, AT_SYSINFO_EHDR, EEXIST, 1);
	} else if (!strcmp(mode, "control")) {
		mmap((void *)(r.base + r.control), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		expect_failure(&r, AT_SYSINFO_EHDR, EEXIST, 2);
	} else if (!strcmp(mode, "countersfull")) {
		mmap((void *)(r.base + r.counters_off), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		expect_failure(&r, AT_SYSINFO_EHDR, EEXIST, 3);
	} else if (!strcmp(mode, "slotstaken")) {
		/* The generator's memory is not worth a failure. */
		u64 at = r.base + r.slots + 0x3f000;
		mmap((void *)at, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		u64 slots = r.slots;
		r.slots = 0;
		succeed(&r);
		for (u64 a = r.base + slots; a < r.base + slots + 0x40000; a += 4096)
			CHECK(a == at || perms(a, 0) == '?', "%lx is left mapped", a);
		check_getrandom(&r, SHIM);
	} else if (!strcmp(mode, "auxv")) {
		expect_failure(&r, 0x1234, ENOENT, 4);
	} else
		return 2;
	return failures != 0;
}
