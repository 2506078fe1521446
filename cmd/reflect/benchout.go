//go:build linux && amd64

package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// agree says whether two runs found the same.
func agree(w io.Writer, a, b *results.Run) error {
	differences := overhead.Disagree(a, b)
	if len(differences) == 0 {
		fmt.Fprintln(w, "check: a second run found the same")
		return nil
	}
	for _, d := range differences {
		fmt.Fprintln(w, "check: "+d)
	}
	return statusError(statusNo)
}

// progress shows how far a run is, where standard error is a terminal.
func progress() func(share float64, what string) {
	if !terminal(os.Stderr) {
		return nil
	}
	const width = 30
	last := ""
	return func(share float64, what string) {
		full := int(share * width)
		line := fmt.Sprintf("\r\x1b[K%3.0f %% %s%s %s", 100*share, strings.Repeat("█", full), strings.Repeat("░", width-full), what)
		if line != last {
			io.WriteString(os.Stderr, line)
			last = line
		}
	}
}

func clearProgress() {
	if terminal(os.Stderr) {
		io.WriteString(os.Stderr, "\r\x1b[K")
	}
}

// terminal reports whether f is a terminal that can take a line back.
func terminal(f *os.File) bool {
	if os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
