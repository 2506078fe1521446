package cli

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// example is a tree with a flag of each kind, and what it was run with.
type example struct {
	root          *Command
	name, format  string
	sources       []string
	verbose, deep bool
	ran           string
}

func newExample() *example {
	e := new(example)
	run := &Command{Use: "run [flags] [--] program", Short: "run it", Run: e.run}
	run.Flags.First = true
	run.Flags.String(&e.name, "name", "n", "", "the `word` to use").Words("alpha", "beta")
	run.Flags.String(&e.format, "format", "", "", "as `kind`").Words("text", "json").Bare = "text"
	run.Flags.Strings(&e.sources, "source", "s", "a `file`")
	run.Flags.Bool(&e.verbose, "verbose", "v", "say more")
	list := &Command{Use: "list", Short: "list them", Args: NoArgs, Run: e.run}
	list.Flags.Bool(&e.deep, "deep", "d", "all")
	show := &Command{Use: "show thing", Short: "show one", Run: e.run,
		Complete: func(_ *Command, args []string) ([]string, bool) {
			return []string{fmt.Sprintf("thing%d\tafter %d", len(args), len(args))}, false
		}}
	things := &Command{Use: "things", Short: "things"}
	things.Add(list, show)
	e.root = &Command{Use: "reflect", Short: "a tree"}
	e.root.Add(run, things, &Command{Use: "topic", Short: "a text", Long: "The text.\n"})
	return e
}

func (e *example) run(c *Command, args []string) error {
	e.ran = strings.Join(append([]string{c.Path()}, args...), " ")
	return nil
}

