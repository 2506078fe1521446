package sha256

import (
	"bytes"
	"crypto/hmac"
	std "crypto/sha256"
	"math/rand/v2"
	"testing"
)

// TestAgainstStandard compares with the standard library, for every length around some
// blocks'.
func TestAgainstStandard(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	for n := range 300 {
		key, text := make([]byte, n%65), make([]byte, n)
		r.Read(key)
		r.Read(text)
		if got := Sum256(text); got != std.Sum256(text) {
			t.Errorf("%d bytes: %x", n, got)
		}
		want := hmac.New(std.New, key)
		want.Write(text)
		h := NewHMAC(key)
		h.Write(text[:n/3])
		h.Write(text[n/3:])
		if got := h.Sum(); !bytes.Equal(got[:], want.Sum(nil)) {
			t.Errorf("%d bytes under a key of %d: %x", n, len(key), got)
		}
	}
}
