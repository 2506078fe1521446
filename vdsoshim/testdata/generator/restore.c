/*
 * A process image that is restored again and again, as by CRIU or with its whole
 * machine: registers and all writable memory come back, the generation goes
 * on. Then nothing repeats; with the old generation everything would.
 */
#include "target.h"
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define MAX 8192	/* pages */
#define DRAWS 3
#define LEN 48

/* What came of one life: the call that was going on, and more. */
struct life {
	u8 bytes[DRAWS][LEN];
};

static struct { u64 at; u8 bytes[PAGE]; } *image;
static int pages;
static u8 vectors[16384];
static struct iovec vector = {vectors, sizeof(vectors)};

/* Saves, or with back restores, every page that the process can write to. */
static void copy(struct proc *p, int back)
{
	char name[64], line[512], mode[5];
	u8 there[1024];
	u64 from, to;
	int next = 0;

	snprintf(name, sizeof(name), "/proc/%d/maps", p->pid);
	FILE *f = fopen(name, "r");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[1] != 'w' || mode[3] != 'p')
			continue;
		for (u64 i = 0; from + i * PAGE < to; i++) {
			u64 at = from + i * PAGE;

			if (i % sizeof(there) == 0)
				presence(p, at, to, there, sizeof(there));
			if (back && next < pages && image[next].at == at)
				store(p, at, image[next++].bytes, PAGE);
			else if (back && there[i % sizeof(there)])
				store(p, at, (u8[PAGE]){0}, PAGE);
			else if (!back && there[i % sizeof(there)] && pages < MAX) {
				image[pages].at = at;
				load(p, at, image[pages++].bytes, PAGE);
			}
		}
	}
	fclose(f);
	if (!back)
		next = pages;
	if (next != pages || pages == MAX)
		fail("%d of %d pages", next, pages);
}

static void snapshot(struct proc *p)
{
	pages = 0;
	copy(p, 0);
	vector.iov_len = sizeof(vectors);
	ptrace(PTRACE_GETREGSET, p->pid, NT_X86_XSTATE, &vector);
}

static void restore(struct proc *p, const struct user_regs_struct *regs)
{
	copy(p, 1);
	p->regs = *regs;
	set_regs(p);
	ptrace(PTRACE_SETREGSET, p->pid, NT_X86_XSTATE, &vector);
}

/* The call that was begun, and others. */
static void live(struct proc *p, const struct call *c, struct life *l)
{
	for (int i = 0; i < DRAWS; i++) {
		struct call next = *c;

		if (i)
			begin(p, &next);
		if (!is_done(p) && resume(p) != DONE)
			fail("the call did not end");
		if (result(p) != LEN)
			fail("%ld", (long)result(p));
		load(p, c->buf, l->bytes[i], LEN);
	}
}

/* Words of two lives that are the same, other than those that stood in the
 * buffer already. */
static int same(const struct life *a, const struct life *b, const u8 *there)
{
	int n = 0;

	for (int i = 0; i < DRAWS; i++)
		for (int j = 0; j < LEN; j += 8)
			for (int k = 0; k < DRAWS; k++)
				if (!memcmp(a->bytes[i] + j, b->bytes[k] + j, 8) &&
				    !(i == 0 && k == 0 && !memcmp(there + j, a->bytes[0] + j, 8)))
					n++;
	return n;
}

static void explore(struct proc *p, enum entry e, u64 position)
{
	struct call c = {.entry = e, .buf = BUFFERS + 8, .len = LEN, .rsp = STACKS + 8 * PAGE};
	struct call before = {.entry = VDSO, .buf = BUFFERS + PAGE, .len = position, .rsp = STACKS + 8 * PAGE};
	struct call known = {.entry = REFLECTED, .buf = c.buf, .len = 8};
	struct life l[4];
	u8 there[LEN];
	int steps = 0, tried = 0, repeats = 0, turn = rnd() % 1000, every = num("every");

	++*control;
	begin(p, &before);
	resume(p);
	if (e == REFLECTED) {
		begin(p, &known);
		resume(p);
	}
	begin(p, &c);
	for (u64 blocks = base + num("blocks"); !is_done(p); steps++) {
		struct user_regs_struct regs = p->regs;
		u64 old = *control;
		int inside, skipped = steps && (turn + steps) % every;

		load(p, c.buf, there, LEN);
		snapshot(p);
		for (int i = 0; i < 4 && !skipped; i++) {
			/* The first two with the generation that they had. */
			if (i > 1)
				++*control;
			live(p, &c, &l[i]);
			restore(p, &regs);
		}
		snprintf(context, sizeof(context), "entry %d, position %lu, step %d: ", e, position, steps);
		if (skipped)
			goto next;
		tried++;
		if (same(&l[0], &l[2], there) || same(&l[0], &l[3], there) || same(&l[2], &l[3], there))
			fail("bytes are handed out again");
		repeats += same(&l[0], &l[1], there) > 0;
		*control = old;
	next:	if (p->regs.rip == blocks)
			resume_to(p, p->regs.rbx, &inside);
		else
			step(p);
	}
	context[0] = 0;
	if (position + LEN <= BATCH && repeats < tried / 2)
		fail("without a new generation %d of %d repeat", repeats, tried);
	printf("%d of %d instructions, %d repeat with the old generation\n", tried, steps, repeats);
}

int run_restore(void)
{
	struct proc p;

	pin();
	start(&p);
	open_gate(&p);
	image = calloc(MAX, sizeof(*image));
	for (enum entry e = VDSO; e <= REFLECTED; e++) {
		explore(&p, e, 64);
		explore(&p, e, 2000);
	}
	finish(&p);
	return 0;
}
