//go:build linux && amd64

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/policy"
)

func completionCommand() *cli.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cli.Command{
		Use:   "completion bash|zsh|fish",
		Short: "print a shell's completion script",
		Long: "Completion prints a script that makes a shell complete reflect's command line:\n\n" +
			"  source <(reflect completion bash)\n" +
			"  reflect completion zsh > \"${fpath[1]}/_reflect\"\n" +
			"  reflect completion fish > ~/.config/fish/completions/reflect.fish",
		Complete: func(_ *cli.Command, args []string) ([]string, bool) {
			if len(args) > 0 {
				return nil, false
			}
			return shells, false
		},
		Args: func(_ *cli.Command, args []string) error {
			if len(args) != 1 {
				return hinted(fmt.Errorf("want one shell, have %d", len(args)), "reflect completion bash, zsh or fish")
			}
			return nil
		},
		Run: func(_ *cli.Command, args []string) error {
			script, ok := cli.Script(args[0])
			if !ok {
				return hinted(fmt.Errorf("unknown shell %q", args[0]), "reflect completion bash, zsh or fish")
			}
			_, err := io.WriteString(os.Stdout, script)
			return err
		},
	}
}

// presets offers policies that come with reflect; files are the shell's to complete.
func presets() (words []string, files bool) {
	for _, p := range policy.Presets() {
		words = append(words, p.Name+"\t"+p.Description)
	}
	return words, true
}

func completePolicies(*cli.Command, []string) ([]string, bool) { return presets() }
