/* How the generator's memory is mapped, and what a core file shows of it. */
#include "harness.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY 65534

static void begin(void)
{
	u8 buf[2 * PAGE];

	if (num("nolock")) {
		/* An ordinary user who may lock nothing. */
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_MEMLOCK, &none);
		if (getuid() == 0 && setuid(NOBODY))
			fail("setuid: %m");
		prctl(PR_SET_DUMPABLE, 1);	/* for /proc/self */
	}
	adopt();
	if (((getrandom_fn *)vdso)(buf, 16, 0, (void *)((u64)(buf + PAGE) & -PAGE), state_size) != 16)
		fail("16 bytes");
	memset(buf, 0, sizeof(buf));
}

/* A line for each of the two: its name, permissions, and flags as in smaps. */
int run_maps(void)
{
	char line[1024], mode[5] = "";
	u64 from = 0, to = 0;

	begin();
	FILE *f = fopen("/proc/self/smaps", "r");
	while (fgets(line, sizeof(line), f)) {
		u64 a, b;

		/* Other lines begin with letters that look like digits. */
		if (sscanf(line, "%lx-%lx %4s", &a, &b, mode) == 3)
			from = a, to = b;
		if (strncmp(line, "VmFlags:", 8))
			continue;
		if (from == slots)
			printf("slots %lx %s%s", to - from, mode, line + 8);
		if (from == secrets)
			printf("secrets %lx %s%s", to - from, mode, line + 8);
	}
	fclose(f);
	return 0;
}

volatile char marker[] = "this is in the core file";

/* Writes the batch, from its page to the pipe, and dies. */
int run_core(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	begin();
	marker[0] = 'T';
	setrlimit(RLIMIT_CORE, &all);
	for (u64 page = secrets; page < secrets + secrets_size; page += PAGE)
		if (*(u64 *)(page + num("generation")) && write(1, (void *)(page + 64), BATCH - 64) < 0)
			fail("write: %m");
	fflush(stdout);
	raise(SIGSEGV);
	return 0;
}
