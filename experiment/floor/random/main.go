// Command random asks crypto/rand for 16 bytes, many times over.
//
//	random WINDOWS CALLS
//
// It prints nanoseconds per call for each window; the first tenth of the windows is
// warm-up and not printed.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		os.Exit(125)
	}
	windows, err1 := strconv.Atoi(os.Args[1])
	calls, err2 := strconv.Atoi(os.Args[2])
	if err1 != nil || err2 != nil || windows < 1 || calls < 1 {
		os.Exit(125)
	}
	took := make([]time.Duration, windows)
	var b [16]byte
	for i := range took {
		start := time.Now()
		for range calls {
			rand.Read(b[:]) // never fails, see its documentation
		}
		took[i] = time.Since(start)
	}
	for _, t := range took[windows/10:] {
		fmt.Printf("%.2f\n", float64(t)/float64(calls))
	}
}
