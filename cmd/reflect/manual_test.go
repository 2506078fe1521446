//go:build linux && amd64

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
)

// sections splits the manual at its headings, which are commands' names.
func sections(t *testing.T) map[string]string {
	text, err := os.ReadFile("../../docs/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	name := ""
	for _, line := range strings.SplitAfter(string(text), "\n") {
		// "### The report" and the like belong to the command above them.
		if h, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " reflect"); ok && line[0] == '#' {
			name = strings.TrimSpace("reflect" + h)
		}
		out[name] += line
	}
	return out
}

// commandTree calls f for every command that a user can run.
func commandTree(c *cli.Command, f func(*cli.Command)) {
	for _, sub := range c.Subcommands {
		if sub.Run != nil || len(sub.Subcommands) > 0 {
			f(sub)
			commandTree(sub, f)
		}
	}
}

// TestManual holds the manual against the commands, in both directions.
func TestManual(t *testing.T) {
	manual := sections(t)
	seen := map[string]bool{"": true}
	commandTree(rootCommand(nil), func(c *cli.Command) {
		path := c.Path()
		seen[path] = true
		section, ok := manual[path]
		if !ok {
			t.Errorf("the manual has no section %q", path)
			return
		}
		flags := map[string]bool{"--help": true}
		for _, f := range c.Flags.All() {
			names := []string{"--" + f.Name}
			if f.Short != "" {
				names = append(names, "-"+f.Short)
			}
			for _, name := range names {
				flags[name] = true
				if !regexp.MustCompile("`" + name + "`").MatchString(section) {
					t.Errorf("%s: the manual does not explain %s", path, name)
				}
			}
		}
		// Tables begin with the flags that they explain.
		for _, row := range regexp.MustCompile("(?m)^\\| (`--?[a-z].*?) \\|").FindAllStringSubmatch(section, -1) {
			for _, name := range regexp.MustCompile("--?[a-z][a-z0-9-]*").FindAllString(row[1], -1) {
				if !flags[name] {
					t.Errorf("%s: the manual explains %s, which is no flag of it", path, name)
				}
			}
		}
	})
	for name := range manual {
		if !seen[name] {
			t.Errorf("the manual has a section %q, which is no command", name)
		}
	}
}

// TestCommandTable builds each command alone and finds it under its name.
func TestCommandTable(t *testing.T) {
	for _, c := range commands {
		if name := c.build().Name(); name != c.name {
			t.Errorf("command %q calls itself %q", c.name, name)
		}
		if found, _ := rootCommand([]string{c.name}).Find([]string{c.name}); found.Name() != c.name {
			t.Errorf("%s is not found", c.name)
		}
	}
}

// TestHelp keeps help texts within a terminal's width.
func TestHelp(t *testing.T) {
	check := func(name, text string) {
		for i, line := range strings.Split(text, "\n") {
			if len([]rune(line)) > 100 {
				t.Errorf("help of %s: line %d has %d columns", name, i+1, len([]rune(line)))
			}
		}
	}
	for _, topic := range helpTopics {
		text, err := helpTexts.ReadFile("help/" + topic.name + ".txt")
		if err != nil {
			t.Error(err)
		}
		check(topic.name, string(text))
	}
	commandTree(rootCommand(nil), func(c *cli.Command) {
		if c.Short == "" {
			t.Errorf("%s has no summary", c.Path())
		}
		check(c.Path(), c.HelpText())
	})
}
