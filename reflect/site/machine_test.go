package site

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// machineFiles are binaries of the machine by all who make system calls: C
// libraries, their loader, static programs, Go programs, and big ones without.
func machineFiles(t testing.TB) []string {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	golang, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	if golang, err = filepath.EvalSymlinks(golang); err != nil {
		t.Fatal(err)
	}
	python, _ := filepath.EvalSymlinks("/usr/bin/python3")
	var files []string
	for _, f := range []struct {
		path string
		must bool
	}{
		{"/lib/x86_64-linux-gnu/libc.so.6", true}, {"/lib64/ld-linux-x86-64.so.2", true}, {own, true},
		{golang, true}, {"/lib/ld-musl-x86_64.so.1", false}, {"/bin/busybox", false},
		{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", false}, {python, false}, {"/usr/bin/node", false},
	} {
		if _, err := os.Stat(f.path); err != nil {
			if f.must {
				t.Fatal(err)
			}
			t.Logf("not on this machine: %s", f.path)
			continue
		}
		files = append(files, f.path)
	}
	return files
}

// opened are files by their path; what is found out about them is kept.
var opened sync.Map

func open(t testing.TB, path string) *File {
	t.Helper()
	if f, ok := opened.Load(path); ok {
		return f.(*File)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	kept, _ := opened.LoadOrStore(path, f)
	return kept.(*File)
}

// sitesOf are a file's sites, found once.
func sitesOf(f *File) []uint64 {
	find, _ := siteLists.LoadOrStore(f, sync.OnceValue(f.Sites))
	return find.(func() []uint64)()
}

var siteLists sync.Map

// fixed tells whether a file is linked to fixed addresses.
func fixed(t testing.TB, path string) bool {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Type == elf.ET_EXEC
}

// TestMachine analyses every site of the machine's binaries, prints what came
// out, and holds each plan against the rules.
func TestMachine(t *testing.T) {
	t.Logf("%-12s %6s %6s %6s %6s %6s %6s %6s %6s  %s", "file", "sites", "nr", ">=3", "plans", "online", "near", "low", "relay", "refused")
	for _, path := range machineFiles(t) {
		f := open(t, path)
		var sites, number, three, plans, online, near, low, relay, misled int
		refused := map[string]int{}
		sites = len(sitesOf(f))
		for _, s := range sitesOf(f) {
			a, err := f.locate(s, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if i, ok := a.body.before(a.at); ok {
				n := a.body.insns[i]
				in := a.code[n.addr-a.fn.Start:]
				if n.size == 5 && in[0] == 0xb8 || n.size == 7 && bytes.HasPrefix(in, []byte{0x48, 0xc7, 0xc0}) {
					number++
				}
				if n.size >= 3 && n.flow == flowNext {
					three++
				}
			}
			p, err := f.Analyze(s)
			var r *Refusal
			if errors.As(err, &r) {
				refused[r.Reason.String()]++
				continue
			}
			plans++
			if best := p.Options[0]; best.Padding.Start != 0 {
				relay++
				if best.Misleads {
					misled++
				}
			}
			// So that nothing is below 0 or above the top.
			rules(t, p, 1<<40, 0x7f1234567000)
			count := map[bool]*int{true: new(int), false: new(int)}
			for _, o := range p.Options {
				if o.Online {
					*count[o.indirect()]++
				}
			}
			if *count[false]+*count[true] > 0 {
				online++
			}
			near, low = near+min(1, *count[false]), low+min(1, *count[true])
		}
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		t.Logf("%-12s %6d %6d %6d %6d %6d %6d %6d %6d (%d misled)  %v", name, sites, number, three, plans, online, near, low, relay, misled, refused)
		if sites > 0 && plans < sites*9/10 {
			t.Errorf("%s: %d plans for %d sites", path, plans, sites)
		}
		if online < plans*98/100 {
			t.Errorf("%s: %d of %d plans can be used online", path, online, plans)
		}
	}
}

// rules: what must hold for every option of every plan, wherever the file is
// mapped.
func rules(t *testing.T, p *Plan, biases ...uint64) {
	t.Helper()
	end, behind := p.end()
	if len(p.Options) == 0 || p.window == nil && len(p.Run) == 0 || len(p.Run) > 0 && p.Run[len(p.Run)-1].end() != end {
		t.Errorf("site %#x: %d options, run %v", p.Site, len(p.Options), p.Run)
	}
	for _, o := range p.Options {
		if o.Shape == Call {
			callRules(t, p, o, biases...)
			continue
		}
		n := p.Run[o.First]
		for _, bias := range biases {
			w := o.Dest(bias)
			if w.Empty() {
				continue
			}
			for _, dest := range []uint64{w.First, w.Last, w.First + (w.Last-w.First)/2} {
				patch, err := p.Patch(o, bias, dest)
				if err != nil {
					t.Fatal(err)
				}
				last := patch.Writes[len(patch.Writes)-1]
				if last.Addr != n.Addr+bias || len(last.New) < 2 || last.Addr+uint64(len(last.New)) > n.end()+bias {
					t.Errorf("site %#x: %+v does not lie in %v", p.Site, last, n)
				}
				if crosses := last.Addr&^7 != (last.Addr+uint64(len(last.New))-1)&^7; crosses && o.Online {
					t.Errorf("site %#x: online %t, write of %d bytes at %#x", p.Site, o.Online, len(last.New), last.Addr)
				}
				if addr, _, _, ok := last.Word(); ok != o.Online || ok && addr%8 != 0 {
					t.Errorf("site %#x: online %t, one word %t", p.Site, o.Online, ok)
				}
				if patch.Keep.Start != n.Addr+bias || patch.Keep.End < behind+bias {
					t.Errorf("site %#x keeps %x", p.Site, patch.Keep)
				}
				for _, w := range patch.Writes[:len(patch.Writes)-1] {
					if (Range{w.Addr, w.Addr + uint64(len(w.New))}).overlaps(patch.Keep) {
						t.Errorf("site %#x: padding %#x in its own code", p.Site, w.Addr)
					}
				}
			}
			if at := o.Stub(bias); !at.Empty() {
				stub, err := p.Stub(o, bias, StubSpec{Addr: at.First, Entry: 0x12345})
				if err != nil {
					t.Fatal(err)
				}
				if len(stub.Code) > MaxStub || p.window == nil && len(stub.Steps) != len(p.Run)-o.First+1 {
					t.Errorf("site %#x: stub %x, steps %v", p.Site, stub.Code, stub.Steps)
				}
			}
			for _, dest := range []uint64{w.First - 1, w.Last + 1} {
				if _, err := p.Patch(o, bias, dest); err == nil {
					t.Errorf("site %#x: a patch that leads to %#x, outside %x", p.Site, dest, w)
				}
			}
		}
	}
}

// callRules is the same for a call that is led elsewhere.
func callRules(t *testing.T, p *Plan, o Option, biases ...uint64) {
	t.Helper()
	if p.window == nil {
		t.Errorf("site %#x: %+v", p.Site, o)
	}
	for _, bias := range biases {
		w := o.Dest(bias)
		for _, dest := range []uint64{w.First, w.Last, w.First + (w.Last-w.First)/2} {
			patch, err := p.Patch(o, bias, dest)
			if err != nil {
				t.Fatal(err)
			}
			if len(patch.Writes) != 1 || patch.Keep != (Range{p.window.call + bias, p.window.call + 5 + bias}) {
				t.Fatalf("site %#x: %+v", p.Site, patch)
			}
			addr, _, now, ok := patch.Writes[0].Word()
			if ok != o.Online {
				t.Errorf("site %#x: one word %t, %+v", p.Site, ok, o)
			}
			if !ok {
				continue
			}
			// The whole instruction, as it will be.
			code := p.Code(patch, bias)
			for i := range code {
				if at := patch.Keep.Start + uint64(i) - addr; at < 8 {
					code[i] = now[at]
				}
			}
			if to := patch.Keep.End + uint64(int64(int32(le.Uint32(code[1:])))); code[0] != 0xe8 || to != dest {
				t.Errorf("site %#x: %x calls %#x, not %#x", p.Site, code, to, dest)
			}
		}
		for _, dest := range []uint64{w.First - 1, w.Last + 1} {
			if _, err := p.Patch(o, bias, dest); err == nil {
				t.Errorf("site %#x: a call of %#x, outside %x", p.Site, dest, w)
			}
		}
	}
}
