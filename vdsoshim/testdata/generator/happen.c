/* What may happen in the middle of a call, and what comes of it. */
#include "explore.h"
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define TWINS 16	/* numbers below are of the call that is explored */
#define NESTED_BUFFER (BUFFERS + 16 * PAGE)

u64 own;
long explored, drops;
static u16 next_call;

static u64 lock_of(u64 slot)
{
	return locks + slot;
}

void take_locks(struct proc *p, int all, u64 value)
{
	for (u64 s = 0; s < slots_size; s += SLOT_SIZE)
		if (all || s == own)
			poke(p, lock_of(s), value);
}

int drive(struct proc *p)
{
	for (;;) {
		enum stop s = resume(p);

		if (s != KERNEL)
			return s == DONE;
		u64 to = p->regs.rdi, n = p->regs.rsi;
		int is_key = to >= secrets && to < secrets + secrets_size;

		if (p->regs.rax != NR_GETRANDOM || (is_key && n != 32)) {
			fail("call %lld(%lx, %lu) of the kernel", p->regs.rax, to, n);
			return 0;
		}
		answer(p, kernel_bytes(n, is_key), n);
	}
}

static void judge(struct proc *p, const struct call *c, u16 id, u64 since, const u8 *there, u16 twins)
{
	u8 bytes[8192];

	if (result(p) != c->len) {
		fail("%ld, not %lu", (long)result(p), c->len);
		return;
	}
	load(p, c->buf, bytes, c->len);
	const char *wrong = hand_out(id, bytes, c->len, since, there, twins);
	if (wrong)
		fail("call %u: bytes %s", id, wrong);
	check_registers(p, c, "registers");
}

void first_draw(u16 first)
{
	next_call = first;
}

void draw(struct proc *p, enum entry e, u64 len, u64 stack)
{
	struct call c = {.entry = e, .buf = NESTED_BUFFER + 8, .len = len, .rsp = stack};
	u64 since = clock_now;

	if (e == REFLECTED)
		c.rsp = 24 * len;	/* nothing is there */
	begin(p, &c);
	if (drive(p))
		judge(p, &c, next_call++, since, 0, 0);
}

/* What a handler does: the program goes on as if nothing had happened, with the
 * registers that the signal's frame kept. */
static void nested(struct proc *p, enum entry e, u64 len)
{
	static u8 vectors[16384];
	struct iovec v = {vectors, sizeof(vectors)};
	struct user_regs_struct old = p->regs;

	ptrace(PTRACE_GETREGSET, p->pid, NT_X86_XSTATE, &v);
	draw(p, e, len, NESTED_STACK);
	ptrace(PTRACE_SETREGSET, p->pid, NT_X86_XSTATE, &v);
	p->regs = old;
	set_regs(p);
}

/* All locks are free, but those that we took. */
static void check_locks(const struct proc *p, const struct scenario *s)
{
	u64 words[1024], n = slots_size / SLOT_SIZE;
	struct iovec ours = {words, n * 8}, theirs[1024];

	for (u64 i = 0; i < n; i++)
		theirs[i] = (struct iovec){(void *)lock_of(i * SLOT_SIZE), 8};
	if (process_vm_readv(p->pid, &ours, 1, theirs, n, 0) != (ssize_t)n * 8)
		fail("read the locks: %m");
	for (u64 i = 0; i < n; i++)
		if (words[i] & 2 && s->before != 'a' && !(s->before == 'l' && i == own / SLOT_SIZE))
			fail("slot %lu is left taken", i);
}

/* Everything that happens here, then what comes of it. */
void happen(struct proc *parent, const struct scenario *s, struct call *c, const char *word, int compared)
{
	struct proc p[4];
	int n = 1;
	u8 there[8192];
	u64 since = clock_now;

	load(parent, c->buf, there, c->len);
	p[0] = *parent;
	first_draw(2000);
	for (const char *w = word; *w; w++) {
		int m = n;

		switch (*w) {
		case 'b':
			++*control;
			clock_now++;
			since = clock_now;
			break;
		case 'f':
			for (int i = 0; i < m; i++)
				fork_proc(&p[i], &p[n++]);
			break;
		default:
			for (int i = 0; i < n; i++)
				if (*w == 'd')
					drop(&p[i]), drops++;
				else if (*w == 'n')
					nested(&p[i], VDSO, 32);
				else if (*w == 'r')
					nested(&p[i], REFLECTED, 32);
				else if (*w == 'N')
					nested(&p[i], VDSO, 2096);
		}
	}
	for (int j = 0; j < n; j++) {
		struct proc *q = &p[explored % 2 ? n - 1 - j : j];

		if (is_done(q) || drive(q))
			judge(q, c, 1 + (q - p), since, there, (n > 1 ? TWINS : 0) | (compared ? KEPT : 0));
		check_locks(q, s);
	}
	for (int j = 0; j < n; j++) {
		draw(&p[j], VDSO, 24, STACK);
		draw(&p[j], REFLECTED, 40, 0);
		draw(&p[j], VDSO, 2096, STACK);
		draw(&p[j], VDSO, 2000, STACK);
	}
	while (n > 1)
		finish(&p[--n]);
	*parent = p[0];
	explored++;
}
