package reflect

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// playRole is what the test binary does as a process of its own.
func playRole(role string) int {
	switch role {
	case "wait": // a target: says so, then waits for its input to end
		fmt.Println(unix.Getpid())
		var b [1]byte
		os.Stdin.Read(b[:])
		return 0
	case "foreign-proc": // in a pid namespace of its own, with the old /proc
		runtime.LockOSThread()
		for _, name := range []string{"clock_gettime", "getcpu"} {
			h, _ := Builtin(name)
			args := [6]uint64{targetAt(0), targetAt(8)}
			if name == "clock_gettime" {
				args[0] = unix.CLOCK_MONOTONIC
			}
			_, errno, left := servedCall(h, numbers[name], args)
			fmt.Print(name, " ", errno == 0, " ", left, ";")
		}
		_, err := ProcessMemory(unix.Getpid()).Write(targetAt(0), make([]byte, 8))
		fmt.Println(err)
		return 0
	case "reach": // tries to read process TARGET and prints the error
		tid, _ := strconv.Atoi(os.Getenv("TARGET"))
		var b [8]byte
		n, err := ProcessMemory(tid).Read(1<<22, b[:])
		var errno unix.Errno
		if errors.As(err, &errno) {
			fmt.Println(n, unix.ErrnoName(errno))
		} else {
			fmt.Println(n, err)
		}
		return 0
	}
	return 2
}
