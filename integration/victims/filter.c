// filter errno|strict|roomy|twice PROGRAM ARGUMENT...: takes a seccomp filter of its
// own, then goes on and executes PROGRAM.
//
//	errno   getrandom fails with EPERM, whatever a filter below answers
//	strict  a list of allowed calls, all else kills; it has what a static program
//	        needs and neither mmap, close nor prctl
//	roomy   the same with mmap, munmap, close, prctl, mprotect and seccomp
//	twice   two harmless filters, by all threads
//	nodispatch  Syscall User Dispatch is unknown, as before Linux 5.11
//	nomove  mremap kills
//	interrupted  listeners can't have WAIT_KILLABLE_RECV, as before Linux 5.19
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static struct sock_filter code[256];
static unsigned short length;

static void put(struct sock_filter f) { code[length++] = f; }
static void on(unsigned nr, unsigned answer)
{
	put((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1));
	put((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
}

static void install(unsigned rest, unsigned flags)
{
	put((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rest));
	struct sock_fprog prog = { length, code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog))
		perror("seccomp");
	length = 0;
}

static void begin(void) { put((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))); }

static void strict(int roomy)
{
	static const unsigned allowed[] = { SYS_read, SYS_write, SYS_fstat, SYS_newfstatat, SYS_brk, SYS_execve, SYS_exit, SYS_exit_group, SYS_arch_prctl,
					    SYS_set_tid_address, SYS_set_robust_list, SYS_rseq, SYS_prlimit64, SYS_readlink, SYS_readlinkat, SYS_getrandom, SYS_ioctl,
					    SYS_futex, SYS_clock_gettime, SYS_uname, SYS_rt_sigreturn, SYS_getresuid, SYS_getresgid, SYS_mprotect };
	static const unsigned more[] = { SYS_mmap, SYS_munmap, SYS_close, SYS_prctl, SYS_seccomp };
	begin();
	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
		on(allowed[i], SECCOMP_RET_ALLOW);
	for (size_t i = 0; roomy && i < sizeof more / sizeof *more; i++)
		on(more[i], SECCOMP_RET_ALLOW);
	install(SECCOMP_RET_KILL_PROCESS, 0);
}

int main(int argc, char **argv)
{
	unsigned char b[16];
	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "errno")) {
		begin();
		on(SYS_getrandom, SECCOMP_RET_ERRNO | EPERM);
		install(SECCOMP_RET_ALLOW, 0);
	} else if (!strcmp(argv[1], "strict") || !strcmp(argv[1], "roomy")) {
		strict(!strcmp(argv[1], "roomy"));
	} else if (!strcmp(argv[1], "twice")) {
		for (int i = 0; i < 2; i++) {
			begin();
			on(SYS_getppid, SECCOMP_RET_ERRNO | 77);
			install(SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_TSYNC);
		}
	} else if (!strcmp(argv[1], "nodispatch")) {
		begin();
		put((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3));
		put((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)));
		on(59 /* PR_SET_SYSCALL_USER_DISPATCH */, SECCOMP_RET_ERRNO | EINVAL);
		install(SECCOMP_RET_ALLOW, 0);
	} else if (!strcmp(argv[1], "nomove")) {
		begin();
		on(SYS_mremap, SECCOMP_RET_KILL_PROCESS);
		install(SECCOMP_RET_ALLOW, 0);
	} else if (!strcmp(argv[1], "interrupted")) {
		begin();
		put((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3));
		put((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])));
		put((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1 << 5, 0, 1));
		put((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL));
		install(SECCOMP_RET_ALLOW, 0);
	}
	errno = 0;
	long r = syscall(SYS_getrandom, b, sizeof b, 0);
	printf("getrandom %ld %s\n", r, r < 0 ? strerror(errno) : "");
	fflush(stdout);
	execve(argv[2], argv + 2, environ);
	printf("%s: %s\n", argv[2], strerror(errno));
	return 90;
}
