// Prints everything that a program can ask about itself and that must be the same
// natively and reflected. Left out are process ids, addresses, and what a seccomp
// filter is bound to change (NoNewPrivs, Seccomp*).
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static int by_number(const struct dirent **a, const struct dirent **b) { return atoi((*a)->d_name) - atoi((*b)->d_name); }

// The directory is read before anything else is opened.
static void descriptors(void)
{
	struct dirent **list;
	int n = scandir("/proc/self/fd", &list, NULL, by_number);
	printf("descriptors\n");
	for (int i = 0; i < n; i++) {
		char path[300], target[4096] = "";
		if (list[i]->d_name[0] == '.')
			continue;
		int fd = atoi(list[i]->d_name), flags = fcntl(fd, F_GETFD);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (flags < 0 || readlink(path, target, sizeof target - 1) < 0)
			continue; // that of scandir
		if (strchr(target, ':') && strchr(target, '['))
			*strchr(target, '[') = 0; // an inode's number
		printf("  %d: %s, descriptor flags %d, mode %o\n", fd, target, flags, fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	}
	int next = open("/dev/null", O_RDONLY);
	printf("  next is %d\n", next);
	close(next);
}

static void status(void)
{
	static const char *const left_out[] = { "Pid:", "Tgid:", "Ngid:", "PPid:", "NStgid:", "NSpid:", "SigQ:", "FDSize:", "Vm", "Rss", "HugetlbPages", "NoNewPrivs:",
						"Seccomp", "voluntary", "nonvoluntary", "x86_", "Speculation" };
	char line[4096];
	FILE *f = fopen("/proc/self/status", "r");
	printf("status\n");
	while (f && fgets(line, sizeof line, f)) {
		int skip = 0;
		for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
			skip |= !strncmp(line, left_out[i], strlen(left_out[i]));
		if (!skip)
			printf("  %s", line);
	}
	if (f)
		fclose(f);
}

static void signals(void)
{
	sigset_t set;
	printf("signals\n");
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int s = 1; s < 65; s++) {
		// The kernel's own view: the library's hides its signals.
		struct {
			void *handler;
			unsigned long flags;
			void *restorer;
			unsigned long mask;
		} a;
		if (syscall(SYS_rt_sigaction, s, NULL, &a, 8) == 0 && (a.handler || a.flags || a.mask || sigismember(&set, s) == 1))
			printf("  %d: handler %p flags %#lx mask %#lx blocked %d\n", s, a.handler, a.flags, a.mask, sigismember(&set, s));
	}
	sigpending(&set);
	for (int s = 1; s < 65; s++)
		if (sigismember(&set, s) == 1)
			printf("  %d is pending\n", s);
	stack_t ss;
	sigaltstack(NULL, &ss);
	printf("  alternate stack %p %zu %d\n", ss.ss_sp, ss.ss_size, ss.ss_flags);
	for (int i = 0; i < 3; i++) {
		struct itimerval t;
		getitimer(i, &t);
		printf("  timer %d %d %d\n", i, t.it_value.tv_sec > 0, t.it_interval.tv_sec > 0);
	}
}

static void control(void)
{
	int v = -1;
	char name[17] = "";
	printf("prctl\n");
	prctl(PR_GET_NAME, name);
	printf("  name %s\n", name);
	printf("  pdeathsig %d", prctl(PR_GET_PDEATHSIG, &v));
	printf(" %d\n", v);
	printf("  subreaper %d", prctl(PR_GET_CHILD_SUBREAPER, &v));
	printf(" %d\n", v);
	printf("  tsc %d", prctl(PR_GET_TSC, &v));
	printf(" %d\n", v);
	static const struct {
		int op;
		const char *name;
	} plain[] = { { PR_GET_DUMPABLE, "dumpable" }, { PR_GET_KEEPCAPS, "keepcaps" }, { PR_GET_SECUREBITS, "securebits" },
		      { PR_GET_TIMERSLACK, "timerslack" }, { PR_GET_TIMING, "timing" }, { PR_MCE_KILL_GET, "mce_kill" },
		      { PR_GET_THP_DISABLE, "thp_disable" }, { PR_GET_IO_FLUSHER, "io_flusher" }, { 66, "mdwe" }, { 68, "memory_merge" } };
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		errno = 0;
		int r = prctl(plain[i].op, 0, 0, 0, 0);
		printf("  %s %d %d\n", plain[i].name, r, errno);
	}
	printf("  personality %x\n", personality(0xffffffff));
	for (int c = 0; c < 42; c++)
		if (prctl(PR_CAPBSET_READ, c) == 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1)
			printf("  capability %d: bounding %d ambient %d\n", c, prctl(PR_CAPBSET_READ, c), prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0));
}

