/* generator MODE name=value…; the Go test says what the names mean. */
#include "harness.h"
#include "../region/region.h"
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

int failures;
char context[256];
u64 base, vdso, reflected, gate, slots, secrets, locks, state_size, slots_size, secrets_size;
u32 state_flags;
volatile u64 *control;

static char **args;
static u64 seed;

const char *text(const char *name)
{
	size_t n = strlen(name);

	for (char **a = args; *a; a++)
		if (!strncmp(*a, name, n) && (*a)[n] == '=')
			return *a + n + 1;
	return "";
}

u64 num(const char *name)
{
	return strtoull(text(name), 0, 0);
}

void fail(const char *format, ...)
{
	va_list ap;

	if (failures++ > 20)
		return;
	printf("FAIL %s", context);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	if (num("stop"))
		exit(1);
}

u64 rnd(void)
{
	u64 z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

int pin(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	return cpu;
}

void adopt(void)
{
	struct region r = {
		.base = base, .fd = num("fd"), .counters = -1, .kernel = getauxval(AT_SYSINFO_EHDR),
		.handoff = num("handoff"), .gate = num("gate"), .link = num("link"), .control = num("control"),
		.slots = num("slots"),
	};
	u32 params[16];

	map_image(&r);
	handoff(&r, AT_SYSINFO_EHDR);
	secrets = ((u64 *)(base + num("link")))[num("secrets")];
	((getrandom_fn *)vdso)(0, 0, 0, params, ~0UL);
	state_size = params[0];
	state_flags = params[2];
	if (num("extra")) {
		/* 1: plain, 2: wiped at a fork, 3: droppable */
		void *p = mmap((void *)EXTRA, slots_size, PROT_READ | PROT_WRITE,
			       MAP_ANONYMOUS | MAP_FIXED | (num("extra") == 3 ? 8 : MAP_PRIVATE), -1, 0);
		if (p == MAP_FAILED || (num("extra") == 2 && madvise(p, slots_size, MADV_WIPEONFORK)))
			fail("map what the mutant needs: %m");
		memset(p, 0, slots_size);
		*(u64 *)(p + 64) = 1;
	}
}

int main(int argc, char **argv)
{
	const struct { const char *name; int (*run)(void); } modes[] = {
		{"explore", run_explore}, {"secrets", run_secrets}, {"model", run_model},
		{"restore", run_restore}, {"stress", run_stress}, {"maps", run_maps}, {"entry", run_entry}, {"core", run_core},
	};

	args = argv + 2;
	alarm(num("timeout"));
	if (argc < 2)
		return 2;
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	seed = num("seed");
	base = num("base");
	vdso = base + num("vdso");
	reflected = base + num("reflected");
	gate = base + num("gate");
	slots = base + num("slots");
	slots_size = num("slotssize");
	secrets_size = num("secretssize");
	locks = num("locksoutside") ? EXTRA : slots;
	control = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, num("fd"), num("control"));
	if (control == MAP_FAILED) {
		perror("map the control page");
		return 2;
	}
	for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name)) {
			modes[i].run();
			fflush(stdout);
			return failures != 0;
		}
	return 2;
}
