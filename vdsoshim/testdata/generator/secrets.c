/*
 * After each call, nothing in the process tells what was handed out, or the
 * key of what was or will be: not in memory, but for the caller's buffer, and
 * not in registers. The batch holds what is still to come.
 */
#include "ledger.h"
#include "target.h"
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* Eight-byte words that may not be found, as an open hash table. */
#define TABLE (1 << 17)
static u64 table[TABLE];

static u64 *place(u64 word)
{
	u64 i = word * 0x9e3779b97f4a7c15 >> 47;

	while (table[i % TABLE] && table[i % TABLE] != word)
		i++;
	return &table[i % TABLE];
}

static void forbid(const u8 *bytes)
{
	u64 word;

	memcpy(&word, bytes, 8);
	*place(word) = word;
}

/* Handed out words at all offsets, since nothing is aligned to anything; keys
 * likewise, and their words side by side as vector registers hold them. */
static void forbid_all(void)
{
	memset(table, 0, sizeof(table));
	for (int i = 0; i < stream_count; i++) {
		const struct stream *s = &streams[i];

		if (!s->is_key)
			continue;
		for (u32 j = 0; j + 8 <= s->n; j++)
			if (s->owner[j] && s->owner[j + 7])
				forbid(s->bytes + j);
		for (int j = 0; j + 8 <= 32; j++)
			forbid(s->key + j);
		for (int j = 0; j < 32; j += 4) {
			u8 twice[8];

			memcpy(twice, s->key + j, 4);
			memcpy(twice + 4, s->key + j, 4);
			forbid(twice);
		}
	}
}

static void search(const char *what, u64 at, const u8 *bytes, u64 n)
{
	u64 word;

	for (u64 i = 0; i + 8 <= n; i++) {
		memcpy(&word, bytes + i, 8);
		if (word && *place(word)) {
			fail("a key or what was handed out is left in %s at %lx", what, at + i);
			return;
		}
	}
}

static void search_mapping(struct proc *p, u64 from, u64 to)
{
	u8 bytes[PAGE], there[1024];

	for (u64 i = 0; from + i * PAGE < to; i++) {
		if (i % sizeof(there) == 0)
			presence(p, from + i * PAGE, to, there, sizeof(there));
		if (there[i % sizeof(there)]) {
			load(p, from + i * PAGE, bytes, PAGE);
			search("memory", from + i * PAGE, bytes, PAGE);
		}
	}
}

static void search_memory(struct proc *p)
{
	char name[64], line[512], mode[5];
	u64 from, to;

	snprintf(name, sizeof(name), "/proc/%d/maps", p->pid);
	FILE *f = fopen(name, "r");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && mode[1] == 'w' && from != BUFFERS)
			search_mapping(p, from, to);
	fclose(f);
}

/* Of a slot and its page: zero where only a refill writes. */
static void check_wiped(struct proc *p)
{
	u8 slot[SLOT_SIZE], page[PAGE], there[1024];

	presence(p, secrets, secrets + secrets_size, there, sizeof(there));
	for (u64 i = 0; i < slots_size / SLOT_SIZE; i++) {
		if (!there[i])
			continue;
		load(p, slots + i * SLOT_SIZE, slot, sizeof(slot));
		load(p, secrets + i * PAGE, page, sizeof(page));
		for (u64 j = num("vectors"); j < num("vectors") + num("vectorssize"); j++)
			if (slot[j]) {
				fail("slot %lu: vectors are left in byte %lu", i, j);
				break;
			}
		for (u64 j = BATCH; j < PAGE; j++)
			if (page[j] && (j < num("generation") || j >= num("generation") + 16)) {
				fail("slot %lu: byte %lu of the secrets is left", i, j);
				break;
			}
	}
}

static void search_registers(struct proc *p, enum entry e)
{
	static u8 vectors[16384];
	struct iovec v = {vectors, sizeof(vectors)};

	ptrace(PTRACE_GETREGSET, p->pid, NT_X86_XSTATE, &v);
	search("vector registers", 0, vectors, v.iov_len);
	search("registers", 0, (u8 *)&p->regs, sizeof(p->regs));
	/* What was copied last, of a short request fewer than eight bytes. */
	if (e == VDSO && p->regs.r11)
		fail("r11 is left as %llx, of the registers", p->regs.r11);
}

/* Upper halves that are in use, or not: block functions tell them apart. */
static void set_vectors(struct proc *p, int all)
{
	static u8 vectors[16384];
	struct iovec v = {vectors, sizeof(vectors)};

	ptrace(PTRACE_GETREGSET, p->pid, NT_X86_XSTATE, &v);
	u64 *header = (u64 *)(vectors + 512);
	for (u64 i = 160; i < 416; i++)
		vectors[i] = rnd();
	header[0] |= 2;
	if (all && v.iov_len > 832) {
		for (u64 i = 576; i < 832; i++)
			vectors[i] = rnd();
		header[0] |= 4;
	}
	ptrace(PTRACE_SETREGSET, p->pid, NT_X86_XSTATE, &v);
}

int run_secrets(void)
{
	const u64 lengths[] = {16, 8, 48, 400, 1000, 2016, 2024, 4096, 5000, 96};
	struct proc p;
	int calls = 0;

	pin();
	start(&p);
	*control += 1;
	for (int round = 0; round < 4; round++)
		for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
			for (enum entry e = VDSO; e <= REFLECTED; e++) {
				struct call c = {.entry = e, .buf = BUFFERS + 8 * i, .len = lengths[i],
						 .rsp = STACKS + 8 * PAGE};
				u8 bytes[8192];
				enum stop s;

				if (rnd() % 4 == 0)
					++*control;
				set_vectors(&p, round % 2);
				begin(&p, &c);
				while ((s = resume(&p)) == KERNEL) {
					u64 to = p.regs.rdi, n = p.regs.rsi;

					answer(&p, kernel_bytes(n, to >= secrets && to < secrets + secrets_size), n);
				}
				if (s == BROKEN)
					return 0;
				load(&p, c.buf, bytes, c.len);
				const char *wrong = hand_out(++calls, bytes, c.len, 0, 0, 0);
				if (wrong)
					fail("bytes %s", wrong);
				check_registers(&p, &c, "registers");
				forbid_all();
				search_memory(&p);
				search_registers(&p, e);
				check_wiped(&p);
			}
	finish(&p);
	printf("%d calls\n", calls);
	return 0;
}
