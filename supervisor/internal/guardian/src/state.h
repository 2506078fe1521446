// What the supervisor writes for the guardian, what the guardian tells it, and all
// that the guardian keeps. Package guardian has the same in Go.

#include "../../../../internal/sys/sys.h"

#define EINTR 4
#define EINVAL 22
#define ECHILD 10
#define SECCOMP_FLAG_WAIT_KILLABLE_RECV (1UL << 5)

struct call {
	u64 nr, args[5];
};

// What the supervisor writes before it forks: package guardian's Launch.
struct launch {
	const char *path;
	char *const *argv;
	char *const *envp;
	struct sock_filter *main;
	u64 main_len;
	struct sock_filter *deny;
	u64 deny_len;
	u64 keep_privileges; // leave NO_NEW_PRIVS out
	u64 ignored;         // signals to ignore, bit n-1 for signal n
	u64 blocked;         // signals to block, likewise,
	u64 mask;            // if this is not 0; else as in the thread that forked
	u64 *page;           // the control page
	u64 tick;            // ms between two generations, 0 for no such bumps
	u64 supervisor;      // its process id
	u64 control;         // the descriptor of our end of the connection
	u64 region;          // that of the memory file with the control page
	u64 soft, hard;      // RLIMIT_NOFILE for the program,
	u64 limited;         // if this is not 0; else as it is
	const char *dir;     // where the program starts, or 0
	const struct call *calls; // that put the program's descriptors in place
	u64 calls_len;
	u64 trapped;         // futex(2) would be trapped once the filter is there
};

enum { MSG_STARTED = 1, MSG_FAILED, MSG_EXEC_FAILED, MSG_EXIT, MSG_STOP, MSG_CONTINUE, MSG_SIGNAL };
enum { CMD_KILL = 1, CMD_ADOPT, CMD_WAKE, CMD_AWAKE, CMD_CONTINUE, CMD_STOP };
enum { STEP_PRIVS = 1, STEP_FILTER, STEP_DENY, STEP_FORK, STEP_DIR, STEP_FILES };

struct msg {
	u32 type;
	s32 pid;
	s32 status; // wait status, errno, or signal number
	u32 detail; // step that failed, si_code, 1 without WAIT_KILLABLE_RECV, 1 where others are left
	u64 rusage[18];
};

// The kernel's struct sigaction; the C library's differs.
struct ksigaction {
	u64 handler, flags, restorer, mask;
};

struct limits {
	u64 soft, hard;
};

// All that this process writes to, and what it is given. The supervisor maps it,
// and writes the launch block behind it and its address and the mask into it.
struct state {
	char stack[16384] __attribute__((aligned(16)));
	char child_stack[16384] __attribute__((aligned(16)));
	const struct launch *launch;
	u64 saved_mask; // the signals that were blocked in the thread that forked

	// What the forked child and the guardian share: the child runs in the
	// guardian's address space (CLONE_VM) until it executes the program, so it can
	// tell how far it came without a system call that the filter might reflect.
	struct {
		volatile s32 state; // 0: not yet; 1: listener is there; -1: failed
		volatile s32 listener, err, step, plain;
		volatile s32 exec_err;
	} shared;
	struct limits files; // the program's
	int control, supervisor;
	int stopped; // the program is
	int stops;   // it was, and the supervisor was told
	int ended;
	u64 moved;   // when it was stopped or continued last, 0 if not since the supervisor stopped
	u64 grouped; // when our group got a signal of job control, as far as we have read it

	volatile u64 *generation;
	u64 tick; // ms between two bumps, 0 for none
	u64 due;  // when to bump next, 0 for never
	int watching;
	int page;   // the memory file, for `reflect reseed` to read
	int clones; // the kernel's messages about devices, -1 where there are none
	int jumps;  // a timer that tells when the clock was set, or the machine slept

	char name[16]; // the command line, which may only lie in anonymous memory (FOLL_ANON)
	char message[8192]; // UEVENT_BUFFER_SIZE is 2048
	char entries[32768];
};

#define STATE_SIZE 0x13000 // package guardian's StateSize
_Static_assert(sizeof(struct state) <= STATE_SIZE, "the supervisor maps less");
_Static_assert(__builtin_offsetof(struct state, launch) == 0x8000, "package guardian's launchOff");

register struct state *my __asm__("r15");
