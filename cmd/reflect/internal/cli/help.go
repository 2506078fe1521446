package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// Help prints what the command does on standard output.
func (c *Command) Help() error {
	_, err := io.WriteString(os.Stdout, c.HelpText())
	return err
}

// HelpText is what Help prints.
func (c *Command) HelpText() string {
	var b strings.Builder
	long := c.Long
	if long == "" {
		long = c.Short
	}
	b.WriteString(strings.TrimRight(long, "\n") + "\n")
	if c.isTopic() {
		return b.String()
	}
	b.WriteString("\nUsage:\n")
	if c.Run != nil {
		fmt.Fprintf(&b, "  %s%s\n", strings.TrimSuffix(c.Path(), c.Name()), c.usage())
	}
	if len(c.Subcommands) > 0 {
		fmt.Fprintf(&b, "  %s command [argument]...\n", c.Path())
		c.section(&b, "Commands", func(sub *Command) bool { return !sub.isTopic() })
		c.section(&b, "Topics", (*Command).isTopic)
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
	}
	b.WriteString("\nFlags:\n")
	c.Flags.describe(&b, c.Name())
	if len(c.Subcommands) > 0 {
		fmt.Fprintf(&b, "\n%q says more about a command.\n", c.Path()+" command --help")
	}
	return b.String()
}

// usage is Use with its flags mentioned.
func (c *Command) usage() string {
	if strings.Contains(c.Use, "[flags]") {
		return c.Use
	}
	return c.Use + " [flags]"
}

// section lists the subcommands of one sort.
func (c *Command) section(b *strings.Builder, title string, which func(*Command) bool) {
	width := 0
	for _, sub := range c.Subcommands {
		if which(sub) {
			width = max(width, len(sub.Name()))
		}
	}
	if width == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, sub := range c.Subcommands {
		if which(sub) {
			fmt.Fprintf(b, "  %-*s  %s\n", width, sub.Name(), sub.Short)
		}
	}
}

// describe lists the flags, and --help after them.
func (f *Flags) describe(b *strings.Builder, command string) {
	var left, right []string
	width := 0
	for _, flag := range append(f.list[:len(f.list):len(f.list)], &Flag{Name: "help", Short: "h", Usage: "help for " + command, value: boolean}) {
		value, usage := flag.unquoted()
		line := "      --" + flag.Name
		if flag.Short != "" {
			line = "  -" + flag.Short + ", --" + flag.Name
		}
		switch {
		case flag.value == boolean:
		case flag.Bare != "":
			line += "[=" + value + "]"
		default:
			line += " " + value
		}
		if flag.Default != "" {
			usage += fmt.Sprintf(" (default %q)", flag.Default)
		}
		left, right, width = append(left, line), append(right, usage), max(width, len(line))
	}
	for i := range left {
		fmt.Fprintf(b, "%-*s   %s\n", width, left[i], right[i])
	}
}

// unquoted takes the value's name out of the usage.
func (f *Flag) unquoted() (value, usage string) {
	before, rest, ok := strings.Cut(f.Usage, "`")
	if !ok {
		return "value", f.Usage
	}
	value, after, _ := strings.Cut(rest, "`")
	return value, before + value + after
}
