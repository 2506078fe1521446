package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// patched is what a plan's patched sites do, as "name kind value".
func patched(t *testing.T, p *Plan) []string {
	t.Helper()
	var out []string
	for _, c := range p.Patched() {
		s := label(c.Nr) + " " + c.Kind.String()
		if c.Kind == PatchConstant {
			s += fmt.Sprintf(" %d", c.Value)
		} else if c.Value != 0 {
			t.Errorf("%s has the value %d", s, c.Value)
		}
		out = append(out, s)
	}
	for nr := range MaxNumber + 1 {
		c, ok := p.PatchedCall(nr)
		if ok != slices.Contains(p.Patched(), c) || ok && c.Nr != nr {
			t.Errorf("PatchedCall(%d) = %v, %v", nr, c, ok)
		}
	}
	return out
}

func TestPatched(t *testing.T) {
	for _, tc := range []struct {
		name    string
		sources []string
		auto    []string // without -m
		patch   []string // with -m patch
	}{
		{"nothing", []string{""}, nil, nil},
		{"what the image has no entry for is the kernel's", []string{"rules: [{calls: \"@vdso\", do: shim}]\n"},
			[]string{"gettimeofday pass", "time pass", "clock_gettime pass", "clock_getres pass", "getcpu pass", "getrandom shim"},
			[]string{"gettimeofday pass", "time pass", "clock_gettime pass", "clock_getres pass", "getcpu pass", "getrandom shim"}},
		{"a rule's own mechanism", []string{`
rules:
  - {calls: getrandom, mechanism: vdso, do: shim}
  - {calls: getuid, mechanism: notify, do: {return: 7}}
  - {calls: geteuid, mechanism: notify, do: passthrough}
  - {calls: getgid, mechanism: patch, do: {return: 0}}
  - {calls: getegid, mechanism: auto, do: {return: 0}}
`}, []string{"getgid constant 0"}, []string{"getgid constant 0"}},
		{"constants that the filter gives", []string{"rules: [{calls: [getpid, gettid], do: {errno: EIO}}, {calls: getuid, do: {return: 0}}, {calls: getgid, do: {return: -4095}}]\n"},
			nil, []string{"getpid constant -5", "getuid constant 0", "getgid constant -4095", "gettid constant -5"}},
		{"constants that it can't give", []string{"rules: [{calls: getpid, do: {return: 1}}, {calls: getuid, do: {return: -4096}}, {calls: [479, 480, 1000], do: {return: 9223372036854775807}}]\n"},
			[]string{"getpid constant 1", "getuid constant -4096", "479 constant 9223372036854775807"},
			[]string{"getpid constant 1", "getuid constant -4096", "479 constant 9223372036854775807"}},
		{"the handoff's calls", []string{"rules: [{calls: munmap, do: {return: 0}}, {calls: mmap, do: {errno: ENOMEM}}, {calls: prctl, do: deny}, {calls: execve, do: {errno: EACCES}}]\n"},
			[]string{"mmap constant -12", "munmap constant 0"}, []string{"mmap constant -12", "munmap constant 0"}},
		{"what never is", []string{`
rules:
  - {calls: getpid, do: {go: x}}
  - {calls: gettid, do: deny}
  - {calls: getuid, do: kill}
  - {calls: getgid, do: audit}
  - {calls: getegid, do: allow}
  - {calls: time, do: stub}
  - {calls: [fork, vfork, clone, clone3], do: {errno: EAGAIN}}
`}, nil, nil},
		{"conditions before it", []string{`
rules:
  - {calls: [getrandom, getpid, getuid, read], when: arg0 == 1, do: allow}
  - {calls: getrandom, do: shim}
  - {calls: getpid, do: {return: 1}}
  - {calls: getuid, do: {errno: EIO}}
  - {calls: [read, write], do: passthrough}
  - {calls: readv, when: arg0 == 1, do: passthrough}
`}, []string{"write pass"}, []string{"write pass"}},
		{"conditions in another source", []string{
			"rules: [{calls: [getpid, getuid], mechanism: patch, do: {return: 0}}]\n",
			"rules: [{calls: getpid, when: arg1 == 0, do: deny}]\n",
		}, []string{"getuid constant 0"}, []string{"getuid constant 0"}},
		{"conditions of a source that is overridden", []string{
			"rules: [{calls: getpid, when: arg1 == 0, do: deny}]\n",
			"rules: [{calls: getpid, do: passthrough}]\n",
		}, []string{"getpid pass"}, []string{"getpid pass"}},
		{"a default", []string{"default: {errno: EPERM}\nrules: [{calls: getpid, do: passthrough}]\n"},
			[]string{"getpid pass"}, []string{"getpid pass"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := mustMerge(t, tc.sources...)
			if got := patched(t, p); !slices.Equal(got, tc.auto) {
				t.Errorf("got %q, want %q", got, tc.auto)
			}
			q, err := p.WithMechanism(Patch)
			if err != nil {
				t.Fatal(err)
			}
			checkPlan(t, q)
			if got := patched(t, q); !slices.Equal(got, tc.patch) {
				t.Errorf("by patch: got %q, want %q", got, tc.patch)
			}
			if q, err = q.WithMechanism(Auto); err != nil || q.String() != p.String() {
				t.Errorf("back at auto: %v\n%v, want\n%v", err, q, p)
			}
			if q, err = p.WithMechanism(Notify); err != nil {
				t.Fatal(err)
			}
			for _, c := range q.Patched() {
				if r := q.For(c.Nr)[0]; !r.OwnMechanism {
					t.Errorf("by notify: %s is patched", r.Name)
				}
			}
		})
	}
}

