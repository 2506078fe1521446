// What a program can ask about itself, its limits, and how it ends.
#include "behaviour.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/times.h>
#include <sys/utsname.h>

static void show(const char *path, const char *const *keys)
{
	char line[4096];
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		for (int i = 0; keys[i]; i++)
			if (!strncmp(line, keys[i], strlen(keys[i])))
				printf("%s", line);
	if (f)
		fclose(f);
}

BEHAVIOUR(status_file)
{
	static const char *const keys[] = { "Name:", "Umask:", "State:", "Uid:", "Gid:", "Groups:", "Threads:", "SigPnd:", "ShdPnd:",
					    "SigBlk:", "SigIgn:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "Cpus_allowed:", "CoreDumping:", NULL };
	show("/proc/self/status", keys);
}

BEHAVIOUR(tracer_in_status) { show("/proc/self/status", (const char *const[]){ "TracerPid:", NULL }); }

static void text(const char *path)
{
	char b[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, b, sizeof b);
	close(fd);
	for (ssize_t i = 0; i < n; i++)
		if (b[i] == 0)
			b[i] = ' ';
	const char *last = b;
	if (n > 0 && b[0] == '/')
		for (ssize_t i = 0; i < n && b[i] != ' '; i++)
			last = b[i] == '/' ? b + i + 1 : last;
	printf("%s: %.*s\n", path, n > 0 ? (int)(n - (last - b)) : 0, last);
}
BEHAVIOUR(names_in_proc)
{
	char target[4096] = "";
	text("/proc/self/cmdline");
	text("/proc/self/comm");
	ssize_t n = readlink("/proc/self/exe", target, sizeof target - 1);
	printf("exe is argv[0]: %d\n", n > 0 && !strcmp(target, argv[0]));
	n = readlink("/proc/self/cwd", target, sizeof target - 1);
	char dir[4096];
	printf("cwd is right: %d\n", n > 0 && getcwd(dir, sizeof dir) && !strncmp(target, dir, n));
	printf("name in the auxiliary vector is argv[0]: %d\n", !strcmp((char *)getauxval(AT_EXECFN), argv[0]));
	int env = 0;
	for (char **e = environ; *e; e++, env++)
		;
	printf("%d variables\n", env);
	FILE *f = fopen("/proc/self/environ", "r");
	int c, zeros = 0;
	while (f && (c = getc(f)) != EOF)
		zeros += c == 0;
	printf("%d in environ\n", zeros);
}

// Mappings of the program's own files, of heap and stack, and how many have the vDSO's name.
BEHAVIOUR(mappings)
{
	char line[4096], previous[4096] = "";
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long stack = 0;
	while (f && fgets(line, sizeof line, f)) {
		unsigned long from, to;
		char perms[8], name[4096] = "";
		sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095s", &from, &to, perms, name);
		if (!strcmp(name, "[stack]"))
			stack = (unsigned long)line > from && (unsigned long)line < to;
		char *slash = strrchr(name, '/');
		if (slash && (strstr(slash, "self") || strstr(slash, "libc.so") || strstr(slash, "ld-linux")))
			printf("%s %s\n", perms, slash);
		if ((!strcmp(name, "[heap]") || !strcmp(name, "[stack]")) && strcmp(name, previous))
			printf("%s %s\n", perms, name);
		strcpy(previous, name);
	}
	printf("this is on the stack: %lu\n", stack);
	fclose(f);
}

BEHAVIOUR(auxiliary_vector)
{
	static const int fixed[] = { AT_HWCAP, AT_PAGESZ, AT_CLKTCK, AT_PHENT, AT_PHNUM, AT_FLAGS, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE, AT_HWCAP2, 51 };
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		printf("%d: %lx\n", fixed[i], getauxval(fixed[i]));
	printf("platform %s, random %d, base %d, entry %d\n", (char *)getauxval(AT_PLATFORM), getauxval(AT_RANDOM) != 0, getauxval(AT_BASE) != 0,
	       getauxval(AT_ENTRY) != 0);
	Elf64_auxv_t v[64] = { 0 };
	int fd = open("/proc/self/auxv", O_RDONLY), same = 1;
	ssize_t n = read(fd, v, sizeof v);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *v && v[i].a_type; i++) {
		same &= getauxval(v[i].a_type) == v[i].a_un.a_val;
		printf("%lu ", v[i].a_type);
	}
	printf("\nthe kernel's copy is the same: %d\n", same);
	const Elf64_Ehdr *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	printf("the vDSO is an ELF file: %d\n", vdso && !memcmp(vdso->e_ident, ELFMAG, SELFMAG));
}

static int each_object(struct dl_phdr_info *info, size_t size, void *data)
{
	UNUSED(size);
	const char *slash = strrchr(info->dlpi_name, '/');
	*(int *)data += 1;
	printf("%s\n", slash ? slash : info->dlpi_name);
	return 0;
}
BEHAVIOUR(loaded_objects)
{
	int n = 0;
	dl_iterate_phdr(each_object, &n);
	printf("%d\n", n);
}

