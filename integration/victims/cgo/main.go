// Command cgo calls C that makes reflected calls, from goroutines, and calls back.
package main

/*
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long c_random(void *p, unsigned long n) { return getrandom(p, n, 0); }
static long c_raw(void *p, unsigned long n) { return syscall(SYS_getrandom, p, n, 0); }
static long c_now(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); return t.tv_sec; }
*/
import "C"

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/user"
	"sync"
	"time"
	"unsafe"
)

func main() {
	var wg sync.WaitGroup
	good := make(chan bool, 1000)
	for range 10 {
		wg.Go(func() {
			for range 20 {
				p := C.malloc(64)
				ok := C.c_random(p, 64) == 64 && C.c_raw(p, 64) == 64
				C.free(unsafe.Pointer(p))
				var b [16]byte
				_, err := rand.Read(b[:])
				now := time.Now().Unix() - int64(C.c_now())
				good <- ok && err == nil && now > -5 && now < 5
			}
		})
	}
	wg.Wait()
	close(good)
	n := 0
	for ok := range good {
		if ok {
			n++
		}
	}
	_, err := user.LookupId("0")
	fmt.Println("good:", n, "of 200; user:", err)
	os.Exit(6)
}
