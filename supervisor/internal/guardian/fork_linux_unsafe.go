package guardian

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	pageSize  = 4096
	stateSize = 0x13000 // state.h's STATE_SIZE
	launchOff = 0x8000  // of struct state: the launch block's address, then the mask
	stackSize = 0x4000  // at its beginning
)

// A Space is the guardian's memory, which is mapped here too until it is released.
type Space struct{ mem []byte }

// Release unmaps the guardian's memory here. There is nothing to do for a nil Space.
func (s *Space) Release() {
	if s != nil && s.mem != nil {
		unix.Munmap(s.mem)
		s.mem = nil
	}
}

// Fork starts the guardian and returns its process id. It has copies of all of this
// process's descriptors until it has started the program, and of its memory only
// the executable's code, the control page and the Space.
func (l *Launch) Fork() (s *Space, pid int, err error) {
	mem, err := unix.Mmap(-1, 0, stateSize+(l.size()+pageSize-1)&^(pageSize-1),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, 0, err
	}
	s = &Space{mem}
	at := uintptr(unsafe.Pointer(&mem[0]))
	if err := l.write(mem[stateSize:], at+stateSize); err != nil {
		s.Release()
		return nil, 0, err
	}
	*(*uintptr)(unsafe.Pointer(&mem[launchOff])) = at + stateSize
	own := ownParts()
	own.keep(at, at+uintptr(len(mem)))
	own.keep(l.Control, l.Control+pageSize)
	syscall.ForkLock.Lock() // nobody's descriptor is between its making and close-on-exec
	if sequences() {
		gaps := unsafe.Slice((*gap)(unsafe.Pointer(&mem[0])), len(own.ranges)+2)[:0] // where its stack will end
		for g := range own.gaps {
			gaps = append(gaps, g)
		}
		pid = fork(at, at+stackSize, &mem[launchOff+8], &gaps[:1][0]) // zeros come after them
	} else {
		own.advise(unix.MADV_DONTFORK)
		pid = fork(at, at+stackSize, &mem[launchOff+8], nil)
		own.advise(unix.MADV_DOFORK)
	}
	syscall.ForkLock.Unlock()
	if pid < 0 {
		s.Release()
		return nil, 0, unix.Errno(-pid)
	}
	return s, pid, nil
}

// fork makes the guardian run with its state and its stack at the given addresses,
// and writes the calling thread's signal mask to mask. It returns the process id
// or a negative errno. Where gaps are given, up to an empty one, they are not left out of
// the fork by then: the guardian unmaps them, and has no restartable sequences.
//
//go:noescape
func fork(state, stack uintptr, mask *byte, gaps *gap) (pid int)

// A gap is a range of memory that the guardian has no use for.
type gap struct{ start, size uintptr }

// parts are ranges of this process's memory, in order.
type parts struct {
	ranges [5][2]uintptr
	n      int
	end    uintptr // what is above matters to nobody
}

// stackRoom is less than what the kernel keeps free below the initial stack (MIN_GAP
// of arch/x86/mm/mmap.c).
const stackRoom = 100 << 20

// vdsoRoom is more than the kernel's data pages, which lie before the vDSO, and more
// than the vDSO has. They may not be advised: their kind of mapping can't be taken
// into forks again (madvise(2), VM_IO).
const vdsoRoom = 64 << 10

// ownParts are the executable's segments that nobody writes to, which are what comes
// before the first that somebody does, and the vDSO. Where the kernel does not say
// where they are, there are no gaps: then the guardian is bigger, and no worse.
func ownParts() *parts {
	p := &parts{}
	entries, err := unix.Auxv()
	if err != nil {
		return p
	}
	var phdr, phnum, random, vdso uintptr
	for _, e := range entries {
		switch e[0] {
		case 3: // AT_PHDR
			phdr = e[1]
		case 5: // AT_PHNUM
			phnum = e[1]
		case 25: // AT_RANDOM, on the initial stack
			random = e[1]
		case 33: // AT_SYSINFO_EHDR
			vdso = e[1]
		}
	}
	type header struct { // Elf64_Phdr
		typ, flags                                  uint32
		off, vaddr, paddr, filesz, memsz, alignment uint64
	}
	if phdr == 0 || phnum == 0 || phnum > 64 || random < stackRoom {
		return p
	}
	const load, self, writable = 1, 6, 2 // PT_LOAD, PT_PHDR, PF_W
	headers := unsafe.Slice((*header)(*(*unsafe.Pointer)(unsafe.Pointer(&phdr))), phnum)
	bias, first, end := uintptr(0), ^uintptr(0), ^uintptr(0)
	for i := range headers {
		switch h := &headers[i]; {
		case h.typ == self:
			bias = phdr - uintptr(h.vaddr)
		case h.typ == load && h.flags&writable != 0:
			end = min(end, uintptr(h.vaddr)&^(pageSize-1))
		case h.typ == load:
			first = min(first, uintptr(h.vaddr)&^(pageSize-1))
		}
	}
	if first >= end || end == ^uintptr(0) {
		return p
	}
	p.keep(bias+first, bias+end)
	if vdso != 0 {
		p.keep(vdso-vdsoRoom, vdso+vdsoRoom)
	}
	p.end = (random - stackRoom) &^ (pageSize - 1)
	return p
}

// sequences reports whether the calling thread has registered an area for restartable
// sequences, as glibc 2.35 does for all of its threads. A fork inherits that, and the
// kernel kills who has no memory there (__rseq_handle_notify_resume, kernel/rseq.c). And
// there is a C library, which may fork at any time, and give advice about memory of its own
// that ours would undo. What the kernel is asked for can't be done: an area in its own memory is refused with EFAULT,
// or, before that, with EINVAL since it is another one (rseq_syscall).
func sequences() bool {
	const inKernel, size = ^uintptr(0xffff), 32
	_, _, e := unix.RawSyscall6(unix.SYS_RSEQ, inKernel, size, 0, 0, 0, 0)
	return e == unix.EINVAL
}

// keep adds a range.
func (p *parts) keep(from, to uintptr) {
	i := p.n
	for ; i > 0 && p.ranges[i-1][0] > from; i-- {
		p.ranges[i] = p.ranges[i-1]
	}
	p.ranges[i] = [2]uintptr{from, to}
	p.n++
}

// gaps are all that lies between the parts.
func (p *parts) gaps(yield func(gap) bool) {
	at := uintptr(0)
	for i := range p.n + 1 {
		r := [2]uintptr{p.end, p.end}
		if i < p.n {
			r = p.ranges[i]
		}
		if to := min(r[0], p.end); to > at && !yield(gap{at, to - at}) {
			return
		}
		at = max(at, r[1])
	}
}

// advise gives the kernel advice about the gaps. Holes are an error that it reports when
// all is done (madvise_walk_vmas).
func (p *parts) advise(advice uintptr) {
	for g := range p.gaps {
		unix.RawSyscall(unix.SYS_MADVISE, g.start, g.size, advice)
	}
}
