package supervisor

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readProc reads /proc/PID/name into buf, as much of it as fits. Package os would
// set its poller up first, which takes longer than the read.
func readProc(pid int, name string, buf []byte) ([]byte, error) {
	return readFile("/proc/"+strconv.Itoa(pid)+"/"+name, buf)
}

// statusField reads a number from /proc/PID/status (proc(5)).
func statusField(pid int, field string) (int, error) {
	b, err := readProc(pid, "status", make([]byte, 4096))
	if err != nil {
		return 0, err
	}
	line, ok := statusLine(b, field)
	if !ok {
		return 0, errNoField
	}
	return strconv.Atoi(line)
}

// statusLine is what a line of a status file says.
func statusLine(status []byte, field string) (string, bool) {
	_, rest, ok := strings.Cut(string(status), "\n"+field+":")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line), ok
}

// statusMasks reads sets of signals from /proc/PID/status, bit n-1 for signal n;
// empty where they can't be read.
func statusMasks(pid int, fields ...string) []uint64 {
	masks := make([]uint64, len(fields))
	b, err := readProc(pid, "status", make([]byte, 4096))
	if err != nil {
		return masks
	}
	for i, field := range fields {
		line, _ := statusLine(b, field)
		masks[i], _ = strconv.ParseUint(line, 16, 64)
	}
	return masks
}

// errNoField means that the kernel is older than a field of /proc/PID/status.
var errNoField = errors.New("no such field")

func readFile(path string, buf []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}
