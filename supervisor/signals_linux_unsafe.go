package supervisor

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/internal/early"
)

// An inheritance is what a process inherits of what the Go runtime changes before
// any of our code runs: the signals that it ignores and those that are blocked, bit
// n-1 for signal n (execve(2)), and how many files it may open.
type inheritance struct {
	ignored, blocked uint64
	files            *unix.Rlimit // nil where the runtime left RLIMIT_NOFILE alone
	known            bool
}

// inherited is this process's state as it was started. The program must have the
// same: systemd, for one, ignores SIGPIPE for services. The Go runtime puts handlers
// and a mask of its own in place, and raises the limit; a fork resets handlers to
// the default. What was there before it keeps in runtime.fwdSig,
// runtime.initSigmask and syscall.origRlimitNofile, which nothing exports, so they
// are looked up in the symbol table of our own executable.
//
// A stripped executable has none: then SIGHUP and SIGINT stay ignored, which the
// runtime leaves so, the mask is the one that the runtime made, and the limit is
// the first one where the one that holds looks like package syscall's.
var inherited = sync.OnceValue(func() (s inheritance) {
	const sigIgn = 1
	handlers, mask := symbol{name: "runtime.fwdSig", size: signals * 8}, symbol{name: "runtime.initSigmask", size: 8}
	limit := symbol{name: "syscall.origRlimitNofile", size: 8}
	findSymbols(&handlers, &mask, &limit)
	if handlers.address == 0 || mask.address == 0 || limit.address == 0 {
		soft, hard := early.Files()
		var now unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &now) == nil && now.Max == hard && now.Cur >= hard-1 {
			s.files = &unix.Rlimit{Cur: soft, Max: hard}
		}
		return s
	}
	table := (*[signals]uint64)(*(*unsafe.Pointer)(unsafe.Pointer(&handlers.address)))
	for n := 1; n < signals; n++ {
		if table[n] == sigIgn {
			s.ignored |= 1 << (n - 1)
		}
	}
	s.blocked = *(*uint64)(*(*unsafe.Pointer)(unsafe.Pointer(&mask.address)))
	s.files = (*atomic.Pointer[unix.Rlimit])(*(*unsafe.Pointer)(unsafe.Pointer(&limit.address))).Load()
	s.known = true
	return s
})

// A symbol is a datum of this executable; its address is 0 until it is found.
type symbol struct {
	name    string
	size    uint64
	address uintptr
}

// findSymbols looks data symbols of the given sizes up in this executable. None is
// found if it has no symbol table or is position-independent. Only what is needed
// is read: debug/elf would copy the whole table, and each page that is touched is
// paid for twice, now and at our end. The linker puts functions before data, so
// the search begins at the end. The file stays mapped: to unmap it interrupts all
// processors that run threads of ours.
func findSymbols(wanted ...*symbol) {
	// Package os would set its poller up first.
	fd, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil || info.Size < 64 {
		return
	}
	b, err := unix.Mmap(fd, 0, int(info.Size), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return
	}
	le := binary.LittleEndian
	const executable = 2 // ET_EXEC: symbols are addresses
	if le.Uint16(b[16:]) != executable {
		return
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
		names, missing := content(section(uint64(le.Uint32(s[40:])))), len(wanted)
		const entry = 24 // sizeof(Elf64_Sym)
		syms := content(s)
		for n := len(syms) / entry; n > 0 && missing > 0; n-- {
			sym := syms[(n-1)*entry : n*entry]
			size := le.Uint64(sym[16:])
			for _, w := range wanted {
				if size != w.size || w.address != 0 {
					continue
				}
				at := uint64(le.Uint32(sym))
				if end := at + uint64(len(w.name)); end < uint64(len(names)) && string(names[at:end]) == w.name && names[end] == 0 {
					w.address = uintptr(le.Uint64(sym[8:]))
					missing--
				}
			}
		}
	}
}
