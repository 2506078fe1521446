package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const manual = "../docs/policy.md"

// Every policy in the manual is one, or is refused with the text below it.
func TestManual(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)(<!-- refused -->\n)?```yaml\n(.*?)```\n(?:\n```text\n(.*?)```\n)?")
	found := block.FindAllStringSubmatch(string(text), -1)
	for _, m := range found {
		refused, src, want := m[1] != "", m[2], m[3]
		p, err := Parse("policy.yaml", []byte(src))
		if refused {
			var b strings.Builder
			if rerr := Report(&b, err); rerr != nil || b.String() != want {
				t.Errorf("%s\nis refused with\n%s", src, b.String())
			}
			continue
		}
		if err == nil {
			_, err = Merge(p)
		}
		if err != nil {
			t.Errorf("%s\n%v", src, err)
		}
	}
	if len(found) < 7 {
		t.Errorf("only %d policies found", len(found))
	}
	for _, p := range Presets() {
		if !strings.Contains(string(text), "`"+p.Name+"`") {
			t.Errorf("the manual does not name the preset %s", p.Name)
		}
	}
	for _, l := range limits {
		if !strings.Contains(string(text), l.why) && l.kinds[0] != Return && l.kinds[0] != Go && l.kinds[0] != Audit && l.kinds[0] != Kill {
			t.Errorf("the manual does not say: %s", l.why)
		}
		for _, call := range l.calls {
			if !strings.Contains(string(text), "`"+call+"`") {
				t.Errorf("the manual does not name %s", call)
			}
		}
	}
	for _, words := range [][]string{kindWords[:], mechanismWords[:], topKeys, ruleKeys, laterActions} {
		for _, w := range words {
			if !strings.Contains(string(text), "`"+w+"`") && !strings.Contains(string(text), "`{"+w+":") {
				t.Errorf("the manual does not name %s", w)
			}
		}
	}
}

// The manual's list of sets is written from the table.
func TestDocumentedSets(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "-update -->\n", "<!-- end of sets -->"
	head, rest, ok1 := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("no place for the sets")
	}
	var b strings.Builder
	b.WriteString(head + begin + "\n| set | calls |\n|---|---|\n")
	for _, s := range Sets() {
		star := ""
		if s.Systemd {
			star = "*"
		}
		calls := s.calls
		if calls == "" {
			calls = fmt.Sprintf("%d calls", len(s.Numbers()))
		}
		fmt.Fprintf(&b, "| `%s`%s | %s: %s |\n", s.Name, star, s.Description, calls)
	}
	b.WriteString("\n" + end + tail)
	switch {
	case b.String() == string(text):
	case *update:
		if err := os.WriteFile(manual, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the list of sets in docs/policy.md is not the program's: go test ./policy -run TestDocumentedSets -update")
	}
}

// Every example is a policy without warnings, says what it is for and how to
// run it.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		plan, err := Load(f)
		if err != nil {
			var b strings.Builder
			_ = Report(&b, err)
			t.Error(b.String())
			continue
		}
		checkPlan(t, plan)
		for _, w := range plan.Warnings {
			if !w.EachRun { // that one is the point of the example
				t.Error(w)
			}
		}
		p, err := Open(f)
		if err != nil || p.Description == "" {
			t.Errorf("%s has no description (%v)", f, err)
		}
		text, _, err := Source(f)
		if err != nil || !strings.Contains(string(text), "#   reflect run -p ") && !strings.Contains(string(text), "-p ./examples/"+filepath.Base(f)) {
			t.Errorf("%s does not say how to run it (%v)", f, err)
		}
	}
}
