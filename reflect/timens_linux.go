package reflect

import (
	"sync"

	"golang.org/x/sys/unix"
)

// ownTimeNamespace is the text of our /proc/self/ns/time, or nothing.
var ownTimeNamespace = sync.OnceValue(func() (link [32]byte) {
	if n, err := unix.Readlink("/proc/self/ns/time", link[:]); err != nil || n <= 0 || n >= len(link) {
		return [32]byte{}
	}
	return link
})

// sameTimeNamespace reports whether a thread's monotonic clocks are ours
// (time_namespaces(7)). A kernel without time namespaces has no such file, and
// the answer is no: it is rare, and the kernel's own answer is always right.
func sameTimeNamespace(tid int) bool {
	own := ownTimeNamespace()
	if tid <= 0 || own[0] == 0 {
		return false
	}
	s := getScratch()
	defer s.release()
	// The answer is not kept: a process can move to another namespace between
	// two calls (setns), and its number can be given to another process.
	var link [32]byte
	if n := readlink(appendTask(s[:0], tid, "/ns/time\x00"), link[:]); n <= 0 {
		return false
	}
	return link == own
}
