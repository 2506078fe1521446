package integration

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestState compares all that a program can ask about itself.
func TestState(t *testing.T) {
	for _, how := range []string{"glibc", "glibc-static", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{victim(t, "state.c", how), "an argument", ""}, user: who}
				p.works(t, "auxiliary vector")
				p.flags = []string{"--stats=json", "--stats-file", "/dev/null"}
				p.works(t)
			})
		})
	}
}

// TestStateKeptByExec changes what a process can change about itself, executes, and
// compares: the handoff must not leave a trace.
func TestStateKeptByExec(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		program{
			argv: []string{victim(t, "setup.c", "glibc"), "exec", victim(t, "state.c", "glibc"), "x"},
			user: who,
		}.works(t, "SETUP=done", "10 is pending", "pdeathsig 0 12")
	})
}

// TestStateInherited changes the same before reflect is started: the program must
// get what reflect got.
func TestStateInherited(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		setup, state := victim(t, "setup.c", "glibc"), victim(t, "state.c", "glibc")
		p := program{argv: []string{setup, "inherit", state, "x"}, user: who}
		native := p.run(t, p.argv)
		p.differs(t, native, p.run(t, append([]string{setup, "inherit"}, underReflect(nil, state, "x")...)))
	})
}

// TestInheritedLimits starts reflect under limits that the program would not feel.
// Where reflect can't work below them it says so, and starts nothing.
func TestInheritedLimits(t *testing.T) {
	for limit, works := range map[string]bool{
		"-S -f 1": true, "-S -f 0": true, "-S -n 8": true, "-n 40": true, "-s 256": true, "-c unlimited": true,
		"-f 80": true, "-f 8": false, "-l 0": true, "-i 0": true, "-q 0": true, "-t 5": true, "-n 8": false,
	} {
		t.Run(limit, func(t *testing.T) {
			bare := victim(t, "bare.c", "bare")
			line := func(argv []string) []string {
				return []string{"/bin/bash", "-c", "ulimit " + limit + "; exec " + strings.Join(argv, " ")}
			}
			p := program{argv: line([]string{bare})}
			native, reflected := p.run(t, p.argv), p.run(t, line(underReflect(nil, bare)))
			if !works && describe(reflected.status) == "status 125" && strings.HasPrefix(reflected.stderr, "reflect: error: ") {
				return
			}
			p.differs(t, native, reflected)
		})
	}
}

// TestStrippedLimit: without a symbol table, too, the program may open as many files as
// reflect was started with, whose own limit the Go runtime raises.
func TestStrippedLimit(t *testing.T) {
	stripped := filepath.Join(t.TempDir(), "reflect")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", stripped, "../cmd/reflect")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, binary := range []string{stripped, reflectBinary} {
		p := program{argv: []string{"/bin/sh", "-c", "ulimit -Sn 300; exec " + binary + " run -- /bin/sh -c 'ulimit -Sn; ulimit -Hn'"}}
		o := p.run(t, p.argv)
		soft, hard, _ := strings.Cut(o.stdout, "\n")
		if native := p.run(t, []string{"/bin/sh", "-c", "ulimit -Hn"}); soft != "300" || hard != native.stdout {
			t.Errorf("%s: limits %q, hard natively %q; %s", binary, o.stdout, native.stdout, o.stderr)
		}
	}
}

// TestSession compares session and process group as the caller set them.
func TestSession(t *testing.T) {
	for name, attr := range map[string]syscall.SysProcAttr{
		"inherited": {}, "own group": {Setpgid: true}, "own session": {Setsid: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := program{
				argv:  []string{"/bin/sh", "-c", `set -- $(cut -d' ' -f1,4-8 /proc/$$/stat); echo $(($2 == $3)) $(($2 == $1)) $4 $5; ps -o sid=,pgid= -p $$ | awk '{print $1 == $2}'`},
				alter: func(cmd *exec.Cmd) { cmd.SysProcAttr = &attr },
			}
			native, reflected := p.run(t, p.argv), p.run(t, underReflect(nil, p.argv...))
			if name == "inherited" {
				p.differs(t, native, reflected)
			}
			// A group or session of its own is reflect's, and the program is in it.
			if w := strings.Fields(reflected.stdout); len(w) != 5 || w[1] != "0" {
				t.Errorf("in %s: %q", name, reflected.stdout)
			}
		})
	}
}

var mapLine = regexp.MustCompile(`^([0-9a-f]+)-([0-9a-f]+) (....) [0-9a-f]+ \S+ \d+ *(.*)$`)

