package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A subject is one program of behaviour/, and a behaviour is one of its functions.
// In another build only a few are run.
type subject struct {
	source string
	how    string
	only   []string
}

// A column of the table is a way to run behaviours under reflect.
type column struct {
	name      string
	mechanism string
	user      account
	all       bool     // every call is reflected, and nothing counted
	flags     []string // of reflect run
	by        []string // the mechanisms that --stats must have counted a call by
}

// allCalls marks the columns under `-p all-calls`, oneCall the one in which hardly any call is
// reflected, and all are dispatched: it is for the sites of the others. asNobody is auto for a user
// without privilege, if the tests are run by root.
const (
	allCalls = "*"
	oneCall  = "1"
	asNobody = "nobody"
)

// behaviourPolicy has calls answered in every way that there is. Its constants are
// what the kernel would say too.
const behaviourPolicy = `version: 1
rules:
  - {calls: ["@vdso"], do: shim}
  - {calls: [getuid], do: {return: %d}}
  - {calls: [sched_get_priority_max], do: {return: 99}}
  - {calls: [getpmsg], do: {errno: ENOSYS}}
  - calls: [getppid, gettid, getpgrp, read, write, readv, writev, nanosleep, clock_nanosleep, poll, ppoll, select, pselect6, futex,
      rt_sigaction, rt_sigprocmask, rt_sigsuspend, rt_sigtimedwait, rt_sigpending, sigaltstack, signalfd4, epoll_pwait, pause, wait4, kill,
      tgkill, sched_yield, mmap, munmap, mprotect, close]
    do: passthrough
`

// columns are the mechanisms that can be used here, first under a policy of a few
// dozen calls, then under one that reflects all of them.
func columns(t *testing.T) []column {
	t.Helper()
	out, err := exec.Command(reflectBinary, "doctor", "--json", "--quick").Output()
	must(t, err)
	var report struct {
		Mechanisms []struct {
			Name      string
			Available bool
			Usable    bool
			Why       string
		}
	}
	must(t, json.Unmarshal(out, &report))
	usable := map[string]bool{"auto": true}
	for _, m := range report.Mechanisms {
		usable[m.Name] = m.Usable
		if !m.Usable && m.Available {
			t.Errorf("%s can't be used here: %s", m.Name, m.Why)
		}
	}
	policy := policyFor(t, os.Getuid())
	var some, all []column
	for _, name := range []string{"auto", "vdso", "patch", "notify", "trap", "sud", "ptrace", "ptrace-all"} {
		if !usable[name] {
			continue
		}
		c := column{name: name, mechanism: name, flags: []string{"-p", policy, "-m", name}, by: []string{name}}
		switch name {
		case "auto":
			c.by = []string{"vdso", "patch", "notify"}
		case "vdso":
			c.flags = []string{"-p", "vdso"}
		}
		some = append(some, c)
		// auto is patch there, and vdso reflects no system call.
		if name != "auto" && name != "vdso" {
			all = append(all, column{name: name + allCalls, mechanism: name, all: true, flags: []string{"-p", "all-calls", "-m", name}})
		}
		if name == "sud" {
			all = append(all, column{name: name + oneCall, mechanism: name, all: true, flags: writePolicy(t, dispatchOne)})
		}
	}
	if os.Getuid() == 0 {
		user := some[0]
		user.name, user.user, user.flags = asNobody, nobody, []string{"-p", policyFor(t, int(nobody.cred.Uid))}
		some = append(some, user)
	}
	return append(some, all...)
}

func policyFor(t *testing.T, uid int) string {
	path := filepath.Join(scratch, fmt.Sprintf("behaviour-%d.yaml", uid))
	must(t, os.WriteFile(path, fmt.Appendf(nil, behaviourPolicy, uid), 0o644))
	return path
}

// A cell is what one behaviour was in one column.
type cell struct {
	word string // same, n/a, differs, and worse
	more string // the first lines that differ
}

type behaviours struct {
	sync.Mutex
	order   []string
	columns []column
	cells   map[string]map[string]cell
}

// TestBehaviour runs every behaviour natively and in each column, and prints a table.
// Each difference is a failure, unless it is one of exceptions; and so is an exception
// that does not differ.
func TestBehaviour(t *testing.T) {
	began := time.Now()
	b := &behaviours{columns: columns(t), cells: map[string]map[string]cell{}}
	// After the last subtest.
	t.Cleanup(func() {
		b.print()
		ran := 0
		for _, cells := range b.cells {
			ran += min(len(cells), 1)
		}
		fmt.Printf("%d behaviours in %v\n", ran, time.Since(began).Round(time.Second))
	})
	buildAll()
	for _, s := range subjects {
		if build := builds[s.how]; !installed(build.tool) {
			t.Run(s.source+"/"+s.how, func(t *testing.T) { need(t, build.tool, build.pkg) })
			continue
		}
		path := victim(t, behaviourSource(s), s.how)
		names := s.only
		if names == nil {
			list, err := exec.Command(path).Output()
			must(t, err)
			names = strings.Fields(string(list))
		}
		for _, name := range names {
			row := strings.TrimSuffix(s.source, ".c") + "/" + name
			if s.how != "glibc" {
				row += "/" + s.how
			}
			b.order = append(b.order, row)
			b.cells[row] = map[string]cell{}
			t.Run(row, func(t *testing.T) {
				t.Parallel()
				b.row(t, row, path, name)
			})
		}
	}
	checkExceptions(t, b.columns, b.order)
}

