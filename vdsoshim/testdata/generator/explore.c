/*
 * The single-step explorer: one call, stopped at every instruction, and
 * everything that may happen there. What happens is a word, a letter for each
 * thing in turn:
 *
 *	d	the secrets are dropped
 *	b	the generation changes
 *	f	the process forks; what follows happens in both
 *	n r N	a signal handler calls the vDSO's function, or the reflected entry,
 *		or asks for more than a batch
 *
 * Then all processes finish the call and make some more, and the ledger judges
 * every byte. Bytes that stood in the buffer when the process forked may be the
 * same in both. A call that begins after a change of the generation hands out
 * newer bytes only. So does the explored call, if it has yet to compare it when
 * it changes; if not, what it had copied by then may be older.
 */
#include "explore.h"

static const struct scenario scenarios[] = {
	{"hit", VDSO, 64, 96, 0},
	{"hit, word", VDSO, 64, 8, 0},
	{"used up", VDSO, 2016, 48, 0},
	{"new generation", VDSO, 64, 48, 'b'},
	{"dropped", VDSO, 64, 48, 'd'},
	{"in two parts", VDSO, 2000, 48, 0},
	{"longer", VDSO, 8, 400, 0},
	{"direct", VDSO, 64, 4096, 0},
	{"direct, new generation", VDSO, 64, 4096, 'b'},
	{"direct and batch", VDSO, 64, 2096, 0},
	{"direct and two parts", VDSO, 2000, 2096, 0},
	{"direct and batch, new generation", VDSO, 64, 2096, 'b'},
	{"slot taken", VDSO, 64, 48, 'l'},
	{"all slots taken", VDSO, 64, 48, 'a'},
	{"call: hit", REFLECTED, 64, 96, 0},
	{"call: used up", REFLECTED, 2016, 48, 0},
	{"call: new generation", REFLECTED, 64, 48, 'b'},
	{"call: in two parts", REFLECTED, 2000, 48, 0},
	{"call: direct", REFLECTED, 64, 4096, 0},
	{"call: direct, new generation", REFLECTED, 64, 4096, 'b'},
	{"call: direct and batch", REFLECTED, 64, 2096, 0},
	{"call: direct and batch, new generation", REFLECTED, 64, 2096, 'b'},
	{"call: slot taken", REFLECTED, 64, 48, 'l'},
	{"call: all slots taken", REFLECTED, 64, 48, 'a'},
	{"call: page unknown", REFLECTED, 64, 48, 'u'},
	{"call: pages unknown", REFLECTED, 2000, 4120, 'u'},
};

static u8 image[0x20000];

/* The explored call begins after this, in a state that is the same each time. */
static struct call prepare(struct proc *p, const struct scenario *s)
{
	struct call c = {.entry = s->entry, .buf = BUFFER, .len = s->len,
			 .rsp = s->entry == VDSO ? STACK : 0x123456789abcde1};

	ledger_clear();
	first_draw(1000);
	take_locks(p, 1, 0);
	++*control;
	clock_now++;
	draw(p, VDSO, s->position, STACK);
	/* Other slots that handlers find, warm. */
	take_locks(p, 0, 2);
	for (int i = 0; i < 3; i++) {
		draw(p, REFLECTED, 40, 0);
		draw(p, VDSO, 40, NESTED_STACK);
	}
	take_locks(p, 0, 0);
	if (s->entry == REFLECTED && s->before != 'u') {
		/* Short ones are the kernel's, and make the pages known. */
		for (u64 at = 0; at < c.len + PAGE; at += PAGE) {
			struct call known = {.entry = REFLECTED, .buf = c.buf + at, .len = 8, .rsp = c.rsp};

			begin(p, &known);
			drive(p);
		}
	}
	if (s->before == 'b')
		++*control, clock_now++;
	else if (s->before == 'd')
		drop(p);
	else if (s->before == 'l' || s->before == 'a')
		take_locks(p, s->before == 'a', 2);
	return c;
}

/* Does the instruction read the control page? All that do are five or seven
 * bytes from the instruction pointer on, with a REX prefix. */
static int reads_control(u64 rip)
{
	const u8 *b = image + (rip - base);
	int32_t d;

	if (rip < base || rip >= base + sizeof(image) - 8 || (b[0] & 0xf0) != 0x40 || (b[2] & 0xc7) != 5)
		return 0;
	memcpy(&d, b + 3, 4);
	return rip + 7 + d == base + num("control");
}

static int walk(struct proc *p, struct call *c, const struct scenario *s, int comparisons, int dry)
{
	static struct snapshot snap;
	u64 blocks = base + num("blocks"), behind = 0;
	long stride = num("stride"), index = 0, inside = 0, every = num("every"), turn = rnd() >> 1;
	int seen = 0, there;
	const char *word;
	char words[512];

	begin(p, c);
	while (!is_done(p)) {
		if (p->regs.rip == blocks)
			behind = p->regs.rbx;
		if (p->regs.rip == behind)
			behind = inside = 0;
		int here = !behind || (stride && inside++ % stride == (long)num("offset") % stride);
		if (!dry && here) {
			take(p, &snap);
			ledger_mark();
			strcpy(words, text("words"));
			for (word = strtok(words, ","); word; word = strtok(0, ",")) {
				if (every && turn++ % every)
					continue;
				snprintf(context, sizeof(context), "%s, instruction %ld at image+%lx, %s: ",
					 s->name, index, (u64)p->regs.rip - base, word);
				happen(p, s, c, word, seen == comparisons);
				put_back(p, &snap);
				ledger_back();
				context[0] = 0;
			}
		}
		index++;
		seen += reads_control(p->regs.rip);
		if (at_kernel(p)) {
			u64 n = p->regs.rsi;
			answer(p, kernel_bytes(n, p->regs.rdi >= secrets && p->regs.rdi < secrets + secrets_size), n);
		} else if (behind && (dry || !stride)) {
			resume_to(p, behind, &there);
			if (!there)
				fail("the block function did not return");
		} else if (step(p) == BROKEN)
			break;
	}
	if (!dry)
		printf("%s: %ld instructions\n", s->name, index);
	return seen;
}

int run_explore(void)
{
	static struct snapshot first;
	struct proc p;
	const char *only = text("scenario");

	own = pin() * SLOT_SIZE % slots_size;
	start(&p);
	load(&p, base, image, num("imagesize"));
	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		const struct scenario *s = &scenarios[i];

		if ((*only && strcmp(only, s->name)) || (s->before == 'd' && num("nodroppable")))
			continue;
		struct call c = prepare(&p, s);
		take(&p, &first);
		ledger_mark();
		int comparisons = walk(&p, &c, s, 0, 1);
		put_back(&p, &first);
		ledger_back();
		walk(&p, &c, s, comparisons, 0);
	}
	finish(&p);
	printf("%ld explored, %ld dropped\n", explored, drops);
	return 0;
}
