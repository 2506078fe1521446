package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Text that is no policy by its bytes, which an archive of texts can't hold.
func TestParseBytes(t *testing.T) {
	const ok = "version: 1\nrules:\n  - calls: getrandom\n    do: shim\n"
	for _, tc := range []struct {
		name, text string
		want       string // "" for no error
	}{
		{"plain", ok, ""},
		{"byte order mark", "\ufeff" + ok, ""},
		{"CRLF", strings.ReplaceAll(ok, "\n", "\r\n"), ""},
		{"no newline at the end", strings.TrimSpace(ok), ""},
		{"one document with marks", "---\n" + ok + "...\n", ""},
		{"comments", "# a\n" + ok + "# z\n", ""},
		{"error after CRLF", "version: 1\r\ndefault: nope\r\n", `f:2:10: unknown action "nope"`},
		{"Latin 1", "version: 1\n# caf\xe9\n", "f:2:6: the file is no UTF-8 text"},
		{"NUL", "version: 1\n\x00\n", "f:"},
		{"binary", "\x7fELF\x02\x01\x01\x00", "f:"},
		{"largest", ok + strings.Repeat("#", MaxSize-len(ok)), ""},
		{"too large", ok + strings.Repeat("#", MaxSize-len(ok)+1), "f: the file is larger than 64 KiB"},
	} {
		_, err := Parse("f", []byte(tc.text))
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)):
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
}

func TestErrorsCanBeTold(t *testing.T) {
	for _, tc := range []struct {
		text string
		want error
	}{
		{"version: 2\n", ErrUnavailable},
		{"version: 1\nrules: [{calls: getrandom, mechanism: seccomp, do: shim}]\n", ErrUnknown},
		{"version: 1\nrules: [{calls: getrandom, do: rewrite}]\n", ErrUnavailable},
		{"version: 1\nrules: [{calls: getrandomm, do: shim}]\n", ErrUnknown},
		{"version: 1\nrulez: []\n", ErrUnknown},
	} {
		_, err := Parse("f", []byte(tc.text))
		if !errors.Is(err, tc.want) {
			t.Errorf("%q: %v is no %v", tc.text, err, tc.want)
		}
		var one *Error
		if !errors.As(err, &one) || one.Pos.File != "f" || one.Pos.Line == 0 {
			t.Errorf("%q: %v is no *Error with a place", tc.text, err)
		}
	}
}

// What makes other readers of YAML slow, or large.
func TestParseIsBounded(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		n, p := string(rune('a'+i)), string(rune('a'+i-1))
		if i == 1 {
			p = "a0"
		}
		bomb.WriteString(n + ": &" + n + " [" + strings.Repeat("*"+p+", ", 9) + "]\n")
	}
	rules := "version: 1\nrules:\n" + strings.Repeat("- {calls: \"@known\", when: arg0 == 1, do: audit}\n", 1300)
	distinct := "version: 1\nrules:\n"
	for i := range 1400 {
		distinct += "- {calls: \"@known\", when: arg0 == " + number(uint64(i)) + ", do: allow}\n"
	}
	fill := func(s string) string { return strings.Repeat(s, MaxSize/len(s)) }
	for name, text := range map[string]string{
		"alias bomb":      bomb.String(),
		"rules repeated":  rules,
		"rules distinct":  distinct[:MaxSize],
		"brackets":        fill("["),
		"braces":          fill("{a: "),
		"dashes":          fill("- "),
		"colons":          fill("a: "),
		"question marks":  fill("? "),
		"anchors":         fill("&a "),
		"tags":            fill("!a "),
		"quotes":          fill("'"),
		"keys":            fill("a: b\n"),
		"documents":       fill("---\n"),
		"comments":        fill("#\n"),
		"escapes":         "version: 1\ndescription: \"" + fill(`\t`)[:MaxSize-40] + "\"\n",
		"folded text":     "version: 1\ndescription: >\n" + fill("  x\n")[:MaxSize-40],
		"plain lines":     "version: 1\ndescription: " + fill("x\n ")[:MaxSize-40],
		"a long list":     "version: 1\nrules: [{calls: [" + fill("1,")[:MaxSize-60] + "], do: allow}]\n",
		"unknown calls":   "version: 1\nrules: [{calls: [" + fill("abcdefgh,")[:MaxSize-60] + "], do: allow}]\n",
		"a long word":     "version: 1\nrules: [{calls: " + fill("x")[:MaxSize-60] + ", do: allow}]\n",
		"a long sum":      "version: 1\nrules: [{calls: open, when: arg0 == " + fill("1|")[:MaxSize-80] + "1, do: allow}]\n",
		"many conditions": "version: 1\nrules: [{calls: open, when: [" + fill("arg0 != 1,")[:MaxSize-80] + "], do: allow}]\n",
		"deep steps":      steps(),
	} {
		start := time.Now()
		_, err := Parse(name, []byte(text))
		// Thirty times what it takes on an idle machine.
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
		if err == nil && name != "folded text" && name != "plain lines" && name != "escapes" && name != "a long sum" {
			t.Errorf("%s: no error", name)
		}
	}
}

