package supervisor

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A spawning is a child on its way to its executable. syscall.ForkExec would have
// this thread wait until the child executes, which takes as long as all that is
// left to prepare; here it goes on at once. So the child can't use anything of Go,
// not even a stack: it makes the listed calls, one after the other, until one
// fails or the last has executed the file.
type spawning struct {
	masks [2]uint64  // of signals: what is blocked meanwhile, and what was before
	next  *spawnCall // the first one, and at last the one that failed
	errno uintptr    // of the call at next, if it failed
	calls []spawnCall
	kept  []any // what the calls point to
}

type spawnCall struct{ nr, a, b, c, d, e uintptr }

// call adds a system call to the child's.
func (s *spawning) call(nr uintptr, args ...uintptr) {
	var a [5]uintptr
	copy(a[:], args)
	s.calls = append(s.calls, spawnCall{nr, a[0], a[1], a[2], a[3], a[4]})
}

// text is a C string for the child.
func (s *spawning) text(t string) (uintptr, error) {
	p, err := unix.BytePtrFromString(t)
	s.kept = append(s.kept, p)
	return uintptr(unsafe.Pointer(p)), err
}

// files puts descriptors in place, files[i] as i, by way of numbers from spare on.
func (s *spawning) files(files []uintptr, spare int) {
	files = append([]uintptr(nil), files...)
	for i, fd := range files { // what would be overwritten before its turn
		if int(fd) >= 0 && int(fd) < i {
			s.call(unix.SYS_DUP3, fd, uintptr(spare), unix.O_CLOEXEC)
			files[i] = uintptr(spare)
			spare++
		}
	}
	for i, fd := range files {
		switch int(fd) {
		case -1:
			s.call(unix.SYS_CLOSE_RANGE, uintptr(i), uintptr(i), 0)
		case i:
			s.call(unix.SYS_FCNTL, fd, unix.F_SETFD, 0)
		default:
			s.call(unix.SYS_DUP3, fd, uintptr(i), 0)
		}
	}
	for i := len(files); i < 3; i++ {
		s.call(unix.SYS_CLOSE_RANGE, uintptr(i), uintptr(i), 0)
	}
}

// spawn starts a child in dir, which executes the file elf with the arguments args,
// no environment and all signals blocked. It has files from 0 on, and besides what
// is not close-on-exec; numbers from spare on are free. The spawning must be kept
// until the child has executed the file.
func spawn(dir string, files []uintptr, limit *unix.Rlimit, spare, elf int, args []string) (s *spawning, pid int, err error) {
	s = &spawning{masks: [2]uint64{^uint64(0)}, calls: make([]spawnCall, 0, len(files)+8)}
	if dir != "" {
		path, err := s.text(dir)
		if err != nil {
			return nil, 0, err
		}
		s.call(unix.SYS_CHDIR, path)
	}
	s.files(files, spare)
	if limit != nil { // raised by the runtime, for itself
		s.call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(limit)), 0)
	}
	empty, _ := s.text("")
	argv := make([]uintptr, len(args)+1)
	for i, a := range args {
		if argv[i], err = s.text(a); err != nil {
			return nil, 0, err
		}
	}
	envp := argv[len(args):] // the end
	s.kept = append(s.kept, argv, limit)
	s.call(unix.SYS_EXECVEAT, uintptr(elf), empty,
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH)
	s.next = &s.calls[0]
	syscall.ForkLock.Lock() // nobody's descriptor is between its making and close-on-exec
	pid = clone(s)
	syscall.ForkLock.Unlock()
	if pid < 0 {
		return nil, 0, unix.Errno(-pid)
	}
	return s, pid, nil
}

// failed returns the errno of the call that failed, 0 if none has so far.
func (s *spawning) failed() unix.Errno { return unix.Errno(atomic.LoadUintptr(&s.errno)) }

// clone returns the child's id or a negative errno. s escapes: the child uses it
// while its parent's stack may move.
func clone(s *spawning) (pid int)
