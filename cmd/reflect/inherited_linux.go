//go:build linux && amd64

package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// inherited returns the descriptors from 3 on that our parent gave us, for the
// program to have under the same numbers (make's jobserver, sh's 3<file); nil
// stands for those that are closed. The Go runtime's own are close-on-exec and
// thus tell themselves apart.
func inherited() []*os.File {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil // no /proc: the three standard ones must do
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var files []*os.File
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd < 3 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		for len(files) <= fd-3 {
			files = append(files, nil)
		}
		files[fd-3] = os.NewFile(uintptr(fd), name)
		// It is handed over by dup(2); the original is ours alone.
		unix.CloseOnExec(fd)
	}
	return files
}
