// Command results writes docs/results.md from what `reflect bench` has measured.
//
//	results CALLS.json ALL-CALLS.json PROGRAM.json >docs/results.md
//
// The first file is a run of `reflect bench`, the second one of `reflect bench
// all-calls`, the third one of `reflect bench workload` with a program that one call
// matters to. What the page says follows from the numbers: a sentence that compares is
// only there where there is a difference beyond noise and chance.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/sysreflect/sysreflect/experiment/results"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	if len(files) != 3 {
		return fmt.Errorf("three files are needed: calls, all calls, a program")
	}
	var runs [3]*results.Run
	for i, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		runs[i], err = results.ReadJSON(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	w := bufio.NewWriter(os.Stdout)
	write(w, runs[0], runs[1], runs[2])
	return w.Flush()
}
