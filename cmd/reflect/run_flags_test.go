//go:build linux && amd64

package main

import (
	"slices"
	"strings"
	"testing"
)

// TestWithoutFlags: what looks like a flag is left to the command line's parser, and
// without flags a run is what the zero runFlags say.
func TestWithoutFlags(t *testing.T) {
	for line, want := range map[string]string{
		"run -- /bin/true":    "/bin/true",
		"run -- -x --stats":   "-x --stats",
		"run -- -- a":         "-- a",
		"run true --stats":    "true --stats",
		"run -v -- true":      "",
		"run --stats true":    "",
		"run --":              "",
		"run":                 "",
		"run --help":          "",
		"version":             "",
		"policy list default": "",
	} {
		if got := withoutFlags(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if got := withoutFlags([]string{"run", "", "x"}); got != nil {
		t.Errorf("%q", got)
	}
	for _, flag := range runCommand().Flags.All() {
		if flag.Default != "" {
			t.Errorf("%s is %q where it is not given", flag, flag.Default)
		}
	}
}