// steps indents each line by one more.
func steps() string {
	var b strings.Builder
	for i := 0; b.Len()+i+4 < MaxSize; i++ {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, p := range Presets() {
		f.Add([]byte(p.Source))
	}
	for _, s := range []string{
		"version: 1\ndefault: {errno: ENOSYS}\nstrict: true\nforeign: allow\n",
		"version: 1\nrules:\n- {calls: [1, \"@time\"], except: time, when: [arg0 & 0x3 == 0x1, int(arg1) == -1], do: {return: -5}}\n",
		"a: &a [*a]\n", "? a\n: b\n", "<<: {}\n", "!!map {}\n", "a: \"\\x\n", "- - -\n", "a: |\n x\n", "%YAML\n---\n", "\ufeffa: 'b''c'\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := time.Now()
		p, err := Parse("f", text)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		if err != nil {
			checkReport(t, err, text)
			return
		}
		plan, err := Merge(p)
		if err != nil {
			checkReport(t, err, text)
			return
		}
		checkPlan(t, plan)
	})
}

// checkReport checks what is true of every error text.
func checkReport(t *testing.T, err error, text []byte) {
	t.Helper()
	var es Errors
	if !errors.As(err, &es) || len(es) == 0 {
		t.Fatalf("%T %v is no Errors", err, err)
	}
	var b strings.Builder
	if err := Report(&b, err); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r != '\n' && (r < 0x20 || r == 0x7f) {
			t.Fatalf("control character %q on the terminal: %q", r, b.String())
		}
	}
	lines := 1 + strings.Count(string(text), "\n") + strings.Count(string(text), "\r")
	for _, e := range es {
		if e.Pos.Line > lines || e.Pos.Column > len(text)+1 || strings.Contains(e.Error(), "\n") || strings.Contains(e.Hint, "\n") {
			t.Errorf("%v (%s)", e, e.Hint)
		}
	}
}

// checkPlan checks what the packages below rely on.
func checkPlan(t *testing.T, p *Plan) {
	t.Helper()
	for i := range p.Rules {
		r := &p.Rules[i]
		if i > 0 && p.Rules[i-1].Nr > r.Nr {
			t.Fatalf("%s is out of order", r.Name)
		}
		if i > 0 && p.Rules[i-1].Nr == r.Nr && len(p.Rules[i-1].Conds) == 0 {
			t.Fatalf("%s has a rule that is never reached", r.Name)
		}
		if r.Nr < 0 || r.Nr > MaxNumber || r.Name != label(r.Nr) {
			t.Fatalf("call %d %q", r.Nr, r.Name)
		}
		if e := checkConds(r.Conds); e != nil {
			t.Fatal(e)
		}
		if e := checkAction(r.Action); e != nil {
			t.Fatal(e)
		}
		if why, _ := refuses(r.Nr, r.Action, false); why != "" {
			t.Fatalf("%s %s", r.Name, why)
		}
		if r.Mechanism == VDSO && (len(r.Conds) > 0 || r.Action.Kind != Shim && r.Action.Kind != Stub) {
			t.Fatalf("%s: %v by vdso", r.Name, r.Action)
		}
		if r.Action.Kind == Shim && r.Mechanism != Notify && len(p.For(r.Nr)) != 1 {
			t.Fatalf("%s: shim by %v beside other rules", r.Name, r.Mechanism)
		}
		if isHandoff(r.Nr) != r.InSupervisor && (r.Action.Kind == Deny || r.Action.Kind == Errno || r.Action.Kind == Return) {
			t.Fatalf("%s: InSupervisor is %v", r.Name, r.InSupervisor)
		}
	}
	if e := checkDefault(p.Default); e != nil {
		t.Fatal(e)
	}
	for nr := range lastCall + 1 {
		p.Match(nr, &[6]uint64{})
	}
	var b strings.Builder
	if err := Explain(&b, p); err != nil {
		t.Fatal(err)
	}
}
