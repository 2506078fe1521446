package policy

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden error texts")

// TestErrors reads testdata/errors.txtar: NAME.yaml is a policy, NAME.txt what
// Report says about it.
func TestErrors(t *testing.T) {
	const file = "testdata/errors.txtar"
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := &txtar.Archive{Comment: ar.Comment}
	golden := make(map[string]string)
	for _, f := range ar.Files {
		golden[f.Name] = string(f.Data)
	}
	for _, f := range ar.Files {
		name, ok := strings.CutSuffix(f.Name, ".yaml")
		if !ok {
			continue
		}
		_, err := Parse(f.Name, f.Data)
		if err == nil {
			t.Errorf("%s: no error", f.Name)
			continue
		}
		var es Errors
		if !errors.As(err, &es) || len(es) == 0 {
			t.Errorf("%s: %T is no Errors", f.Name, err)
		}
		for _, e := range es {
			if strings.ContainsAny(e.Error(), "\n") {
				t.Errorf("%s: %q takes more than a line", f.Name, e)
			}
			if e.Pos.Line == 0 {
				t.Errorf("%s: %q has no place", f.Name, e)
			}
		}
		var b strings.Builder
		if err := Report(&b, err); err != nil {
			t.Fatal(err)
		}
		if want := golden[name+".txt"]; !*update && b.String() != want {
			t.Errorf("%s: got\n%swant\n%s", f.Name, b.String(), want)
		}
		out.Files = append(out.Files, f, txtar.File{Name: name + ".txt", Data: []byte(b.String())})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
