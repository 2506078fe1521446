// Command gostorm makes raw and vDSO getrandom calls while the runtime is kept busy
// sending itself SIGURG: goroutines that never yield, and a garbage collector that
// runs all the time. It prints how many calls failed.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	d, err := time.ParseDuration(os.Args[1])
	if err != nil {
		panic(err)
	}
	var stop atomic.Bool
	var sum atomic.Int64
	for range 2 * runtime.GOMAXPROCS(0) {
		go func() { // preempted by SIGURG only
			for i := int64(0); ; i++ {
				if i&(1<<24-1) == 0 {
					sum.Add(i)
				}
			}
		}()
	}
	go func() {
		for !stop.Load() {
			runtime.GC()
		}
	}()
	const workers = 4
	var raw, read, failed, interrupted atomic.Int64
	done := make(chan bool)
	for w := range workers {
		go func() {
			var b [32]byte
			for !stop.Load() {
				if w%2 == 0 {
					rand.Read(b[:])
					read.Add(1)
					continue
				}
				n, _, e := syscall.Syscall(318, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
				raw.Add(1)
				if e == syscall.EINTR {
					interrupted.Add(1)
				} else if e != 0 || n != uintptr(len(b)) {
					failed.Add(1)
				}
			}
			done <- true
		}()
	}
	time.Sleep(d)
	stop.Store(true)
	for range workers {
		<-done
	}
	fmt.Println("raw:", raw.Load() > 0, "read:", read.Load() > 0, "failed:", failed.Load(), "interrupted:", interrupted.Load())
	fmt.Fprintln(os.Stderr, raw.Load(), read.Load())
}
