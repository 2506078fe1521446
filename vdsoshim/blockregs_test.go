package vdsoshim

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var blocksProgram = sync.OnceValues(func() (string, error) {
	dir, err := testFiles()
	if err != nil {
		return "", err
	}
	noteSources("testdata/blocks/*")
	cmd := exec.Command("gcc", "-O1", "-Wall", "-Wextra", "-mno-red-zone", "-o", filepath.Join(dir, "blocks"),
		"main.c", "steps.c", "mutants.c", "call.S")
	cmd.Dir = filepath.Join("testdata", "blocks")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return filepath.Join(dir, "blocks"), nil
})

// A blockEntry is an entry of a block function and what the test program has to
// know about it.
type blockEntry struct {
	name  string
	off   uint64
	width string // bytes of a vector register that it keeps, of those that the machine has
	kind  string // enum kind in blocks.h
	code  []function
}

func blockEntries(t *testing.T) (out []blockEntry) {
	t.Helper()
	usable := entries(t)
	all := "16"
	switch {
	case probed().zmm():
		all = "64"
	case AVX2.Usable() == nil:
		all = "32"
	}
	for _, e := range []blockEntry{
		{"scalar", ChachaScalarOff, all, "0", []function{chachaScalar}},
		{"avx2", ChachaAvx2Off, "32", "1", []function{chachaAvx2}},
		{"avx2_zmm", ChachaAvx2ZmmOff, "64", "1", []function{chachaAvx2Zmm, chachaAvx2}},
		{"avx512", ChachaAvx512Off, "64", "2", []function{chachaAvx512}},
	} {
		if _, ok := usable[e.name]; ok {
			out = append(out, e)
		}
	}
	return out
}

func runBlocks(t *testing.T, mode string, e blockEntry, stdin string) (string, error) {
	t.Helper()
	program, err := blocksProgram()
	if err != nil {
		t.Fatalf("compile the test program (on Debian: apt-get install gcc libc6-dev): %v", err)
	}
	cmd := exec.Command(program, mode, "image.elf", fmt.Sprint(e.off), e.width, e.kind)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	return string(out), err
}

// TestBlockRegisters: every register comes back with its full width, whatever
// the program had in the upper parts; nothing secret is left or was ever in
// plain memory; there is no stack; what the kernel drops does no other harm than
// to the key stream.
func TestBlockRegisters(t *testing.T) {
	for _, e := range blockEntries(t) {
		for _, mode := range []string{"registers", "steps"} {
			t.Run(e.name+" "+mode, func(t *testing.T) {
				if out, err := runBlocks(t, mode, e, ""); err != nil || out != "" {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// needless are instructions without which no test here fails, and why they stand
// in the image.
var needless = []struct{ insn, why string }{
	{`xor +%eax,%eax`, "the loops end with zero there, which nobody should have to know"},
	{`xor +%esi,%esi`, "the same; one macro ends all functions"},
	{`vzeroupper`, "only some processors tell that upper parts are in use (XINUSE), this may be none of them"},
}

// TestBlockMutants leaves out each instruction of each function in turn: the
// tests of registers must see it.
func TestBlockMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	code := disassemble(t)
	addrs := make([]uint64, 0, len(code))
	for addr := range code {
		addrs = append(addrs, addr)
	}
	slices.Sort(addrs)
	padding := regexp.MustCompile(`^(nop|int3|cs nop|data16|xchg +%ax,%ax)`)
	survived, tried := map[uint64]int{}, map[uint64]int{}
	for _, e := range blockEntries(t) {
		var list strings.Builder
		for i, addr := range addrs[:len(addrs)-1] {
			for _, f := range e.code {
				seen := survived[addr] < tried[addr] // by way of another entry
				if addr >= f.off && addr < f.off+f.size && !padding.MatchString(code[addr]) && !seen {
					fmt.Fprintf(&list, "%x %d\n", addr, addrs[i+1]-addr)
					tried[addr]++
				}
			}
		}
		out, err := runBlocks(t, "mutants", e, list.String())
		if err != nil {
			t.Fatalf("%s: %v\n%s", e.name, err, out)
		}
		for _, line := range strings.Fields(out) {
			var addr uint64
			if _, err := fmt.Sscanf(line, "%x", &addr); err != nil {
				t.Fatalf("%s: %q", e.name, line)
			}
			survived[addr]++
		}
	}
	if len(tried) < 200 {
		t.Fatalf("%d instructions", len(tried))
	}
	left := 0
	// AVX2's body has parts for one of its entries only.
	for addr, n := range survived {
		if n < tried[addr] || !probed().zmm() && strings.Contains(code[addr], "zmm") {
			continue
		}
		left++
		known := false
		for _, x := range needless {
			known = known || regexp.MustCompile("^"+x.insn+"$").MatchString(code[addr])
		}
		if !known {
			t.Errorf("nothing fails without %#x: %s", addr, code[addr])
		}
	}
	t.Logf("%d instructions, %d of them needless", len(tried), left)
}
