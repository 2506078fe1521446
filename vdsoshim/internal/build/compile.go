package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxStack bounds what a function of the image may put on its caller's stack:
// Go calls the vDSO from goroutine stacks with 800 bytes left, of which the
// kernel's own functions want their part.
const maxStack = 96

// handlerStack is that of what runs on a signal's stack, behind a frame of some
// 3 KiB: 2 KiB are the least that an alternate stack must have for both
// (MINSIGSTKSZ, and what the kernel adds to it for vector registers).
const handlerStack = 384

// onSignals are the sources of what only runs there.
var onSignals = []string{"sigsys", "leave", "own", "sigaction", "sigmask", "sigwait", "tracing", "tracers", "tracees"}

var (
	// In the order of their code: the strictest alignment first, so that no
	// padding stands outside a function.
	assembly = []string{
		"generator", "reflected_getrandom", "reflected", "chacha_avx512", "chacha_avx2", "chacha_scalar", "forward", "clocks", "stub", "entry", "delivered", "exits", "symbols",
	}
	c = []string{"getrandom", "handoff", "sigsys", "leave", "own", "sigaction", "sigmask", "sigwait", "tracing", "tracers", "tracees"}
)

// cflags say that the code runs on strange stacks without a C library, and
// that the same sources give the same bits.
var cflags = []string{
	"-std=gnu11", "-O2", "-g0", "-Wall", "-Wextra", "-Werror",
	"-ffreestanding", "-fpic", "-fvisibility=hidden", "-fomit-frame-pointer",
	// Nothing but general registers: the callers' vectors are theirs.
	"-mgeneral-regs-only", "-mno-red-zone",
	// A stack probe writes below what the caller has.
	"-fno-stack-protector", "-fno-stack-clash-protection", "-fno-stack-check",
	"-fcf-protection=none", "-fasynchronous-unwind-tables", "-fstack-usage",
	// No calls to memset and the like, no tables that need relocation, no
	// padding that unwind tables don't cover.
	"-fno-tree-loop-distribute-patterns", "-fno-tree-vectorize", "-fno-jump-tables",
	"-falign-functions=1", "-fno-align-loops", "-fno-align-jumps",
}

var ldflags = []string{
	"-shared", "-soname", "linux-vdso.so.1", "-Bsymbolic", "--no-undefined",
	"--hash-style=both", "--eh-frame-hdr", "--build-id=none",
	"-z", "noexecstack", "-z", "max-page-size=4096", "-z", "norelro",
}

type builder struct {
	src, tmp string
}

// build returns the image and its layout, in Go and in C.
func (b *builder) build() (image, layout, header []byte, err error) {
	src, err := filepath.Abs(b.src)
	if err != nil {
		return nil, nil, nil, err
	}
	var objects []string
	compile := func(name, ext string, flags ...string) {
		if err != nil {
			return
		}
		object := filepath.Join(b.tmp, name+".o")
		objects = append(objects, object)
		args := append(flags, "-ffile-prefix-map="+src+"=.", "-c", filepath.Join(src, name+ext), "-o", object)
		_, err = b.tool("gcc", args...)
	}
	for _, name := range assembly {
		compile(name, ".S", "-g0")
	}
	for _, name := range c {
		flags := slices.Clone(cflags)
		if name == "handoff" || slices.Contains(onSignals, name) {
			flags = append(flags, "-Os") // an exec or a signal costs more than all of it
		}
		compile(name, ".c", flags...)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if err := b.checkStack(); err != nil {
		return nil, nil, nil, err
	}
	script, err := b.tool("gcc", "-E", "-P", "-undef", "-x", "assembler-with-cpp", filepath.Join(src, "shim.lds.S"))
	if err != nil {
		return nil, nil, nil, err
	}
	lds := filepath.Join(b.tmp, "shim.lds")
	if err := os.WriteFile(lds, script, 0o644); err != nil {
		return nil, nil, nil, err
	}
	// Linked twice: the symbols say what stands where, but don't go along.
	link := func(name string, flags ...string) ([]byte, error) {
		out := filepath.Join(b.tmp, name)
		args := append(append(append([]string{}, ldflags...), flags...), "-T", lds, "-o", out)
		if _, err := b.tool("ld", append(args, objects...)...); err != nil {
			return nil, err
		}
		return os.ReadFile(out)
	}
	full, err := link("full.so")
	if err != nil {
		return nil, nil, nil, err
	}
	stripped, err := link("image.so", "-s")
	if err != nil {
		return nil, nil, nil, err
	}
	return finish(full, stripped)
}

func (b *builder) tool(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = b.tmp
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%w (on Debian: apt-get install gcc)", err)
		}
		return nil, fmt.Errorf("%s: %w\n%s", name, err, stderr.Bytes())
	}
	return out, nil
}

// checkStack reads what -fstack-usage says: one line a function, with its
// frame in bytes and whether that is all of it.
func (b *builder) checkStack() error {
	for _, name := range c {
		f, err := os.Open(filepath.Join(b.tmp, name+".su"))
		if err != nil {
			return err
		}
		defer f.Close()
		most := maxStack
		if slices.Contains(onSignals, name) {
			most = handlerStack
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			fields := strings.Split(s.Text(), "\t")
			if len(fields) != 3 {
				return fmt.Errorf("%s.su: unknown line %q", name, s.Text())
			}
			size, err := strconv.Atoi(fields[1])
			if err != nil || size > most || fields[2] != "static" {
				return fmt.Errorf("%s: %s bytes of stack (%s), at most %d are allowed", fields[0], fields[1], fields[2], most)
			}
		}
	}
	return nil
}
