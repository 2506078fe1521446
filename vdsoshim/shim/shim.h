/*
 * Layout of the region that the image is mapped in, and of what the image and
 * the Go package tell each other. Assembly and C read it; symbols.S makes the
 * numbers known to the generator, which writes them as Go constants.
 */
#ifndef SHIM_H
#define SHIM_H

#define PAGE_SIZE 4096

/* Offsets from the image's first byte, which is the region's base. */
#define IMAGE_SIZE 0x13000
#define EXITS_OFF 0xf600	/* the gate, and what a signal handler leaves by: see exits.S */
#define EXITS_SIZE 0x3400
#define CONTROL_OFF 0x13000	/* shared with the supervisor, read-only here */
#define LINK_OFF 0x14000	/* private: struct link, read-only after the handoff */
#define COUNTERS_OFF 0x15000	/* only when calls are counted */
#define COUNTERS_SIZE 0x1a000
#define SIGSYS_OFF 0x2f000	/* private, with trap and sud only: see sigsys.h */
#define SIGSYS_SIZE 0x5000
#define SLOTS_OFF 0x34000	/* private: the generator's slots, see generator.h */
#define SLOTS_SIZE 0x40000
#define STUBS_OFF 0x74000	/* with patching only: code for patched sites, see reflected.S */
#define STUBS_SIZE 0x10000
#define KERNEL_OFF 0x84000	/* the kernel's vDSO with its data, moved here: see move_kernel */
#define KERNEL_ROOM 0xa000
#define REGION_SIZE 0x8e000
/* Between the exits and the stubs there is data only. */
#define FROM_EXITS_SIZE (STUBS_OFF + STUBS_SIZE - EXITS_OFF)

/* The slots' secret parts, droppable, wherever the kernel likes: the region must end
 * below 0x108000, where valgrind loads programs. */
#define SECRETS_SIZE 0x80000

/* More stubs, wherever the program's code is too far for a jump. */
#define NEAR_SIZE 0x8000

/* A site's record among the stubs. */
#define STUB_SIZE 64
#define STUB_MADE 20	/* behind its system call instruction */
#define STUB_DISPATCH 32	/* entry that looks at the number */
#define STUB_COUNTER 44	/* where the site's counter is, from the image on; 0 where nothing counts */
#define STUB_SITE 48	/* the site */
#define STUB_RETURN 56	/* the address behind the site */
#define STUB_UNWIND STUB_RETURN	/* the same also in a stub: for unwinders, see shim_stubs */
/* For unwinders: a call goes back to its site, which is in rcx: val_expression, rip, breg2 + 2 */
#define CFI_SITE .cfi_escape 0x16, 16, 2, 0x72, 2

#define SYSCALL_INSN 0x050f	/* 0f 05, as a word */
#define SYSCALL_FIRST 0x0f	/* the byte that a breakpoint replaces; the word need not be aligned */

#define CONSTANTS 64	/* with code of their own */
#define CONSTANT_SIZE 64

#define DISPATCH_CALLS 480
#define DISPATCH_FORGET 1
#define DISPATCH_KERNEL 2
#define DISPATCH_VALUE 3

/* Counters: a row of 64-bit words for each CPU, numbers above 15 wrap. First the
 * vDSO's functions, then the calls of patched sites by number. */
#define COUNTER_ROWS 16
#define COUNTER_ROW_SHIFT 12
#define COUNTER_CALLS 16
/* Behind the rows: a word for each site. The first is for those beyond the last. */
#define COUNTER_SITES 0x1000
/* And one for each rule of the policy whose calls a signal handler serves. */
#define COUNTER_TRAPS 0x18000

