package site

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A listed instruction is one line of objdump's.
type listed struct {
	addr   uint64
	code   []byte
	text   string
	branch uint64 // target of a direct jump or branch, else 0
}

// objdump calls each with the instructions of a range of a file.
func objdump(t testing.TB, path string, r Range, each func(listed)) {
	t.Helper()
	cmd := exec.Command("objdump", "-d", "-w", "--insn-width=16",
		fmt.Sprintf("--start-address=%#x", r.Start), fmt.Sprintf("--stop-address=%#x", r.End), path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	var code [16]byte
	for lines.Scan() {
		addr, rest, ok := bytes.Cut(bytes.TrimLeft(lines.Bytes(), " "), []byte(":\t"))
		hexa, text, ok2 := bytes.Cut(rest, []byte("\t"))
		if !ok || !ok2 {
			continue
		}
		a, err := strconv.ParseUint(string(addr), 16, 64)
		n := 0
		for _, h := range bytes.Fields(hexa) {
			if _, err := hex.Decode(code[n:], h); err != nil {
				t.Fatalf("%s: %v", lines.Bytes(), err)
			}
			n++
		}
		if err != nil || n == 0 {
			t.Fatalf("not understood: %s", lines.Bytes())
		}
		l := listed{addr: a, code: code[:n], text: string(text)}
		if f := strings.Fields(l.text); len(f) >= 2 && (strings.HasPrefix(f[0], "j") || strings.HasPrefix(f[0], "loop")) {
			l.branch, _ = strconv.ParseUint(f[1], 16, 64)
		}
		each(l)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("objdump %s: %v", path, err)
	}
}

// maxListed bounds the part of a segment that is compared; of a longer one
// several parts are.
var maxListed uint64 = 4 << 20

// TestObjdump compares every instruction in functions of the machine's
// binaries with what objdump makes of it, length and target; and no branch of
// any function, known or not, leads into an instruction that a plan replaces.
func TestObjdump(t *testing.T) {
	for _, path := range machineFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			f := open(t, path)
			replaced := map[uint64]uint64{} // inner addresses, by site
			for _, s := range sitesOf(f) {
				if p, err := f.Analyze(s); err == nil {
					for _, o := range p.Options {
						if o.Shape == Call {
							continue // replaces none
						}
						for a := p.Run[o.First].Addr + 1; a < p.Run[o.First].end(); a++ {
							replaced[a] = s
						}
					}
				}
			}
			compared, data := 0, 0
			for _, s := range f.segments {
				if !s.code() {
					continue
				}
				for _, r := range samples(f, &s) {
					objdump(t, path, r, func(l listed) {
						if site, ok := replaced[l.branch]; ok {
							t.Errorf("%#x: %s leads into what is replaced for %#x", l.addr, l.text, site)
						}
						if strings.Contains(l.text, "(bad)") || strings.HasPrefix(l.text, ".byte") {
							return
						}
						n, ok := scan(l.code, l.addr)
						if ok && int(n.size) == len(l.code) && (l.branch == 0 || l.branch == n.target) {
							compared++
							return
						}
						if inData(f, l.addr) {
							data++ // objdump takes tables between functions for code
							return
						}
						t.Errorf("%#x: % x is %s; here %d bytes, target %#x, %t", l.addr, l.code, l.text, n.size, n.target, ok)
					})
				}
			}
			t.Logf("%d instructions compared, %d differ that stand in data", compared, data)
			if compared == 0 || data > compared/100 {
				t.Error("too few to compare")
			}
		})
	}
}

// samples are the parts of a segment to compare, each from the beginning of a
// function on.
func samples(f *File, s *segment) []Range {
	const parts = 4
	size := s.end() - s.addr
	if size <= maxListed {
		return []Range{{s.addr, s.end()}}
	}
	var r []Range
	for i := range uint64(parts) {
		fn, ok := f.Function(s.addr + i*size/parts + size/parts/2)
		last, ok2 := f.Function(fn.Start + maxListed/parts/2)
		if ok && ok2 && fn.Start < last.Start {
			r = append(r, Range{fn.Start, last.Start})
		}
	}
	return r
}

// inData: no table of functions knows the address, or the function there
// doesn't decode from end to end because there is data in it, which decoding
// by control flow never comes by.
func inData(f *File, addr uint64) bool {
	fn, ok := f.function(addr)
	if !ok || fn.Source == FromCalls {
		return true
	}
	code, ok := f.at(fn.Start)
	if !ok || uint64(len(code)) < fn.End-fn.Start {
		return true
	}
	b := decodeBody(code[:fn.End-fn.Start], fn.Start)
	if b.coherent {
		return false
	}
	_, found := b.find(addr)
	return !found
}
