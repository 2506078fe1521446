// Package sha256 is SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104) for what is short and
// no secret. Package crypto/sha256 brings the whole of Go's validated cryptography into
// the program, which prepares itself at every start: 50 µs that whoever runs a program
// under reflect waits for.
package sha256

import (
	"encoding/binary"
	"math/bits"
)

// Sum256 returns b's digest.
func Sum256(b []byte) [32]byte {
	h := &HMAC{state: initial}
	h.Write(b)
	return h.digest()
}

// An HMAC is a message authentication code in the making.
type HMAC struct {
	state [8]uint32
	block [64]byte
	n     uint64   // bytes so far
	outer [64]byte // the key's pad for the second hash
}

var initial = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

var constants = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// NewHMAC begins a code under a key of 64 bytes at most.
func NewHMAC(key []byte) *HMAC {
	h := &HMAC{state: initial}
	var inner [64]byte
	copy(inner[:], key)
	h.outer = inner
	for i := range inner {
		inner[i] ^= 0x36
		h.outer[i] ^= 0x5c
	}
	h.Write(inner[:])
	return h
}

// Write adds b to the message.
func (h *HMAC) Write(b []byte) {
	for len(b) > 0 {
		at := h.n % 64
		k := copy(h.block[at:], b)
		b, h.n = b[k:], h.n+uint64(k)
		if h.n%64 == 0 {
			h.compress()
		}
	}
}

// Sum ends the code.
func (h *HMAC) Sum() (out [32]byte) {
	inner := h.digest()
	h.state, h.n = initial, 0
	h.Write(h.outer[:])
	h.Write(inner[:])
	return h.digest()
}

func (h *HMAC) digest() (out [32]byte) {
	length := 8 * h.n
	h.Write([]byte{0x80})
	for h.n%64 != 56 {
		h.Write([]byte{0})
	}
	h.Write(binary.BigEndian.AppendUint64(nil, length))
	for i, w := range h.state {
		binary.BigEndian.PutUint32(out[4*i:], w)
	}
	return out
}

func (h *HMAC) compress() {
	var w [64]uint32
	for i := range 16 {
		w[i] = binary.BigEndian.Uint32(h.block[4*i:])
	}
	for i := 16; i < 64; i++ {
		x, y := w[i-15], w[i-2]
		w[i] = w[i-16] + (bits.RotateLeft32(x, -7) ^ bits.RotateLeft32(x, -18) ^ x>>3) +
			w[i-7] + (bits.RotateLeft32(y, -17) ^ bits.RotateLeft32(y, -19) ^ y>>10)
	}
	s := h.state
	for i := range 64 {
		a, e := s[0], s[4]
		t := s[7] + (bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)) +
			(e&s[5] ^ ^e&s[6]) + constants[i] + w[i]
		u := (bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)) +
			(a&s[1] ^ a&s[2] ^ s[1]&s[2])
		s = [8]uint32{t + u, a, s[1], s[2], s[3] + t, e, s[5], s[6]}
	}
	for i := range s {
		h.state[i] += s[i]
	}
}
