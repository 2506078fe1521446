package cli

import (
	"embed"
	"fmt"
	"io"
	"strings"
)

// CompleteCommand is the first argument by which the scripts ask for what can
// follow; the words so far come after it, the one to complete last.
const CompleteCommand = "__complete"

//go:embed completion
var scripts embed.FS

// Script returns the script by which a shell (bash, zsh or fish) completes the
// command line of reflect.
func Script(shell string) (string, bool) {
	b, err := scripts.ReadFile("completion/reflect." + shell)
	return string(b), err == nil
}

// Answer answers a script: a word a line, its description after a tab, and at
// last a line that says whether files can follow, too.
func (c *Command) Answer(w io.Writer, args []string) error {
	if len(args) == 0 {
		args = []string{""}
	}
	last := len(args) - 1
	prefix, begun := "", args[last]
	words, files := []string(nil), true
	c, rest := c.Find(args[:last])
	flag, positional, flagsEnded := c.Flags.follow(rest)
	switch name, _, assigned := strings.Cut(begun, "="); {
	case flag != nil:
		words, files = flag.values()
	case !flagsEnded && assigned && strings.HasPrefix(name, "--") && c.Flags.long(name[2:]) != nil:
		prefix = name + "="
		words, files = c.Flags.long(name[2:]).values()
	case !flagsEnded && strings.HasPrefix(begun, "-"):
		words, files = c.Flags.names(), false
	case len(c.Subcommands) > 0:
		if files = false; len(positional) == 0 {
			words = c.names()
		}
	case c.Complete != nil:
		words, files = c.Complete(c, positional)
	}
	var b strings.Builder
	for _, word := range words {
		if strings.HasPrefix(prefix+word, begun) {
			b.WriteString(prefix + word + "\n")
		}
	}
	if files {
		b.WriteString(":files\n")
	} else {
		b.WriteString(":words\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// follow goes through the words before the one to complete: a flag that waits for
// its value, or what is left beside flags and whether these are over.
func (f *Flags) follow(args []string) (waiting *Flag, positional []string, ended bool) {
	for _, word := range args {
		switch {
		case waiting != nil:
			waiting = nil
		case ended:
			positional = append(positional, word)
		case word == "--":
			ended = true
		case strings.HasPrefix(word, "--"):
			if flag := f.long(word[2:]); flag != nil && flag.Bare == "" {
				waiting = flag
			}
		case len(word) > 1 && word[0] == '-':
			if flag := f.short(word[len(word)-1:]); flag != nil && flag.Bare == "" {
				waiting = flag
			}
		default:
			positional = append(positional, word)
			ended = f.First
		}
	}
	return waiting, positional, ended
}

func (f *Flag) values() ([]string, bool) {
	if f.Complete == nil {
		return nil, true
	}
	return f.Complete()
}

// names are the flags as they are written, with what they are for.
func (f *Flags) names() (words []string) {
	for _, flag := range f.list {
		_, usage := flag.unquoted()
		words = append(words, fmt.Sprintf("--%s\t%s", flag.Name, usage))
		if flag.Short != "" {
			words = append(words, fmt.Sprintf("-%s\t%s", flag.Short, usage))
		}
	}
	return append(words, "--help\thelp")
}

// names are the subcommands that can be run.
func (c *Command) names() (words []string) {
	for _, sub := range c.Subcommands {
		if !sub.isTopic() {
			words = append(words, sub.Name()+"\t"+sub.Short)
		}
	}
	return words
}
