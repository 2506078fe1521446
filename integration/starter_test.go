package integration

import (
	"bufio"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/internal/early"
)

// linked reports whether the reflect under test is entered before the Go runtime.
func linked(t *testing.T) bool {
	f, err := elf.Open(reflectBinary)
	must(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	must(t, err)
	name := strings.TrimPrefix(early.LinkFlag, "-E=")
	for _, s := range symbols {
		if s.Value == f.Entry && strings.HasPrefix(s.Name, name) {
			return true
		}
	}
	return false
}

// TestStartedBeforeRuntime: without flags the program is started, once, before the Go
// runtime makes its first thread. Where the reflect that is given to test can't be linked
// for that (by a C linker, with the race detector), one that can is built.
func TestStartedBeforeRuntime(t *testing.T) {
	if !linked(t) {
		before := reflectBinary
		defer func() { reflectBinary = before }()
		reflectBinary = filepath.Join(scratch, "reflect.linked")
		must(t, buildReflect(reflectBinary, "-ldflags="+early.LinkFlag))
		if !linked(t) {
			t.Fatal("linked without " + early.LinkFlag)
		}
	}
	need(t, "strace", "strace")
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		line := strings.Join(underReflect(nil, "/bin/sleep", "0.02"), " ")
		o := p.run(t, shellScript("strace -o trace -e trace=memfd_create,clone,clone3 "+line+"; cat trace"))
		shim, fork, thread := strings.Index(o.stdout, `memfd_create("reflect-shim"`), strings.Index(o.stdout, "clone("), strings.Index(o.stdout, "CLONE_THREAD")
		if o.status != 0 || shim < 0 || fork < shim || thread < fork || strings.Count(o.stdout, "memfd_create") != 1 {
			t.Errorf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
		}
	})
}

// TestUnlinked: by the Go runtime alone all is the same.
func TestUnlinked(t *testing.T) {
	before := reflectBinary
	defer func() { reflectBinary = before }()
	reflectBinary = filepath.Join(scratch, "reflect.unlinked")
	must(t, buildReflect(reflectBinary))
	if linked(t) {
		t.Fatal("linked all the same")
	}
	for _, test := range []func(*testing.T){TestState, TestDeath, TestFailedExecs, TestInterruptedAtStart, TestSignalsWhileRuntimeBegins} {
		under(t, "", test)
	}
}

// TestSignalsWhileRuntimeBegins: a program that handles a signal gets it, whatever reflect is
// doing. Those that are sent here would end reflect, by default.
func TestSignalsWhileRuntimeBegins(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel() // the relay waits to see whether the whole group got it
			for i := range 40 {
				handled(t, sig, time.Duration(i)*150*time.Microsecond)
			}
		})
	}
}

// handled sends a signal to reflect some time after its program has a handler for it.
func handled(t *testing.T, sig syscall.Signal, after time.Duration) {
	t.Helper()
	cmd := exec.Command(reflectBinary, "run", "--", "/bin/sh", "-c",
		"trap 'exit 7' TERM INT HUP USR1; echo ready; while :; do sleep 0.001; done")
	out, err := cmd.StdoutPipe()
	must(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Errorf("%q, %v", line, err)
	}
	time.Sleep(after)
	must(t, cmd.Process.Signal(sig))
	late := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	cmd.Wait()
	late.Stop()
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); describe(s) != "status 7" || stderr.Len() > 0 {
		t.Errorf("%v after %v: %s %q", sig, after, describe(s), &stderr)
	}
}

// TestInterruptedListener: where the kernel knows no WAIT_KILLABLE_RECV.
func TestInterruptedListener(t *testing.T) {
	filter := victim(t, "filter.c", "glibc-static")
	asEach(t, func(t *testing.T, who account) {
		for name, flags := range map[string][]string{"before the runtime": nil, "by the runtime": {"-p", "default"}} {
			t.Run(name, func(t *testing.T) {
				p := program{argv: []string{filter, "interrupted", victim(t, "calls.c", "glibc")}, user: who}
				native := p.run(t, p.argv)
				reflected := p.run(t, append([]string{filter, "interrupted"}, underReflect(flags, p.argv[2:]...)...))
				if describe(native.status) != "status 42" {
					t.Fatalf("natively %s", describe(native.status))
				}
				p.differs(t, native, reflected)
				script := []string{"/bin/bash", "-c", "for i in 1 2 3; do /bin/true; /no/such; done; exit 9"}
				with := slices.Clip([]string{filter, "interrupted"})
				p.differs(t, p.run(t, append(with, script...)), p.run(t, append(with, underReflect(flags, script...)...)))
			})
		}
	})
}

// TestMakefileLinks: `make build` makes what is tested here.
func TestMakefileLinks(t *testing.T) {
	b, err := os.ReadFile("../Makefile")
	must(t, err)
	if !strings.Contains(string(b), "\nLDFLAGS = "+early.LinkFlag+"\n") {
		t.Errorf("the Makefile does not link with %s", early.LinkFlag)
	}
}
