// Command goseeded prints what a Go program has of random bytes: crypto/rand,
// math/rand, the order of maps, hash/maphash, and which case a select takes. All but
// the first depend on the thread that asks, so it prints at the end: a write that
// takes long lets the scheduler go on with another thread.
package main

import (
	crand "crypto/rand"
	"fmt"
	"hash/maphash"
	"math/rand"
	rand2 "math/rand/v2"
	"os"
	"strings"
)

func main() {
	var out strings.Builder
	var b [16]byte
	crand.Read(b[:])
	fmt.Fprintf(&out, "crypto/rand %x\n", b)
	fmt.Fprintln(&out, "crypto/rand.Text", crand.Text())
	fmt.Fprintln(&out, "math/rand", rand.Uint64(), rand2.Uint64())
	m := map[string]int{}
	for i := range 500 {
		m[fmt.Sprint("key", i)] = i
	}
	fmt.Fprint(&out, "map")
	for _, v := range m {
		fmt.Fprint(&out, " ", v)
	}
	fmt.Fprintln(&out)
	fmt.Fprintln(&out, "maphash", maphash.String(maphash.MakeSeed(), "x"))
	a, c := make(chan int, 64), make(chan int, 64)
	for i := range 64 {
		a <- i
		c <- i
	}
	fmt.Fprint(&out, "select ")
	for range 64 {
		select {
		case <-a:
			fmt.Fprint(&out, "a")
		case <-c:
			fmt.Fprint(&out, "c")
		}
	}
	fmt.Fprintln(&out)
	os.Stdout.WriteString(out.String())
}
