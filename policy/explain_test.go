package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"rules: [{calls: \"@vdso\", do: shim}]\n", nil},
		{"rules: [{calls: getpid, do: {return: -4096}}]\n", nil},
		{"rules: [{calls: getpid, do: {return: -38}}]\n", []string{
			"a:2:10: getpid: the program takes a return value of -38 for the error ENOSYS"}},
		{"rules: [{calls: getpid, do: {errno: 512}}]\n", []string{
			"a:2:10: getpid: no C library knows errno 512, and with a signal pending the kernel takes it for a wish to repeat the call"}},
		{"rules: [{calls: getpid, do: {errno: 134}}]\n", []string{
			"a:2:10: getpid: no C library knows errno 134"}},
		// io_uring
		{"rules: [{calls: connect, do: deny}]\n", []string{
			"a:2:10: connect is denied, but io_uring does the same unseen: deny io_uring_setup too"}},
		{"rules: [{calls: [connect, io_uring_setup], do: deny}]\n", nil},
		{"rules: [{calls: connect, do: kill}, {calls: \"@io-uring\", do: deny}]\n", nil},
		{"rules: [{calls: connect, do: deny}, {calls: io_uring_setup, when: arg0 > 8, do: deny}]\n", []string{
			"a:2:10: connect is denied, but io_uring does the same unseen: deny io_uring_setup too"}},
		{"rules: [{calls: connect, do: deny}, {calls: io_uring_setup, do: {errno: ENOSYS}}]\n", []string{
			"a:2:10: connect is denied, but io_uring does the same unseen: deny io_uring_setup too"}},
		{"default: deny\nrules: [{calls: connect, do: deny}]\n", nil},
		{"rules: [{calls: connect, do: {errno: EPERM}}]\n", nil},
		{"rules: [{calls: getpid, do: deny}]\n", nil},
		// the same by another number
		{"rules: [{calls: [kill, tkill], do: deny}]\n", []string{
			"a:2:10: kill and tkill are denied, but pidfd_send_signal, rt_sigqueueinfo, rt_tgsigqueueinfo, tgkill can do the same"}},
		{"rules: [{calls: fork, do: deny}, {calls: [vfork, clone, clone3], do: allow}]\n", nil},
		{"default: audit\nrules: [{calls: fork, do: deny}]\n", nil},
		// 32 bits
		{"rules: [{calls: [socket, \"@io-uring\"], when: arg0 == AF_INET, do: deny}, {calls: \"@io-uring\", do: deny}]\n", []string{
			"a:2:10: socket: the kernel reads 32 bits of arg0 and this rule 64, so a program can get past it: write int(arg0) == 2",
			"a:2:10: io_uring_setup: the kernel reads 32 bits of arg0 and this rule 64, so a program can get past it: write int(arg0) == 2"}},
		{"rules: [{calls: [socket, \"@io-uring\"], when: int(arg0) == AF_INET, do: deny}, {calls: \"@io-uring\", do: deny}]\n", nil},
		{"rules: [{calls: ptrace, when: arg0 == 16, do: deny}]\n", nil},
		{"rules: [{calls: ioctl, when: arg1 == TIOCSTI, do: {errno: EPERM}}]\n", nil},
		// foreign
		{"foreign: allow\nrules: [{calls: ptrace, do: deny}]\n", []string{
			"foreign is allow, so a denied call can be made through int 0x80 or the x32 ABI"}},
		{"foreign: allow\n", nil},
	} {
		p := mustMerge(t, tc.text)
		var got []string
		for _, w := range p.Warnings {
			got = append(got, w.String())
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q:\n got %q\nwant %q", tc.text, got, tc.want)
		}
	}
}

// The words that warnings look for are calls.
func TestWarningTables(t *testing.T) {
	for w := range strings.FieldsSeq(intArgs) {
		call, args, ok := strings.Cut(w, ":")
		if _, known := Number(call); !ok || !known || strings.Trim(args, "012345") != "" {
			t.Errorf("intArgs has %q", w)
		}
	}
	for _, group := range siblings {
		for w := range strings.FieldsSeq(group) {
			if _, ok := Number(w); !ok {
				t.Errorf("siblings has %q", w)
			}
		}
	}
	for w := range strings.FieldsSeq(uringCalls) {
		if _, ok := Number(w); !ok {
			t.Errorf("uringCalls has %q", w)
		}
	}
	for _, l := range limits {
		for _, w := range l.calls {
			if _, ok := Number(w); !ok {
				t.Errorf("limits has %q", w)
			}
		}
	}
	handoff, _ := LookupSet("@handoff")
	var names []string
	for _, nr := range handoff.Numbers() {
		names = append(names, label(nr))
	}
	want := slices.Sorted(slices.Values(HandoffCalls))
	slices.Sort(names)
	if !slices.Equal(names, want) {
		t.Errorf("@handoff is %q, HandoffCalls %q", names, want)
	}
	vdso, _ := LookupSet("@vdso")
	for _, name := range VDSOCalls() {
		if nr, ok := Number(name); !ok || !vdso.Has(nr) {
			t.Errorf("@vdso has no %s", name)
		}
	}
	if len(vdso.Numbers()) != len(VDSOCalls()) {
		t.Errorf("@vdso has %d calls", len(vdso.Numbers()))
	}
}

