package reflect

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// getcpu follows sys_getcpu, kernel/sys.c: both stores are tried, either can
// fail, and the third argument has not been looked at since Linux 2.6.24.
func getcpu(c *Call) Result {
	cpup, nodep := c.Args[0], c.Args[1]
	if cpup == 0 && nodep == 0 {
		return Result{}
	}
	cpu, ok := processorOf(c.TID)
	if !ok {
		return leave
	}
	s := getScratch()
	defer s.release()
	var failed error
	if cpup != 0 {
		binary.NativeEndian.PutUint32(s[:], uint32(cpu))
		if err := put(c.Mem, cpup, s[:4]); err != nil {
			failed = err
		}
	}
	if nodep != 0 {
		nodes := nodesOfProcessors()
		if cpu >= len(nodes) || nodes[cpu] < 0 {
			return leave
		}
		binary.NativeEndian.PutUint32(s[:], uint32(nodes[cpu]))
		if err := put(c.Mem, nodep, s[:4]); err != nil && (failed == nil || failed == unix.EFAULT) {
			failed = err
		}
	}
	if failed != nil {
		return fault(failed)
	}
	return Result{}
}

// processorOf returns the processor that a thread is on, or was on last. While
// a call is served the thread sleeps, and that is where it made the call. For a
// thread bound to one processor the answer is the kernel's; another thread may
// have been moved before it reads the answer, as always with getcpu(2), and with
// SYNC_WAKE_UP it often has.
func processorOf(tid int) (int, bool) {
	if tid <= 0 {
		return 0, false
	}
	if cpu, ok := boundTo(tid); ok {
		return cpu, true
	}
	return fromStat(tid)
}

// fromStat reads field 39 of a thread's stat file.
func fromStat(tid int) (int, bool) {
	s := getScratch()
	defer s.release()
	path := appendTask(s[:0], tid, "/task/")
	path = strconv.AppendInt(path, int64(tid), 10)
	path = append(path, "/stat\x00"...)
	const room = 256
	n := readFile(path, s[room:])
	return statProcessor(s[room : room+n])
}

// statProcessor finds that field, proc_pid_stat(5). The name in
// field 2 may hold anything, parentheses included, but nothing behind it does.
func statProcessor(b []byte) (int, bool) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, false
	}
	b = b[i+1:] // " S ppid …": field 3 follows the first space
	for field := 3; ; field++ {
		if len(b) == 0 || b[0] != ' ' {
			return 0, false
		}
		b = b[1:]
		end := bytes.IndexAny(b, " \n")
		if end < 0 {
			return 0, false
		}
		if field == 39 {
			return decimal(b[:end])
		}
		b = b[end:]
	}
}

func decimal(b []byte) (int, bool) {
	n := 0
	for _, d := range b {
		if d < '0' || d > '9' || n > 1<<20 {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, len(b) > 0
}

// nodesOfProcessors maps processors to memory nodes; -1 is unknown. Where a node
// is brought in later, its processors are unknown and the kernel answers.
var nodesOfProcessors = sync.OnceValue(func() []int {
	var nodes []int
	files, _ := filepath.Glob("/sys/devices/system/node/node[0-9]*/cpulist")
	for _, f := range files {
		node, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(filepath.Dir(f)), "node"))
		if err != nil {
			continue
		}
		list, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for cpu := range cpuList(string(list)) {
			for len(nodes) <= cpu {
				nodes = append(nodes, -1)
			}
			nodes[cpu] = node
		}
	}
	return nodes
})

// cpuList yields the processors of a list such as "0-3,8".
func cpuList(s string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for part := range strings.SplitSeq(strings.TrimSpace(s), ",") {
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			a, err1 := strconv.Atoi(first)
			b, err2 := strconv.Atoi(last)
			if err1 != nil || err2 != nil || b > 1<<16 {
				continue
			}
			for ; a <= b; a++ {
				if !yield(a) {
					return
				}
			}
		}
	}
}
