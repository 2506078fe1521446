package vdsoshim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// BatchSize is what the generator hands out of one refill, in bytes. A refill is
// two units, whose last 32 bytes are where the key was.
const BatchSize = 2*BlockUnit - 32

// Check holds a block function against [KnownAnswers] and, with random keys and
// the given number of cases for each of some counters, against [Keystream]. It
// returns how many key streams were compared, and an error that names the first
// difference.
func (r *Runner) Check(b Block, cases int) (compared int, err error) {
	buf, want := make([]byte, 5*BlockUnit+64), make([]byte, 5*BlockUnit)
	for _, a := range KnownAnswers() {
		dst := buf[:2*BlockUnit]
		if err := r.Keystream(b, dst, &a.Key, a.Counter); err != nil {
			return compared, err
		}
		Keystream(want, &a.Key, a.Counter)
		if !bytes.HasPrefix(want, a.Stream) || !bytes.HasPrefix(dst, a.Stream) {
			return compared, fmt.Errorf("%v: %s is answered with %x", b, a.Name, dst[:64])
		}
		compared++
	}
	for i := range cases {
		// The borders of the low word and of the whole, and somewhere.
		for _, counter := range []uint64{0, 1<<32 - 40, 1<<32 - 5, 1<<64 - 17, randomWord()} {
			var key [32]byte
			if _, err := unix.Getrandom(key[:], 0); err != nil {
				return compared, fmt.Errorf("choose a key: %w", err)
			}
			units, start := 1+i%5, i*7%64
			dst := buf[start : start+units*BlockUnit]
			at := &key
			if i%2 == 0 {
				at = (*[32]byte)(dst[len(dst)-32:])
				*at = key
			}
			if err := r.Keystream(b, dst, at, counter); err != nil {
				return compared, err
			}
			Keystream(want[:len(dst)], &key, counter)
			if !bytes.Equal(dst, want[:len(dst)]) {
				return compared, fmt.Errorf("%v: %d bytes differ from the model with key %x and counter %#x", b, len(dst), key, counter)
			}
			compared++
		}
	}
	return compared, nil
}

func randomWord() uint64 {
	var b [8]byte
	unix.Getrandom(b[:], 0)
	return binary.LittleEndian.Uint64(b[:])
}

// A Timing is how long calls took, in nanoseconds each.
type Timing struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
}

// Measure times calls that fill size bytes, a multiple of [BlockUnit], in bursts
// of some 50 µs, in which the functions take turns, so that what disturbs one
// disturbs all. What the caller pays besides, some 5 ns a call, is counted in.
func (r *Runner) Measure(blocks []Block, size, bursts int) ([]Timing, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dst, key := make([]byte, size), new([32]byte)
	times, calls := make([][]float64, len(blocks)), make([]int, len(blocks))
	burst := func(b Block, n int) (time.Duration, error) {
		if err := b.Usable(); err != nil {
			return 0, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		off := uint64(b.Off())
		start := time.Now()
		for range n {
			r.call(off, dst, key, 0)
		}
		return time.Since(start), nil
	}
	for i, b := range blocks {
		calls[i] = 1
		for {
			d, err := burst(b, calls[i])
			if err != nil {
				return nil, err
			}
			if d > 50*time.Microsecond {
				break
			}
			calls[i] *= 2
		}
	}
	for range bursts {
		for i, b := range blocks {
			d, err := burst(b, calls[i])
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], float64(d.Nanoseconds())/float64(calls[i]))
		}
	}
	out := make([]Timing, len(blocks))
	for i, t := range times {
		slices.Sort(t)
		out[i] = Timing{t[0], t[len(t)/2]}
	}
	return out, nil
}
