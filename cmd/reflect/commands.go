//go:build linux && amd64

package main

import (
	"errors"
	"os"
	"strings"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/supervisor"
)

// commands are built when they are asked for: what `reflect run` does before the
// program starts is time that the user waits for.
var commands = []struct {
	name  string
	build func() *cli.Command
}{
	{"run", runCommand},
	{"policy", policyCommand},
	{"bench", benchCommand},
	{"doctor", doctorCommand},
	{"reseed", reseedCommand},
	{"vdso", vdsoCommand},
	{"rng", rngCommand},
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
	if args[0] == cli.CompleteCommand {
		return report(rootCommand(nil).Answer(os.Stdout, args[1:]))
	}
	if words := withoutFlags(args); words != nil {
		return report(new(runFlags).run(words))
	}
	err := rootCommand(args).Execute(args)
	if usage := (*cli.UsageError)(nil); errors.As(err, &usage) {
		err = hinted(err, usage.Command.Path()+" --help")
	}
	return report(err)
}

// withoutFlags returns the program and its arguments where that is all that `run` is
// given: then there is no flag to look for, and no use in making all that can be.
func withoutFlags(args []string) []string {
	switch {
	case len(args) < 2 || args[0] != "run":
		return nil
	case len(args) > 2 && args[1] == "--":
		return args[2:]
	case args[1] != "" && args[1][0] != '-':
		return args[1:]
	}
	return nil
}

// rootCommand holds the one subcommand that args name, or, where they name none
// (help, completion by a shell, a mistake), all of them.
func rootCommand(args []string) *cli.Command {
	root := &cli.Command{
		Use:   "reflect",
		Short: "run programs with chosen system calls served in user space",
		Long: "Reflect runs an unmodified program with chosen system calls served in user space.\n\n" +
			"Run `reflect help TOPIC` for mechanisms, policies, exit-status or environment.",
	}
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			root.Add(c.build())
			return root
		}
	}
	for _, c := range commands {
		root.Add(c.build())
	}
	root.Add(helpCommand())
	root.Add(topics()...)
	root.Args = func(root *cli.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := "reflect help"
		if near := root.Suggest(args[0]); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		} else if _, err := lookPath(args[0]); err == nil {
			hint = "to run a program: reflect run -- " + args[0]
		}
		return hinted(errors.New("unknown command "+quote(args[0])), hint)
	}
	return root
}

// group is a command that only holds others.
func group(cmd *cli.Command, commands ...*cli.Command) *cli.Command {
	cmd.Add(commands...)
	cmd.Args = func(cmd *cli.Command, args []string) error {
		if len(args) == 0 {
			return hinted(errors.New("no "+cmd.Name()+" command given"), cmd.Path()+" --help")
		}
		hint := cmd.Path() + " --help"
		if near := cmd.Suggest(args[0]); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return hinted(errors.New("unknown command "+quote(cmd.Path()+" "+args[0])), hint)
	}
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