// TestMaps looks at the program's memory: what is there natively is there, the kernel's vDSO behind the
// shim, and what is there besides lies in one place below 2 MiB and is never both writable and
// executable.
func TestMaps(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{"/bin/cat", "/proc/self/maps"}, user: who}
		// Without memory for stubs of patched sites, which TestStubs looks at.
		native, reflected := p.run(t, p.argv), p.run(t, underReflect([]string{"-m", "notify"}, p.argv...))
		var had, has, below []string
		for _, l := range strings.Split(strings.TrimSpace(native.stdout), "\n") {
			m := mapLine.FindStringSubmatch(l)
			had = append(had, m[3]+" "+m[4])
		}
		for _, l := range strings.Split(strings.TrimSpace(reflected.stdout), "\n") {
			m := mapLine.FindStringSubmatch(l)
			if m == nil {
				t.Fatalf("line %q", l)
			}
			if end, err := strconv.ParseUint(m[2], 16, 64); (err != nil || end <= 2<<20) && !strings.HasPrefix(m[4], "[v") {
				below = append(below, l)
				if strings.HasPrefix(m[3], "rwx") {
					t.Errorf("writable and executable: %s", l)
				}
				continue
			}
			has = append(has, m[3]+" "+m[4])
		}
		slices.Sort(had)
		slices.Sort(has)
		if d := difference(strings.Join(had, "\n"), strings.Join(has, "\n")); d != "" {
			t.Errorf("the program's own mappings differ (- native, + reflected):\n%s", d)
		}
		if len(below) < 3 || len(below) > 6 {
			t.Errorf("mappings below 2 MiB: %d\n%s", len(below), strings.Join(below, "\n"))
		}
	})
}

// TestStubs: where sites may be patched, the program has memory for stubs near
// itself and near its libraries besides, which it can't write.
func TestStubs(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{"/bin/cat", "/proc/self/maps"}, user: who}
		stubs := func(flags ...string) (n int) {
			for _, l := range strings.Split(strings.TrimSpace(p.run(t, underReflect(flags, p.argv...)).stdout), "\n") {
				m := mapLine.FindStringSubmatch(l)
				from, _ := strconv.ParseUint(m[1], 16, 64)
				to, _ := strconv.ParseUint(m[2], 16, 64)
				if m[3] == "r-xp" && m[4] == "" && from > 2<<20 && to-from == 32<<10 {
					n++
				}
			}
			return n
		}
		if with, without := stubs(), stubs("-m", "notify"); with != 2 || without != 0 {
			t.Errorf("%d mappings for stubs, %d without patching", with, without)
		}
	})
}

// TestDescriptors compares what ls sees of its own descriptors, with some open and
// behind several execs.
func TestDescriptors(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		for _, line := range []string{
			`ls -l /proc/self/fd`,
			`exec 5</dev/null 9</etc/passwd; ls -l /proc/self/fd; (exec 200</dev/null; bash -c "ls -l /proc/self/fd")`,
			`for i in 1 2 3; do ls /proc/self/fd & done; wait; exec ls -l /proc/self/fd <&-`,
			`find /proc/self/fdinfo -type f | sort; ls /proc/self/task | wc -l`,
		} {
			program{
				argv: []string{"/bin/bash", "-c", line},
				user: who,
				clean: func(s string) string {
					return regexp.MustCompile(`pipe:\[\d+\]|/proc/\d+|\w{3} +\d+ \d\d:\d\d|-> /\S+/fd$`).ReplaceAllString(s, "-")
				},
			}.works(t, "0")
		}
	})
}

// TestFewDescriptors starts reflect where hardly a descriptor more may be opened: what
// it needs itself comes on top of what the program may have.
func TestFewDescriptors(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		for open := 3; open <= 9; open += 3 {
			for free := 1; free <= 5; free++ {
				script := "ulimit -Sn " + strconv.Itoa(open+free) + "; "
				for fd := 3; fd < open; fd++ {
					script += "exec " + strconv.Itoa(fd) + "</dev/null; "
				}
				shell := []string{"/bin/bash", "-c", script + `exec "$@"`, "bash"}
				argv := []string{"/bin/sh", "-c", "ulimit -Sn; ulimit -Hn; exit 3"}
				native := p.run(t, append(slices.Clone(shell), argv...))
				p.differs(t, native, p.run(t, append(slices.Clone(shell), underReflect(nil, argv...)...)))
				if describe(native.status) != "status 3" {
					t.Errorf("natively, %d open and %d free: %s", open, free, describe(native.status))
				}
			}
		}
	})
}
