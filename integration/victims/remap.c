// Calls from code that is not, or no longer, what a file says: made by the program,
// written over, mapped anew, loaded again, deleted, replaced, truncated; by many
// threads at once, and by children forked meanwhile. Every call must be the one that
// the code there says.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef long (*function)(void);

static long parent, group;
static int wrong;

// mov $SYS_getppid, %eax; syscall; ret, and the same for getpgrp
static const unsigned char parent_code[] = { 0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3 };
static const unsigned char group_code[] = { 0xb8, 111, 0, 0, 0, 0x0f, 0x05, 0xc3 };

static void many(void *f, long want, const char *what)
{
	for (int i = 0; i < 9; i++) {
		long r = ((function)f)();
		if (r != want && wrong++ < 20)
			printf("%s, call %d: %ld instead of %ld\n", what, i, r, want);
	}
}

static void made(int before, int after, const char *what)
{
	unsigned char *p = mmap(NULL, 4096, before, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 3 && p != MAP_FAILED; i++)
		for (int which = 0; which < 2; which++) {
			const unsigned char *code = which ? group_code : parent_code;
			mprotect(p, 4096, before);
			memcpy(p, code, 8);
			mprotect(p, 4096, after);
			many(p, which ? group : parent, what);
			wrong += memcmp(p, code, 8) != 0;
		}
}

// One writable and two executable mappings of a memory file.
static void twice(void)
{
	int fd = memfd_create("jit", 0);
	if (ftruncate(fd, 4096))
		return;
	unsigned char *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *shared = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	unsigned char *private = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < 6; i++) {
		memcpy(w, i & 1 ? group_code : parent_code, 8);
		many(shared, i & 1 ? group : parent, "shared memory file");
		many(private, i & 1 ? group : parent, "private memory file");
	}
	close(fd);
}

static void *load(const char *path, void **f)
{
	void *h = dlopen(path, RTLD_NOW);
	if (!h)
		printf("%s\n", dlerror()), exit(1);
	*f = dlsym(h, "f");
	return h;
}

// Two libraries by turns, at the same address.
static void reload(const char *a, const char *b)
{
	void *f, *first = NULL;
	int same = 0;
	for (int i = 0; i < 200; i++) {
		void *h = load(i & 1 ? b : a, &f);
		many(f, i & 1 ? group : parent, "loaded again");
		same += first == f;
		if (!first)
			first = f;
		dlclose(h);
	}
	printf("at the same address: %d\n", same > 100);
}

static void copy(const char *from, const char *to)
{
	char buf[1 << 16];
	int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_TRUNC | O_WRONLY, 0755);
	for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;)
		if (write(out, buf, n) != n)
			exit(1);
	close(in);
	close(out);
}

// Over a patched page other code is mapped, and the file's again.
static void over(const char *a)
{
	void *f;
	copy(a, "over.so");
	int fd = open("over.so", O_RDONLY);
	load("./over.so", &f);
	many(f, parent, "loaded");
	unsigned char *page = (void *)((uintptr_t)f & -4096), *at = f;
	off_t off = 0x1000; // of the only executable segment
	mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memcpy(at, group_code, 8);
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	many(f, group, "mapped over");
	mmap(page, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, off);
	many(f, parent, "mapped again");
	mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	many(f, parent, "made writable");
	memcpy(at, group_code, 8);
	many(f, group, "written");
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	many(f, group, "written and protected");
	mmap(page, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, off);
	many(f, parent, "mapped shared");
	mmap(page, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, off);
	for (int i = 0; i < 9; i++) {
		many(f, parent, "dropped");
		madvise(page, 4096, MADV_DONTNEED); // the file's own bytes are back
	}
	syscall(462, page, 4096, 0); // mseal
	many(f, parent, "sealed");
	close(fd);
}

static void files(const char *a, const char *b)
{
	void *f, *g;
	copy(a, "deleted.so");
	load("./deleted.so", &f);
	unlink("deleted.so");
	many(f, parent, "deleted");
	copy(a, "replaced.so");
	load("./replaced.so", &f);
	copy(b, "other.so");
	rename("other.so", "replaced.so");
	many(f, parent, "replaced");
	load("././replaced.so", &g); /* by another name: dlopen knows the first */
	many(g, group, "replacement");
	copy(a, "short.so");
	load("./short.so", &f);
	((function)f)();
	if (truncate("short.so", 0x2000) == 0)
		many(f, parent, "truncated");
	unlink("short.so");
	unlink("over.so");
	unlink("replaced.so");
}

static pthread_barrier_t barrier;
static void *first_f;
static void *at_once(void *unused)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 20; i++)
		many(first_f, parent, "many threads at once");
	return unused;
}

static void threads(const char *a, int n)
{
	pthread_t t[64];
	void *h = load(a, &first_f);
	pthread_barrier_init(&barrier, NULL, n);
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, at_once, NULL))
			exit(1);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	dlclose(h);
}

static atomic_int stop;
static void *keep_calling(void *f)
{
	while (!stop)
		many(f, parent, "while others fork");
	return NULL;
}

// Children are forked, or share memory, while sites are being patched.
static void forks(const char *a)
{
	for (int round = 0; round < 12; round++) {
		pthread_t t;
		void *f, *h = load(a, &f);
		stop = 0;
		if (pthread_create(&t, NULL, keep_calling, f))
			exit(1);
		for (int i = 0; i < 4; i++) {
			long me = getpid();
			pid_t child = i & 1 ? vfork() : fork();
			if (child == 0) {
				int bad = 0;
				for (int j = 0; j < 6; j++)
					bad += ((function)f)() != me;
				_exit(bad);
			}
			int status = -1;
			waitpid(child, &status, 0);
			wrong += status != 0;
		}
		stop = 1;
		pthread_join(t, NULL);
		dlclose(h);
	}
}

// remap A B [mdwe|undumpable]: two libraries, whose f are getppid and getpgrp.
int main(int argc, char **argv)
{
	const char *a = argv[1], *b = argv[2], *how = argc > 3 ? argv[3] : "";
	setpgid(0, 0);
	parent = getppid();
	group = getpgrp();
	if (!strcmp(how, "mdwe") && prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0))
		return printf("mdwe: %s\n", strerror(errno));
	if (!strcmp(how, "undumpable"))
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!*how) {
		made(PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC, "writable");
		made(PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, "made");
		twice();
		over(a);
		files(a, b);
	}
	reload(a, b);
	for (int i = 0; i < 8; i++) {
		threads(a, 2);
		threads(a, 64);
	}
	forks(a);
	printf("%d wrong\n", wrong);
	fflush(stdout);
	_exit(wrong != 0); // the loader would call into what was mapped over
}
