#include "ledger.h"

#define MAX_STREAMS 512
#define MAX_MARKED 128

static struct stream memory[MAX_STREAMS];
struct stream *streams = memory;
int stream_count;
u64 clock_now;

static int marked;
static u64 marked_clock;
static u16 marked_owners[MAX_MARKED][STREAM];

static u32 rotate(u32 x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter(u32 *x, int a, int b, int c, int d)
{
	x[a] += x[b]; x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d]; x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b]; x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d]; x[b] = rotate(x[b] ^ x[c], 7);
}

void chacha_stream(const u8 key[32], u8 *out, u32 n)
{
	u32 state[16], x[16];

	memcpy(state, "expand 32-byte k", 16);
	memcpy(state + 4, key, 32);
	memset(state + 12, 0, 16);
	for (; n > 0; state[12]++) {
		u32 piece = n < 64 ? n : 64;

		memcpy(x, state, 64);
		for (int i = 0; i < 10; i++) {
			for (int j = 0; j < 4; j++)
				quarter(x, j, 4 + j, 8 + j, 12 + j);
			for (int j = 0; j < 4; j++)
				quarter(x, j, 4 + (j + 1) % 4, 8 + (j + 2) % 4, 12 + (j + 3) % 4);
		}
		for (int i = 0; i < 16; i++)
			x[i] += state[i];
		memcpy(out, x, piece);
		out += piece;
		n -= piece;
	}
}

void ledger_clear(void)
{
	stream_count = 0;
}

void ledger_mark(void)
{
	if (stream_count > MAX_MARKED) {
		fail("too many streams");
		exit(1);
	}
	marked = stream_count;
	marked_clock = clock_now;
	for (int i = 0; i < marked; i++)
		memcpy(marked_owners[i], streams[i].owner, sizeof(streams[i].owner));
}

void ledger_back(void)
{
	stream_count = marked;
	clock_now = marked_clock;
	for (int i = 0; i < marked; i++)
		memcpy(streams[i].owner, marked_owners[i], sizeof(streams[i].owner));
}

const u8 *kernel_bytes(u32 n, int is_key)
{
	struct stream *s = &streams[stream_count++];

	if (stream_count > MAX_STREAMS || n > STREAM) {
		fail("%d streams, the last of %u bytes", stream_count, n);
		exit(1);
	}
	s->age = clock_now;
	s->is_key = is_key;
	memset(s->owner, 0, sizeof(s->owner));
	u8 *to = is_key ? s->key : s->bytes;
	for (u32 i = 0; i < n; i += 8) {
		u64 r = rnd();
		memcpy(to + i, &r, n - i < 8 ? n - i : 8);
	}
	s->n = n;
	if (is_key) {
		s->n = 2048;	/* a batch; more when it is seen that it isn't */
		chacha_stream(s->key, s->bytes, s->n);
	}
	return to;
}

/* Pieces are of eight bytes at least: positions and lengths are multiples. */
static struct stream *origin(const u8 *bytes, u32 n, u32 *at)
{
	for (int i = stream_count - 1; i >= 0; i--) {
		struct stream *s = &streams[i];
		const u8 *p = s->bytes;

		while ((p = memmem(p, s->bytes + s->n - p, bytes, n < 8 ? n : 8))) {
			*at = p - s->bytes;
			return s;
		}
	}
	return 0;
}

const char *hand_out(u16 call, const u8 *bytes, u32 n, u64 since, const u8 *there, u16 twins)
{
	u32 done = 0, at = 0;
	const char *wrong = 0;
	struct stream *s = 0;

	for (; done < n; at += 8, done += 8) {
		const u8 *b = bytes + done;
		u32 piece = n - done < 8 ? n - done : 8;

		if (s && s->is_key && at + piece > s->n) {
			s->n = STREAM;
			chacha_stream(s->key, s->bytes, s->n);
		}
		if (!s || at + piece > s->n || memcmp(s->bytes + at, b, piece)) {
			s = origin(b, piece, &at);
			if (!s)
				return memcmp(b, "\0\0\0\0\0\0\0\0", piece) ? "made of no key" : "zeros";
		}
		int kept = there && !memcmp(there + done, b, piece);

		if (s->age < since && !(kept && twins & KEPT))
			wrong = "of an old generation";
		for (u32 i = 0; i < piece; i++) {
			u16 owner = s->owner[at + i];

			if (owner && !(kept && owner != call && owner < (twins & ~KEPT) && call < (twins & ~KEPT)))
				wrong = "handed out twice";
			s->owner[at + i] = call;
		}
	}
	return wrong;
}