// TestFlags parses as getopt_long(3) does.
func TestFlags(t *testing.T) {
	for _, c := range []struct{ line, ran, state, err string }{
		{"run prog", "reflect run prog", "", ""},
		{"run --name x prog", "reflect run prog", "name=x", ""},
		{"run --name=x prog", "reflect run prog", "name=x", ""},
		{"run --name= prog", "", "", "flag needs an argument: --name"},
		{"run -n x prog", "reflect run prog", "name=x", ""},
		{"run -nx prog", "reflect run prog", "name=x", ""},
		{"run -n=x prog", "reflect run prog", "name=x", ""},
		{"run -n -v prog", "reflect run prog", "name=-v", ""},
		{"run -vnx prog", "reflect run prog", "name=x verbose", ""},
		{"run -v --verbose=false prog", "reflect run prog", "", ""},
		{"run --format prog", "reflect run prog", "format=text", ""},
		{"run --format=json prog", "reflect run prog", "format=json", ""},
		{"run -s a --source b prog", "reflect run prog", "sources=a,b", ""},
		{"run prog -v --name x", "reflect run prog -v --name x", "", ""},
		{"run -- -v", "reflect run -v", "", ""},
		{"run -v -- -- -v", "reflect run -- -v", "verbose", ""},
		{"run - -v", "reflect run - -v", "", ""},
		{"things show a -- -d b", "reflect things show a -d b", "", ""},
		{"things list --deep", "reflect things list", "deep", ""},
		{"things list x --deep", "", "deep", `unexpected argument "x"`},
		{"run --nosuch", "", "", "unknown flag: --nosuch"},
		{"run --nosuch=1", "", "", "unknown flag: --nosuch"},
		{"run -vx", "", "verbose", "unknown shorthand flag: 'x' in -vx"},
		{"run --name", "", "", "flag needs an argument: --name"},
		{"run -vn", "", "verbose", "flag needs an argument: 'n' in -vn"},
		{"run --verbose=maybe", "", "", `invalid argument "maybe" for -v, --verbose: invalid syntax`},
	} {
		e := newExample()
		err := e.root.Execute(strings.Fields(c.line))
		var state []string
		for _, s := range []struct {
			set  bool
			text string
		}{
			{e.name != "", "name=" + e.name}, {e.format != "", "format=" + e.format},
			{e.sources != nil, "sources=" + strings.Join(e.sources, ",")}, {e.verbose, "verbose"}, {e.deep, "deep"},
		} {
			if s.set {
				state = append(state, s.text)
			}
		}
		said := ""
		if err != nil {
			said = err.Error()
			if usage := (*UsageError)(nil); !errors.As(err, &usage) {
				t.Errorf("%s: %v is no usage error", c.line, err)
			}
		}
		if e.ran != c.ran || strings.Join(state, " ") != c.state || said != c.err {
			t.Errorf("%s: ran %q, %q, error %q", c.line, e.ran, state, said)
		}
	}
	for _, line := range []string{"-h", "run -h", "run --help prog", "run -vh", "things list x -h"} {
		e := newExample()
		c, rest := e.root.Find(strings.Fields(line))
		if _, err := c.Flags.Parse(rest); err != ErrHelp {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestSuggest(t *testing.T) {
	root := newExample().root
	for word, want := range map[string]string{"rnu": "run", "thing": "things", "thigns": "things", "r": "run", "xyzzy": "", "topc": ""} {
		if got := strings.Join(root.Suggest(word), " "); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

var completions = []struct {
	words []string
	want  string // words without descriptions
	files bool
}{
	{[]string{""}, "run things", false},
	{[]string{"t"}, "things", false},
	{[]string{"things", ""}, "list show", false},
	{[]string{"things", "list", "-"}, "--deep -d --help", false},
	{[]string{"things", "show", ""}, "thing0", false},
	{[]string{"things", "show", "a", "th"}, "thing1", false},
	{[]string{"run", "--n"}, "--name", false},
	{[]string{"run", "--name", ""}, "alpha beta", false},
	{[]string{"run", "-vn", "b"}, "beta", false},
	{[]string{"run", "--name=a"}, "--name=alpha", false},
	{[]string{"run", "--format", ""}, "", true},
	{[]string{"run", "--source", ""}, "", true},
	{[]string{"run", "prog", "--n"}, "", true},
	{[]string{"run", "--", "--n"}, "", true},
}

func TestAnswer(t *testing.T) {
	for _, c := range completions {
		var b strings.Builder
		if err := newExample().root.Answer(&b, c.words); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		last := len(lines) - 1
		var words []string
		for _, line := range lines[:last] {
			word, _, _ := strings.Cut(line, "\t")
			words = append(words, word)
		}
		if got := strings.Join(words, " "); got != c.want || lines[last] == ":files" != c.files {
			t.Errorf("%q: %q, %s", c.words, got, lines[last])
		}
	}
}

// TestBash lets bash ask a stand-in for reflect, with words as bash splits them.
func TestBash(t *testing.T) {
	script, err := filepath.Abs("completion/reflect.bash")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, asked, answer, want string }{
		{"reflect run --st", "__complete|run|--st", "--stats\tas\n--stats-file\tto\n:words", "--stats|--stats-file"},
		{"reflect run --stats = j", "__complete|run|--stats=j", "--stats=json\n:words", "json"},
		{"reflect run --stats =", "__complete|run|--stats=", "--stats=text\n--stats=json\n:words", "text|json"},
		{"reflect run -p ", "__complete|run|-p|", "none\tempty\n:files", "none"},
		{"reflect run x", "__complete|run|x", ":files", ""},
	} {
		words := strings.Split(c.line, " ")
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + w + "'"
		}
		source := fmt.Sprintf("source '%s'\nreflect() { (IFS='|'; printf %%s \"$*\" >&3); printf '%%s\\n' '%s'; }\n"+
			"COMP_WORDS=(%s) COMP_CWORD=%d\nexec 3>&1\n_reflect\nprintf '\\n'; IFS='|'; printf %%s \"${COMPREPLY[*]}\"\n",
			script, c.answer, strings.Join(quoted, " "), len(words)-1)
		out, err := exec.Command("bash", "--norc", "-c", source).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.line, err, out)
		}
		if want := c.asked + "\n" + c.want; string(out) != want {
			t.Errorf("%s: %q, want %q", c.line, out, want)
		}
	}
}

// TestHelp prints what a flag's usage says about its value.
func TestHelp(t *testing.T) {
	root := newExample().root
	run, _ := root.Find([]string{"run"})
	text := run.HelpText()
	for _, line := range []string{
		"  reflect run [flags] [--] program",
		"  -n, --name word       the word to use",
		"      --format[=kind]   as kind",
		"  -v, --verbose         say more",
		"  -h, --help            help for run",
	} {
		if !slices.Contains(strings.Split(text, "\n"), line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	topic, _ := root.Find([]string{"topic"})
	if got := topic.HelpText(); got != "The text.\n" {
		t.Errorf("%q", got)
	}
}
