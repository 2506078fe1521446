// Command raw asks the kernel for 16 random bytes by a system call of its own,
// many times over: raw CALLS.
package main

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

const sysGetrandom = 318

func main() {
	if len(os.Args) != 2 {
		os.Exit(125)
	}
	calls, err := strconv.Atoi(os.Args[1])
	if err != nil || calls < 1 {
		os.Exit(125)
	}
	var b [16]byte
	for range calls {
		if n, _, _ := syscall.Syscall(sysGetrandom, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0); n != uintptr(len(b)) {
			os.Exit(125)
		}
	}
}
