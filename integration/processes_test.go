package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sortLines is for programs whose processes write in no certain order.
func sortLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestSpawning starts processes and threads in all the ways that there are.
func TestSpawning(t *testing.T) {
	for _, way := range []string{"fork", "vfork", "posix_spawn", "threads", "clone_vm", "nonleader", "nonleader_busy", "leaderless"} {
		t.Run(way, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				for _, how := range []string{"glibc", "musl-static"} {
					if how == "musl-static" && way == "clone_vm" {
						continue // musl's clone wants its thread to be set up
					}
					p := program{argv: []string{victim(t, "spawn.c", how), way}, user: who, clean: sortLines}
					p.works(t, "1")
					c, o := p.count(t)
					if o.status != 0 {
						t.Errorf("with statistics: %s", describe(o.status))
					}
					c.reachedAll(t)
				}
			})
		})
	}
}

// TestFailedExecs executes what can't be executed: the errors and everything else
// about the process stay as they are natively.
func TestFailedExecs(t *testing.T) {
	for _, how := range []string{"glibc", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{victim(t, "failexec.c", how)}, user: who}
				native := p.sameAnd(t, "done")
				c, o := p.count(t)
				p.differs(t, native, o)
				c.reachedAll(t)
				if c.Programs != 2 || c.Execs < 30 {
					t.Errorf("%d programs and %d execs were counted", c.Programs, c.Execs)
				}
			})
		})
	}
}

// TestPathSearch lets shells and env(1) look for programs.
func TestPathSearch(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		program{
			user: who,
			argv: []string{"/bin/bash", "-c", `
mkdir a b c; printf '#!/bin/sh\necho a "$@"\n' > a/tool; printf '#!/bin/sh\necho b "$@"\n' > b/tool; echo 'echo plain "$@"' > c/plain
chmod 644 a/tool; chmod 755 b/tool c/plain; PATH=$PWD/a:$PWD/none:$PWD/b:$PWD/c:$PATH
tool 1; env tool 2; sh -c 'tool 3'; plain 4; env plain 5; nothing; echo $?; env nothing; echo $?; ./a/tool; echo $?; ./a; echo $?
env -i /usr/bin/env; env - A=1 env; nice tool 6; nohup tool 7; timeout 5 tool 8; setsid -w tool 9; xargs tool < /dev/null
printf '#!/usr/bin/env -S sh -e\necho script $0 $*; false; echo no\n' > s; chmod 755 s; ./s x y; echo $?
printf '#!%s/s inner\n' "$PWD" > t; chmod 755 t; ./t z; echo $?; exec -a other bash -c 'echo $0'`},
		}.sameAnd(t, "b 1", "script")
	})
}

// TestExecFromMemory executes memfds, by fexecve, execveat and /proc.
func TestExecFromMemory(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{victim(t, "memfd.c", "glibc"), victim(t, "spawn.c", "glibc"), victim(t, "spawn.c", "musl-static")}, user: who}
		p.works(t, "child 33", "by a directory", "by a script")
		c, _ := p.count(t)
		c.reachedAll(t)
	})
}

// TestDescriptorLimit executes programs when no descriptor is left, and after all
// were closed.
func TestDescriptorLimit(t *testing.T) {
	bare := victim(t, "bare.c", "bare")
	for _, way := range []string{"soft", "hard", "close"} {
		t.Run(way, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				argv := []string{victim(t, "limits.c", "glibc-static"), way, bare}
				if way != "close" {
					argv = append(argv, "20")
				}
				p := program{argv: argv, user: who}
				native := p.sameAnd(t)
				if describe(native.status) != "status 31" {
					t.Errorf("natively: %s", describe(native.status))
				}
				c, o := p.count(t)
				p.differs(t, native, o)
				c.reachedAll(t)
				if n := c.calls("getrandom"); n < 3 {
					t.Errorf("%d getrandom calls were reflected", n)
				}
			})
		})
	}
}

