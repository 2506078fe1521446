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
	// The answer is not kept: a process can move to another namespace between two
	// calls (setns).
	link, ok := timeLinkOf(tid)
	return ok && link == own
}

// A timeLink is the open link of a thread's time namespace. Reading it asks the kernel
// anew each time, for the same thread: its number can be given to another one, the open
// link can't (proc_ns_readlink, by the inode's pid), and no path is walked.
type timeLink struct {
	sync.Mutex
	tid  int // that asked last
	file int // its link, opened at its second call; 0 if it isn't
}

// timeLinks have room for as many as descriptors are no matter.
var timeLinks = sync.OnceValue(func() []timeLink {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return nil
	}
	return make([]timeLink, min(32, limit.Cur/32))
})

// timeLinkOf reads what a thread's /proc/TID/ns/time says now.
func timeLinkOf(tid int) (link [32]byte, ok bool) {
	s := getScratch()
	defer s.release()
	path := appendTask(s[:0], tid, "/ns/time\x00")
	links := timeLinks()
	if len(links) == 0 {
		return link, readlink(path, link[:]) > 0
	}
	l := &links[tid%len(links)]
	l.Lock()
	defer l.Unlock()
	known := l.tid == tid
	if known && l.file != 0 {
		if readOpenLink(l.file, link[:]) > 0 {
			return link, true
		}
		link = [32]byte{} // that thread is gone, and this is another one
	}
	if l.file != 0 {
		unix.Close(l.file)
		l.file = 0
	}
	l.tid = tid
	if known {
		if l.file = openLink(path); l.file != 0 {
			return link, readOpenLink(l.file, link[:]) > 0
		}
	}
	return link, readlink(path, link[:]) > 0
}
