package trees

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
)

var le = binary.LittleEndian

func proc(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// comm is a process's name, "" if it is gone.
func comm(pid int) string {
	b, _ := os.ReadFile(proc(pid, "comm"))
	return strings.TrimSuffix(string(b), "\n")
}

// parent is a process's parent, 0 if it has none or is gone (proc(5)).
func parent(pid int) int {
	b, _ := os.ReadFile(proc(pid, "stat"))
	// The name may hold anything, parentheses too: the last one ends it.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

// pidOf reads the process that a pidfd means from /proc/PID/fdinfo/FD; 0 or less if
// that has ended or can't be named here.
func pidOf(fdinfo string) int {
	b, _ := os.ReadFile(fdinfo)
	_, rest, _ := strings.Cut("\n"+string(b), "\nPid:")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.Atoi(strings.TrimSpace(line))
	return n
}
