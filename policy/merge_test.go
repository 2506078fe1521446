package policy

import (
	"errors"
	"strings"
	"testing"
)

func mustParse(t *testing.T, name, text string) *Policy {
	t.Helper()
	p, err := Parse(name, []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustMerge(t *testing.T, texts ...string) *Plan {
	t.Helper()
	var ps []*Policy
	for i, text := range texts {
		ps = append(ps, mustParse(t, string(rune('a'+i)), text))
	}
	p, err := Merge(ps...)
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, p)
	return p
}

// meets is what a call meets, as "action by mechanism at place".
func meets(t *testing.T, p *Plan, call string, args ...uint64) string {
	t.Helper()
	nr, ok := Number(call)
	if !ok {
		t.Fatalf("no call %s", call)
	}
	var all [6]uint64
	copy(all[:], args)
	r := p.Match(nr, &all)
	if r == nil {
		return p.Default.String()
	}
	s := r.Action.String()
	if r.Mechanism != Auto {
		s += " by " + r.Mechanism.String()
	}
	if r.InSupervisor {
		s += " in supervisor"
	}
	if r.Implicit {
		return s + " implicitly"
	}
	return s + " at " + r.Pos.String()
}

func TestMerge(t *testing.T) {
	const shim = "rules: [{calls: \"@vdso\", do: shim}]\n"
	type call struct {
		name string
		args []uint64
		want string
	}
	for _, tc := range []struct {
		name    string
		sources []string
		calls   []call
	}{
		{"one source, first rule that holds", []string{`
rules:
  - {calls: openat, when: "arg2 & O_CREAT == O_CREAT", do: deny}
  - {calls: openat, when: [arg2 < 8, arg3 != 0], do: audit}
  - {calls: openat, do: {errno: ENOENT}}
`}, []call{
			{"openat", []uint64{0, 0, 0x40}, "deny at a:4:6"},
			{"openat", []uint64{0, 0, 0, 1}, "audit at a:5:6"},
			{"openat", []uint64{0, 0, 0, 0}, "errno ENOENT at a:6:6"},
			{"open", nil, "allow"},
		}},
		{"the particular before the general", []string{`
rules:
  - {calls: openat, do: allow}
  - {calls: "@file-system", except: [close, "@chown"], do: deny}
`}, []call{
			{"openat", nil, "allow at a:4:6"},
			{"unlink", nil, "deny at a:5:6"},
			{"close", nil, "allow"},
			{"read", nil, "allow"},
		}},
		{"a later source wins", []string{shim, `
rules: [{calls: getrandom, do: {errno: ENOSYS}}]
`}, []call{
			{"getrandom", nil, "errno ENOSYS at b:3:10"},
			{"time", nil, "shim at a:2:10"},
		}},
		{"where it holds", []string{shim, `
rules: [{calls: getrandom, when: int(arg2) == GRND_RANDOM, do: {errno: EAGAIN}}]
`}, []call{
			{"getrandom", []uint64{0, 0, 2}, "errno EAGAIN at b:3:10"},
			{"getrandom", []uint64{0, 0, 0x1_0000_0002}, "errno EAGAIN at b:3:10"},
			{"getrandom", []uint64{0, 0, 0}, "shim by notify at a:2:10"},
			{"time", nil, "shim at a:2:10"},
		}},
		{"and may allow again", []string{shim, "rules: [{calls: getrandom, do: allow}]\n"}, []call{
			{"getrandom", nil, "allow at b:2:10"},
		}},
		{"the order of three", []string{
			"rules: [{calls: [getpid, gettid, getuid], do: {return: 1}}]\n",
			"rules: [{calls: [gettid, getuid], do: {return: 2}}]\n",
			"rules: [{calls: getuid, do: {return: 3}}]\n",
		}, []call{
			{"getpid", nil, "return 1 at a:2:10"},
			{"gettid", nil, "return 2 at b:2:10"},
			{"getuid", nil, "return 3 at c:2:10"},
		}},
		{"a default that denies", []string{`
default: deny
rules: [{calls: [read, mmap], do: allow}, {calls: prctl, when: int(arg0) == 15, do: allow}]
`}, []call{
			{"read", nil, "allow at a:4:10"},
			{"write", nil, "deny"},
			{"exit_group", nil, "allow implicitly"},
			{"rt_sigreturn", nil, "allow implicitly"},
			{"restart_syscall", nil, "allow implicitly"},
			{"mmap", nil, "allow at a:4:10"},
			{"execve", nil, "deny in supervisor implicitly"},
			{"prctl", []uint64{15}, "allow at a:4:44"},
			{"prctl", []uint64{38}, "deny in supervisor implicitly"},
		}},
		{"a default that kills", []string{"default: kill\n"}, []call{
			{"read", nil, "kill"},
			{"exit", nil, "allow implicitly"},
			{"close", nil, "deny in supervisor implicitly"},
		}},
		{"a default that fails", []string{"default: {errno: ENOSYS}\n"}, []call{
			{"read", nil, "errno ENOSYS"},
			{"munmap", nil, "errno ENOSYS in supervisor implicitly"},
		}},
		{"a default that logs", []string{"default: audit\n"}, []call{
			{"read", nil, "audit"},
			{"close", nil, "audit"},
			{"execve", nil, "allow implicitly"},
			{"exit", nil, "audit"},
		}},
		{"a default taken back", []string{"default: kill\n", "default: allow\n"}, []call{
			{"read", nil, "allow"},
			{"close", nil, "allow"},
		}},
		{"the handoff's calls", []string{`
rules:
  - {calls: [mmap, execve], do: deny}
  - {calls: prctl, do: {errno: EINVAL}}
  - {calls: close, do: {return: 0}}
  - {calls: munmap, do: {go: keep}}
`}, []call{
			{"mmap", nil, "deny in supervisor at a:4:6"},
			{"execve", nil, "deny in supervisor at a:4:6"},
			{"prctl", nil, "errno EINVAL in supervisor at a:5:6"},
			{"close", nil, "return 0 in supervisor at a:6:6"},
			{"munmap", nil, "go keep at a:7:6"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := mustMerge(t, tc.sources...)
			for _, c := range tc.calls {
				if got := meets(t, p, c.name, c.args...); got != c.want {
					t.Errorf("%s%v meets %s, want %s", c.name, c.args, got, c.want)
				}
			}
		})
	}
}

func TestMergeKeys(t *testing.T) {
	for _, tc := range []struct {
		sources                []string
		strict, allow, refuses bool
	}{
		{[]string{"rules: []\n"}, false, false, false},
		{[]string{"strict: true\nforeign: allow\n", "rules: []\n"}, true, true, false},
		{[]string{"strict: true\nforeign: allow\n", "strict: false\nforeign: refuse\n"}, false, false, false},
		{[]string{"rules: [{calls: socket, do: deny}]\n"}, false, false, true},
		{[]string{"rules: [{calls: socket, do: kill}]\nforeign: allow\n"}, false, true, false},
		{[]string{"rules: [{calls: socket, do: {errno: EPERM}}]\n"}, false, false, false},
		{[]string{"default: {errno: EPERM}\n"}, false, false, true},
		{[]string{"default: kill\n"}, false, false, true},
		{[]string{"default: audit\n"}, false, false, false},
	} {
		p := mustMerge(t, tc.sources...)
		if p.Strict != tc.strict || p.ForeignAllow != tc.allow || p.RefusesForeign() != tc.refuses {
			t.Errorf("%q: strict %v, foreign allow %v, refuses %v", tc.sources, p.Strict, p.ForeignAllow, p.RefusesForeign())
		}
	}
}

// A vDSO function is the shim's only where no filter is needed to decide.
func TestBinding(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Binding
	}{
		{"rules: []\n", BindForward},
		{"rules: [{calls: getrandom, do: allow}]\n", BindForward},
		{"rules: [{calls: getrandom, do: shim}]\n", BindShim},
		{"rules: [{calls: getrandom, mechanism: auto, do: shim}]\n", BindShim},
		{"rules: [{calls: getrandom, mechanism: vdso, do: shim}]\n", BindShim},
		{"rules: [{calls: getrandom, mechanism: notify, do: shim}]\n", BindStub},
		{"rules: [{calls: getrandom, when: arg2 == 0, do: shim}]\n", BindStub},
		{"rules: [{calls: getrandom, when: arg2 == 0, do: allow}, {calls: getrandom, do: shim}]\n", BindStub},
		{"rules: [{calls: getrandom, when: arg2 == 0, do: allow}]\n", BindForward},
		{"rules: [{calls: getrandom, when: arg2 == 0, do: deny}, {calls: getrandom, do: allow}]\n", BindStub},
		{"rules: [{calls: getrandom, do: stub}]\n", BindStub},
		{"rules: [{calls: getrandom, do: {go: x}}]\n", BindStub},
		{"rules: [{calls: getrandom, do: {return: 0}}]\n", BindStub},
		{"rules: [{calls: getrandom, do: {errno: ENOSYS}}]\n", BindStub},
		{"rules: [{calls: getrandom, do: deny}]\n", BindStub},
		{"rules: [{calls: getrandom, do: kill}]\n", BindStub},
		{"rules: [{calls: getrandom, do: audit}]\n", BindStub},
		{"default: deny\n", BindStub},
		{"default: audit\n", BindStub},
		{"default: deny\nrules: [{calls: getrandom, do: allow}]\n", BindForward},
		{"default: deny\nrules: [{calls: getrandom, when: arg2 == 0, do: allow}]\n", BindStub},
	} {
		if got := mustMerge(t, tc.text).Binding("getrandom"); got != tc.want {
			t.Errorf("%q: %v, want %v", tc.text, got, tc.want)
		}
	}
	p := mustMerge(t, "default: deny\n")
	for _, call := range []string{"openat", "nosuchcall"} {
		if got := p.Binding(call); got != BindForward {
			t.Errorf("%s, which has no vDSO function: %v", call, got)
		}
	}
}

func TestWithMechanism(t *testing.T) {
	const text = `
rules:
  - {calls: getrandom, do: shim}
  - {calls: time, mechanism: vdso, do: shim}
  - {calls: getcpu, mechanism: auto, do: shim}
  - {calls: clock_getres, do: stub}
  - {calls: clock_gettime, when: int(arg0) == CLOCK_REALTIME, do: shim}
  - {calls: getppid, do: deny}
`
	const handled = "rules: [{calls: getpid, do: {errno: EPERM}}, {calls: gettid, do: {go: x}}]\n"
	for _, tc := range []struct {
		text string
		m    Mechanism
		want map[string]Mechanism // or
		err  string
	}{
		{text, Auto, map[string]Mechanism{"getrandom": Auto, "time": VDSO, "getcpu": Auto, "clock_getres": Auto, "clock_gettime": Notify, "getppid": Auto}, ""},
		{text, Notify, map[string]Mechanism{"getrandom": Notify, "time": VDSO, "getcpu": Auto, "clock_getres": Auto, "clock_gettime": Notify, "getppid": Auto}, ""},
		{text, VDSO, nil, "a:8:6: mechanism vdso can't test arguments"},
		{handled, Notify, map[string]Mechanism{"getpid": Notify, "gettid": Notify}, ""},
		{handled, VDSO, nil, "a:2:10: mechanism vdso can't serve errno EPERM (and 1 more)"},
		{"default: deny\n", VDSO, map[string]Mechanism{"execve": Auto}, ""},
		{"", Mechanism(9), nil, "unknown mechanism 9"},
	} {
		p := mustMerge(t, tc.text)
		before := p.String()
		q, err := p.WithMechanism(tc.m)
		if p.String() != before {
			t.Errorf("%v changed the plan that it was asked of", tc.m)
		}
		if tc.err != "" {
			if err == nil || err.Error() != tc.err {
				t.Errorf("%v: %v, want %s", tc.m, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tc.m, err)
			continue
		}
		for call, want := range tc.want {
			nr, _ := Number(call)
			if got := q.For(nr)[0].Mechanism; got != want {
				t.Errorf("%v: %s by %v, want %v", tc.m, call, got, want)
			}
		}
	}
}

// Back and forth changes nothing.
func TestWithMechanismTwice(t *testing.T) {
	p, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	q, err := p.WithMechanism(Notify)
	if err != nil {
		t.Fatal(err)
	}
	if q.String() == p.String() {
		t.Error("notify changes nothing")
	}
	if q, err = q.WithMechanism(Auto); err != nil || q.String() != p.String() {
		t.Errorf("%v, %v, want %v", q, err, p)
	}
	if n, err := Load("notify"); err != nil || n.Binding("getrandom") != BindStub {
		t.Errorf("%v %v", n, err)
	}
}

// Two sources, each right, that can't be laid over each other.
func TestMergeErrors(t *testing.T) {
	a := mustParse(t, "a.yaml", "rules: [{calls: getrandom, mechanism: vdso, do: shim}]\n")
	b := mustParse(t, "b.yaml", "rules: [{calls: getrandom, when: arg2 == 2, do: deny}]\n")
	_, err := Merge(a, b)
	const want = "a.yaml:2:10: mechanism vdso can't serve getrandom: a rule tests its arguments (arg2 == 2, at b.yaml:2:10), which only a filter can"
	var one *Error
	if err == nil || err.Error() != want || !errors.As(err, &one) || one.Hint == "" {
		t.Errorf("%v\nwant %s", err, want)
	}
	// The rule with a mechanism of its own is overridden.
	c := mustParse(t, "c.yaml", "rules: [{calls: getrandom, do: shim}]\n")
	if _, err := Merge(a, c, b); err != nil {
		t.Error(err)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct{ source, want, hint string }{
		{"defualt", `unknown preset "defualt"`, "did you mean default?"},
		{"zzz", `unknown preset "zzz"`, "presets: default, "},
		{"", `unknown preset ""`, "presets: "},
		{"..", `unknown preset ".."`, ""},
		{"load_test.go", `unknown preset "load_test.go"`, "a file's path has a slash: ./load_test.go"},
		{dir + "/none.yaml", dir + "/none.yaml: no such file or directory", "a preset: default, "},
		{dir + "/", "is a directory", ""},
	} {
		_, err := Load(tc.source)
		var one *Error
		if err == nil || !errors.As(err, &one) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(one.Hint, tc.hint) {
			t.Errorf("Load(%q) = %v", tc.source, err)
		}
	}
	if _, err := Load("default", "nosuch", "neither"); err == nil || !strings.Contains(err.Error(), "and 1 more") {
		t.Errorf("of two errors one is told: %v", err)
	}
}

// What a user asks for by -m holds where it can, and base is the rule's own.
func TestWithMechanismInProgram(t *testing.T) {
	base := func(t *testing.T, text string) *Plan {
		t.Helper()
		p, err := Parse("f", []byte("version: 1\nrules:\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := Merge(p)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	for _, tc := range []struct {
		rules string
		m     Mechanism
		want  string
	}{
		{"  - {calls: getppid, do: {return: 1}}\n", Trap, "110 getppid [] trap return 1\n"},
		{"  - {calls: getppid, when: arg0 == 1, do: {return: 1}}\n", Trap, "110 getppid [arg0 == 1] trap return 1\n"},
		{"  - {calls: getppid, when: arg0 == 1, do: {return: 1}}\n", SUD, "110 getppid [arg0 == 1] auto return 1\n"},
		{"  - {calls: getppid, do: {go: x}}\n", Trap, "110 getppid [] auto go x\n"},
		{"  - {calls: getppid, do: {go: x}}\n", PtraceAll, "110 getppid [] ptrace-all go x\n"},
		{"  - {calls: getppid, mechanism: patch, base: trap, do: {return: 1}}\n", Notify, "110 getppid [] patch over trap return 1\n"},
		{"  - {calls: vfork, mechanism: patch, base: trap, do: {errno: EPERM}}\n", Notify, "58 vfork [] trap errno EPERM\n"},
		{"  - {calls: getrandom, when: arg1 == 1, do: shim}\n", SUD, "318 getrandom [arg1 == 1] notify shim\n"},
		{"  - {calls: getrandom, when: arg1 == 1, do: shim}\n", Ptrace, "318 getrandom [arg1 == 1] ptrace shim\n"},
	} {
		p, err := base(t, tc.rules).WithMechanism(tc.m)
		if err != nil {
			t.Errorf("%s by %v: %v", tc.rules, tc.m, err)
			continue
		}
		got, _, _ := strings.Cut(p.String(), "default ")
		if got != tc.want {
			t.Errorf("%s by %v: %s", tc.rules, tc.m, got)
		}
		if len(p.Rules) > 0 && p.Rules[0].Mechanism != Auto && !p.Uses(p.Rules[0].Mechanism) {
			t.Errorf("%s does not use it", p)
		}
	}
}
