package vdsoshim

import (
	"strings"

	"golang.org/x/sys/unix"
)

// A function is code in the image.
type function struct {
	off  uint64
	size uint64
}

// A room is a part of the image that Complete writes.
type room struct {
	off  uint64
	size uint64
}

// in returns the room's bytes in image.
func (r room) in(image []byte) []byte { return image[r.off : r.off+r.size : r.off+r.size] }

// A call is a system call that the kernel's vDSO has a function for, with the
// C calling convention and arguments in the system call's order.
type call struct {
	name string
	nr   int
	stub function
	shim *function // the image's own function; nil means that it forwards
	link int       // where that finds the kernel's, which it leads on to; 0 if nowhere
}

// calls are the vDSO functions that this image knows, by the call's name; the
// kernel calls them __vdso_NAME with a weak alias NAME, both @LINUX_2.6
// (arch/x86/entry/vdso/vdso.lds.S).
var calls = [...]call{
	{"clock_gettime", unix.SYS_CLOCK_GETTIME, stubClockGettime, &clockGettime, linkClockGettime},
	{"clock_getres", unix.SYS_CLOCK_GETRES, stubClockGetres, &clockGetres, linkClockGetres},
	{"gettimeofday", unix.SYS_GETTIMEOFDAY, stubGettimeofday, nil, 0},
	{"time", unix.SYS_TIME, stubTime, nil, 0},
	{"getcpu", unix.SYS_GETCPU, stubGetcpu, nil, 0},
	{"getrandom", unix.SYS_GETRANDOM, stubGetrandom, &getrandom, 0},
}

const (
	prefix     = "__vdso_"
	abiVersion = "LINUX_2.6"
)

// Generation is the symbol, of version LINUX_2.6, of the first word of the control
// page: a 64-bit number, never 0, that changes when bytes of random generators which
// a program holds must not be used any more (docs/generation.md). A program reads it
// through AT_SYSINFO_EHDR like a function's address, but as data (STT_OBJECT).
const Generation = prefix + "rng_generation"

// CallOf returns the name and number of the system call that the vDSO's symbol
// stands for; ok is false for symbols that this image knows nothing about.
func CallOf(symbol string) (name string, nr int, ok bool) {
	name = strings.TrimPrefix(symbol, prefix)
	c := findCall(name)
	if c == nil {
		return name, 0, false
	}
	return name, c.nr, true
}

// Function is where a call's code stands in the image that a binding leads to, in bytes;
// 0 where that is a forwarder. It leads on to the kernel's own by that slot of the link page, if
// not by 0.
func Function(name string, b Binding) (off, size uint64, link int) {
	c := findCall(name)
	switch {
	case c != nil && b == Stub:
		return c.stub.off, c.stub.size, 0
	case c != nil && b == Shim && c.shim != nil:
		return c.shim.off, c.shim.size, c.link
	}
	return 0, 0, 0
}

// Calls are the names of the calls that the image knows vDSO functions of.
func Calls() []string {
	var out []string
	for i := range calls {
		out = append(out, calls[i].name)
	}
	return out
}

// findCall returns the call of that name, nil if there is none.
func findCall(name string) *call {
	for i := range calls {
		if calls[i].name == name {
			return &calls[i]
		}
	}
	return nil
}
