// Package preload is a library for LD_PRELOAD that serves getrandom and getentropy
// by the shim's generator, in programs that no supervisor runs: what one would use
// without reflect, for experiments.
//
// # What it misses
//
// It serves what a dynamically linked program calls by these two names. It does
// not see raw system calls, those inside of the C library (malloc's, arc4random's),
// programs that are static, in Go, privileged, or executed with another environment,
// and what runs before the loader has loaded it. Nobody changes its generation:
// after the machine was cloned it hands out what it held. A bad address is a
// SIGSEGV, and not EFAULT. It is seen in the environment and among the mappings,
// and each program that is executed loads it anew.
//
// # How
//
// The library is committed as it was built from src/preload.c. Library writes the image,
// completed for the running kernel, into the room that it has for one.
package preload

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

//go:generate ./build.sh

//go:embed preload.elf
var library string

const (
	magic = "reflect-preload\x00"
	page  = 4096
	room  = 96 << 10
)

// header is what src/preload.c finds before the image.
type header struct {
	Magic                                         [16]byte
	Image, Region, Control, Handoff, Entry, State uint64
}

// Library returns the library for the running kernel and this machine's processor.
func Library() ([]byte, error) { return build(vdsoshim.Best()) }

func build(block vdsoshim.Block) ([]byte, error) {
	kernel, _, err := vdsoshim.Kernel()
	if err != nil {
		return nil, err
	}
	built, err := vdsoshim.Complete(vdsoshim.Options{Kernel: kernel, Blocks: block.Off(), Bind: func(call string) vdsoshim.Binding {
		if call == "getrandom" {
			return vdsoshim.Shim
		}
		return vdsoshim.Forward
	}})
	if err != nil {
		return nil, err
	}
	image, err := vdsoshim.Parse(built.Bytes)
	if err != nil {
		return nil, err
	}
	entry, ok := image.Lookup("__vdso_getrandom", "LINUX_2.6")
	if !ok {
		return nil, errors.New("the image has no getrandom")
	}
	out := []byte(library)
	at := bytes.LastIndex(out, []byte(magic))
	if at < 0 || len(built.Bytes) > room {
		return nil, fmt.Errorf("the image has %d bytes, the library has room for %d", len(built.Bytes), room)
	}
	h := header{
		Image: uint64(len(built.Bytes)), Region: vdsoshim.RegionSize, Control: vdsoshim.ControlOff, Handoff: vdsoshim.HandoffOff,
		Entry: entry.Value, State: uint64(built.StateSize()),
	}
	copy(h.Magic[:], magic)
	if _, err := binary.Encode(out[at:], binary.LittleEndian, &h); err != nil {
		return nil, err
	}
	copy(out[at+page:], built.Bytes)
	return out, nil
}
