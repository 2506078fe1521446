package bpf

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden listings")

func listing(t *testing.T, p *Program) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Disassemble(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, tt := range plans {
		if tt.large {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			got := listing(t, mustCompile(t, tt.plan(t), testExempt))
			file := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("listing differs from %s; to accept it: go test ./bpf -run TestGolden -update\n%s", file, got)
			}
		})
	}
}

// TestManual keeps the listings in the manual true: all of one filter, and of
// another the end, which is the test of the pointer with stubs.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/filter.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, last := range map[string]int{"default": 1000, "passthrough": 8} {
		golden, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(strings.TrimSuffix(string(golden), "\n"), "\n")
		shown := strings.Join(lines[max(0, len(lines)-last):], "")
		if !strings.Contains(string(manual), "```\n"+shown+"\n```\n") {
			t.Errorf("docs/filter.md does not show testdata/%s.golden", name)
		}
	}
}

func TestDisassembleForeignInstructions(t *testing.T) {
	p := &Program{Main: []netbpf.RawInstruction{
		{Op: opLoad, K: offArgs},
		{Op: opAnd, K: 0xff},
		{Op: opGt, Jt: 1, Jf: 0, K: 4},
		{Op: opSet, Jt: 1, Jf: 2, K: 4},
		{Op: opJump, K: 1},
		{Op: 0xffff},
		{Op: opRet, K: unix.SECCOMP_RET_ERRNO | 11},
		{Op: opRet, K: unix.SECCOMP_RET_TRACE | 7},
		{Op: opRet, K: 0x12340000},
	}}
	want := `main filter, 9 instructions
   0  0020 00 00 00000010  A = argument 0, low
   1  0054 00 00 000000ff  A &= 0xff
   2  0025 01 00 00000004  if A > 0x4 goto 4
   3  0045 01 02 00000004  if A & 0x4 goto 5 else 6
   4  0005 00 00 00000001  goto 6
   5  ffff 00 00 00000000  ?
   6  0006 00 00 0005000b  return ERRNO 11 (EAGAIN)
   7  0006 00 00 7ff00007  return TRACE 7
   8  0006 00 00 12340000  return 0x12340000
`
	if got := listing(t, p); got != want {
		t.Errorf("got\n%s", got)
	}
}
