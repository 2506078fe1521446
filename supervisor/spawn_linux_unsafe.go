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
	all, mask uint64 // what is blocked meanwhile, and what was before
	next      *spawnCall
	errno     uintptr // of the call at next, if it failed
	calls     []spawnCall
	kept      []any // what the calls point to
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

// files puts descriptors in place, files[i] as i, as os/exec does. All of them are
// close-on-exec or not wanted, so what is not listed need not be closed. Numbers
// from spare on may be used on the way.
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

// start starts the child, which executes the file fd with the arguments args, no
// environment and all signals blocked. s must be kept until it has.
func (s *spawning) start(fd int, args ...string) (pid int, err error) {
	empty, _ := s.text("")
	argv := make([]uintptr, len(args)+1)
	for i, a := range args {
		if argv[i], err = s.text(a); err != nil {
			return 0, err
		}
	}
	envp := argv[len(args):] // the end
	s.kept = append(s.kept, argv)
	s.call(unix.SYS_EXECVEAT, uintptr(fd), empty,
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH)
	s.all, s.next = ^uint64(0), &s.calls[0]
	// No descriptor of ours is between its creation and close-on-exec.
	syscall.ForkLock.Lock()
	pid = clone(s)
	syscall.ForkLock.Unlock()
	if pid < 0 {
		return 0, unix.Errno(-pid)
	}
	return pid, nil
}

// failed returns the number and the errno of the call that failed; the errno is 0
// if none has, so far.
func (s *spawning) failed() (nr uintptr, e unix.Errno) {
	e = unix.Errno(atomic.LoadUintptr(&s.errno))
	if e != 0 {
		nr = s.next.nr
	}
	return nr, e
}

//go:noescape
func clone(s *spawning) (pid int)
