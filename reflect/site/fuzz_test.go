package site

import (
	"errors"
	"testing"
)

// FuzzParse: files that nobody made with care. Whatever they say, analysis
// ends, and what it plans obeys the rules.
func FuzzParse(f *testing.F) {
	b, _ := code(f, "31c0 | 0f05 483d00f0ffff 7701 c3 90 b827000000 0f05 c3 0f1f440000")
	small := oneFunction(0x10000, "f", b)
	f.Add(small.bytes())
	small.symbols = append(small.symbols, imageSymbol{"__cp_begin", 0x10000, 0, 0}, imageSymbol{"__cp_end", 0x10004, 0, 0})
	small.notes = []byte("\x04\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00GNU\x00abcd")
	f.Add(small.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		file, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%v is no ErrFormat", err)
			}
			return
		}
		file.Key()
		for _, s := range file.Sites() {
			if p, err := file.Analyze(s); err == nil {
				rules(t, p, 0, 1<<40)
			} else if !errors.As(err, new(*Refusal)) {
				t.Errorf("%v is no refusal", err)
			}
		}
	})
}

// FuzzCode: a function of any bytes, with a site at an address in it.
func FuzzCode(f *testing.F) {
	for _, text := range []string{
		"31c0 | 0f05 483d00f0ffff", "4889df | 0f05 483d01f0ffff", "b827000000 | 0f05 c3", "48c7c00f000000 | 0f05",
		"488b3d10000000 488d3510000000 | 0f05 74fc c3 660f1f440000 eb00", "f30f1efa 0f01ef 62f17c4810c0 c5f877 | 0f05",
		"8b07 f60708 7526 4989fb 4889f0 4889d7 4889ce 4c89c2 4d89ca 4c8b442408 4c8b4c2410 4c895c2408 | 0f05 c3",
	} {
		b, at := code(f, text)
		f.Add(b, uint16(at))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		if len(b) > 4096 {
			return
		}
		// Decoding keeps within what it is given, and comes by itself again.
		for off := 0; off < len(b); {
			n, ok := scan(b[off:], uint64(off))
			if !ok {
				break
			}
			if n.size == 0 || n.size > 15 || off+int(n.size) > len(b) {
				t.Fatalf("%x: %d bytes", b[off:], n.size)
			}
			if m, ok := scan(b[off:off+int(n.size)], uint64(off)); !ok || m != n {
				t.Fatalf("%x: %+v, alone %+v", b[off:], n, m)
			}
			off += int(n.size)
		}
		image := oneFunction(0x10000, "f", b)
		p, err := image.parse(t).Analyze(0x10000 + uint64(at))
		if err != nil {
			if !errors.As(err, new(*Refusal)) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		rules(t, p, 1<<40, 0x7f1234567000)
	})
}

// FuzzFrames: unwind tables of any bytes.
func FuzzFrames(f *testing.F) {
	entry := []byte("\x14\x00\x00\x00\x00\x00\x00\x00\x01zR\x00\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\x00\x00" +
		"\x14\x00\x00\x00\x1c\x00\x00\x00\x00\xf0\xff\xff\x10\x00\x00\x00\x00\x41\x0e\x10\x86\x02\x0a\x0b")
	f.Add(entry)
	f.Fuzz(func(t *testing.T, b []byte) {
		file := &File{segments: []segment{{addr: 0x10000, bytes: b}}}
		all := &frames{file: file}
		all.readAll(b, 0x10000)
		for _, d := range all.all {
			if d.start >= d.end {
				t.Errorf("%+v", d)
			}
			d.row(d.start)
			d.row(d.end - 1)
			all.sameCaller(d.start, d.end-1)
		}
	})
}
