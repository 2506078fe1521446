// Completes an image by the starter's code: complete KERNEL-IMAGE BUILT-IMAGE [PAGES...] writes to
// standard output, or exits with 1 where the starter leaves it to others. PAGES are digits: how many
// each mapping has in front of the kernel's.

#include <linux/filter.h>
#include <linux/signal.h>
#include <sys/syscall.h>

#include "../../guardian/src/state.h"
#include "../../../../vdsoshim/layout.h"

typedef long s64;
typedef unsigned short u16;

#include "../src/prepared.h"
#include "../src/cpu.h"
#include "../src/kernel.h"
#include "../src/complete.h"

static u64 map(const char *file, u64 prot, u64 size)
{
	long fd = SYS(SYS_open, file, 0, 0);
	long at = SYS(SYS_mmap, 0, size, prot, 2 /* MAP_PRIVATE */, fd, 0);
	if (fd < 0 || (at < 0 && at > -4096))
		SYS(SYS_exit_group, 2);
	return at;
}

__attribute__((used)) void run(u64 *stack)
{
	char **argv = (char **)(stack + 1);
	struct kernel k;
	u64 image = map(argv[2], 3, ImageSize);
	if (!find_kernel(&k, map(argv[1], 5, 64 * PageSize)))
		SYS(SYS_exit_group, 1);
	for (char **pages = argv + 3; *pages; pages++)
		k.data[k.mappings++] = (**pages - '0') * PageSize;
	if (!complete((unsigned char *)image, &k))
		SYS(SYS_exit_group, 1);
	u64 insn = find_instruction(&k);
	SYS(SYS_write, 1, &insn, sizeof insn);
	SYS(SYS_write, 1, image, ImageSize);
	SYS(SYS_exit_group, 0);
}

__asm__(".global _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run\n\thlt\n");

// Used by the rest of the starter only.
const void *unused[] = { addresses, filter, fails };
