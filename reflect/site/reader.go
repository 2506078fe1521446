package site

// A reader takes numbers from bytes that stand at an address.
type reader struct {
	b    []byte
	addr uint64
	bad  bool // there were not enough of them
}

// skip returns the next n bytes; where they are missing, zeros, but no more
// than the largest number has.
func (r *reader) skip(n uint64) []byte {
	b, ok := part(r.b, 0, n)
	if !ok {
		r.bad, r.b = true, nil
		return make([]byte, 8)
	}
	r.b, r.addr = r.b[n:], r.addr+n
	return b
}

func (r *reader) uint8() byte    { return r.skip(1)[0] }
func (r *reader) uint32() uint32 { return le.Uint32(r.skip(4)) }

func (r *reader) string() string {
	for i, c := range r.b {
		if c == 0 {
			return string(r.skip(uint64(i) + 1)[:i])
		}
	}
	r.bad = true
	return ""
}

// leb reads a LEB128 number of at most 64 bits, unsigned.
func (r *reader) leb() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := r.uint8()
		v |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
	}
	return v
}

func (r *reader) pointer(encoding byte) (v uint64) {
	at := r.addr
	switch encoding & 0xf {
	case ehAbs, ehUdata8, ehSdata8:
		v = le.Uint64(r.skip(8))
	case ehUdata4:
		v = uint64(r.uint32())
	case ehSdata4:
		v = uint64(int64(int32(r.uint32())))
	default:
		r.bad = true
	}
	switch encoding & 0x70 {
	case ehAbs:
	case ehPCRel:
		v += at
	default:
		r.bad = true
	}
	return v
}
