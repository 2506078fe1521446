//go:build linux && amd64

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/experiment/page"
	"github.com/sysreflect/sysreflect/experiment/results"
)

func benchCompareCommand() *cli.Command {
	var html string
	var all bool
	cmd := &cli.Command{
		Use:   "compare [flags] before.json after.json",
		Short: "two runs: across kernels, machines or versions",
		Long: "Compare says what became of each figure from one run to another, from what --json has\n" +
			"written: first what the two were not alike in, then each figure that differs, with the ratio\n" +
			"and its interval. Differences are corrected for the number of figures, and one that is no\n" +
			"larger than the noise of either run is none.",
		Example: "  reflect bench --json before.json\n" +
			"  reflect bench --json after.json       # on another kernel\n" +
			"  reflect bench compare before.json after.json --html both.html",
		Args: func(_ *cli.Command, args []string) error {
			if len(args) != 2 {
				return hinted(errors.New("two files are compared"), "reflect bench compare before.json after.json")
			}
			return nil
		},
		Run: func(_ *cli.Command, args []string) error { return compareRuns(args[0], args[1], html, all) },
	}
	cmd.Flags.String(&html, "html", "", "", "write one page with charts to `file`")
	cmd.Flags.Bool(&all, "all", "a", "list figures without a difference, too")
	return cmd
}

func compareRuns(before, after, html string, all bool) error {
	a, err := readRun(before)
	if err != nil {
		return err
	}
	b, err := readRun(after)
	if err != nil {
		return err
	}
	if !results.InCommon(a, b) {
		return fmt.Errorf("%s and %s have no figure in common", before, after)
	}
	if html != "" {
		var out bytes.Buffer
		if err := page.WriteCompared(&out, a, b, before, after); err != nil {
			return err
		}
		if err := writeFile(html, out.Bytes()); err != nil || html == "-" {
			return err
		}
	}
	return results.WriteCompared(os.Stdout, a, b, all)
}

func readRun(name string) (*results.Run, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	run, err := results.ReadJSON(f)
	if err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", name, err), "files are written by reflect bench --json")
	}
	return run, nil
}
