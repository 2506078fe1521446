/*
 * A long run of requests of all kinds, told line by line, with every byte that
 * the kernel gave and that came out: for a model of the whole generator to say
 * the same.
 *
 *	cpu N			the processor's number, first
 *	bump			the generation changed
 *	req vdso|call BUF LEN FLAGS RSP SLOT…	slots that are taken meanwhile
 *	gate KEY|ADDRESS LEN FLAGS BYTES	what the kernel was asked for
 *	site ADDRESS LEN FLAGS BYTES		likewise, by the program's own instruction
 *	out RESULT BYTES
 */
#include "target.h"

#define ROOM (40 * PAGE)	/* of buffers that are asked for */

static void hex(const u8 *bytes, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		putchar("0123456789abcdef"[bytes[i] >> 4]);
		putchar("0123456789abcdef"[bytes[i] & 15]);
	}
	putchar('\n');
}

static u64 some_length(void)
{
	switch (rnd() % 8) {
	case 0:
		return 1 + rnd() % 8;
	case 1:
		return 200 + rnd() % 2000;
	case 2:
		return 2010 + rnd() % 12;
	case 3:
		return 1024 * (2 + rnd() % 4) + rnd() % 2;
	case 4:
		return rnd() % 9000;
	case 5:
		if (rnd() % 8 == 0)
			return 65530 + rnd() % 12;
		return rnd() % 40;
	default:
		return rnd() % 100;
	}
}

int run_model(void)
{
	static u8 bytes[80000];
	u8 taken[1024];
	u64 n = slots_size / SLOT_SIZE;
	struct proc p;

	printf("cpu %d\n", pin());
	start(&p);
	for (u64 round = num("rounds"); round > 0; round--) {
		struct call c = {.entry = rnd() % 2, .len = some_length(), .rsp = rnd()};
		enum stop s;
		int own = rnd() % 4 == 0 && c.len < 65536;

		c.buf = BUFFERS + rnd() % (ROOM - c.len);
		if (rnd() % 16 == 0)
			c.flags = rnd() % 16;
		if (c.entry == VDSO)
			c.rsp = STACKS + 2 * PAGE + rnd() % (8 * PAGE) / 16 * 16;
		if (rnd() % 32 == 0) {
			++*control;
			printf("bump\n");
		}
		/* Often enough so many that four in a row are among them. */
		int part = 1 + rnd() % 8;
		for (u64 i = 0; i < n; i++) {
			taken[i] = own && rnd() % 8 < (u64)part;
			if (taken[i])
				poke(&p, slots + i * SLOT_SIZE, 2);
		}
		printf("req %s %lx %lu %lu %lx", c.entry == VDSO ? "vdso" : "call", c.buf, c.len, c.flags,
		       c.entry == VDSO ? c.rsp - 8 : c.rsp);
		for (u64 i = 0; i < n; i++)
			if (taken[i])
				printf(" %lu", i);
		putchar('\n');
		begin(&p, &c);
		while ((s = resume(&p)) == KERNEL) {
			u64 to = p.regs.rdi, len = p.regs.rsi;

			if (len > sizeof(bytes))
				return fail("%lu bytes of the kernel", len), 0;
			for (u64 i = 0; i < len; i += 8) {
				u64 word = rnd();
				memcpy(bytes + i, &word, len - i < 8 ? len - i : 8);
			}
			printf("%s ", p.regs.rip == gate ? "gate" : "site");
			if (to >= secrets && to < secrets + secrets_size)
				printf("KEY%lu", (to - secrets) / PAGE);
			else
				printf("%lx", to);
			printf(" %lu %lld ", len, p.regs.rdx);
			hex(bytes, len);
			answer(&p, bytes, len);
		}
		if (s == BROKEN)
			return 0;
		load(&p, c.buf, bytes, c.len);
		printf("out %ld ", (long)result(&p));
		hex(bytes, c.len);
		check_registers(&p, &c, "registers");
		for (u64 i = 0; i < n; i++)
			if (taken[i])
				poke(&p, slots + i * SLOT_SIZE, 0);
	}
	finish(&p);
	return 0;
}
