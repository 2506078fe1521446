//go:build linux && amd64

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/supervisor/probe"
)

func doctorCommand() *cli.Command {
	var asJSON, quick bool
	cmd := &cli.Command{
		Use:   "doctor",
		Short: "try what this kernel, user and sandbox allow",
		Long: "Doctor tries each kernel feature that a mechanism stands on and says for each mechanism\n" +
			"whether it can be used here, by this user, or why not, and, after a measurement of a second,\n" +
			"what a call costs by it that does nothing. Its exit status is 1 where none can be used.",
		Args: cli.NoArgs,
		Run: func(*cli.Command, []string) (err error) {
			r := probe.Run(context.Background())
			if !quick && r.Usable() {
				measureNull(&r)
			}
			if asJSON {
				err = writeJSON(os.Stdout, r)
			} else {
				err = r.WriteText(os.Stdout)
			}
			if err == nil && !r.Usable() {
				return statusError(statusNo)
			}
			return err
		},
	}
	cmd.Flags.Bool(&asJSON, "json", "", "print the report as JSON")
	cmd.Flags.Bool(&quick, "quick", "", "measure nothing")
	return cmd
}

// measureNull adds what a call that does nothing costs by each usable mechanism. Where
// that can't be measured, what can be used is still the answer.
func measureNull(r *probe.Report) {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	run, err := overhead.Run(ctx, overhead.Options{
		Reflect: "/proc/self/exe", Version: version(), Subjects: []string{"null"}, Time: time.Second,
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "reflect: warning: what a call costs could not be measured: %v\n", err)
		return
	}
	for i := range run.Figures {
		f := &run.Figures[i]
		for k := range r.Mechanisms {
			if m := &r.Mechanisms[k]; m.Name == f.Way && f.Subject == "null" && f.Unit == "ns/op" && len(f.Samples) > 0 {
				m.NullCall = f.Summary().Median
			}
		}
	}
}
