package integration

import (
	"strings"
	"testing"
)

// TestOwnFilter runs programs that take a seccomp filter of their own, and execute
// under it.
func TestOwnFilter(t *testing.T) {
	filter := victim(t, "filter.c", "glibc-static")
	asEach(t, func(t *testing.T, who account) {
		for _, s := range []struct {
			way, target string
			want        string // natively
			may         bool   // the handoff may fail, and say so
		}{
			{"errno", victim(t, "users.c", "glibc"), "status 0", false},
			{"errno", victim(t, "bare.c", "bare"), "status 24", false},
			{"twice", victim(t, "calls.c", "glibc"), "status 42", false},
			{"twice", victim(t, "gorandom", "go"), "status 5", false},
			{"roomy", victim(t, "bare.c", "bare"), "status 31", false},
			// The handoff's calls are not on this program's list, and kill.
			{"strict", victim(t, "bare.c", "bare"), "status 31", true},
			{"strict", victim(t, "users.c", "glibc"), "signal bad system call", true},
		} {
			t.Run(s.way, func(t *testing.T) {
				p := program{argv: []string{filter, s.way, s.target}, user: who}
				native, reflected := p.run(t, p.argv), p.run(t, underReflect(nil, p.argv...))
				if describe(native.status) != s.want {
					t.Fatalf("natively %s, want %s", describe(native.status), s.want)
				}
				if s.may && strings.HasPrefix(reflected.stderr, "reflect: ") && strings.Count(reflected.stderr, "\n") == 1 {
					reflected.stderr = native.stderr
				}
				p.differs(t, native, reflected)
			})
		}
	})
}

// TestSandboxes runs programs that build sandboxes out of filters and namespaces.
func TestSandboxes(t *testing.T) {
	need(t, "bwrap", "bubblewrap")
	asEach(t, func(t *testing.T, who account) {
		program{
			argv: []string{"/usr/bin/bwrap", "--ro-bind", "/", "/", "--unshare-all", "--proc", "/proc", "--dev", "/dev", "--die-with-parent",
				"sh", "-c", "id -u; echo $$; set /proc/[0-9]*; echo $#"},
			user: who,
		}.works(t)
	})
}

// TestReflectInReflect: the kernel allows one listener, so the inner one must say so
// and start nothing.
func TestReflectInReflect(t *testing.T) {
	p := program{argv: underReflect(nil, "/bin/echo", "inner")}
	for range 20 { // the inner guardian's child says why, and ends: whichever is seen first
		o := p.run(t, underReflect(nil, p.argv...))
		if describe(o.status) != "status 125" || o.stdout != "" || !strings.HasPrefix(o.stderr, "reflect: error: already under a seccomp listener") {
			t.Fatalf("%s, %q, %q", describe(o.status), o.stdout, o.stderr)
		}
	}
	if o := p.run(t, p.argv); o.status != 0 || o.stdout != "inner\n" {
		t.Errorf("alone: %s, %q, %q", describe(o.status), o.stdout, o.stderr)
	}
}
