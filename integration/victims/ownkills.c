// ownkills NUMBER: children take filters of their own that kill for a call which nobody here
// makes. It has no effect, on them, their threads and their children.
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void calls(void)
{
	for (int i = 0; i < 100; i++) {
		getppid();
		syscall(SYS_getuid);
	}
}

static void *thread(void *unused)
{
	calls();
	return unused;
}

static int end_of(pid_t child)
{
	int status = -1;
	waitpid(child, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argc > 1 ? atoi(argv[1]) : 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof f / sizeof *f, f };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (int way = 0; way < 4; way++) {
		pid_t child = fork();
		if (child == 0) {
			pthread_t t;
			if (way & 1) // else the filter comes before anything is trapped in this process
				calls();
			if (way & 2 ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p))
				_exit(1);
			calls();
			if (pthread_create(&t, NULL, thread, NULL) || pthread_join(t, NULL))
				_exit(2);
			child = fork();
			if (child == 0) {
				calls();
				_exit(3);
			}
			_exit(end_of(child) == 3 << 8 ? 4 : 5);
		}
		printf("way %d: status %x\n", way, end_of(child));
		fflush(stdout);
	}
	return 0;
}
