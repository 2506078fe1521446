// Package cli is reflect's command line: commands in a tree, flags as in
// getopt_long(3), help, and completion for shells.
//
// It is small because what a command does before its program starts is waited
// for: initialising cobra, pflag and what these import takes a tenth of the time
// that `reflect run` may take, used or not. Nothing here is initialised, and a
// command's subcommands are built when they are looked at.
package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Command is one of the words that a command line consists of. Its fields must
// not change once it is executed.
type Command struct {
	Use     string // the name, and how the rest goes on
	Short   string // one line for the list of commands
	Long    string // Short where empty
	Example string
	Flags   Flags

	// Args checks what is left beside flags, Run does the work. A Command without
	// Run that has no Subcommands is a topic: a text for help alone.
	Args func(c *Command, args []string) error
	Run  func(c *Command, args []string) error
	// Complete returns the words that can follow args, each with a description
	// after a tab if it has one, and whether files can, too; files alone where nil.
	Complete func(c *Command, args []string) (words []string, files bool)
	// Subcommands are listed in this order.
	Subcommands []*Command

	parent *Command
}

// A UsageError is a mistake in the flags of Command.
type UsageError struct {
	Command *Command
	err     error
}

func (e *UsageError) Error() string { return e.err.Error() }
func (e *UsageError) Unwrap() error { return e.err }

// Add puts commands beneath c.
func (c *Command) Add(commands ...*Command) {
	for _, sub := range commands {
		sub.parent = c
	}
	c.Subcommands = append(c.Subcommands, commands...)
}

// Name is the first word of Use.
func (c *Command) Name() string {
	name, _, _ := strings.Cut(c.Use, " ")
	return name
}

// Path is the command's name after those of the commands above it.
func (c *Command) Path() string {
	if c.parent == nil {
		return c.Name()
	}
	return c.parent.Path() + " " + c.Name()
}

// Root is the command above all.
func (c *Command) Root() *Command {
	for c.parent != nil {
		c = c.parent
	}
	return c
}

// isTopic reports whether c is only a text.
func (c *Command) isTopic() bool { return c.Run == nil && len(c.Subcommands) == 0 }

// Find follows args down the tree as far as they name commands, and returns the
// rest.
func (c *Command) Find(args []string) (*Command, []string) {
	for len(args) > 0 {
		i := slices.IndexFunc(c.Subcommands, func(sub *Command) bool { return sub.Name() == args[0] })
		if i < 0 {
			break
		}
		c, args = c.Subcommands[i], args[1:]
	}
	return c, args
}

// Execute runs the command that args name, with c at the root.
func (c *Command) Execute(args []string) error {
	c, args = c.Find(args)
	rest, err := c.Flags.Parse(args)
	switch {
	case errors.Is(err, ErrHelp):
		return c.Help()
	case err != nil:
		return &UsageError{c, err}
	}
	if c.Args != nil {
		if err := c.Args(c, rest); err != nil {
			return err
		}
	}
	if c.Run == nil {
		return c.Help()
	}
	return c.Run(c, rest)
}

// Suggest returns the subcommands that word may have meant: a beginning of their
// names, or one or two letters from them.
func (c *Command) Suggest(word string) (names []string) {
	for _, sub := range c.Subcommands {
		name := sub.Name()
		if !sub.isTopic() && (strings.HasPrefix(name, word) || distance(name, word) <= 2) {
			names = append(names, name)
		}
	}
	return names
}

// distance is the number of letters to insert, delete or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// NoArgs refuses arguments.
func NoArgs(c *Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &UsageError{c, fmt.Errorf("unexpected argument %q", args[0])}
}
