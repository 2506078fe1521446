//go:build !(linux && amd64)

package main

import (
	"fmt"
	"os"
	"runtime"
)

func execute([]string) int {
	fmt.Fprintf(os.Stderr, "reflect: error: needs linux on x86-64; this is %s/%s\n", runtime.GOOS, runtime.GOARCH)
	return 125
}