// TestEmptyEnvironment runs programs without arguments and environment.
func TestEmptyEnvironment(t *testing.T) {
	for _, how := range []string{"glibc", "musl"} {
		program{argv: []string{victim(t, "state.c", how)}, env: []string{}}.works(t, "auxiliary vector")
	}
	program{argv: []string{victim(t, "bare.c", "bare")}, env: []string{}}.same(t)
	program{argv: []string{victim(t, "gorandom", "go")}, env: []string{}}.same(t)
}

// TestInheritedDescriptors starts reflect with more descriptors, and with standard
// ones closed. The Go runtime opens /dev/null for those before any of our code runs
// (runtime.checkfds), and so the program gets that.
func TestInheritedDescriptors(t *testing.T) {
	state := victim(t, "state.c", "glibc")
	for _, changes := range []string{"9<&0 8>/dev/null 200</etc/passwd", "3<&0 4<&0 5<&0 6>/dev/null", "<&-", "2>&-", "<&- 2>&-"} {
		t.Run(changes, func(t *testing.T) {
			line := func(argv []string, changes string) []string {
				return []string{"/bin/bash", "-c", "exec " + strings.Join(argv, " ") + " " + changes}
			}
			p := program{argv: line([]string{state}, strings.ReplaceAll(strings.ReplaceAll(changes, "<&-", "<>/dev/null"), "2>&-", "2<>/dev/null"))}
			p.differs(t, p.run(t, p.argv), p.run(t, line(underReflect(nil, state), changes)))
		})
	}
}

// TestChroot executes in a root without /proc and without any library.
func TestChroot(t *testing.T) {
	needRoot(t)
	static := victim(t, "users.c", "musl-static")
	p := program{
		argv: []string{victim(t, "users.c", "glibc"), "chroot", "root", "/static", "print"},
		prepare: func(t *testing.T, dir string) {
			must(t, os.Mkdir(filepath.Join(dir, "root"), 0o755))
			must(t, exec.Command("cp", static, filepath.Join(dir, "root", "static")).Run())
		},
	}
	p.works(t, "proc is there 0", "getrandom 16")
	c, _ := p.count(t)
	c.reachedAll(t)
}

// TestNamespaces runs a program in namespaces of its own, below a root that is
// another's view.
func TestNamespaces(t *testing.T) {
	need(t, "unshare", "util-linux")
	for _, s := range []struct{ name, line string }{
		{"user", `unshare -Ur sh -c 'id -u; cat /proc/self/uid_map; readlink /proc/self/exe'`},
		{"user, not root", `unshare -U sh -c 'id -u; id -g'`},
		{"pid", `unshare -Urpf --mount-proc sh -c 'echo $$; ls -d /proc/[0-9]* | head -1; (exit 3); echo $?; ps -e -o comm= > ps; sort -u ps'`},
		{"pid, no new proc", `unshare -Urpf sh -c 'echo $$; /bin/echo child; exit 4'`},
		{"all", `unshare -Urmnuipf sh -c 'hostname inside; hostname; cat /proc/net/dev | wc -l; getent passwd nobody | cut -d: -f1'`},
		{"nested", `unshare -Ur unshare -Ur unshare -Urm sh -c 'mount -t tmpfs none /mnt; echo x > /mnt/x; cat /mnt/x; id -u'`},
		{"time", `unshare -UrT --monotonic 100000 sh -c 'cut -d. -f1 /proc/uptime | wc -l; sleep 0.01; echo ok'`},
		{"static", `unshare -Urp --fork ` + victim(t, "spawn.c", "musl-static") + ` fork`},
	} {
		t.Run(s.name, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{"/bin/sh", "-c", s.line}, user: who, clean: sortLines}
				p.sameAnd(t)
				c, _ := p.count(t)
				c.reachedAll(t)
			})
		})
	}
}
