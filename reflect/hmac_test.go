package reflect

import (
	"bytes"
	stdhmac "crypto/hmac"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// TestHMAC compares with package crypto/hmac, for every length around a block's.
func TestHMAC(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	for n := range 300 {
		key, text := make([]byte, n%65), make([]byte, n)
		r.Read(key)
		r.Read(text)
		want := stdhmac.New(sha256.New, key)
		want.Write(text)
		h := newHMAC(key)
		h.write(text[:n/3])
		h.write(text[n/3:])
		if got := h.sum(); !bytes.Equal(got[:], want.Sum(nil)) {
			t.Errorf("%d bytes under a key of %d: %x", n, len(key), got)
		}
	}
}

func BenchmarkStreamFill(b *testing.B) {
	s, buf := Stream{1}, make([]byte, 4096)
	b.SetBytes(int64(len(buf)))
	for i := range b.N {
		s.Fill(buf, uint64(i)*4096)
	}
}

func BenchmarkStreamKey(b *testing.B) {
	k := RootKey("1")
	for range b.N {
		k = k.Fork(1)
	}
}
