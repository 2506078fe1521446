// What the probes share.

#include <elf.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "../../../internal/sys/sys.h"

typedef unsigned char u8;

enum { EPERM = 1, EINTR = 4, EAGAIN = 11, EBUSY = 16, ENOSYS = 38 };
enum { SIGILL = 4, SIGKILL = 9, SIGSTOP = 19, SIGCHLD = 17, SIGTRAP = 5, SIGALRM = 14, SIGSYS = 31 };
enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_DROPPABLE = 8, MAP_FIXED_NOREPLACE = 0x100000, MAP_ANON = 0x20 };
enum { CLONE_FILES = 0x400, WALL = 0x40000000 };

// What a probe says, on descriptor 1.
struct record {
	u32 magic;
	u32 verdict;
	s32 call;  // the call that decided, -1 for none
	s32 error; // its errno
	u64 value;
};
enum { PATIENCE = 5 }; // seconds
enum { MAGIC = 0x50524f42, YES = 0, NO = 1, UNKNOWN = 2 };

__attribute__((noreturn)) static void quit(int status)
{
	for (;;)
		SYS(SYS_exit_group, status);
}

__attribute__((noreturn)) static void say(u32 verdict, s32 call, long error, u64 value)
{
	struct record r = { MAGIC, verdict, call, error < 0 ? -error : error, value };
	SYS(SYS_write, 1, &r, sizeof r);
	quit(0);
}
#define yes(value) say(YES, -1, 0, value)
#define no(call, error) say(NO, call, error, 0)
#define unknown(call, error) say(UNKNOWN, call, error, 0)

// must ends the probe without an answer when a call fails that is not the
// question itself.
static long must(s32 call, long r)
{
	if (r < 0)
		unknown(call, r);
	return r;
}
#define MUST(n, ...) must(n, SYS(n, ##__VA_ARGS__))

// spawn forks. The child dies with its parent, if that has not died already; and
// in any case soon.
static long spawn(u64 flags)
{
	long parent = SYS(SYS_getpid);
	long pid = MUST(SYS_clone, flags | SIGCHLD);
	if (pid == 0) {
		SYS(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
		SYS(SYS_alarm, PATIENCE);
		if (SYS(SYS_getppid) != parent)
			quit(0);
	}
	return pid;
}

static s32 await(long pid)
{
	s32 status = 0;
	long r;
	while ((r = SYS(SYS_wait4, pid, &status, WALL, 0)) == -EINTR)
		;
	must(SYS_wait4, r);
	return status;
}

static void reap(long pid)
{
	s32 status;
	SYS(SYS_kill, pid, SIGKILL);
	SYS(SYS_wait4, pid, &status, WALL, 0);
}

#define SIGNALLED(s) ((s) & 0x7f)
#define STOPPED(s) (((s) & 0xff) == 0x7f)
#define STOPSIG(s) ((s) >> 8 & 0xff)
#define EXITED(s) ((s) >> 8 & 0xff)

// A signal that is the answer is caught, lest it dumps core: the handler ends
// the process with CAUGHT + its number.
enum { CAUGHT = 64 };
static volatile u8 selector; // Syscall User Dispatch's, off for the handler

static void caught(int sig)
{
	selector = 0;
	quit(CAUGHT + sig);
}

static long on_signal(int sig, u64 handler)
{
	struct { u64 handler, flags, restorer, mask; } act = {
		handler, 0x04000000 /* SA_RESTORER, never used */, (u64)quit, 0,
	};
	return SYS(SYS_rt_sigaction, sig, &act, 0, 8);
}

__attribute__((noreturn)) static void wait_for_ever(void)
{
	for (;;)
		SYS(SYS_pause);
}

// filter answers one call with an action and allows all others.
static long filter(u64 flags, u32 nr, u32 action)
{
	struct sock_filter code[] = {
		{ BPF_LD | BPF_W | BPF_ABS, 0, 0, 0 },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, nr },
		{ BPF_RET | BPF_K, 0, 0, action },
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW },
	};
	struct sock_fprog prog = { sizeof code / sizeof *code, code };
	MUST(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
	return SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static volatile struct { s32 state, number; u64 word; } *shared; // with forked children
