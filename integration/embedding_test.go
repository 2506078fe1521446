package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEmbeddingPage builds and runs the program that docs/embedding.md begins with.
func TestEmbeddingPage(t *testing.T) {
	page, err := os.ReadFile("../docs/embedding.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(page), "```go\n")
	program, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page has no program")
	}
	// It must be part of the module to import its packages: an overlay puts it
	// there without touching the tree.
	dir := t.TempDir()
	source, overlay, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	must(t, os.WriteFile(source, []byte(program), 0o666))
	root, err := filepath.Abs("..")
	must(t, err)
	mapping, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(root, "cmd/embedding/main.go"): source},
	})
	must(t, err)
	must(t, os.WriteFile(overlay, mapping, 0o666))
	build := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./cmd/embedding")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(binary).CombinedOutput()
	must(t, err)
	if s := string(out); !strings.HasPrefix(s, "1234\n") || !strings.Contains(s, "geteuid go: who 1\n") {
		t.Errorf("it printed %q", s)
	}
	if diff, err := exec.Command("gofmt", "-d", source).Output(); err != nil || len(diff) > 0 {
		t.Errorf("gofmt: %v\n%s", err, diff)
	}
}
