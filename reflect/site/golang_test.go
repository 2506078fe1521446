package site

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const goProgram = `package main

import "os"

func main() { os.Stdout.WriteString("hello\n") }
`

// TestGolang: Go's function table is read in stripped, unstripped and
// position-independent programs, and by both linkers.
func TestGolang(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(goProgram), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"plain": nil, "stripped": {"-ldflags=-s -w"}, "pie": {"-buildmode=pie"},
		"stripped pie": {"-buildmode=pie", "-ldflags=-s -w"},
		"external":     {"-ldflags=-linkmode=external"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(dir, strings.ReplaceAll(name, " ", ""))
			cmd := exec.Command("go", append(append([]string{"build", "-o", out}, args...), source)...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
			if name == "external" {
				cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
			}
			if b, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			f := open(t, out)
			sites, vfork, six := f.Sites(), false, false
			for _, s := range sites {
				fn, _ := f.Function(s)
				if fn.Source != FromGolang || fn.Name == "" {
					t.Errorf("site %#x is in %+v", s, fn)
				}
				p, err := f.Analyze(s)
				vfork = vfork || fn.Name == "syscall.rawVforkSyscall" && errors.Is(err, &Refusal{Reason: GoVfork})
				six = six || strings.HasSuffix(fn.Name, ".Syscall6") && err == nil && p.Options[0].Online
			}
			if len(sites) < 30 || !vfork || !six {
				t.Errorf("%d sites; rawVforkSyscall refused: %t; Syscall6 planned: %t", len(sites), vfork, six)
			}
		})
	}
}
