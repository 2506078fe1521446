//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysreflect/sysreflect/supervisor"
)

// commands are built when they are asked for: what `reflect run` does before the
// program starts is time that the user waits for.
var commands = []struct {
	name  string
	build func() *cobra.Command
}{
	{"run", runCommand},
	{"policy", policyCommand},
	{"doctor", doctorCommand},
	{"vdso", vdsoCommand},
	{"version", versionCommand},
	{"completion", completionCommand},
}

// serveOn is what reflect starts itself with, to serve the processes that a
// program has left behind.
const serveOn = "__serve-on"

// execute runs the command line and returns the exit status.
func execute(args []string) int {
	if len(args) == 1 && args[0] == serveOn {
		return report(supervisor.Succeed())
	}
	if len(args) == 0 {
		return report(hinted(errors.New("no command given"), "reflect help"))
	}
	if args[0] == "run" {
		// A tenth of a millisecond less than by way of the root command. What
		// doesn't parse, --help included, is the root command's to tell.
		run := runCommand()
		if run.ParseFlags(args[1:]) == nil {
			rest := run.Flags().Args()
			if err := run.Args(run, rest); err != nil {
				return report(err)
			}
			return report(run.RunE(run, rest))
		}
	}
	root := rootCommand(args)
	root.SetArgs(args)
	return report(root.ExecuteContext(context.Background()))
}

// rootCommand holds the one subcommand that args name, or, where they name none
// (help, completion by a shell, a mistake), all of them.
func rootCommand(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "reflect",
		Short: "run programs with chosen system calls served in user space",
		Long: "Reflect runs an unmodified program with chosen system calls served in user space.\n\n" +
			"Run `reflect help TOPIC` for mechanisms, policies, exit-status or environment.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	// Cobra writes a flag's error in its own words; ours carry a hint.
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted(err, cmd.CommandPath()+" --help")
	})
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			root.AddCommand(c.build())
			return root
		}
	}
	for _, c := range commands {
		root.AddCommand(c.build())
	}
	root.SetHelpCommand(helpCommand())
	root.AddCommand(topics()...)
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := "reflect help"
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		} else if _, err := lookPath(args[0]); err == nil {
			hint = "to run a program: reflect run -- " + args[0]
		}
		return hinted(errors.New("unknown command "+quote(args[0])), hint)
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return root
}

// noArgs is cobra.NoArgs in our words.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hinted(errors.New("unexpected argument "+quote(args[0])), cmd.CommandPath()+" --help")
}

// group is a command that only holds others.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := cmd.CommandPath() + " --help"
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return hinted(errors.New("unknown command "+quote(cmd.CommandPath()+" "+args[0])), hint)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return hinted(errors.New("no "+cmd.Name()+" command given"), cmd.CommandPath()+" --help")
	}
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

// writeFile writes what a user asked for to a file, "-" being standard output.
func writeFile(name string, data []byte) error {
	if name == "-" {
		_, err := os.Stdout.Write(data)
		return err
	}
	return os.WriteFile(name, data, 0o666)
}