// What can't be passed through is one list, told in three ways.
func TestNeverPatched(t *testing.T) {
	if !slices.IsSorted(NeverPatched) {
		t.Error("NeverPatched is not in order")
	}
	all, _ := LookupSet("@all")
	var limited []string
	for _, l := range limits {
		if slices.Contains(l.kinds, Passthrough) {
			limited = append(limited, l.calls...)
		}
	}
	slices.Sort(limited)
	if !slices.Equal(limited, NeverPatched) {
		t.Errorf("limits has %q, NeverPatched is %q", limited, NeverPatched)
	}
	for _, nr := range Numbers() {
		if all.Has(nr) == slices.Contains(NeverPatched, label(nr)) {
			t.Errorf("@all has %s: %v", label(nr), all.Has(nr))
		}
	}
}

func TestAllCalls(t *testing.T) {
	p, err := Load("all-calls")
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, p)
	if got, want := len(p.Patched()), len(Numbers())-len(NeverPatched); got != want {
		t.Errorf("%d calls are patched, want %d", got, want)
	}
	for _, c := range p.Patched() {
		if c.Kind != PatchPass {
			t.Errorf("%v", c)
		}
	}
	for _, name := range VDSOCalls() { // no system calls
		if b := p.Binding(name); b != BindForward {
			t.Errorf("%s: %v", name, b)
		}
	}
	q, err := p.WithMechanism(Notify)
	if err != nil || len(q.Patched()) != 0 || q.Binding("time") != BindStub {
		t.Errorf("by notify: %v, %d patched, time is a %v", err, len(q.Patched()), q.Binding("time"))
	}
	if _, err := p.WithMechanism(VDSO); err == nil {
		t.Error("passthrough by vdso is no error")
	}
}

func TestExplainPatch(t *testing.T) {
	p := mustMerge(t, `
rules:
  - {calls: getrandom, do: shim}
  - {calls: time, mechanism: patch, do: shim}
  - {calls: [read, getcpu], do: passthrough}
  - {calls: [write, getgid], when: arg0 == 1, do: allow}
  - {calls: write, do: passthrough}
  - {calls: writev, mechanism: notify, do: passthrough}
  - {calls: getuid, mechanism: patch, do: {errno: EIO}}
  - {calls: getgid, mechanism: patch, do: {errno: EIO}}
  - {calls: vfork, mechanism: patch, do: {errno: EAGAIN}}
  - {calls: getpid, do: {errno: EIO}}
  - {calls: mmap, do: {errno: ENOMEM}}
`)
	const want = `CALL       WHEN       MEETS         MECHANISM  VDSO FUNCTION  SYSTEM CALL                                                 WHY
getcpu     -          passthrough   auto       kernel's own   kernel, via the shim where patched, else via the supervisor a:6:6
getgid     arg0 == 1  allow         -          -              kernel                                                      a:7:6
getgid     -          errno EIO     auto       -              filter                                                      a:11:6; sites are not patched: arguments are tested, which only a filter can
getpid     -          errno EIO     auto       -              filter                                                      a:13:6
getrandom  -          shim          auto       shim           shim where patched, else supervisor                         a:4:6
getuid     -          errno EIO     patch      -              shim where patched, else supervisor                         a:10:6
mmap       -          errno ENOMEM  auto       -              shim where patched, else supervisor                         a:14:6; in the supervisor, since the handoff makes this call too
read       -          passthrough   auto       -              kernel, via the shim where patched, else via the supervisor a:6:6
time       -          shim          patch      shim           kernel, via the shim where patched, else supervisor         a:5:6
vfork      -          errno EAGAIN  auto       -              filter                                                      a:12:6; sites are not patched: this call is never moved
write      arg0 == 1  allow         -          -              kernel                                                      a:7:6
write      -          passthrough   auto       -              kernel, via the supervisor                                  a:8:6; sites are not patched: arguments are tested, which only a filter can
writev     -          passthrough   notify     -              kernel, via the supervisor                                  a:9:6
`
	var b strings.Builder
	if err := Explain(&b, p); err != nil {
		t.Fatal(err)
	}
	got, _, _ := strings.Cut(b.String(), "\n\n")
	if fields(got) != fields(strings.TrimSuffix(want, "\n")) {
		t.Errorf("got\n%s", got)
	}
}
