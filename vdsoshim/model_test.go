package vdsoshim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20"
)

// model is the generator in Go: slots, batches and known pages, but neither
// locks nor lost pages. It is told what the kernel gave, line by line.
type model struct {
	cpu, generation int
	slots           []modelSlot
	lines           []string // that are still to come
	out             []byte   // of the request
}

type modelSlot struct {
	generation int
	batch      []byte // what is left
	known      [32]uint64
}

const (
	batchSize   = 2016
	unitSize    = 1024
	longest     = 65535 // of a request under one lock
	kernelBlock = 32
)

// next wants a line that begins with these words, and returns the one behind
// them, in hexadecimal.
func (m *model) next(format string, args ...any) []byte {
	want := fmt.Sprintf(format, args...) + " "
	if len(m.lines) == 0 || !strings.HasPrefix(m.lines[0], want) {
		panic(fmt.Sprintf("want %q, have %.80q", want, m.lines[:min(1, len(m.lines))]))
	}
	b, err := hex.DecodeString(strings.TrimPrefix(m.lines[0], want))
	if err != nil {
		panic(err)
	}
	m.lines = m.lines[1:]
	return b
}

// stream asks the kernel for a key and expands it.
func (m *model) stream(slot, n int) []byte {
	key := m.next("gate KEY%d 32 1", slot)
	c, err := chacha20.NewUnauthenticatedCipher(key, make([]byte, chacha20.NonceSize))
	if err != nil {
		panic(err)
	}
	out := make([]byte, n)
	c.XORKeyStream(out, out)
	return out
}

func (m *model) serve(i, n int) {
	s := &m.slots[i]
	if n > batchSize {
		if s.generation != m.generation {
			s.generation, s.batch, s.known = m.generation, nil, [32]uint64{}
		}
		whole := n / unitSize * unitSize
		m.out = append(m.out, m.stream(i, whole)...)
		if n -= whole; n == 0 {
			return
		}
	}
	refill := func() {
		s.generation, s.batch, s.known = m.generation, m.stream(i, batchSize), [32]uint64{}
	}
	if s.generation != m.generation {
		refill()
	}
	if n > len(s.batch) {
		n -= len(s.batch)
		m.out = append(m.out, s.batch...)
		refill()
	}
	m.out = append(m.out, s.batch[:n]...)
	s.batch = s.batch[n:]
}

// slot returns the one that a call finds, or -1.
func (m *model) slot(rsp uint64, taken map[int]bool) int {
	own := m.cpu % len(m.slots)
	if !taken[own] {
		return own
	}
	// The upper half of a 32-bit product, as far as there are slots.
	i := int(uint32(rsp*0x61c88647)>>(32-7)) % len(m.slots)
	for range 3 {
		if !taken[i] {
			return i
		}
		i = (i + 23) % len(m.slots)
	}
	return -1
}

func (m *model) vdso(buf uint64, n, flags int, slot int) {
	switch {
	case flags > 7 || n == 0:
		m.out = append(m.out, m.next("gate %x %d %d", buf, n, flags)...)
	case n > longest:
		for n > 0 {
			piece := n
			if piece > longest {
				piece = longest / unitSize * unitSize
			}
			m.serve(slot, piece)
			n -= piece
		}
	case slot < 0:
		m.out = append(m.out, m.next("gate %x %d %d", buf, n, flags)...)
	default:
		m.serve(slot, n)
	}
}

func (m *model) call(buf uint64, n, flags int, slot int) {
	if flags > 7 || flags&6 == 6 || n == 0 || n > longest || slot < 0 {
		m.out = append(m.out, m.next("site %x %d %d", buf, n, flags)...)
		return
	}
	s := &m.slots[slot]
	first, last, known := buf/PageSize, (buf+uint64(n)-1)/PageSize, true
	for p := first; p <= last; p++ {
		known = known && s.known[p%32] == p
	}
	whole := !known && n <= kernelBlock
	if whole {
		m.out = append(m.out, m.next("gate %x %d %d", buf, n, flags)...)
	}
	if !known {
		for p := first; p <= last; p++ {
			if !whole {
				m.next("gate %x 1 %d", max(buf, p*PageSize), flags)
			}
			s.known[p%32] = p
		}
	}
	if !whole {
		m.serve(slot, n)
	}
}

// request replays one: its words, then the lines behind it.
func (m *model) request(f []string) {
	number := func(s string, radix int) uint64 {
		n, err := strconv.ParseUint(s, radix, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	taken := map[int]bool{}
	for _, s := range f[6:] {
		taken[int(number(s, 10))] = true
	}
	buf, n, flags := number(f[2], 16), int(number(f[3], 10)), int(number(f[4], 10))
	slot := m.slot(number(f[5], 16), taken)
	m.out = m.out[:0]
	if f[1] == "vdso" {
		m.vdso(buf, n, flags, slot)
	} else {
		m.call(buf, n, flags, slot)
	}
	if got := m.next("out %d", n); !bytes.Equal(got, m.out) {
		panic("other bytes")
	}
}

func (m *model) replay(out string) (requests int, err error) {
	m.lines = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	line := ""
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("request %d, %.100q: %v", requests, line, r)
		}
	}()
	for len(m.lines) > 0 {
		line = m.lines[0]
		m.lines = m.lines[1:]
		switch f := strings.Fields(line); f[0] {
		case "cpu":
			m.cpu, _ = strconv.Atoi(f[1])
		case "bump":
			m.generation++
		case "req":
			m.request(f)
			requests++
		default:
			return requests, fmt.Errorf("unknown line %.80q", line)
		}
	}
	return requests, nil
}

// The whole generator says what the model says, given the same keys.
func TestModel(t *testing.T) {
	const rounds = 1000
	eachBlockFunction(t, func(t *testing.T, b blockFunction) {
		for _, noDroppable := range []bool{false, true} {
			soaking(0.1/blocks()/2, func() {
				out := realSubject(t, b.off, noDroppable).pass(t, "model", "rounds="+strconv.Itoa(rounds))
				m := &model{generation: 1, slots: make([]modelSlot, SlotsSize/2048)}
				if n, err := m.replay(out); err != nil {
					t.Fatal(err)
				} else if n != rounds {
					t.Fatalf("%d requests, not %d", n, rounds)
				}
			})
		}
	})
}
