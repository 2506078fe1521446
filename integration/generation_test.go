package integration

import (
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// noTicks is a policy under which the generation changes for a reason only: the
// shim's generator, for which it changes once a second, does not serve.
var noTicks = []string{"-p", "none"}

// TestGenerationSymbol finds the word as C and the loader do.
func TestGenerationSymbol(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who, argv: []string{victim(t, "generation.c", "glibc")}}
		if o := p.run(t, p.argv); o.stdout != "there is none\n" {
			t.Errorf("natively: %q", o.stdout)
		}
		for _, flags := range [][]string{nil, noTicks, {"--stats"}} {
			if o := p.run(t, underReflect(flags, p.argv...)); o.stdout != "not 0, odd, and the loader agrees\n" {
				t.Errorf("%q: %q %q", flags, o.stdout, o.stderr)
			}
		}
	})
}

// change reads the next change of the generation.
func (l *live) change(t *testing.T) uint64 {
	t.Helper()
	line, err := l.out.ReadString('\n')
	n, bad := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	if err != nil || bad != nil {
		t.Fatalf("the follower said %q, %v; standard error: %s", line, err, l.stderr())
	}
	return n
}

// TestGenerationTicks: about once a second where the generator serves, and otherwise
// only once, when the guardian begins to listen.
func TestGenerationTicks(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		follow := victim(t, "generation.c", "glibc")
		quiet := program{user: who}.start(t, underReflect(noTicks, follow, "follow"))
		first := quiet.change(t)
		l := program{user: who}.start(t, underReflect(nil, follow, "follow"))
		last := l.change(t)
		began := time.Now()
		for range 3 {
			next := l.change(t)
			if next != last+2 {
				t.Errorf("from %d to %d", last, next)
			}
			last = next
		}
		if took := time.Since(began); took < 2500*time.Millisecond || took > 6*time.Second {
			t.Errorf("three changes took %v", took)
		}
		reseed(t, who, 0, quiet.pid)
		if next := quiet.change(t); next != first+2 {
			t.Errorf("without the generator from %d to %d", first, next)
		}
		must(t, syscall.Kill(quiet.pid, syscall.SIGKILL))
		if o := quiet.end(t); o.stdout != "" {
			t.Errorf("without the generator and a reason to %s", o.stdout)
		}
	})
}

// TestGenerationEvents tells of a cloned machine, and of what is none. The kernel
// passes the message on as its own inside of a network namespace of the program's.
func TestGenerationEvents(t *testing.T) {
	need(t, "unshare", "util-linux")
	asEach(t, func(t *testing.T, who account) {
		space := []string{"/usr/bin/unshare", "-n"}
		if who.cred != nil || who.name != "root" {
			space = []string{"/usr/bin/unshare", "-Urn"}
		}
		for how, want := range map[string]string{
			"nothing": "0", "clone": "2", "other": "0", "forged": "0", "many": "2",
		} {
			t.Run(how, func(t *testing.T) {
				t.Parallel()
				p := program{user: who}
				o := p.run(t, append(space, underReflect(noTicks, victim(t, "generation.c", "glibc"), "event", how)...))
				if o.stdout != "changed by "+want+"\n" {
					t.Errorf("%q, not %s; %s %q", o.stdout, want, describe(o.status), o.stderr)
				}
			})
		}
	})
}

// TestGenerationClock sets the clock, by a nanosecond.
func TestGenerationClock(t *testing.T) {
	needRoot(t)
	p := program{}
	o := p.run(t, underReflect(noTicks, victim(t, "generation.c", "glibc"), "event", "clock"))
	if strings.Contains(o.stderr, "adjtimex: Operation not permitted") {
		t.Skip("the clock can't be set here")
	}
	if o.stdout != "changed by 2\n" {
		t.Errorf("%q; %s %q", o.stdout, describe(o.status), o.stderr)
	}
}

// TestGenerationSealed tries to write to the control page: no way works, and those
// through memory fail as they do with the kernel's own page of that kind.
func TestGenerationSealed(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who, argv: []string{victim(t, "seal.c", "glibc")}}
		native := p.run(t, p.argv)
		o := p.run(t, underReflect(noTicks, p.argv...))
		if o.status != 0 || native.status != 0 || strings.Contains(o.stdout, "wrote") || !strings.HasSuffix(o.stdout, "the generation is the same\n") {
			t.Errorf("%s, natively %s:\n%s%s", describe(o.status), describe(native.status), o.stdout, o.stderr)
		}
		tried := map[string]map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^(\S+) (.*): (\w+)$`).FindAllStringSubmatch(o.stdout, -1) {
			if tried[m[1]] == nil {
				tried[m[1]] = map[string]string{}
			}
			tried[m[1]][m[2]] = m[3]
		}
		for way, want := range tried["vvar"] {
			got := tried["page"][way]
			if way == "MADV_REMOVE" || way == "mremap to a second mapping" {
				want = "EACCES" // the kernel's page is no file's: EINVAL
			}
			if got != want {
				t.Errorf("%s: %s, not %s", way, got, want)
			}
		}
		if len(tried["vvar"]) != 9 || len(tried["guardian"]) != 6 || len(tried["map_files"]) == 0 {
			t.Errorf("not everything was tried:\n%s", o.stdout)
		}
	})
}
