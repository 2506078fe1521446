//go:build linux && amd64

package main

import (
	"context"
	"os"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"

	"github.com/sysreflect/sysreflect/supervisor/probe"
)

func doctorCommand() *cli.Command {
	var asJSON bool
	cmd := &cli.Command{
		Use:   "doctor",
		Short: "try what this kernel, user and sandbox allow",
		Long: "Doctor tries each kernel feature that a mechanism stands on and says for each mechanism\n" +
			"whether it can be used here, by this user, or why not. Its exit status is 1 where none can.",
		Args: cli.NoArgs,
		Run: func(*cli.Command, []string) (err error) {
			r := probe.Run(context.Background())
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
	return cmd
}
