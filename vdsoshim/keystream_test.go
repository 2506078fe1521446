package vdsoshim

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/chacha20"
)

// independent is the key stream of golang.org/x/crypto, for counters that have
// 32 bits. In its layout word 13 is the first of the nonce, so a counter of 64
// bits is 32 of its own and a nonce, and only the carry has to be done here.
func independent(t *testing.T, dst []byte, key *[32]byte, counter uint64) {
	t.Helper()
	for len(dst) > 0 {
		var nonce [chacha20.NonceSize]byte
		binary.LittleEndian.PutUint32(nonce[:], uint32(counter>>32))
		c, err := chacha20.NewUnauthenticatedCipher(key[:], nonce[:])
		if err != nil {
			t.Fatal(err)
		}
		c.SetCounter(uint32(counter))
		blocks := min(uint64(len(dst)+63)/64, 1<<32-counter&(1<<32-1))
		n := min(int(64*blocks), len(dst))
		clear(dst[:n])
		c.XORKeyStream(dst[:n], dst[:n])
		dst = dst[n:]
		counter += blocks
	}
}

func testKey(r *rand.Rand) (key [32]byte) {
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	return key
}

// testCounters has the borders: of the low word, of its carry, of the whole.
var testCounters = []uint64{
	0, 1, 31, 1<<32 - 64, 1<<32 - 33, 1<<32 - 31, 1<<32 - 17, 1<<32 - 8, 1<<32 - 1, 1 << 32, 1<<32 + 5,
	1<<31 - 3, 0x123456789abcdef0, 1<<63 - 7, 1<<64 - 40, 1<<64 - 12, 1<<64 - 1,
}

func TestKeystream(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, counter := range testCounters {
		for _, n := range []int{1, 63, 64, 65, 4096} {
			key := testKey(r)
			got, want := make([]byte, n), make([]byte, n)
			Keystream(got, &key, counter)
			independent(t, want, &key, counter)
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes from counter %#x differ", n, counter)
			}
		}
	}
}

// TestKnownAnswers: the vectors of draft-strombergson-chacha-test-vectors and of
// RFC 8439, appendix A.1, whose nonce is zero.
func TestKnownAnswers(t *testing.T) {
	if len(KnownAnswers()) < 5 {
		t.Fatal("no known answers")
	}
	for _, a := range KnownAnswers() {
		if len(a.Stream) != 64 {
			t.Fatalf("%s has %d bytes", a.Name, len(a.Stream))
		}
		got := make([]byte, len(a.Stream))
		Keystream(got, &a.Key, a.Counter)
		if !bytes.Equal(got, a.Stream) {
			t.Errorf("%s: %s", a.Name, hex.EncodeToString(got))
		}
		independent(t, got, &a.Key, a.Counter)
		if !bytes.Equal(got, a.Stream) {
			t.Errorf("%s, x/crypto: %s", a.Name, hex.EncodeToString(got))
		}
	}
}
