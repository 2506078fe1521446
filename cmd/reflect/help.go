//go:build linux && amd64

package main

import (
	"embed"
	"errors"
	"strings"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
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
func helpCommand() *cli.Command {
	return &cli.Command{
		Use:   "help [command | topic]",
		Short: "explain a command or a topic",
		Complete: func(c *cli.Command, args []string) (words []string, files bool) {
			target, rest := c.Root().Find(args)
			if len(rest) == 0 {
				for _, sub := range target.Subcommands {
					words = append(words, sub.Name()+"\t"+sub.Short)
				}
			}
			return words, false
		},
		Run: func(c *cli.Command, args []string) error {
			target, rest := c.Root().Find([]string{strings.Join(args, "-")})
			if len(rest) > 0 {
				if target, rest = c.Root().Find(args); len(rest) > 0 {
					return hinted(errors.New("no help for "+quote(strings.Join(args, " "))), "reflect help")
				}
			}
			return target.Help()
		},
	}
}

// topics have a help text and nothing to run.
func topics() []*cli.Command {
	var out []*cli.Command
	for _, t := range helpTopics {
		text, err := helpTexts.ReadFile("help/" + t.name + ".txt")
		if err != nil {
			panic(err) // embedded: a test reads all
		}
		out = append(out, &cli.Command{Use: t.name, Short: t.short, Long: string(text)})
	}
	return out
}
