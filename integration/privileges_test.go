package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copyOf puts an executable of a certain mode and owner into a directory.
func copyOf(t *testing.T, from, to string, mode os.FileMode, uid int) {
	t.Helper()
	must(t, exec.Command("cp", from, to).Run())
	if uid >= 0 {
		must(t, os.Chown(to, uid, uid))
	}
	must(t, os.Chmod(to, mode))
}

// TestDropUser gives up root in a child. Such a process can't be dumped, and what it
// executes is another user's.
func TestDropUser(t *testing.T) {
	needRoot(t)
	users := victim(t, "users.c", "glibc")
	for _, argv := range [][]string{
		{users, "drop", users, "print"},
		{users, "drop", victim(t, "users.c", "musl-static"), "print"},
		{"/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all", users, "print"},
		{"/usr/bin/setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw", victim(t, "state.c", "glibc")},
	} {
		p := program{argv: argv}
		p.works(t)
		c, _ := p.count(t)
		c.reachedAll(t)
	}
}

// unreachable checks a program that can't be attached to, or whose memory can't be
// reached: it runs as natively, its calls go to the kernel, and that is counted and
// told. With --strict its exec is refused.
func unreachable(t *testing.T, p program) {
	t.Helper()
	native, reflected := p.run(t, p.argv), p.run(t, underReflect(nil, p.argv...))
	told := reflected.stderr
	reflected.stderr = native.stderr
	p.differs(t, native, reflected)
	for l := range strings.Lines(told) {
		if !strings.HasPrefix(l, "reflect: warning: ") {
			t.Errorf("unexpected: %s", l)
		}
	}
	c, _ := p.count(t)
	if told == "" || len(c.Missed) == 0 {
		t.Errorf("nobody was told: %q, %+v", told, c.Missed)
	}
	o := p.run(t, underReflect([]string{"--strict"}, p.argv...))
	if o.status == 0 || strings.Contains(o.stdout, "getrandom 16") && !strings.Contains(native.stdout, "dumpable 0") {
		t.Errorf("with --strict: %s %q %q", describe(o.status), o.stdout, o.stderr)
	}
}

// TestUndumpable executes after a program said that it must not be dumped. That keeps
// another user's supervisor out, but not root's.
func TestUndumpable(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		users := victim(t, "users.c", "glibc")
		p := program{argv: []string{users, "dumpable", users, "print"}, user: who}
		if who.cred == nil && os.Getuid() == 0 {
			p.works(t, "dumpable 0", "dumpable 1")
			return
		}
		unreachable(t, p)
	})
}

// TestUnreadable runs programs of mode 0111: nobody but root can read them, or
// their memory.
func TestUnreadable(t *testing.T) {
	needRoot(t)
	for _, how := range []string{"glibc", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				for _, argv := range [][]string{{"./secret", "print"}, {"/bin/sh", "-c", "./secret print && ./secret print && echo both"}} {
					p := program{
						argv: argv,
						user: who,
						prepare: func(t *testing.T, dir string) {
							copyOf(t, victim(t, "users.c", how), filepath.Join(dir, "secret"), 0o111, 0)
						},
						skipFile: func(path string) bool { return path == "secret" },
					}
					if who.cred != nil {
						unreachable(t, p)
						continue
					}
					p.works(t, "getrandom 16")
					c, _ := p.count(t)
					c.reachedAll(t)
				}
			})
		})
	}
}

// TestSetUserID runs programs with the set-user-ID bit. Without --setuid they lose
// what it gives, as under any seccomp filter that a user may install, and run all
// the same. With it, and root, they keep it.
func TestSetUserID(t *testing.T) {
	needRoot(t)
	dir := filepath.Join(scratch, "setuid")
	must(t, os.MkdirAll(dir, 0o755))
	for _, how := range []string{"glibc", "musl-static"} {
		suid, sgid, other := filepath.Join(dir, "suid-"+how), filepath.Join(dir, "sgid-"+how), filepath.Join(dir, "other-"+how)
		copyOf(t, victim(t, "users.c", how), suid, 0o755|os.ModeSetuid, 0)
		copyOf(t, victim(t, "users.c", how), sgid, 0o755|os.ModeSetgid, 0)
		copyOf(t, victim(t, "users.c", how), other, 0o4711|os.ModeSetuid, 1)
		t.Run("without "+how, func(t *testing.T) {
			for _, path := range []string{suid, sgid, other} {
				p := program{argv: []string{path, "print"}, user: nobody}
				native, reflected := p.run(t, p.argv), p.run(t, underReflect(nil, p.argv...))
				if native.status != 0 || strings.Contains(native.stdout, "users 65534 65534 65534, groups 65534 65534 65534") {
					t.Fatalf("natively %s: %s", describe(native.status), native.stdout)
				}
				// The kernel still says AT_SECURE, since it saw the bit.
				if reflected.status != 0 || !strings.Contains(reflected.stdout, "users 65534 65534 65534, groups 65534 65534 65534") || !strings.Contains(reflected.stdout, "getrandom 16") {
					t.Errorf("%s reflected, %s: %s%s", path, describe(reflected.status), reflected.stdout, reflected.stderr)
				}
			}
		})
		t.Run("with "+how, func(t *testing.T) {
			for _, path := range []string{suid, sgid, other} {
				p := program{
					argv:  []string{"/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/bin/sh", "-c", path + " print; cat /proc/self/status | grep Uid"},
					flags: []string{"--setuid"},
				}
				p.works(t, "getrandom 16")
				c, _ := p.count(t)
				c.reachedAll(t)
			}
		})
	}
	t.Run("by another user", func(t *testing.T) {
		p := program{argv: []string{"/bin/true"}, user: nobody}
		o := p.run(t, underReflect([]string{"--setuid"}, p.argv...))
		if describe(o.status) != "status 125" || !strings.HasPrefix(o.stderr, "reflect: error: ") {
			t.Errorf("--setuid as nobody: %s, %q", describe(o.status), o.stderr)
		}
	})
	t.Run("sudo", func(t *testing.T) {
		need(t, "sudo", "sudo")
		program{
			argv:  []string{"/usr/bin/sudo", "-n", "-u", "nobody", victim(t, "users.c", "glibc"), "print"},
			flags: []string{"--setuid"},
		}.works(t, "users 65534 65534 65534")
	})
}

// TestCapabilities runs a file with capabilities: like the set-user-ID bit.
func TestCapabilities(t *testing.T) {
	needRoot(t)
	need(t, "setcap", "libcap2-bin")
	path := filepath.Join(scratch, "capable")
	copyOf(t, victim(t, "state.c", "glibc-static"), path, 0o755, 0)
	must(t, exec.Command("setcap", "cap_net_raw+ep", path).Run())
	p := program{argv: []string{path}, user: nobody}
	if o := p.run(t, underReflect(nil, path)); o.status != 0 || !strings.Contains(o.stdout, "CapEff:	0000000000000000") {
		t.Errorf("%s: %s%s", describe(o.status), o.stdout, o.stderr)
	}
	program{
		argv:  []string{"/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", path},
		flags: []string{"--setuid"},
	}.works(t, "CapEff:	0000000000002000")
}
