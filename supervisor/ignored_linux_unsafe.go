package supervisor

import (
	"bytes"
	"encoding/binary"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ignoredSignals are the signals that this process ignored when it was started,
// bit n-1 for signal n. A program inherits them (execve(2)), and services often
// rely on it: systemd ignores SIGPIPE for them. The Go runtime puts handlers in
// their place before any of our code runs, and a fork resets those to the
// default. What was there before it keeps in runtime.fwdSig, which nothing
// exports, so it is looked up in the symbol table of our own executable.
//
// A stripped executable has none: then only SIGHUP and SIGINT, which the runtime
// leaves ignored, stay so.
var ignoredSignals = sync.OnceValue(func() (set uint64) {
	const signals = 65 // runtime._NSIG
	const sigIgn = 1
	addr := symbolAddress("runtime.fwdSig", signals*8)
	if addr == 0 {
		return 0
	}
	table := (*[signals]uint64)(*(*unsafe.Pointer)(unsafe.Pointer(&addr)))
	for s := 1; s < signals; s++ {
		if table[s] == sigIgn {
			set |= 1 << (s - 1)
		}
	}
	return set
})

// symbolAddress finds a data symbol of the given size in this executable, 0 if
// it has no symbol table, is position-independent, or has no such symbol. It
// reads only what it needs: debug/elf would copy the whole table.
func symbolAddress(name string, size uint64) uintptr {
	// Package os would set its poller up first.
	fd, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil || info.Size < 64 {
		return 0
	}
	b, err := unix.Mmap(fd, 0, int(info.Size), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return 0
	}
	defer unix.Munmap(b)
	le := binary.LittleEndian
	const executable = 2 // ET_EXEC: symbols are addresses
	if le.Uint16(b[16:]) != executable {
		return 0
	}
	section := func(i uint64) []byte {
		at := le.Uint64(b[40:]) + i*uint64(le.Uint16(b[58:]))
		if at+64 > uint64(len(b)) {
			return nil
		}
		return b[at : at+64]
	}
	content := func(s []byte) []byte {
		if s == nil {
			return nil
		}
		at, n := le.Uint64(s[24:]), le.Uint64(s[32:])
		if at > uint64(len(b)) || n > uint64(len(b))-at {
			return nil
		}
		return b[at : at+n]
	}
	for i := range uint64(le.Uint16(b[60:])) {
		s := section(i)
		if s == nil || le.Uint32(s[4:]) != 2 { // SHT_SYMTAB
			continue
		}
		names, want := content(section(uint64(le.Uint32(s[40:])))), append([]byte(name), 0)
		for syms := content(s); len(syms) >= 24; syms = syms[24:] {
			if le.Uint64(syms[16:]) != size {
				continue
			}
			if at := uint64(le.Uint32(syms)); at < uint64(len(names)) && bytes.HasPrefix(names[at:], want) {
				return uintptr(le.Uint64(syms[8:]))
			}
		}
	}
	return 0
}
