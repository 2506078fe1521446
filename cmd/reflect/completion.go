//go:build linux && amd64

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sysreflect/sysreflect/policy"
)

func completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "print a shell's completion script",
		Long: "Completion prints a script that makes a shell complete reflect's command line:\n\n" +
			"  source <(reflect completion bash)\n" +
			"  reflect completion zsh > \"${fpath[1]}/_reflect\"\n" +
			"  reflect completion fish > ~/.config/fish/completions/reflect.fish",
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hinted(fmt.Errorf("want one shell, have %d", len(args)), "reflect completion bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(os.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(os.Stdout)
			case "fish":
				return root.GenFishCompletion(os.Stdout, true)
			}
			return hinted(fmt.Errorf("unknown shell %q", args[0]), "reflect completion bash, zsh or fish")
		},
	}
}

// completePolicy offers presets; files are the shell's to complete.
func completePolicy(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, p := range policy.Presets() {
		words = append(words, p.Name+"\t"+p.Description)
	}
	return words, cobra.ShellCompDirectiveDefault
}

// completeProgram leaves the program and its arguments to the shell.
func completeProgram(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
