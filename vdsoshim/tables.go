package vdsoshim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// ErrRoom means that the running kernel's vDSO exports more than the image has
// room for.
var ErrRoom = errors.New("the kernel's vDSO exports more than the shim has room for")

// tables is what an image's dynamic tables are written from.
type tables struct {
	soname   string
	versions []version
	symbols  []Symbol

	strings []byte
	known   map[string]uint32 // offset of each string
}

// write replaces the tables of image, which are at fixed places, and what the
// dynamic segment and the section headers say of their sizes.
func (t *tables) write(image []byte) error {
	t.strings, t.known = []byte{0}, map[string]uint32{"": 0}
	count := len(t.symbols) + 1
	if count > maxSymbols || len(t.versions) > maxVersions {
		return fmt.Errorf("%w: %d symbols, %d versions", ErrRoom, count-1, len(t.versions))
	}
	// The GNU table wants the symbols of a bucket side by side.
	slices.SortStableFunc(t.symbols, func(a, b Symbol) int {
		return cmp.Compare(hashGNU(a.Name)%hashBuckets, hashGNU(b.Name)%hashBuckets)
	})
	symbols, versyms := make([]byte, 0, symSize*count), make([]byte, 2, 2*count)
	symbols = symbols[:symSize]
	for _, s := range t.symbols {
		symbols = le.AppendUint32(symbols, t.string(s.Name))
		symbols = append(symbols, elf.ST_INFO(s.Bind, s.Type), s.other)
		symbols = le.AppendUint16(symbols, uint16(s.Section))
		symbols = le.AppendUint64(symbols, s.Value)
		symbols = le.AppendUint64(symbols, s.Size)
		versyms = le.AppendUint16(versyms, s.versym)
	}
	sizes := map[uint64]uint64{} // room to bytes in use
	for _, p := range []struct {
		room    room
		content []byte
	}{
		{symbolRoom, symbols},
		{versymRoom, versyms},
		{verdefRoom, t.verdefs()},
		{hashRoom, t.sysv()},
		{gnuHashRoom, t.gnu()},
	} {
		if err := fill(p.room, image, p.content); err != nil {
			return err
		}
		sizes[p.room.off] = uint64(len(p.content))
	}
	soname := t.string(t.soname)
	if err := fill(stringRoom, image, t.strings); err != nil {
		return err
	}
	sizes[stringRoom.off] = uint64(len(t.strings))
	setDynamic(image, map[elf.DynTag]uint64{
		elf.DT_SONAME:    uint64(soname),
		elf.DT_STRSZ:     uint64(len(t.strings)),
		elf.DT_VERDEFNUM: uint64(len(t.versions)),
	})
	setSections(image, sizes)
	for sh := range sectionHeaders(image) {
		if elf.SectionType(le.Uint32(sh[4:])) == elf.SHT_GNU_VERDEF {
			le.PutUint32(sh[44:], uint32(len(t.versions))) // sh_info
		}
	}
	return nil
}

// fill writes content into a room, and zeros behind it.
func fill(r room, image, content []byte) error {
	if uint64(len(content)) > r.size {
		return fmt.Errorf("%w: %d bytes where there are %d", ErrRoom, len(content), r.size)
	}
	to := r.in(image)
	clear(to[copy(to, content):])
	return nil
}

func (t *tables) string(s string) uint32 {
	off, ok := t.known[s]
	if !ok {
		off = uint32(len(t.strings))
		t.strings = append(append(t.strings, s...), 0)
		t.known[s] = off
	}
	return off
}

func (t *tables) verdefs() []byte {
	var b []byte
	for i, v := range t.versions {
		next := uint32(verdefSize + verdauxSize)
		if i == len(t.versions)-1 {
			next = 0
		}
		b = le.AppendUint16(b, 1) // VER_DEF_CURRENT
		b = le.AppendUint16(b, v.flags)
		b = le.AppendUint16(b, v.index)
		b = le.AppendUint16(b, 1) // one Verdaux, the name
		b = le.AppendUint32(b, hashSysV(v.name))
		b = le.AppendUint32(b, verdefSize) // the Verdaux follows
		b = le.AppendUint32(b, next)
		b = le.AppendUint32(b, t.string(v.name))
		b = le.AppendUint32(b, 0)
	}
	return b
}

func (t *tables) sysv() []byte {
	buckets := make([]uint32, hashBuckets)
	chain := make([]uint32, len(t.symbols)+1)
	for i := len(t.symbols); i > 0; i-- {
		bucket := &buckets[hashSysV(t.symbols[i-1].Name)%hashBuckets]
		chain[i], *bucket = *bucket, uint32(i)
	}
	b := le.AppendUint32(nil, hashBuckets)
	b = le.AppendUint32(b, uint32(len(chain)))
	for _, w := range append(buckets, chain...) {
		b = le.AppendUint32(b, w)
	}
	return b
}

func (t *tables) gnu() []byte {
	const shift = 6
	bloom := make([]uint64, bloomWords)
	buckets := make([]uint32, hashBuckets)
	chain := make([]uint32, len(t.symbols))
	for i, s := range t.symbols {
		h := hashGNU(s.Name)
		bloom[h/64%bloomWords] |= 1<<(h%64) | 1<<(h>>shift%64)
		if buckets[h%hashBuckets] == 0 {
			buckets[h%hashBuckets] = uint32(i + 1)
		}
		chain[i] = h &^ 1
		if i == len(t.symbols)-1 || hashGNU(t.symbols[i+1].Name)%hashBuckets != h%hashBuckets {
			chain[i] |= 1
		}
	}
	b := le.AppendUint32(nil, hashBuckets)
	b = le.AppendUint32(b, 1) // the null symbol is not in it
	b = le.AppendUint32(b, bloomWords)
	b = le.AppendUint32(b, shift)
	for _, w := range bloom {
		b = le.AppendUint64(b, w)
	}
	for _, w := range append(buckets, chain...) {
		b = le.AppendUint32(b, w)
	}
	return b
}
