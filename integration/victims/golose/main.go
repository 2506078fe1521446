// Command golose takes pages from itself right after getrandom wrote to them, and
// prints what getrandom says then. All calls are made by the runtime's one
// instruction for any call.
package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

func call(nr, a, b, c uintptr) (uintptr, syscall.Errno) {
	r, _, e := syscall.Syscall(nr, a, b, c)
	return r, e
}

func main() {
	const size = 4096
	for range 20 {
		p, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			panic(err)
		}
		at := uintptr(unsafe.Pointer(&p[0]))
		tell := func(what string) {
			for _, n := range []uintptr{1, 16, 100} {
				r, e := call(318, at+8, n, 0) // SYS_GETRANDOM
				fmt.Println(what, n, int(r), e)
			}
		}
		tell("fresh")
		syscall.Mprotect(p, syscall.PROT_READ)
		tell("read only")
		syscall.Mprotect(p, syscall.PROT_READ|syscall.PROT_WRITE)
		tell("writable")
		syscall.Munmap(p)
		tell("unmapped")
	}
}
