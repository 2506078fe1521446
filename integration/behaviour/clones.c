// clone in its many forms, without the library's help where it has none.
#include "behaviour.h"
#include <signal.h>
#include <stdatomic.h>

struct args3 {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static atomic_int seen;

static char stack[65536] __attribute__((aligned(16)));
static int light(void *arg)
{
	seen += quiet_ok();
	return (int)(long)arg;
}

BEHAVIOUR(clone_with_its_own_stack)
{
	static const struct {
		const char *name;
		int flags;
	} ways[] = {
		{ "nothing shared", SIGCHLD },
		{ "memory", CLONE_VM | SIGCHLD },
		{ "memory and files", CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD },
		{ "memory and handlers", CLONE_VM | CLONE_SIGHAND | SIGCHLD },
		{ "as vfork", CLONE_VM | CLONE_VFORK | SIGCHLD },
		{ "as vfork, not sharing", CLONE_VFORK | SIGCHLD },
		{ "no signal", CLONE_VM },
		{ "another signal", CLONE_VM | SIGURG },
		{ "files only", CLONE_FILES | SIGCHLD },
	};
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		seen = 0;
		reap(ways[i].name, clone(light, stack + sizeof stack, ways[i].flags, (void *)(long)(i + 1)));
		printf("  seen %d\n", seen);
	}
	printf("bad flags: %s\n", library(clone(light, stack + sizeof stack, CLONE_SIGHAND | SIGCHLD, NULL)));
	printf("calls good %d\n", calls_ok());
}

BEHAVIOUR(clone_tells_ids)
{
	pid_t parent_tid = -1, child_tid = -1;
	void *at = stack + sizeof stack;
	pid_t pid = clone(light, at, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, &parent_tid, NULL, &child_tid);
	reap("set", pid);
	printf("told the parent %d, the child %d\n", parent_tid == pid, child_tid == pid);
	child_tid = 77;
	pid = clone(light, at, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL, &child_tid);
	reap("clear", pid);
	printf("cleared %d\n", child_tid);
}

BEHAVIOUR(clone3_in_its_forms)
{
	int pidfd = -1, tid = -1;
	struct args3 a = { .flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = (uint64_t)&pidfd, .parent_tid = (uint64_t)&tid, .exit_signal = SIGCHLD };
	pid_t pid = syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		_exit(quiet_ok() ? 21 : 22);
	siginfo_t si = { 0 };
	int r = waitid(3 /* P_PIDFD */, pidfd, &si, WEXITED);
	printf("by its descriptor: %d, right one %d %d, status %d\n", r, si.si_pid == pid, tid == pid, si.si_status);
	printf("size 0: %s\n", library(syscall(SYS_clone3, &a, 0)));
	printf("bad pointer: %s\n", library(syscall(SYS_clone3, 16, sizeof a)));
	a.flags = -1;
	printf("bad flags: %s\n", library(syscall(SYS_clone3, &a, sizeof a)));
	close(pidfd);
}

// A thread by the call itself, with thread storage of its own: fs is the child's.
static volatile long child_fs;
BEHAVIOUR(clone_sets_thread_storage)
{
	static uint64_t tls[16] __attribute__((aligned(64))), buffer[4];
	static volatile int child_tid = 1;
	tls[0] = (uint64_t)tls, tls[1] = 0x5a5a5a;
	long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_CHILD_CLEARTID, r;
	for (int i = 0; i < 4; i++) {
		child_tid = 1;
		register long tid __asm__("r10") = (long)&child_tid;
		register long area __asm__("r8") = (long)tls;
		// In the child: a draw, the word at fs:8, the exit.
		__asm__ volatile("syscall; test %%rax, %%rax; jnz 1f\n"
				 "mov $318, %%eax; lea %[buf], %%rdi; mov $32, %%esi; xor %%edx, %%edx; syscall\n"
				 "mov %%fs:8, %%rcx; add %%rax, %%rcx; mov %%rcx, %[fs]\n"
				 "mov $60, %%eax; xor %%edi, %%edi; syscall; hlt\n1:"
				 : "=a"(r), [fs] "+m"(child_fs), [buf] "+m"(buffer)
				 : "0"(SYS_clone), "D"(flags), "S"(stack + sizeof stack), "d"(0), "r"(tid), "r"(area)
				 : "rcx", "r11", "memory");
		for (int j = 0; child_tid && j < 5000; j++)
			sleep_ms(1);
		printf("begun %d, ended %d, its storage and bytes %lx\n", r > 0, !child_tid, child_fs);
		child_fs = 0;
	}
}

// A child that comes from the address the parent's call came from, in assembly without
// a library: the next instruction is the same for both.
BEHAVIOUR(bare_fork_and_vfork)
{
	for (int nr = 57; nr <= 58; nr++)
		for (int i = 0; i < 3; i++) {
			long r;
			__asm__ volatile("syscall; test %%rax, %%rax; jnz 1f\n"
					 "mov $110, %%eax; syscall; test %%rax, %%rax; setg %%dil; movzbl %%dil, %%edi; add $60, %%edi\n"
					 "mov $60, %%eax; syscall; hlt\n1:"
					 : "=a"(r) : "0"((long)nr) : "rcx", "r11", "rdi", "memory");
			reap(nr == 57 ? "fork" : "vfork", r);
		}
}
