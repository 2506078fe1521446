package probe

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	long := strings.Repeat("a very long reason that must be wrapped somewhere ", 6)
	r := Report{
		Kernel: "5.10.0", Machine: "x86_64", Process: Process{UID: 1000, Filters: 3, Seccomp: 2, Yama: 1, MemfdExec: -1, Listener: Unknown},
		Mechanisms: []Mechanism{
			{Name: "vdso", Available: true, Kernel: No, Why: long, Notes: long},
			{Name: "notify", Available: true, Kernel: No, Why: "no"},
		},
		Features: []Feature{
			{Name: "user_notif", Status: Yes, Since: "5.0", What: long, Value: strings.Repeat("x", 300)},
			{Name: "a_feature_with_a_very_long_name_indeed", Status: No, Since: "5.19", Why: long},
		},
		Calls: []Call{{"ptrace", "ESRCH", "EPERM", true}, {"seccomp", "EINVAL", "EINVAL", false}},
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(b.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("line %d is %d wide: %s", i+1, n, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("line %d ends in blanks", i+1)
		}
	}
	if first, _, _ := strings.Cut(b.String(), "\n"); !strings.HasPrefix(first, "Linux 5.10.0, x86_64, as uid 1000: reflect does not work here: a very") {
		t.Errorf("the answer does not come first: %s", first)
	}
	for _, want := range []string{"Forbidden by a seccomp profile", "ptrace  EPERM", "filters, 3", "not in this kernel"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "seccomp  EINVAL") {
		t.Error("names a call that is not forbidden")
	}
}

// TestJSONNames: the field names are an interface.
func TestJSONNames(t *testing.T) {
	b, err := json.Marshal(Report{
		Features:   []Feature{{Name: "n", Status: No, Since: "1", What: "w", Call: "c", Errno: "e", Why: "y", Value: "v"}},
		Mechanisms: []Mechanism{{Name: "m", Kernel: Yes, Why: "y", Notes: "n"}}, Calls: []Call{{}},
		Process: Process{LSM: []string{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kernel":"","machine":"","process":{"uid":0,"cap_sys_admin":false,"cap_sys_ptrace":false,"no_new_privs":false,` +
		`"seccomp":0,"seccomp_filters":0,"under_listener":"","tracer":0,"user_namespace":false,"lsm":[],"yama_ptrace_scope":0,` +
		`"mmap_min_addr":0,"memfd_noexec":0},"mechanisms":[{"name":"m","available":false,"usable":false,"kernel":"yes","why":"y",` +
		`"needs_ptrace":false,"nests":false,"race_safe":false,"security_boundary":false,"notes":"n"}],` +
		`"features":[{"name":"n","status":"no","since":"1","what":"w","call":"c","errno":"e","why":"y","value":"v"}],` +
		`"calls":[{"name":"","expected":"","answer":"","forbidden":false}]}`
	if string(b) != want {
		t.Errorf("JSON is\n%s\nwant\n%s", b, want)
	}
}

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 10, ""},
		{"one", 10, "one"},
		{"one two three", 7, "one two|three"},
		{"  one   two ", 20, "one two"},
		{"abcdefghij", 4, "abcd|efgh|ij"},
		{"ab abcdefghij cd", 4, "ab|abcd|efgh|ij|cd"},
		{"ab abcdefgh", 4, "ab|abcd|efgh"},
		{"déjà vu", 4, "déjà|vu"},
	} {
		if got := strings.Join(wrap(tc.in, tc.n), "|"); got != tc.want {
			t.Errorf("%q at %d: %q, want %q", tc.in, tc.n, got, tc.want)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, tc := range []struct {
		release, since string
		want           bool
	}{
		{"6.18.44-fc", "6.18", true}, {"6.18.44", "6.19", false}, {"6.9.1", "6.18", false}, {"7.0.0-rc1", "6.18", true},
		{"5.10.0-33-cloud-amd64", "5.9", true}, {"5.4", "5.4", true}, {"4.19+", "4.20", false}, {"strange", "5.0", true},
		{"6.1", "", true},
	} {
		if got := atLeast(tc.release, tc.since); got != tc.want {
			t.Errorf("%s since %s: %v", tc.release, tc.since, got)
		}
	}
}

// TestChildIsUpToDate rebuilds the child and compares. Other compilers than the
// one that it was built with give other bytes.
func TestChildIsUpToDate(t *testing.T) {
	v, err := exec.Command("gcc", "-dumpversion").Output()
	if err != nil || strings.TrimSpace(string(v)) != "12" {
		t.Skipf("the committed child was built by gcc 12, here is %q, %v", v, err)
	}
	out := filepath.Join(t.TempDir(), "child.elf")
	if b, err := exec.Command("child/build.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	built, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, childELF) {
		t.Error("child/child.elf is not what its source gives; run go generate")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("BORP\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, ok := parseRecord(b)
		if ok != (len(b) == recordSize && string(b[:4]) == "BORP") {
			t.Errorf("%q: %v", b, ok)
		}
		if !ok {
			return
		}
		var feature Feature
		feature.settle(&Report{Kernel: "6.1"}, rec, nil)
		if feature.Status == "" || feature.Status != Yes && feature.Why == "" {
			t.Errorf("%+v becomes %+v", rec, feature)
		}
	})
}

// TestNeedsAreFeatures: a mechanism that needs what nobody tries is never usable.
func TestNeedsAreFeatures(t *testing.T) {
	known := map[string]bool{}
	for _, trial := range trials() {
		if known[trial.name] {
			t.Errorf("%s is tried twice", trial.name)
		}
		known[trial.name] = true
	}
	for _, m := range mechanisms() {
		for _, name := range append(append([]string{}, m.needs...), m.better...) {
			if !known[name] {
				t.Errorf("%s needs %s, which is not tried", m.Name, name)
			}
		}
	}
}

func TestLacking(t *testing.T) {
	var l lacking
	l.add("a", "needs Linux 5.14")
	l.add("b", "forbidden")
	l.add("c", "needs Linux 5.14")
	if got, want := l.String(), "a, c: needs Linux 5.14; b: forbidden"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