static void limits(void)
{
	printf("limits\n");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l;
		getrlimit(i, &l);
		printf("  %d: %lx %lx\n", i, (long)l.rlim_cur, (long)l.rlim_max);
	}
	mode_t m = umask(0);
	umask(m);
	char cwd[4096] = "?";
	printf("  umask %o cwd %s\n", m, getcwd(cwd, sizeof cwd));
	printf("  session %d group %d\n", getsid(0), getpgrp());
	printf("  nice %d policy %d ioprio %ld\n", getpriority(PRIO_PROCESS, 0), sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0));
	cpu_set_t cpus;
	sched_getaffinity(0, sizeof cpus, &cpus);
	printf("  cpus %d\n", CPU_COUNT(&cpus));
	gid_t groups[64];
	int n = getgroups(64, groups);
	uid_t r, e, s;
	getresuid(&r, &e, &s);
	printf("  user %d %d %d", r, e, s);
	getresgid(&r, &e, &s);
	printf(" group %d %d %d, %d more:", r, e, s, n);
	for (int i = 0; i < n; i++)
		printf(" %d", groups[i]);
	printf("\n");
}

// Which entries there are, in which order, and the values of those that are no
// addresses. The kernel's copy in /proc must say the same as the stack.
static void auxiliary(char **envp)
{
	while (*envp++)
		;
	printf("auxiliary vector\n");
	ElfW(auxv_t) saved[64] = { 0 };
	int fd = open("/proc/self/auxv", O_RDONLY);
	if (fd >= 0 && read(fd, saved, sizeof saved) < 0)
		printf("  /proc/self/auxv: %s\n", strerror(errno));
	int i = 0;
	for (ElfW(auxv_t) *a = (void *)envp;; a++, i++) {
		printf("  %ld", a->a_type);
		switch (a->a_type) {
		case AT_PHDR: case AT_BASE: case AT_ENTRY: case AT_SYSINFO_EHDR: case AT_RANDOM: case AT_PLATFORM:
			printf(" address %d", a->a_un.a_val != 0);
			break;
		case AT_EXECFN:
			printf(" %s", (char *)a->a_un.a_val);
			break;
		default:
			printf(" %ld", a->a_un.a_val);
		}
		printf("%s\n", saved[i].a_type == a->a_type && saved[i].a_un.a_val == a->a_un.a_val ? "" : ", and /proc says otherwise");
		if (a->a_type == AT_NULL)
			break;
	}
	close(fd);
}

static void itself(int argc, char **argv, char **envp)
{
	char path[4096] = "", line[4096];
	printf("itself\n");
	if (readlink("/proc/self/exe", path, sizeof path - 1) > 0)
		printf("  exe %s\n", path);
	FILE *f = fopen("/proc/self/comm", "r");
	if (f && fgets(line, sizeof line, f))
		printf("  comm %s", line);
	for (int i = 0; i < argc; i++)
		printf("  argument [%s]\n", argv[i]);
	for (char **e = envp; *e; e++)
		printf("  environment [%s]\n", *e);
	const char *files[] = { "/proc/self/cmdline", "/proc/self/environ" };
	for (int i = 0; i < 2; i++) {
		FILE *g = fopen(files[i], "r");
		size_t n = g ? fread(line, 1, sizeof line, g) : 0;
		printf("  %s %zu:", files[i], n);
		for (size_t j = 0; j < n; j++)
			putchar(line[j] ? line[j] : '|');
		printf("\n");
		if (g)
			fclose(g);
	}
	struct stat st;
	printf("  /proc/self is ours %d\n", stat("/proc/self/mem", &st) == 0 && st.st_uid == geteuid());
	char *words[8] = { 0 };
	f = fopen("/proc/self/stat", "r");
	if (f && fgets(line, sizeof line, f)) {
		char *p = strrchr(line, ')');
		for (int i = 0; p && i < 7 && (p = strchr(p + 1, ' ')); i++)
			words[i] = p + 1;
		if (words[0] && words[4])
			printf("  state %c terminal %d flags %lx\n", *words[0], atoi(words[4]), words[6] ? strtoul(words[6], 0, 10) & 0x40 : 0);
	}
}

// Threads: one, and the list of robust futexes and the like are the library's.
static void threads(void)
{
	struct dirent **list;
	int n = scandir("/proc/self/task", &list, NULL, NULL);
	printf("threads %d\n", n - 2);
	printf("children ");
	FILE *f = fopen("/proc/thread-self/children", "r");
	int c, any = 0;
	while (f && (c = getc(f)) != EOF)
		any = 1;
	printf("%d\n", any);
}

int main(int argc, char **argv, char **envp)
{
	descriptors();
	signals();
	status();
	control();
	limits();
	auxiliary(envp);
	itself(argc, argv, envp);
	threads();
	return 0;
}
