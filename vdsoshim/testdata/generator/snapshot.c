#include "target.h"
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_PAGES 1024	/* of a range */

static const struct { u64 at, size; } *ranges(int *n)
{
	static struct { u64 at, size; } r[5];

	r[0].at = slots, r[0].size = slots_size;
	r[1].at = secrets, r[1].size = secrets_size;
	r[2].at = BUFFERS, r[2].size = BUFFERS_SIZE;
	r[3].at = STACKS, r[3].size = STACKS_SIZE;
	r[4].at = EXTRA, r[4].size = slots_size;
	*n = num("extra") ? 5 : 4;
	return (void *)r;
}

/* For each page of a range: is it in memory? */
static void look(int fd, u64 at, u64 size, u64 *entries)
{
	ssize_t n = size / PAGE * 8;

	if (pread(fd, entries, n, at / PAGE * 8) != n)
		fail("pagemap: %m");
}

static int pagemap(const struct proc *p)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/pagemap", p->pid);
	return open(name, O_RDONLY);
}

void presence(const struct proc *p, u64 from, u64 to, u8 *there, int max)
{
	u64 entries[MAX_PAGES], n = (to - from) / PAGE;
	int fd = pagemap(p);

	if (n > (u64)max)
		n = max;
	look(fd, from, n * PAGE, entries);
	for (u64 i = 0; i < n; i++)
		there[i] = entries[i] >> 62 != 0;
	close(fd);
}

void take(struct proc *p, struct snapshot *s)
{
	struct iovec v = {s->vectors, sizeof(s->vectors)};
	struct iovec ours[256], theirs[256];
	u64 entries[MAX_PAGES];
	int fd = pagemap(p), n;

	s->p = *p;
	s->control = *control;
	ptrace(PTRACE_GETREGSET, p->pid, NT_X86_XSTATE, &v);
	s->vectors_size = v.iov_len;
	s->n = 0;
	for (int i = 0; ranges(&n), i < n; i++) {
		u64 at = ranges(&n)[i].at, size = ranges(&n)[i].size;

		look(fd, at, size, entries);
		for (u64 j = 0; j < size / PAGE; j++)
			if (entries[j] >> 62) {
				if (s->n == 256) {
					fail("too many pages");
					exit(1);
				}
				s->page[s->n++].at = at + j * PAGE;
			}
	}
	close(fd);
	for (int i = 0; i < s->n; i++) {
		ours[i] = (struct iovec){s->page[i].bytes, PAGE};
		theirs[i] = (struct iovec){(void *)s->page[i].at, PAGE};
	}
	if (process_vm_readv(p->pid, ours, s->n, theirs, s->n, 0) != s->n * (ssize_t)PAGE)
		fail("read the process: %m");
}

void put_back(struct proc *p, const struct snapshot *s)
{
	static const u8 zeros[PAGE];
	struct iovec v = {(void *)s->vectors, s->vectors_size};
	u64 entries[MAX_PAGES];
	struct iovec ours[256], theirs[256];
	int fd = pagemap(p), n, next = 0;

	for (int i = 0; ranges(&n), i < n; i++) {
		u64 at = ranges(&n)[i].at, size = ranges(&n)[i].size;

		look(fd, at, size, entries);
		for (u64 j = 0; j < size / PAGE; j++)
			if (next < s->n && s->page[next].at == at + j * PAGE)
				next++;
			else if (entries[j] >> 62)
				store(p, at + j * PAGE, zeros, PAGE);
	}
	close(fd);
	for (int i = 0; i < s->n; i++) {
		ours[i] = (struct iovec){(void *)s->page[i].bytes, PAGE};
		theirs[i] = (struct iovec){(void *)s->page[i].at, PAGE};
	}
	if (process_vm_writev(p->pid, ours, s->n, theirs, s->n, 0) != s->n * (ssize_t)PAGE)
		fail("write the process: %m");
	p->regs = s->p.regs;
	set_regs(p);
	ptrace(PTRACE_SETREGSET, p->pid, NT_X86_XSTATE, &v);
	*control = s->control;
}

/* Twice or more, since a page that somebody looks at is not dropped. */
void drop(struct proc *p)
{
	u64 entries[MAX_PAGES];

	for (int try = 0; try < 100; try++) {
		int left = 0, fd;

		inject(p, SYS_madvise, secrets, secrets_size, MADV_PAGEOUT);
		if (num("extra") == 3)
			inject(p, SYS_madvise, EXTRA, slots_size, MADV_PAGEOUT);
		fd = pagemap(p);
		look(fd, secrets, secrets_size, entries);
		for (u64 i = 0; i < secrets_size / PAGE; i++)
			left += entries[i] >> 62 != 0;
		if (num("extra") == 3) {
			look(fd, EXTRA, slots_size, entries);
			for (u64 i = 0; i < slots_size / PAGE; i++)
				left += entries[i] >> 62 != 0;
		}
		close(fd);
		if (!left)
			return;
	}
	fail("MADV_PAGEOUT did not drop the secrets");
	exit(1);
}
