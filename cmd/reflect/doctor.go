//go:build linux && amd64

package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sysreflect/sysreflect/supervisor/probe"
)

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "try what this kernel, user and sandbox allow",
		Long: "Doctor tries each kernel feature that a mechanism stands on and says for each mechanism\n" +
			"whether it can be used here, by this user, or why not. Its exit status is 1 where none can.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			r := probe.Run(cmd.Context())
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}
