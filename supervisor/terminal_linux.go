package supervisor

import "golang.org/x/sys/unix"

// A terminal is the one that controls this process, negative if there is none.
type terminal struct {
	fd   int
	lost bool // another group has had it
}

func openTerminal() terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	return terminal{fd: fd}
}

// look continues this process's group if it has been given the terminal again: where a
// shell has seen us go on for a call, its fg sends no SIGCONT.
func (t *terminal) look() {
	switch group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); {
	case err != nil:
	case group != unix.Getpgrp():
		t.lost = true
	case t.lost:
		t.lost = false
		unix.Kill(0, unix.SIGCONT)
	}
}

func (t *terminal) close() {
	if t.fd >= 0 {
		unix.Close(t.fd)
	}
}
