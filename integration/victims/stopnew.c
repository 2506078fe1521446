// stopnew: stops itself right after a fork, with nobody but that child to continue it.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	volatile int *on = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int n = argc > 1 ? atoi(argv[1]) : 0;
	for (int i = 0; i < n; i++) {
		int pid = getpid(), child = syscall(SYS_fork);
		if (!child) {
			// It may be here before the other has stopped.
			while (*on == i) {
				usleep(1000);
				kill(pid, SIGCONT);
			}
			syscall(SYS_exit_group, 0);
		}
		syscall(SYS_kill, pid, SIGSTOP);
		*on = i + 1;
		waitpid(child, 0, 0);
	}
	puts("continued");
	return 0;
}
