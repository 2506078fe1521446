// faults THREADS [LATE]: threads ask for random bytes in pages that another thread supplies
// (userfaultfd), which makes calls of its own for each: whoever serves the calls of the
// first is stuck in a page until those of the other are served. The first page comes LATE, in ms.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, MAX = 64 };
static char *area, page[PAGE];
static int faults, late = 1;

static void *supply(void *unused)
{
	struct uffd_msg m;
	(void)unused;
	while (read(faults, &m, sizeof m) == sizeof m) {
		usleep(late * 1000); // so that more than one waits
		late = 1;
		for (int i = 0; i < 3; i++)
			if (syscall(SYS_getppid) != 77)
				printf("getppid\n");
		struct uffdio_copy c = { .dst = m.arg.pagefault.address & -PAGE, .src = (unsigned long)page, .len = PAGE };
		if (ioctl(faults, UFFDIO_COPY, &c))
			perror("copy");
	}
	return NULL;
}

static void *ask(void *at)
{
	return (void *)(long)(getrandom(at, 16, 0) != 16);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 4, wrong = 0;
	pthread_t t[MAX], s;
	late = argc > 2 ? atoi(argv[2]) : late;
	faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	if (n > MAX || faults < 0 || ioctl(faults, UFFDIO_API, &api)) {
		perror("userfaultfd");
		return 1;
	}
	area = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register r = { .range = { (unsigned long)area, n * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (area == MAP_FAILED || ioctl(faults, UFFDIO_REGISTER, &r))
		return 1;
	pthread_create(&s, NULL, supply, NULL);
	for (int i = 0; i < n; i++)
		pthread_create(t + i, NULL, ask, area + i * PAGE);
	for (int i = 0; i < n; i++) {
		void *bad;
		pthread_join(t[i], &bad);
		wrong += bad != NULL;
	}
	printf("%d wrong\n", wrong);
	return 0;
}
