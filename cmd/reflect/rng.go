//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

func rngCommand() *cli.Command {
	return group(&cli.Command{
		Use:   "rng",
		Short: "examine the random number generator of the shim",
	}, rngTest())
}

func rngTest() *cli.Command {
	var asJSON bool
	cmd := &cli.Command{
		Use:   "test",
		Short: "check and measure the generator's ChaCha20 functions on this machine",
		Long: "Test compares each of the shim's ChaCha20 functions that can run on this machine with\n" +
			"published key streams and, for random keys, with a plain implementation, and measures them:\n" +
			"nanoseconds for a batch of 2016 random bytes, which is what the generator makes at a time, and\n" +
			"gigabytes a second for 64 KiB at once. The functions take turns. It takes less than a second.\n\n" +
			"The exit status is 1 if anything differs.",
		Args: cli.NoArgs,
		Run:  func(*cli.Command, []string) error { return testRNG(asJSON) },
	}
	cmd.Flags.Bool(&asJSON, "json", "", "print the result as JSON")
	return cmd
}

// A rngResult is what `reflect rng test` says about one function.
type rngResult struct {
	Name     string           `json:"name"`
	Usable   bool             `json:"usable"`
	Chosen   bool             `json:"chosen"` // the one that programs get
	Correct  bool             `json:"correct"`
	Compared int              `json:"compared"` // key streams
	Error    string           `json:"error,omitempty"`
	Batch    *vdsoshim.Timing `json:"batch_ns,omitempty"`
	Rate     *float64         `json:"gb_per_s,omitempty"` // at the median
}

const (
	rngCases  = 300      // for each counter
	rngBursts = 300      // of about 50 µs
	rngLong   = 64 << 10 // bytes
)

func testRNG(asJSON bool) error {
	runner, err := vdsoshim.NewRunner()
	if err != nil {
		return err
	}
	defer runner.Close()
	var results []rngResult
	var usable []vdsoshim.Block
	for _, b := range vdsoshim.Blocks() {
		r := rngResult{Name: b.String(), Chosen: b == vdsoshim.Best()}
		r.Compared, err = runner.Check(b, rngCases)
		r.Usable, r.Correct = !errors.Is(err, vdsoshim.ErrUnusable), err == nil
		if err != nil {
			r.Error = strings.TrimPrefix(err.Error(), r.Name+": ")
		}
		if r.Usable {
			usable = append(usable, b)
		}
		results = append(results, r)
	}
	batch, err := runner.Measure(usable, 2*vdsoshim.BlockUnit, rngBursts)
	if err != nil {
		return err
	}
	long, err := runner.Measure(usable, rngLong, rngBursts)
	if err != nil {
		return err
	}
	for i := range results {
		if r := &results[i]; r.Usable {
			rate := rngLong / long[0].Median
			r.Batch, r.Rate = &batch[0], &rate
			batch, long = batch[1:], long[1:]
		}
	}
	if asJSON {
		err = writeJSON(os.Stdout, map[string]any{"batch_bytes": vdsoshim.BatchSize, "functions": results})
	} else {
		err = printRNG(results)
	}
	if err != nil {
		return err
	}
	return judgeRNG(results)
}

// judgeRNG is an error if a function that can run is wrong; which one, the table
// has told.
func judgeRNG(results []rngResult) error {
	for _, r := range results {
		if r.Usable && !r.Correct {
			return &hintError{error: errors.New("a ChaCha20 function of the shim is wrong on this machine"), status: statusNo}
		}
	}
	return nil
}

func printRNG(results []rngResult) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "FUNCTION\tCOMPARED\t%d B MIN\tMEDIAN\tGB/S\tRESULT\n", vdsoshim.BatchSize)
	for _, r := range results {
		compared, batch, median, rate := "-", "-", "-", "-"
		if r.Usable {
			compared = fmt.Sprint(r.Compared)
			batch, median = fmt.Sprintf("%.0f ns", r.Batch.Min), fmt.Sprintf("%.0f ns", r.Batch.Median)
			rate = fmt.Sprintf("%.2f", *r.Rate)
		}
		result := r.Error
		if r.Correct {
			result = "correct"
		}
		if r.Chosen {
			result += ", chosen"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, compared, batch, median, rate, result)
	}
	return w.Flush()
}
