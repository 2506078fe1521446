/*
 * A program that does to itself what the supervisor does to programs: it maps
 * the image, runs the handoff routine, and then uses what is exported. It is
 * compiled and run by handoff_test.go.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t u64;
typedef uint32_t u32;

struct region {
	u64 base;	/* where the image goes */
	int fd;		/* memory file */
	int counters;	/* or -1 */
	u64 kernel;	/* the vDSO to stand in for */
	u64 user_size;	/* of the user's own image, or 0 */
	u64 handoff, gate;	/* offsets of the code */
	u64 link, control, counters_off;	/* offsets of pages */
	u64 slots;	/* offset of the generator's slots, 0 where it has none */
};

struct outcome {
	u64 rdi, rsi, rdx, r8, rax, rsp;
	u64 value;	/* of AT_SYSINFO_EHDR afterwards */
	int vectors;	/* vector registers that differ */
};

extern int failures;

#define CHECK(cond, ...) do { \
	if (!(cond)) { \
		failures++; \
		printf("FAIL %s:%d: %s: ", __FILE__, __LINE__, #cond); \
		printf(__VA_ARGS__); \
		printf("\n"); \
	} \
} while (0)

void map_image(const struct region *r);
struct outcome handoff(const struct region *r, u64 auxv_type);
void *find(u64 image, const char *name);
char perms(u64 addr, int which);

/* stubs: compare with the system calls, which don't always say the same as the
 * kernel's vDSO functions (clock_getres of clock 16, Linux 6.18). */
void check_functions(const struct region *r, int stubs);

/* What stands behind getrandom: the kernel's function, ours on top of it, a
 * stub, ours on top of the system call. */
enum behind { FORWARDED, SHIM, CALL, SHIM_CALL };
void check_getrandom(const struct region *r, enum behind b);
void check_cap(const struct region *r);
void check_counters(const struct region *r);
void check_unwind(const struct region *r, u64 gate);
/* off is where the entry in place of a system call stands. */
void check_reflected(const struct region *r, u64 off);
void check_made_up(const struct region *r);
