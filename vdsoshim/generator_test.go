package vdsoshim

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/cpu"
)

// A block function, by its name in the layout.
type blockFunction struct {
	name   string
	off    uint32
	usable bool
}

var blockFunctions = []blockFunction{
	{"ChachaAvx512", ChachaAvx512Off, cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL},
	{"ChachaAvx2", ChachaAvx2Off, cpu.X86.HasAVX2},
	{"ChachaAvx2Zmm", ChachaAvx2ZmmOff, cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL},
	{"ChachaScalar", ChachaScalarOff, true},
}

// eachBlockFunction runs a test with every block function that this processor
// can run.
func eachBlockFunction(t *testing.T, f func(t *testing.T, b blockFunction)) {
	for _, b := range blockFunctions {
		if b.usable {
			t.Run(b.name, func(t *testing.T) { f(t, b) })
		}
	}
}

// bestBlockFunction is the one that programs get by default.
func bestBlockFunction() blockFunction {
	for _, b := range blockFunctions {
		if b.usable {
			return b
		}
	}
	panic("the scalar one is always usable")
}

// harness compiles testdata/generator.
var harness = sync.OnceValues(func() (string, error) {
	dir, err := testFiles()
	if err != nil {
		return "", err
	}
	noteSources("testdata/generator/*")
	sources, err := filepath.Glob("testdata/generator/*.[cS]")
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "generator")
	args := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread",
		"-fno-omit-frame-pointer", "-mno-red-zone", "-o", out, "testdata/region/handoff.c"}, sources...)
	if message, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, message)
	}
	return out, nil
})

// A subject is an image to test, completed, and where things are in it.
type subject struct {
	image  []byte
	layout map[string]uint64
	args   []string // of the harness
	dir    string   // that it runs in, "": here
}

// realSubject is the image as programs get it.
func realSubject(t *testing.T, blocks uint32, noDroppable bool) *subject {
	t.Helper()
	kernel, _, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	built, err := Complete(Options{Kernel: kernel, Bind: everything(Shim), Blocks: blocks, NoDroppable: noDroppable})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("layout_amd64.go")
	if err != nil {
		t.Fatal(err)
	}
	return &subject{image: built.Bytes, layout: parseLayout(string(text))}
}

var layoutLine = regexp.MustCompile(`(?m)^\t(\w+) += (?:function\{)?(0x[0-9a-f]+)`)

func parseLayout(text string) map[string]uint64 {
	layout := map[string]uint64{}
	for _, m := range layoutLine.FindAllStringSubmatch(text, -1) {
		layout[m[1]], _ = strconv.ParseUint(m[2], 0, 64)
	}
	return layout
}

var define = regexp.MustCompile(`(?m)^#define (\w+) (\d+)`)

// defines are the numbers in the shim's headers.
var defines = sync.OnceValue(func() map[string]uint64 {
	noteSources("shim/*.h")
	out := map[string]uint64{}
	for _, name := range []string{"shim/generator.h", "shim/chacha.h"} {
		text, _ := os.ReadFile(name)
		for _, m := range define.FindAllStringSubmatch(string(text), -1) {
			out[m[1]], _ = strconv.ParseUint(m[2], 10, 64)
		}
	}
	return out
})

// run starts the harness in a mode with a generation of its own, and returns
// what it says.
func (s *subject) run(t *testing.T, mode string, args ...string) (string, error) {
	t.Helper()
	program, err := harness()
	if err != nil {
		t.Fatalf("compile the harness (on Debian: apt-get install gcc libc6-dev): %v", err)
	}
	base, err := Base(0)
	if err != nil {
		t.Fatal(err)
	}
	file := memfd(t, UserOff)
	file.WriteAt(s.image, 0)
	file.WriteAt(binary.LittleEndian.AppendUint64(nil, 1<<40+12345), ControlOff)
	cmd := exec.Command(program)
	cmd.Dir = s.dir
	cmd.ExtraFiles = []*os.File{file}
	cmd.Args = []string{"generator", mode, "fd=3"}
	number := func(name string, value uint64) { cmd.Args = append(cmd.Args, fmt.Sprintf("%s=%#x", name, value)) }
	number("base", base)
	number("timeout", uint64(120+soak().Seconds()))
	number("seed", uint64(time.Now().UnixNano()))
	number("blocks", uint64(binary.LittleEndian.Uint32(s.image[s.layout["planOff"]+planBlocks:])))
	for name, symbol := range map[string]string{
		"gate": "GateOff", "handoff": "HandoffOff", "control": "ControlOff", "link": "LinkOff",
		"slots": "SlotsOff", "slotssize": "SlotsSize", "secrets": "LinkSecrets", "secretssize": "SecretsSize",
		"imagesize": "ImageSize", "size": "RegionSize",
		"vdso": "getrandom", "reflected": "reflectedGetrandom",
	} {
		value, ok := s.layout[symbol]
		if !ok {
			t.Fatalf("the layout has no %s", symbol)
		}
		number(name, value)
	}
	for name, symbol := range map[string]string{
		"vectors": "SLOT_VECTORS", "vectorssize": "CHACHA_SAVE", "generation": "SECRET_GENERATION", "pages": "SLOT_PAGES",
	} {
		value, ok := defines()[symbol]
		if !ok {
			t.Fatalf("the headers have no %s", symbol)
		}
		number(name, value)
	}
	cmd.Args = append(append(cmd.Args, s.args...), args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.Join(cmd.Args, " "))
	}
	return string(out), err
}

// pass wants a run without a complaint.
func (s *subject) pass(t *testing.T, mode string, args ...string) string {
	t.Helper()
	out, err := s.run(t, mode, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
