package vdsoshim

import (
	"encoding/binary"
	"math/bits"
)

// Keystream fills dst with the key stream that the image's block functions
// make, from the block with this counter on: Bernstein's ChaCha20 with 20
// rounds, a counter of 64 bits and a nonce of zeros. While the counter is below
// 2^32 this is RFC 8439's with a nonce of zeros.
//
// It is the plainest way to write the cipher down, a model to hold others
// against, and is neither fast nor made to resist a look at caches or memory.
func Keystream(dst []byte, key *[32]byte, counter uint64) {
	// "expand 32-byte k"
	start := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	for i := range 8 {
		start[4+i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	for len(dst) > 0 {
		start[12], start[13] = uint32(counter), uint32(counter>>32)
		x := start
		for range 10 {
			for i := range 4 { // columns
				quarterRound(&x[i], &x[4+i], &x[8+i], &x[12+i])
			}
			for i := range 4 { // diagonals
				quarterRound(&x[i], &x[4+(i+1)%4], &x[8+(i+2)%4], &x[12+(i+3)%4])
			}
		}
		var block [64]byte
		for i := range x {
			binary.LittleEndian.PutUint32(block[4*i:], x[i]+start[i])
		}
		dst = dst[copy(dst, block[:]):]
		counter++
	}
}

func quarterRound(a, b, c, d *uint32) {
	*a += *b
	*d = bits.RotateLeft32(*d^*a, 16)
	*c += *d
	*b = bits.RotateLeft32(*b^*c, 12)
	*a += *b
	*d = bits.RotateLeft32(*d^*a, 8)
	*c += *d
	*b = bits.RotateLeft32(*b^*c, 7)
}
