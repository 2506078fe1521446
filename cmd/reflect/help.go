//go:build linux && amd64

package main

import (
	"embed"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed help/*.txt
var helpTexts embed.FS

// helpTopics are the texts beside the commands' own, in the order of the index.
var helpTopics = []struct{ name, short string }{
	{"mechanisms", "how a call leaves the kernel's path, and what it costs"},
	{"policies", "how a policy says which calls, by what, served by what"},
	{"exit-status", "what reflect's exit status means"},
	{"environment", "variables that reflect reads"},
}

// helpCommand finds a command or topic; "exit status" may be two words.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command | topic]",
		Short: "explain a command or a topic",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var words []string
			if target, _, err := cmd.Root().Find(args); err == nil {
				for _, c := range target.Commands() {
					words = append(words, c.Name()+"\t"+c.Short)
				}
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			target, _, err := root.Find([]string{strings.Join(args, "-")})
			if err != nil || target == root {
				var rest []string
				if target, rest, err = root.Find(args); err != nil || len(rest) > 0 {
					return hinted(errors.New("no help for "+quote(strings.Join(args, " "))), "reflect help")
				}
			}
			target.InitDefaultHelpFlag()
			return target.Help()
		},
	}
}

// topics are commands that can't be run and only have a help text, which cobra
// lists apart.
func topics() []*cobra.Command {
	var out []*cobra.Command
	for _, t := range helpTopics {
		text, err := helpTexts.ReadFile("help/" + t.name + ".txt")
		if err != nil {
			panic(err) // embedded: a test reads all
		}
		c := &cobra.Command{Use: t.name, Short: t.short}
		c.SetHelpFunc(func(*cobra.Command, []string) { os.Stdout.Write(text) })
		out = append(out, c)
	}
	return out
}
