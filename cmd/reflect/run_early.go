//go:build linux && amd64

package main

import (
	"os"

	"github.com/sysreflect/sysreflect/internal/early"
)

// A run begins before main does: the main goroutine is locked to the process's first
// thread while packages are initialised, and needs no other.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		early.Main = true
		os.Exit(execute(os.Args[1:]))
	}
}
