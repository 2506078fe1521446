package policy

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	maxErrno   = 4095 // MAX_ERRNO, include/linux/err.h: seccomp cuts larger ones down
	knownErrno = 133  // EHWPOISON, the last that C libraries know
)

// errnoByName finds EPERM and the like.
func errnoByName(name string) (int, bool) {
	switch name { // three errors have two names, of which the table has one
	case "EAGAIN", "EWOULDBLOCK":
		return int(unix.EAGAIN), true
	case "EDEADLK", "EDEADLOCK":
		return int(unix.EDEADLK), true
	case "EOPNOTSUPP", "ENOTSUP":
		return int(unix.EOPNOTSUPP), true
	}
	for e := 1; e <= knownErrno; e++ {
		if name != "" && unix.ErrnoName(unix.Errno(e)) == name {
			return e, true
		}
	}
	return 0, false
}

func errnoNames() []string {
	names := []string{"EWOULDBLOCK", "EDEADLOCK", "EOPNOTSUPP"}
	for e := 1; e <= knownErrno; e++ {
		if n := unix.ErrnoName(unix.Errno(e)); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// errnoLabel is the name of e, or the number where it has none.
func errnoLabel(e int) string {
	if e > 0 && e <= knownErrno {
		if n := unix.ErrnoName(unix.Errno(e)); n != "" {
			return n
		}
	}
	return strconv.Itoa(e)
}

// errnoOf returns the number of an error that is a syscall.Errno.
func errnoOf(err error) (int, bool) {
	var e unix.Errno
	if !errors.As(err, &e) {
		return 0, false
	}
	return int(e), true
}
