/*
 * Where every byte that is handed out comes from. The test plays the kernel,
 * so it knows all keys and expands them itself: whatever a call returns is a
 * piece of a key's stream that nobody got before, or of what the kernel wrote
 * directly. Anything else is a fault: zeros, leftovers, a wiped key's stream.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "harness.h"

#define STREAM 6144	/* bytes of a stream that can be told */

struct stream {
	u64 age;		/* value of the clock when it began */
	u32 n;
	int is_key;
	u8 key[32];
	u8 bytes[STREAM];
	u16 owner[STREAM];	/* call that got the byte, 0: none */
};

extern struct stream *streams;
extern int stream_count;
/* Counts changes of the generation. */
extern u64 clock_now;

void ledger_clear(void);
/* What happens between these two is forgotten. */
void ledger_mark(void);
void ledger_back(void);

/* n random bytes, of a key or for the program itself. */
const u8 *kernel_bytes(u32 n, int is_key);

/*
 * A call got these bytes. since: they may not be older. there: what stood in
 * the buffer when something happened, or 0. Bytes that stood there already may
 * belong to several of the calls below twins, as after a fork, and with KEPT
 * may be older. Says what is wrong, or 0.
 */
#define KEPT 0x8000
const char *hand_out(u16 call, const u8 *bytes, u32 n, u64 since, const u8 *there, u16 twins);

/* ChaCha20 (RFC 8439's block function, counter of 64 bits, nonce zero). */
void chacha_stream(const u8 key[32], u8 *out, u32 n);

#endif
