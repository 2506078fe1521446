package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDepsAreComplete: what the tests of this package look for, deps.sh installs.
func TestDepsAreComplete(t *testing.T) {
	script, err := os.ReadFile("deps.sh")
	must(t, err)
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	// need(t, command, package), the builds of victims, and the table of interpreters
	uses := regexp.MustCompile(`(?:need\(t, "[^"]+", |\{"(?:gcc|g\+\+|ld|musl-gcc|rustc)", )"([a-z0-9+-]+)"[,)]|\{"\w+", "[\w/]+", "([a-z0-9-]+)", \[\]string\{"-[ce]"`)
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		must(t, err)
		for _, m := range uses.FindAllSubmatch(source, -1) {
			found++
			pkg := string(m[1]) + string(m[2])
			if !regexp.MustCompile(`(?m)^\S+\s+` + regexp.QuoteMeta(pkg) + `$`).Match(script) {
				t.Errorf("%s needs package %s, which deps.sh does not install", file, pkg)
			}
		}
	}
	if found == 0 {
		t.Error("no needs found: has the way to state them changed?")
	}
}
