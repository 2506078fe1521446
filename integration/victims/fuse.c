// fuse DIR CALLS [THREADS [MS]]: serves, as a file system, the file that it is itself, and executes that.
// Each request it answers after two calls at a site of their own, so that what waits for the
// file also waits for these. What is executed makes calls, and says how many went wrong. Threads
// of the process that executes it execute what there isn't meanwhile; all is served late then, or
// by so many milliseconds.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Sites, 64 bytes each, that make getuid and are called in turn.
#define SITES 256
asm(".text\n.balign 64\n.globl sites\n.type sites, @function\nsites:\n.cfi_startproc\n"
    ".rept 256\n	mov $102, %eax\n	syscall\n	ret\n	.balign 64, 0xcc\n.endr\n"
    ".cfi_endproc\n.size sites, . - sites\n");
extern const char sites[];
static long site(int i) { return ((long (*)(void))(sites + i % SITES * 64))(); }

static void answer(int fd, const struct fuse_in_header *in, int err, const void *data, size_t n)
{
	struct fuse_out_header out = { sizeof out + n, err, in->unique };
	static char b[sizeof out + (1 << 17)];
	memcpy(b, &out, sizeof out);
	if (n)
		memcpy(b + sizeof out, data, n);
	// The answer may come too late for one that was killed.
	if (write(fd, b, out.len) < 0 && errno != ENOENT)
		perror("answer");
}

static struct fuse_attr attributes(uint64_t node, int file)
{
	struct stat st;
	fstat(file, &st);
	struct fuse_attr a = { .ino = node, .mode = S_IFDIR | 0755, .nlink = 1 };
	if (node != FUSE_ROOT_ID)
		a.mode = S_IFREG | 0755, a.size = st.st_size;
	return a;
}

// Node 2 is the file, under any name. Nothing is cached.
static void serve(int fd, int file, int late)
{
	static char b[1 << 18], data[1 << 17];
	for (int i = 0;; i++) {
		ssize_t n = read(fd, b, sizeof b);
		if (n < 0)
			_exit(2);
		struct fuse_in_header *in = (void *)b;
		usleep(late);
		site(i);
		site(i);
		switch (in->opcode) {
		case FUSE_INIT: {
			struct fuse_init_out o = { .major = 7, .minor = 31, .max_write = 4096, .max_pages = 32 };
			answer(fd, in, 0, &o, sizeof o);
			break;
		}
		case FUSE_LOOKUP: {
			struct fuse_entry_out o = { .nodeid = 2, .attr = attributes(2, file) };
			answer(fd, in, 0, &o, sizeof o);
			break;
		}
		case FUSE_GETATTR: {
			struct fuse_attr_out o = { .attr = attributes(in->nodeid, file) };
			answer(fd, in, 0, &o, sizeof o);
			break;
		}
		case FUSE_OPEN: {
			struct fuse_open_out o = { 0 };
			answer(fd, in, 0, &o, sizeof o);
			break;
		}
		case FUSE_READ: {
			struct fuse_read_in *r = (void *)(in + 1);
			n = pread(file, data, r->size < sizeof data ? r->size : sizeof data, r->offset);
			answer(fd, in, n < 0 ? -errno : 0, data, n < 0 ? 0 : n);
			break;
		}
		case FUSE_FLUSH:
		case FUSE_RELEASE:
			answer(fd, in, 0, 0, 0);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(fd, in, -ENOSYS, 0, 0);
		}
	}
}

static int calls(long n)
{
	int wrong = 0, uid = site(0);
	for (long i = 0; i < n; i++)
		wrong += site(1) != uid || site(2) != uid;
	printf("%d wrong\n", wrong);
	return wrong != 0;
}

static void *execute(void *unused)
{
	do
		usleep(5000);
	while (execl("/nonexistent", "nonexistent", (char *)0));
	return unused;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return calls(argc > 1 ? atol(argv[1]) : 1000);
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), status;
	char options[64], path[4096];
	int threads = argc > 3 ? atoi(argv[3]) : 0;
	pthread_t t;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (fd < 0 || unshare(CLONE_NEWNS) || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) || mount("none", argv[1], "fuse", 0, options)) {
		perror("mount");
		return 2;
	}
	int pid = fork();
	if (pid == 0) {
		while (threads-- > 0)
			pthread_create(&t, 0, execute, 0);
		snprintf(path, sizeof path, "%s/program", argv[1]);
		execl(path, path, argv[2], (char *)0);
		perror("exec");
		_exit(2);
	}
	int server = fork();
	if (server == 0)
		serve(fd, file, argc > 4 ? 1000 * atoi(argv[4]) : threads > 0 ? 20000 : 0);
	waitpid(pid, &status, 0);
	kill(server, SIGKILL);
	waitpid(server, 0, 0);
	return status ? 1 : 0;
}