func installed(tool string) bool {
	_, err := exec.LookPath(tool)
	return err == nil
}

// buildAll builds the subjects at once, and leaves it to victim to say what failed.
func buildAll() {
	work := make(chan subject, len(subjects))
	for _, s := range subjects {
		work <- s
	}
	close(work)
	var builders sync.WaitGroup
	for range runtime.NumCPU() {
		builders.Go(func() {
			for s := range work {
				builds[s.how].once(behaviourSource(s), s.how)()
			}
		})
	}
	builders.Wait()
}

func behaviourSource(s subject) string { return filepath.Join("..", "behaviour", s.source) }

// row runs one behaviour in all columns. It is run natively again at the end: what
// is not the same then can't be compared.
func (b *behaviours) row(t *testing.T, row, path, name string) {
	p := program{argv: []string{path, name}, timeout: 20 * time.Second}
	if strings.HasPrefix(row, "code/library_loaded") {
		p.argv = append(p.argv, victim(t, "onecall.c", "library"), victim(t, "onecall.c", "library-2"))
	}
	p.skipFile = func(path string) bool { return strings.HasPrefix(path, "core") }
	if tool, ok := strings.CutPrefix(name, "under_"); ok {
		need(t, tool, tool)
	}
	b.set(row, native, cell{word: "broken"})
	first := b.natively(t, p, name)
	for _, c := range b.columns {
		t.Run(c.name, func(t *testing.T) {
			b.set(row, c.name, cell{word: "broken"})
			p, first := p, first
			if c.user.cred != nil {
				p.user = c.user
				first = b.natively(t, p, name)
			}
			b.set(row, c.name, b.compare(t, c, row, p, first))
		})
	}
	d := unequal(first, p.run(t, p.argv))
	if d != "" {
		t.Errorf("two runs without reflect differ:\n%s", d)
		b.set(row, native, cell{"UNSTABLE", d})
		return
	}
	b.set(row, native, cell{word: "same"})
}

// natively runs a behaviour without reflect, which must do something.
func (b *behaviours) natively(t *testing.T, p program, name string) outcome {
	t.Helper()
	o := p.run(t, p.argv)
	if o.status != 0 && name != "ends_by_signal" || o.stdout == "" {
		t.Errorf("natively: %s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	return o
}

// native is the column of runs without reflect, which is printed only where something
// is wrong there.
const native = "native"

func (b *behaviours) set(row, column string, c cell) {
	b.Lock()
	defer b.Unlock()
	b.cells[row][column] = c
}

// compare runs a behaviour in a column.
func (b *behaviours) compare(t *testing.T, c column, row string, p program, native outcome) cell {
	p.flags = c.flags
	var counts counters
	var reflected outcome
	if c.all {
		reflected = p.run(t, underReflect(p.flags, p.argv...))
	} else {
		counts, reflected = p.count(t)
	}
	for _, w := range warningsOf(row, c) {
		var said bool
		if reflected.stderr, said = takeWarning(reflected.stderr, w); !said {
			t.Errorf("reflect did not warn: %s", w)
		}
	}
	d, e := unequal(native, reflected), exceptionOf(row, c)
	switch {
	case e != nil && d == "":
		t.Errorf("an exception that does not differ: %s", e.reason)
		return cell{"EQUAL", "but it is an exception: " + e.reason}
	case e != nil && strings.Contains(d, e.shows):
		return cell{"n/a", e.reason}
	case d != "":
		t.Errorf("- natively, + %s\n%s", c.name, d)
		return cell{"DIFFERS", d}
	}
	if !c.all {
		var n uint64
		for _, k := range counts.Calls {
			if slices.Contains(c.by, k.Mechanism) {
				n += k.Count
			}
		}
		if n == 0 {
			t.Errorf("no call came by %s: %+v", c.mechanism, counts)
			return cell{"NO CALL", "none came by " + c.mechanism}
		}
	}
	return cell{word: "same"}
}

// takeWarning takes a warning of reflect's out of what was said on standard error.
func takeWarning(text, warning string) (rest string, said bool) {
	for _, line := range strings.SplitAfter(text, "\n") {
		if strings.HasPrefix(line, "reflect: warning: "+warning) {
			said = true
		} else {
			rest += line
		}
	}
	return rest, said
}

// unequal is what differs between two runs, "" if nothing does.
func unequal(a, b outcome) string {
	var out []string
	for _, d := range []struct{ what, a, b string }{
		{"standard output", a.stdout, b.stdout},
		{"standard error", a.stderr, b.stderr},
		{"the end", describe(a.status), describe(b.status)},
		{"files", strings.Join(a.files, "\n"), strings.Join(b.files, "\n")},
	} {
		if diff := difference(d.a, d.b); diff != "" {
			out = append(out, d.what+":\n"+diff)
		}
	}
	return strings.Join(out, "\n")
}
