//go:build linux && amd64

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/experiment/workload"
	"github.com/sysreflect/sysreflect/policy"
)

// allCallsFlags are the flags of `reflect bench all-calls`.
type allCallsFlags struct {
	outputFlags
	mechanisms, runs, only string
}

func benchAllCallsCommand() *cli.Command {
	var f allCallsFlags
	cmd := &cli.Command{
		Use:   "all-calls [flags]",
		Short: "every call of whole programs by each mechanism",
		Long: "All-calls measures what it costs to send every system call by each mechanism that can, and\n" +
			"have the kernel make it all the same: one call that does nothing, and whole programs under\n" +
			"the policy all-calls: a compiler, git, a walk through files, sqlite, Python's start, and a\n" +
			"redis server whose client runs natively. What is not installed is left out. It takes some\n" +
			"minutes.",
		Example: "  reflect bench all-calls --html all-calls.html\n" +
			"  reflect bench all-calls -m patch,notify --only git,sqlite3",
		Args: cli.NoArgs,
		Run:  func(*cli.Command, []string) error { return f.run() },
	}
	flags := &cmd.Flags
	flags.String(&f.mechanisms, "mechanism", "m", "", "only these `mechanisms`: A,B,…").
		Words(append([]string{workload.None}, policy.Mechanisms()...)...)
	flags.String(&f.runs, "runs", "n", "", "`number` of rounds")
	flags.String(&f.only, "only", "", "", "only `names`: "+strings.Join(shortNames(), ", ")).Words(shortNames()...)
	f.register(flags)
	return cmd
}

// shortNames are the first words of the programs' names, each once.
func shortNames() (names []string) {
	for _, n := range workload.MacroNames() {
		word, _, _ := strings.Cut(strings.TrimSuffix(n, ":"), " ")
		word = strings.TrimSuffix(word, ":")
		if len(names) == 0 || names[len(names)-1] != word {
			names = append(names, word)
		}
	}
	return names
}

func (f *allCallsFlags) run() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	a := workload.AllCalls{Reflect: self, Version: version(), Command: []string{"reflect", "bench", "all-calls"},
		Schedule: workload.Schedule{Warmup: 1, Budget: 10 * time.Second, Progress: rounds()}}
	for _, flag := range [][2]string{{"-m", f.mechanisms}, {"-n", f.runs}, {"--only", f.only}} {
		if flag[1] != "" {
			a.Command = append(a.Command, flag[0], flag[1])
		}
	}
	if f.mechanisms != "" {
		a.Mechanisms = strings.Split(f.mechanisms, ",")
	}
	if f.only != "" {
		a.Only = strings.Split(f.only, ",")
		if unknown := workload.UnknownNames(a.Only); len(unknown) > 0 {
			return hinted(fmt.Errorf("--only: nothing is called %q", unknown[0]), "there are "+strings.Join(shortNames(), ", "))
		}
	}
	if f.runs != "" {
		if a.Rounds, err = strconv.Atoi(f.runs); err != nil || a.Rounds < 1 {
			return fmt.Errorf("--runs: %q is no number of rounds", f.runs)
		}
	}
	outputs, err := f.open()
	if err != nil {
		return err
	}
	ctx, first := untilSignal()
	run, err := a.Run(ctx)
	clearProgress()
	if err := outputs.finish(run, err, func(w io.Writer) error { return writeAllCalls(w, run) }); err != nil {
		return err
	}
	return ended(run, first)
}

// writeAllCalls writes the single call, the programs, and what they were made on.
func writeAllCalls(w io.Writer, run *results.Run) error {
	if err := overhead.WriteFigures(w, run, overhead.TextOptions{}); err != nil {
		return err
	}
	return writeWorkload(w, run)
}