func TestExplain(t *testing.T) {
	p := mustMerge(t, `
default: {errno: EPERM}
strict: true
rules:
  - {calls: getrandom, when: int(arg2) == GRND_RANDOM, do: {errno: EAGAIN}}
  - {calls: "@vdso", do: shim}
  - {calls: [mmap, close, munmap, mprotect, execve], do: allow}
  - {calls: [getppid, 1000], do: {return: 32767}}
  - {calls: gettid, do: {return: 0}}
  - {calls: getuid, do: {go: whoami}}
  - {calls: socket, when: [int(arg0) == AF_UNIX, arg1 > 0], do: allow}
  - {calls: prctl, do: deny}
  - {calls: ptrace, do: kill}
  - {calls: open, do: audit}
`)
	const want = `CALL             WHEN                           MEETS         MECHANISM  VDSO FUNCTION   SYSTEM CALL                WHY
1000             -                              return 32767  auto       -               supervisor                           a:9:6; sites are not patched: the image has room for numbers up to 479
clock_getres     -                              shim          auto       shim            kernel, via the shim where patched, else supervisor  a:7:6
clock_gettime    -                              shim          auto       shim            kernel, via the shim where patched, else supervisor  a:7:6
close            -                              allow         -          -               kernel                     a:8:6
execve           -                              allow         -          -               kernel                     a:8:6
execveat         -                              errno EPERM   auto       -               supervisor                 default, a:3:10; in the supervisor, since the handoff makes this call too
exit             -                              allow         -          -               kernel                     default, a:3:10: exempt, since nothing can answer this call
exit_group       -                              allow         -          -               kernel                     default, a:3:10: exempt, since nothing can answer this call
getcpu           -                              shim          auto       shim            kernel, via the shim where patched, else supervisor  a:7:6
getppid          -                              return 32767  auto       -               shim where patched, else supervisor a:9:6
getrandom        int(arg2) == 2                 errno EAGAIN  auto       makes the call  filter                     a:6:6
getrandom        -                              shim          notify     makes the call  supervisor                 a:7:6; by notify, since arguments are tested, which only a filter can
gettid           -                              return 0      auto       -               filter                     a:10:6
gettimeofday     -                              shim          auto       shim            kernel, via the shim where patched, else supervisor  a:7:6
getuid           -                              go whoami     auto       -               supervisor                 a:11:6
mmap             -                              allow         -          -               kernel                     a:8:6
mprotect         -                              allow         -          -               kernel                     a:8:6
munmap           -                              allow         -          -               kernel                     a:8:6
open             -                              audit         -          -               kernel, logged             a:15:6
prctl            -                              deny          -          -               supervisor                 a:13:6; in the supervisor, since the handoff makes this call too
ptrace           -                              kill          -          -               filter, without exception  a:14:6
restart_syscall  -                              allow         -          -               kernel                     default, a:3:10: exempt, since nothing can answer this call
rt_sigreturn     -                              allow         -          -               kernel                     default, a:3:10: exempt, since nothing can answer this call
seccomp          -                              errno EPERM   auto       -               supervisor                 default, a:3:10; in the supervisor, since the handoff makes this call too
socket           int(arg0) == 1, arg1 > 0       allow         -          -               kernel                     a:12:6
socket           otherwise                      errno EPERM   -          -               filter                     default, a:3:10
time             -                              shim          auto       shim            kernel, via the shim where patched, else supervisor  a:7:6

other calls: errno EPERM (default, a:3:10)
exec: notified, and each program is handed over to the shim; one that can't be is refused with EACCES (strict)
32-bit and x32 calls: refused with ENOSYS, since some calls are denied
`
	var b strings.Builder
	if err := Explain(&b, p); err != nil {
		t.Fatal(err)
	}
	if fields(b.String()) != fields(want) {
		t.Errorf("got\n%s", b.String())
	}
	b.Reset()
	if err := Explain(&b, p, "@random", "read", "1000"); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 5 || !strings.Contains(b.String(), "read ") {
		t.Errorf("got\n%s", b.String())
	}
	if err := Explain(&b, p, "raed"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// fields makes texts equal that differ in the width of columns.
func fields(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestBuilderErrors(t *testing.T) {
	for _, tc := range []struct {
		b    *Builder
		want string
	}{
		{New().Shim("openat"), "rule 1: openat can't be served by shim: no vDSO has a function for that"},
		{New().Shim("getrandom").Deny("getrandom"), "rule 2: getrandom is never reached: an earlier rule already answers with shim"},
		{New().Shim("@tiem"), `rule 1: unknown set of system calls "@tiem"`},
		{New().Shim(""), `rule 1: unknown system call ""`},
		{New().Go("getpid", ""), "rule 1: go needs the name of a handler"},
		{New().Errno("getpid", nil), "rule 1: <nil> is no errno"},
		{New().Errno("getpid", errors.New("x")), "rule 1: x is no errno"},
		{New().Errno("getpid", unix.Errno(0)), "rule 1: errno 0 is out of range"},
		{New().Reflect("getpid", Action{Kind: 99}), "rule 1: unknown action 99"},
		{New().ReflectBy(77, "getpid", Action{Kind: Shim}), "rule 1: unknown mechanism 77"},
		{New().ReflectBy(VDSO, "getrandom", Action{Kind: Shim}, Arg(0).Equal(1)), "rule 1: mechanism vdso can't test arguments"},
		{New().Deny("read", Arg(6).Equal(1)), "rule 1: a system call has the arguments arg0 to arg5, not arg6"},
		{New().Deny("read", Arg(0).Less(0)), "rule 1: arg0 < 0 never holds"},
		{New().Deny("read", Arg(0).Masked(0, 0)), "rule 1: arg0 & 0x0 == 0x0 tests no bit"},
		{New().Deny("read", Arg(0).Masked(1, 2)), "rule 1: arg0 & 0x1 == 0x2 never holds: the value has bits that the mask lacks"},
		{New().Default(Action{Kind: Shim}), "the default can't be shim"},
		{New().Allow("read").Deny("read").Shim("open"), "rule 2: read is never reached: an earlier rule already answers with allow (and 1 more)"},
	} {
		p, err := tc.b.Plan()
		if err == nil || p != nil || err.Error() != tc.want {
			t.Errorf("got %v\nwant %s", err, tc.want)
		}
	}
}

func TestBuilderIsWhatParseIs(t *testing.T) {
	built, err := New().
		Reflect("getrandom", Action{Kind: Errno, Errno: int(unix.EAGAIN)}, Arg(2).Int(unix.GRND_RANDOM)).
		ReflectBy(Notify, "getrandom", Action{Kind: Shim}).
		Go("getppid", "parent").
		Return("getpid", 7, Arg(0).NotEqual(1), Arg(1).LessEqual(2), Arg(2).Greater(3), Arg(3).GreaterEqual(4)).
		Allow("socket", Arg(0).Int(unix.AF_UNIX)).
		Deny("socket").
		Default(Action{Kind: Audit}).Strict(true).Foreign(true).
		Plan()
	if err != nil {
		t.Fatal(err)
	}
	parsed := mustMerge(t, `
default: audit
strict: true
foreign: allow
rules:
  - {calls: getrandom, when: int(arg2) == GRND_RANDOM, do: {errno: EAGAIN}}
  - {calls: getrandom, mechanism: notify, do: shim}
  - {calls: getppid, do: {go: parent}}
  - {calls: getpid, when: [arg0 != 1, arg1 <= 2, arg2 > 3, arg3 >= 4], do: {return: 7}}
  - {calls: socket, when: int(arg0) == AF_UNIX, do: allow}
  - {calls: socket, do: deny}
`)
	if built.String() != parsed.String() {
		t.Errorf("built\n%s\nparsed\n%s", built, parsed)
	}
}

func TestLists(t *testing.T) {
	var b strings.Builder
	if err := List(&b); err != nil || !strings.HasPrefix(b.String(), "default ") {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := ListSets(&b); err != nil || strings.Count(b.String(), "\n") != len(sets) {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := ListSets(&b, "@random", "@exec"); err != nil || b.String() != "getrandom\nexecve\nexecveat\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
	if err := ListSets(&b, "random"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	b.Reset()
	if err := Show(&b, "none"); err != nil || !strings.HasPrefix(b.String(), "version: 1\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := Check(&b, "default", "no-network"); err != nil || b.String() != "" {
		t.Errorf("%v\n%s", err, b.String())
	}
	if err := Check(&b, "nope"); err == nil || !strings.Contains(b.String(), "presets: default, ") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
