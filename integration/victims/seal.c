// Tries to write to the control page in all ways that there are, and to the kernel's
// own page of that kind, and prints how each of them fails. "wrote" is a hole.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "generation.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static void told(const char *way, const char *target, int failed)
{
	printf("%s %s: %s\n", target, way, failed ? strerrorname_np(errno) : "wrote");
}

static void write_memory(const char *target, char *at)
{
	uint64_t value = 4711;
	struct iovec local = { &value, 8 }, remote = { at, 8 };
	int zero = open("/dev/zero", O_RDONLY), mem = open("/proc/self/mem", O_RDWR);

	told("mprotect", target, mprotect(at, 4096, PROT_READ | PROT_WRITE));
	told("mprotect to execute and write", target, mprotect(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
	told("read(2)", target, read(zero, at, 8) < 0);
	told("process_vm_writev", target, process_vm_writev(getpid(), &local, 1, &remote, 1, 0) < 0);
	told("/proc/self/mem", target, mem < 0 || pwrite(mem, &value, 8, (off_t)at) < 0);
	told("MADV_REMOVE", target, madvise(at, 4096, MADV_REMOVE));
	told("MADV_POPULATE_WRITE", target, madvise(at, 4096, 23));
	char *copy = mremap(at, 0, 4096, MREMAP_MAYMOVE);
	told("mremap to a second mapping", target, copy == MAP_FAILED || mprotect(copy, 4096, PROT_READ | PROT_WRITE));
	pid_t child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(child, 0, 0);
	told("PTRACE_POKEDATA", target, ptrace(PTRACE_POKEDATA, child, at, value) < 0);
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
	close(zero);
	close(mem);
}

// write_file has the memory file's name in some process's folder.
static void write_file(const char *target, const char *path, off_t offset)
{
	uint64_t value = 4711;
	int fd = open(path, O_RDWR);
	if (fd < 0) {
		told("open", target, 1);
		return;
	}
	told("write(2)", target, pwrite(fd, &value, 8, offset) < 0);
	told("mmap", target, mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset) == MAP_FAILED);
	char *at = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, offset);
	told("mmap and mprotect", target, at == MAP_FAILED || mprotect(at, 4096, PROT_READ | PROT_WRITE));
	told("ftruncate", target, ftruncate(fd, 0));
	told("fallocate", target, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, 4096));
	told("F_ADD_SEALS", target, fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC) < 0);
	close(fd);
}

int main(void)
{
	const volatile uint64_t *g = find_generation();
	uint64_t before = g ? *g : 0;
	char line[512], path[300], link[64];
	unsigned long from, to, offset, ours = 0;
	int n;

	setvbuf(stdout, 0, _IOLBF, 0);
	if (g)
		write_memory("page", (char *)g);
	FILE *maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) != 3)
			continue;
		if (strstr(line, "[vvar]"))
			write_memory("vvar", (char *)from);
		if ((uint64_t *)from == g) {
			sprintf(path, "/proc/self/map_files/%lx-%lx", from, to);
			write_file("map_files", path, ours = offset);
		}
	}
	fclose(maps);
	// The guardian is our parent.
	sprintf(path, "/proc/%d/fd", getppid());
	DIR *fds = opendir(path);
	for (struct dirent *d; fds && (d = readdir(fds));) {
		sprintf(path, "/proc/%d/fd/%.20s", getppid(), d->d_name);
		if ((n = readlink(path, link, sizeof link - 1)) > 0 && (link[n] = 0, strstr(link, "reflect-shim")))
			write_file("guardian", path, ours);
	}
	if (g)
		printf("the generation %s\n", *g == before ? "is the same" : "has changed");
	return 0;
}