BEHAVIOUR(numbers_of_descriptors)
{
	int a[3], p[2];
	for (int i = 0; i < 3; i++)
		a[i] = open("/dev/null", O_RDONLY);
	printf("%d %d %d", a[0], a[1], a[2]);
	close(a[1]);
	if (pipe(p))
		return;
	printf(", pipe %d %d, dup %d, at least 100: %d\n", p[0], p[1], dup(0), fcntl(0, F_DUPFD, 100));
	int m = memfd_create("x", 0), open_now = 0;
	for (int fd = 0; fd < 1024; fd++)
		open_now += fcntl(fd, F_GETFD) >= 0;
	printf("memfd %d, open %d\n", m, open_now);
	printf("close_range: %s", library(syscall(SYS_close_range, 3, ~0u, 0)));
	printf(", calls good %d, next %d\n", calls_ok(), open("/dev/null", O_RDONLY));
}

BEHAVIOUR(limits)
{
	for (int i = 0; i < 16; i++) {
		struct rlimit l;
		getrlimit(i, &l);
		printf("%d: %lx %lx\n", i, l.rlim_cur, l.rlim_max);
	}
}
static int limited(const char *what, int resource, unsigned long n)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit l = { n, n };
		setrlimit(resource, &l);
		int ok = calls_ok() + quiet_ok();
		int fd = open("/dev/null", O_RDONLY);
		printf("%s: calls good %d, open: %s\n", what, ok, library(fd));
		execl("/bin/sh", "sh", "-c", "echo executed; exit 3", NULL);
		printf("exec: %s\n", strerror(errno));
		_exit(4);
	}
	reap(what, pid);
	return 0;
}
BEHAVIOUR(little_of_everything)
{
	limited("three descriptors", RLIMIT_NOFILE, 3);
	limited("four descriptors", RLIMIT_NOFILE, 4);
	limited("stack", RLIMIT_STACK, 256 << 10);
	limited("no memory to lock", RLIMIT_MEMLOCK, 0);
	limited("no core", RLIMIT_CORE, 0);
	limited("address space", RLIMIT_AS, 512 << 20);
	limited("no signals to queue", RLIMIT_SIGPENDING, 0);
	limited("small files", RLIMIT_FSIZE, 4096);
}

BEHAVIOUR(place_and_groups)
{
	char dir[4096];
	mode_t m = umask(022);
	umask(m);
	printf("umask %o, cwd %d, group of its own %d, session of its own %d\n", m, getcwd(dir, sizeof dir) != NULL, getpgrp() == getpid(),
	       getsid(0) == getpid());
	printf("setpgid: %s", library(setpgid(0, 0)));
	printf(", leads %d", getpgrp() == getpid());
	printf(", setsid: %s\n", library(setsid()));
	printf("parent %d, itself %d, thread %d\n", getppid() > 0, getpid() > 0, gettid() == getpid());
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	int r = sched_getaffinity(0, sizeof cpus, &cpus);
	printf("affinity %d, %d processors, scheduler %d, nice %d\n", r, CPU_COUNT(&cpus), sched_getscheduler(0), (int)syscall(SYS_getpriority, 0, 0));
	struct tms t;
	printf("times %d, uname %d\n", times(&t) > 0, uname(&(struct utsname){ 0 }));
	printf("no_new_privs can be set: %s\n", library(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)));
	printf("parent's death signal: %s\n", library(prctl(PR_GET_PDEATHSIG, &r)));
	printf("it is %d\n", r);
}

BEHAVIOUR(times_are_its_own)
{
	struct rusage u;
	struct timespec a, b;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < 2000; i++)
		quiet_ok();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	getrusage(RUSAGE_SELF, &u);
	printf("processor time passed %d, size sane %d\n", b.tv_sec > a.tv_sec || b.tv_nsec > a.tv_nsec, u.ru_maxrss > 0 && u.ru_maxrss < 1 << 20);
}

static int code;
static void by_exit(void) { exit(code); }
static void by__exit(void) { _exit(code); }
static void by_call(void) { syscall(SYS_exit, code); }
static void by_site(void) { CALL(231, code, 0, 0, 0); }
static void by_kill(void) { kill(getpid(), SIGKILL); }
static void by_term(void) { raise(SIGTERM); }
static void by_unhandled(void) { raise(SIGRTMIN); }
BEHAVIOUR(ways_to_end)
{
	static const int codes[] = { 0, 1, 2, 77, 125, 126, 127, 128, 137, 255, 256, -1 };
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		code = codes[i];
		in_child("exit", by_exit);
		in_child("_exit", by__exit);
		in_child("exit of the thread", by_call);
		in_child("another site", by_site);
	}
	in_child("SIGKILL", by_kill);
	in_child("SIGTERM", by_term);
	in_child("a real-time signal", by_unhandled);
}

static void at_exit(void) { printf("at exit, calls good %d\n", calls_ok()); }
__attribute__((destructor)) static void last(void) { fflush(stdout); }
BEHAVIOUR(exit_handlers_run)
{
	atexit(at_exit);
	printf("leaving\n");
	exit(0);
}

// Constructors run before main, and make calls.
static int early = -1;
__attribute__((constructor)) static void first(void)
{
	char b[8];
	early = CALL(NR_GETRANDOM, b, 8, 0, 0) == 8 && CALL(NR_PRIORITY_MAX, 1, 0, 0, 0) == 99;
}
BEHAVIOUR(constructors_make_calls) { printf("%d\n", early); }
