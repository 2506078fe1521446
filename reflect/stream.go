package reflect

import (
	"encoding/binary"

	"github.com/sysreflect/sysreflect/internal/sha256"
)

// A StreamKey stands for one endless stream of deterministic bytes, and for all
// streams that are derived from it. With H(k, m) for HMAC-SHA256 with key k:
//
//	root key                      H("reflect rng 1", seed)
//	key of an executed program    H(key, "exec" NUL n file NUL argument NUL argument NUL …)
//	key of a forked process       H(key, "fork" NUL n)
//	bytes of the stream           ChaCha20(H(key, "getrandom"))
//	AT_RANDOM                     the first 16 bytes of H(key, "AT_RANDOM")
//
// n is 8 bytes, little-endian. The cipher is Bernstein's ChaCha20 with 20 rounds,
// a nonce of 64 zero bits and a counter of 64 bits, from block 0 on; up to 256
// GiB that is RFC 8439's with a nonce of zeros. What becomes whose key is told
// in docs/randomness.md.
//
// These formulas are stable: a seed that shows a failure must show it in the next
// version too.
type StreamKey [32]byte

// RootKey derives the key of the first program from a seed: a number in decimal,
// or a text.
func RootKey(seed string) StreamKey {
	h := sha256.NewHMAC([]byte("reflect rng 1"))
	h.Write([]byte(seed))
	return h.Sum()
}

// Exec derives the key of a program that a program of this key executes. File is
// the path as it was given to execve, args are the arguments as they stand in
// memory, each with its NUL, and n tells apart what is otherwise the same.
func (k *StreamKey) Exec(file, args []byte, n uint64) StreamKey {
	h := sha256.NewHMAC(k[:])
	h.Write(binary.LittleEndian.AppendUint64([]byte("exec\x00"), n))
	h.Write(file)
	h.Write([]byte{0})
	h.Write(args)
	return h.Sum()
}

// Fork derives the key of a process that shares the program of this key.
func (k *StreamKey) Fork(n uint64) StreamKey {
	return k.derive(string(binary.LittleEndian.AppendUint64([]byte("fork\x00"), n)))
}

// AtRandom returns the 16 bytes that AT_RANDOM points to, getauxval(3).
func (k *StreamKey) AtRandom() [16]byte {
	d := k.derive("AT_RANDOM")
	return [16]byte(d[:16])
}

// Stream returns the key's bytes.
func (k *StreamKey) Stream() Stream { return Stream(k.derive("getrandom")) }

// Label returns 8 bytes by which the key can be known again.
func (k *StreamKey) Label() uint64 {
	d := k.derive("label")
	return binary.LittleEndian.Uint64(d[:])
}

func (k *StreamKey) derive(label string) StreamKey {
	h := sha256.NewHMAC(k[:])
	h.Write([]byte(label))
	return h.Sum()
}

// A Stream is an endless sequence of bytes, the same each time it is read.
type Stream [32]byte

// Fill fills b with the bytes from position pos on.
func (s *Stream) Fill(b []byte, pos uint64) {
	const size = 64
	for len(b) > 0 {
		var block [size]byte
		chachaBlock((*[32]byte)(s), pos/size, &block)
		n := copy(b, block[pos%size:])
		b, pos = b[n:], pos+uint64(n)
	}
}
