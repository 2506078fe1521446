// Command gogeneration follows the generation as a Go program would: "ready PID",
// then its value at each change.
package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

func find() (*uint64, bool) {
	image, _, err := vdsoshim.Kernel() // what takes its place
	if err != nil {
		return nil, false
	}
	s, ok := image.Lookup(vdsoshim.Generation, "LINUX_2.6")
	if !ok {
		return nil, false
	}
	entries, err := unix.Auxv()
	if err != nil {
		return nil, false
	}
	for _, e := range entries {
		if e[0] == 33 { // AT_SYSINFO_EHDR
			at := e[1] + uintptr(s.Value)
			return *(**uint64)(unsafe.Pointer(&at)), true
		}
	}
	return nil, false
}

func main() {
	generation, ok := find()
	if !ok {
		fmt.Println("there is none")
		return
	}
	last := atomic.LoadUint64(generation)
	fmt.Println("ready", os.Getpid())
	for ; ; time.Sleep(time.Millisecond) {
		if now := atomic.LoadUint64(generation); now != last {
			last = now
			if _, err := fmt.Println(last); err != nil {
				return
			}
		}
	}
}
