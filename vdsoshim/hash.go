package vdsoshim

import "github.com/sysreflect/sysreflect/internal/elf"

// sysvHash is DT_HASH, the System V ABI's table.
type sysvHash struct {
	buckets, chain []uint32
}

// gnuHash is DT_GNU_HASH: a Bloom filter, then buckets whose symbols stand
// together in the symbol table.
type gnuHash struct {
	first   uint32 // index of the first symbol in it
	shift   uint32
	bloom   []uint64
	buckets []uint32
	chain   []uint32 // from first on; bit 0 marks a bucket's last symbol
}

func hashSysV(name string) uint32 {
	var h uint32
	for i := range len(name) {
		h = h<<4 + uint32(name[i])
		g := h & 0xf0000000
		h = (h ^ g>>24) &^ g
	}
	return h
}

func hashGNU(name string) uint32 {
	h := uint32(5381)
	for i := range len(name) {
		h = h*33 + uint32(name[i])
	}
	return h
}

func words(b []byte, n uint64) ([]uint32, []byte, bool) {
	if n > uint64(len(b))/4 {
		return nil, nil, false
	}
	w := make([]uint32, n)
	for i := range w {
		w[i] = le.Uint32(b[4*i:])
	}
	return w, b[4*n:], true
}

// readHashes reads what hash tables there are and returns how many symbols
// they speak of: nothing else in the dynamic segment says it.
func (m *Image) readHashes() (count uint64, err error) {
	b, ok, err := m.table(elf.DT_HASH)
	if err != nil {
		return 0, err
	}
	if ok {
		if m.sysv, ok = parseSysV(b); !ok {
			return 0, malformed("DT_HASH is outside the image")
		}
		count = uint64(len(m.sysv.chain))
	}
	b, ok, err = m.table(elf.DT_GNU_HASH)
	if err != nil {
		return 0, err
	}
	if ok {
		if m.gnu, ok = parseGNU(b); !ok {
			return 0, malformed("DT_GNU_HASH is outside the image")
		}
		if m.sysv == nil {
			count = uint64(m.gnu.first) + uint64(len(m.gnu.chain))
		}
	}
	if m.sysv == nil && m.gnu == nil {
		return 0, malformed("neither DT_HASH nor DT_GNU_HASH")
	}
	return count, nil
}

func parseSysV(b []byte) (*sysvHash, bool) {
	head, rest, ok := words(b, 2)
	if !ok {
		return nil, false
	}
	h := &sysvHash{}
	if h.buckets, rest, ok = words(rest, uint64(head[0])); !ok {
		return nil, false
	}
	h.chain, _, ok = words(rest, uint64(head[1]))
	return h, ok
}

func parseGNU(b []byte) (*gnuHash, bool) {
	head, rest, ok := words(b, 4)
	if !ok {
		return nil, false
	}
	h := &gnuHash{first: head[1], shift: head[3]}
	pairs, rest, ok := words(rest, 2*uint64(head[2]))
	if !ok {
		return nil, false
	}
	for i := 0; i < len(pairs); i += 2 {
		h.bloom = append(h.bloom, uint64(pairs[i])|uint64(pairs[i+1])<<32)
	}
	if h.buckets, rest, ok = words(rest, uint64(head[0])); !ok {
		return nil, false
	}
	// The chain has no length of its own: it ends with the last symbol of the
	// last bucket.
	last := uint32(0)
	for _, s := range h.buckets {
		last = max(last, s)
	}
	if last < h.first || last == 0 {
		return h, true // every bucket is empty
	}
	for i := uint64(last - h.first); i < uint64(len(rest)/4); i++ {
		if rest[4*i]&1 != 0 {
			h.chain, _, ok = words(rest, i+1)
			return h, ok
		}
	}
	return nil, false
}

// Lookup finds a symbol as a loader does, by the hash tables. An empty version
// accepts any.
func (m *Image) Lookup(name, version string) (Symbol, bool) {
	if m.gnu != nil {
		return m.lookupGNU(name, version)
	}
	return m.lookupSysV(name, version)
}

func (m *Image) lookupSysV(name, version string) (Symbol, bool) {
	h := m.sysv
	if h == nil || len(h.buckets) == 0 {
		return Symbol{}, false
	}
	i := h.buckets[hashSysV(name)%uint32(len(h.buckets))]
	for range h.chain { // a chain can't be longer, unless it is a circle
		if i == 0 || uint64(i) >= uint64(len(h.chain)) {
			break
		}
		if s, ok := m.match(i, name, version); ok {
			return s, true
		}
		i = h.chain[i]
	}
	return Symbol{}, false
}

func (m *Image) lookupGNU(name, version string) (Symbol, bool) {
	h := m.gnu
	if h == nil || len(h.buckets) == 0 || len(h.bloom) == 0 {
		return Symbol{}, false
	}
	sum := hashGNU(name)
	word := h.bloom[uint64(sum/64)%uint64(len(h.bloom))]
	if word>>(sum%64)&1 == 0 || word>>(sum>>(h.shift&31)%64)&1 == 0 {
		return Symbol{}, false
	}
	i := h.buckets[sum%uint32(len(h.buckets))]
	if i < h.first {
		return Symbol{}, false
	}
	for ; uint64(i-h.first) < uint64(len(h.chain)); i++ {
		c := h.chain[i-h.first]
		if c|1 == sum|1 {
			if s, ok := m.match(i, name, version); ok {
				return s, true
			}
		}
		if c&1 != 0 {
			break
		}
	}
	return Symbol{}, false
}

func (m *Image) match(i uint32, name, version string) (Symbol, bool) {
	if uint64(i) >= uint64(len(m.symbols)) {
		return Symbol{}, false
	}
	s := m.symbols[i]
	return s, s.exported() && s.Name == name && (version == "" || version == s.Version)
}