/* Link slots, indices into struct link and struct plan. */
#define FORWARD_SLOTS 64	/* used by the forwarders, in order */
#define COUNTED_SLOTS 16	/* used by the counting entries, in order */
#define LINK_COUNTED FORWARD_SLOTS
#define LINK_GETRANDOM (FORWARD_SLOTS + COUNTED_SLOTS)	/* the kernel's, or 0 */
#define LINK_CLOCK_GETTIME (LINK_GETRANDOM + 1)	/* the kernel's, where clocks.S leads on to it */
#define LINK_CLOCK_GETRES (LINK_GETRANDOM + 2)
#define LINK_SLOTS (LINK_GETRANDOM + 3)
#define LINK_BASE LINK_SLOTS	/* where the kernel's vDSO is */
#define LINK_GENERATOR (LINK_SLOTS + 1)	/* where its slots are, or 0 */
#define LINK_STUBS (LINK_SLOTS + 2)	/* where stubs may be put, or 0 */
#define LINK_NEAR_PROGRAM (LINK_SLOTS + 3)	/* the same, NEAR_SIZE near the program */
#define LINK_NEAR_LIBRARIES (LINK_SLOTS + 4)	/* and near what is mapped later */
#define LINK_NEAR_LATER (LINK_SLOTS + 5)	/* and NEAR_LATER of them, mapped for a site */
#define NEAR_LATER 24
#define LINK_TABLE (LINK_NEAR_LATER + NEAR_LATER)	/* of the dispatcher */
#define LINK_SELF (LINK_TABLE + 1)	/* the image */
#define LINK_SECRETS (LINK_TABLE + 2)	/* of the generator */
#define LINK_WORDS (LINK_TABLE + 3)

/* Offsets into struct plan, for assembly. */
#define PLAN_STATE_SIZE 0
#define PLAN_BLOCKS 16
#define PLAN_FALLBACK 20
#define PLAN_PATCH 24
#define PLAN_SIGSYS 28
#define PLAN_MOVED 32
#define PLAN_LINK 48

#define MOVED 4			/* mappings: the kernel's vDSO, and those of its data in front of it */

#define PLAN_OURS 0x80000000	/* offset is into this image, not the kernel's */

/* What the symbol tables have room for once they are completed at launch. */
#define ROOM_SYMBOLS 96
#define ROOM_BUCKETS 32
#define ROOM_BLOOM 4
#define ROOM_VERSIONS 8
#define ROOM_STRINGS 2048
#define ROOM_NOTES 160
#define ROOM_COPIES 192
#define ROOM_FRAMES 48		/* functions of the kernel's that unwind tables describe */
#define ROOM_FRAME_BYTES 1536	/* what they say */

/* Steps of the handoff, as it reports them when one fails. */
#define STEP_DONE 0
#define STEP_LINK 1	/* mmap of the link page */
#define STEP_CONTROL 2	/* mmap of the control page */
#define STEP_COUNTERS 3	/* mmap of the counters */
#define STEP_AUXV 4	/* no AT_SYSINFO_EHDR in the auxiliary vector */
#define STEP_USER 5	/* mmap of the user's own image over the kernel's */
#define STEP_PROTECT 6	/* mprotect of the link page */
#define STEP_SIGSYS 7	/* mmap for the signal handler, or installing it */

#ifndef __ASSEMBLER__

typedef unsigned int u32;
typedef unsigned long u64;

#define HIDDEN __attribute__((visibility("hidden")))

/* Written into the image at launch; defined in symbols.S, so that the
 * compiler can't take it for zero. */
struct plan {
	u32 state_size;		/* getrandom's opaque state: size, and how to map it */
	u32 state_prot;
	u32 state_flags;
	u32 kernel_size;	/* bytes that the kernel's vDSO occupies */
	u32 blocks;		/* offset of the generator's block function, 0: no generator */
	u32 fallback;		/* 1: no droppable memory, even where the kernel has it */
	u32 patch;		/* 1: sites will be patched */
	u32 sigsys;		/* SIGSYS_ flags, sigsys.h */
	u32 moved[MOVED];	/* bytes of each mapping to move, in order, the last is the vDSO; 0: none */
	u32 link[LINK_SLOTS];	/* offset of each link's target, 0 if it has none */
};
extern const struct plan HIDDEN shim_plan;

struct link {
	u64 to[LINK_SLOTS];
	u64 kernel;
	u64 generator;
	u64 stubs;
	u64 near_program, near_libraries, near_later[NEAR_LATER];
	u64 table, self, secrets;
};

extern const u32 HIDDEN shim_table[DISPATCH_CALLS];
extern const u64 HIDDEN shim_values[DISPATCH_CALLS];

/* The linker's name for the first byte of the image. */
extern const char HIDDEN __ehdr_start[];
#define LINK ((const struct link *)(__ehdr_start + LINK_OFF))

/*
 * gate makes a system call at the one address that the filter lets through.
 * The gate returns by rbx and touches no stack, see gate.S.
 */
static inline long gate(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("lea 1f(%%rip), %%rbx\n\t"
			 "jmp shim_gate\n"
			 "1:"
			 : "+a"(nr)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rbx", "rcx", "r11", "cc", "memory");
	return nr;
}

#endif
#endif
