package reflect

import (
	"encoding/binary"
	"math/bits"
)

// chachaBlock is block number n of Bernstein's ChaCha20 with 20 rounds, a counter of 64
// bits and a nonce of zeros. It is here for the reason that
// package internal/sha256 is.
func chachaBlock(key *[32]byte, n uint64, out *[64]byte) {
	const c0, c1, c2, c3 = 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 // "expand 32-byte k"
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(key[4*i:]) }
	lo, hi := uint32(n), uint32(n>>32)
	x0, x1, x2, x3 := uint32(c0), uint32(c1), uint32(c2), uint32(c3)
	x4, x5, x6, x7 := word(0), word(1), word(2), word(3)
	x8, x9, x10, x11 := word(4), word(5), word(6), word(7)
	x12, x13, x14, x15 := lo, hi, uint32(0), uint32(0)
	for range 10 {
		x0, x4, x8, x12 = quarter(x0, x4, x8, x12)
		x1, x5, x9, x13 = quarter(x1, x5, x9, x13)
		x2, x6, x10, x14 = quarter(x2, x6, x10, x14)
		x3, x7, x11, x15 = quarter(x3, x7, x11, x15)
		x0, x5, x10, x15 = quarter(x0, x5, x10, x15)
		x1, x6, x11, x12 = quarter(x1, x6, x11, x12)
		x2, x7, x8, x13 = quarter(x2, x7, x8, x13)
		x3, x4, x9, x14 = quarter(x3, x4, x9, x14)
	}
	for i, w := range [16]uint32{
		x0 + c0, x1 + c1, x2 + c2, x3 + c3, x4 + word(0), x5 + word(1), x6 + word(2), x7 + word(3),
		x8 + word(4), x9 + word(5), x10 + word(6), x11 + word(7), x12 + lo, x13 + hi, x14, x15,
	} {
		binary.LittleEndian.PutUint32(out[4*i:], w)
	}
}

func quarter(a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	a += b
	d = bits.RotateLeft32(d^a, 16)
	c += d
	b = bits.RotateLeft32(b^c, 12)
	a += b
	d = bits.RotateLeft32(d^a, 8)
	c += d
	b = bits.RotateLeft32(b^c, 7)
	return a, b, c, d
}
