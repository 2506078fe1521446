// Command gorandom reads crypto/rand from many goroutines, starts itself again, and
// says whether everything was as it should be. Arguments: how many reads.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

func main() {
	n := 1000
	if len(os.Args) > 1 {
		n, _ = strconv.Atoi(os.Args[1])
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[[24]byte]bool{}
	const goroutines = 8
	for range goroutines {
		wg.Go(func() {
			for range n / goroutines {
				var b [24]byte
				rand.Read(b[:])
				mu.Lock()
				seen[b] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	big := make([]byte, 1<<20)
	rand.Read(big)
	var zeros int
	for _, c := range big {
		if c == 0 {
			zeros++
		}
	}
	fmt.Println("different:", len(seen) == n/goroutines*goroutines, "big one filled:", zeros < 6000)
	before := time.Now()
	time.Sleep(time.Millisecond)
	fmt.Println("time goes on:", time.Since(before) >= time.Millisecond, time.Now().After(before))
	if os.Getenv("AGAIN") == "" {
		cmd := exec.Command(os.Args[0], "16")
		cmd.Env = append(os.Environ(), "AGAIN=1")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		fmt.Println("again:", cmd.Run())
		_, err := exec.Command("/no/such/program").Output()
		fmt.Println("nothing:", err)
		out, err := exec.Command("sh", "-c", "echo from a shell; exit 3").Output()
		fmt.Printf("%q %v\n", out, err)
	}
	os.Exit(5)
}
