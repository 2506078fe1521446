// users drop|chroot|print ...: changes who and where it is.
//
//	print                      says who it is, and makes reflected calls
//	drop PROGRAM ARG...        a child gives up root for good and executes; also by a thread's side
//	chroot DIR PROGRAM ARG...  executes in a root without /proc
//	dumpable PROGRAM ARG...    executes after PR_SET_DUMPABLE 0
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void print(void)
{
	unsigned char b[16] = { 0 };
	uid_t r, e, s;
	gid_t rg, eg, sg;
	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	long n = syscall(SYS_getrandom, b, sizeof b, 0);
	printf("users %d %d %d, groups %d %d %d, secure %lu, dumpable %d, getrandom %ld\n", r, e, s, rg, eg, sg, getauxval(AT_SECURE),
	       prctl(PR_GET_DUMPABLE), n);
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "print";
	if (!strcmp(way, "print")) {
		print();
		return 0;
	}
	if (!strcmp(way, "drop") && argc > 2) {
		print();
		fflush(stdout);
		int pid = fork(), status = -1;
		if (pid == 0) {
			if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
				perror("setresuid");
			print();
			fflush(stdout);
			execv(argv[2], argv + 2);
			perror(argv[2]);
			_exit(91);
		}
		waitpid(pid, &status, 0);
		printf("status %x\n", status);
		// The effective user only, and back.
		if (seteuid(1))
			perror("seteuid");
		print();
		fflush(stdout);
		if ((pid = fork()) == 0) {
			execv(argv[2], argv + 2);
			_exit(92);
		}
		waitpid(pid, &status, 0);
		printf("status %x, back %d\n", status, seteuid(0));
		print();
		return 0;
	}
	if (!strcmp(way, "chroot") && argc > 3) {
		if (chroot(argv[2]) || chdir("/"))
			perror("chroot");
		struct stat st;
		printf("proc is there %d\n", stat("/proc", &st) == 0);
		fflush(stdout);
		execv(argv[3], argv + 3);
		perror(argv[3]);
		return 93;
	}
	if (!strcmp(way, "dumpable") && argc > 2) {
		prctl(PR_SET_DUMPABLE, 0);
		print();
		fflush(stdout);
		execv(argv[2], argv + 2);
		perror(argv[2]);
		return 94;
	}
	return 2;
}
