package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies: packages that prepare much at every start are no part of the tool,
// since `reflect run` would have users wait for that. docs/decisions.md says how long.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		for _, no := range []string{"crypto", "debug", "go", "html", "log", "net", "regexp", "text/template"} {
			if pkg == no || strings.HasPrefix(pkg, no+"/") {
				t.Errorf("the tool imports %s", pkg)
			}
		}
	}
}
