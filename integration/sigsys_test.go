package integration

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bySignal are the ways to have every call served by a handler of SIGSYS, and
// single ones.
func bySignal(t *testing.T) map[string][]string {
	some := writePolicy(t, "version: 1\nrules:\n"+
		"  - {calls: [getrandom], mechanism: trap, do: shim}\n"+
		"  - {calls: [getppid, ppoll], mechanism: sud, do: passthrough}\n"+
		"  - {calls: [getpgrp], mechanism: trap, do: {return: 1}}\n")
	return map[string][]string{
		"trap":   {"-p", "all-calls", "-m", "trap"},
		"sud":    {"-p", "all-calls", "-m", "sud"},
		"single": some,
		"others": writePolicy(t, dispatchOne),
	}
}

// dispatchOne has all calls dispatched, and one that programs seldom make reflected: so it
// is for the sites of the others.
const dispatchOne = "version: 1\nrules:\n  - {calls: [getpgrp], mechanism: sud, do: passthrough}\n"

// TestSignalPrograms runs programs of all kinds with every call trapped or dispatched.
func TestSignalPrograms(t *testing.T) {
	ways := bySignal(t)
	for _, c := range []struct {
		name string
		argv []string
		want string
	}{
		{"sigsys", []string{victim(t, "sigsys.c", "glibc")}, "jumped 1000"},
		{"sigsys-static", []string{victim(t, "sigsys.c", "glibc-static")}, "jumped 1000"},
		{"sigsys-musl", []string{victim(t, "sigsys.c", "musl-static")}, "jumped 1000"},
		{"maskwaits", []string{victim(t, "maskwaits.c", "glibc")}, "rt_sigsuspend"},
		{"manysites", []string{victim(t, "manysites.c", "glibc")}, "threads 20"},
		{"sigown", []string{victim(t, "sigown.c", "glibc")}, "dispatched 1002 caught 7"},
		{"cancel", []string{victim(t, "cancel.cc", "c++")}, ""},
		{"pipeline", []string{"bash", "-c", `for i in 1 2 3 4 5 6 7 8; do seq 1000 | sort -rn | head -n 3 | tr '\n' ' '; done; trap 'echo got' USR1; kill -USR1 $$; (exit 7); echo $?`}, "got"},
		{"python", []string{"/usr/bin/python3", "-c", "import subprocess,threading,signal,os\nsignal.signal(signal.SIGUSR1,lambda *a:print('usr1'))\nos.kill(os.getpid(),signal.SIGUSR1)\nprint(subprocess.check_output(['echo','child']))\nts=[threading.Thread(target=lambda:os.urandom(8)) for _ in range(16)]\n[x.start() for x in ts];[x.join() for x in ts];print(len(ts))"}, "usr1"},
		{"node", []string{"node", "-e", "const c=require('child_process');console.log(c.execSync('echo child').toString());require('fs').promises.readFile('/etc/passwd').then(b=>console.log(b.length>0))"}, "child"},
		{"git", []string{"sh", "-c", "git init -q r && cd r && echo x > f && git add f && git -c user.name=a -c user.email=b commit -qm m && git log --format=%s && cd .. && rm -rf r"}, "m"},
		{"gcc", []string{"sh", "-c", "echo 'int main(){return 3;}' > a.c && gcc -o a a.c && ./a; echo $?; rm a a.c"}, "3"},
		{"go", []string{victim(t, "gostorm", "go"), "1s"}, ""},
	} {
		for how, flags := range ways {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				p := program{argv: c.argv, flags: flags}
				if c.name == "go" { // says how much it did
					p.clean = func(s string) string { return regexp.MustCompile(`[0-9]+`).ReplaceAllString(s, "N") }
				}
				p.sameAnd(t, c.want)
			})
		}
	}
}

// TestOwnFiltersKill: a filter of the program's own kills for a call that only the handler
// makes, to tell of a site, or to have a new thread's calls dispatched.
func TestOwnFiltersKill(t *testing.T) {
	const rules = "version: 1\nrules:\n  - {calls: getppid, mechanism: %s, do: passthrough}\n"
	for name, policy := range map[string]string{
		"trap":        fmt.Sprintf(rules, "trap"),
		"sud":         fmt.Sprintf(rules, "sud"),
		"patch":       fmt.Sprintf(rules, "patch, base: trap"),
		"two filters": fmt.Sprintf(rules, "sud") + "  - {calls: acct, do: deny}\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, nr := range []int{unix.SYS_EXECVE, unix.SYS_PRCTL} {
				program{argv: []string{victim(t, "ownkills.c", "glibc"), fmt.Sprint(nr)}, flags: writePolicy(t, policy)}.
					works(t, "way 0: status 400", "way 1: status 400", "way 2: status 400", "way 3: status 400")
			}
		})
	}
}

// TestSignalCounts: every call is counted, under its mechanism.
func TestSignalCounts(t *testing.T) {
	for _, m := range []string{"trap", "sud"} {
		flags := writePolicy(t, strings.ReplaceAll("version: 1\nrules:\n"+
			"  - {calls: [getrandom], mechanism: M, do: shim}\n"+
			"  - {calls: [getuid], mechanism: M, do: {return: 77}}\n"+
			"  - {calls: [getppid], mechanism: M, do: {errno: EPERM}}\n", " M,", " "+m+","))
		p := program{argv: []string{"sh", "-c", "id -ru; id -ru"}, flags: flags}
		c, o := p.count(t)
		if o.stdout != "77\n77\n" {
			t.Errorf("%s: %q", m, o.stdout)
		}
		if n, _ := c.of("getuid", m); n < 2 {
			t.Errorf("%s: %d calls of getuid counted", m, n)
		}
	}
}

// stormVariable, where it is set, makes the storm a minute long.
const stormVariable = "REFLECT_STORM"

// TestSignalStorm: 64 threads, signals from a timer and from each other, SIGSYS among
// them, forks and execs meanwhile. No call is lost, no queued signal, no child.
func TestSignalStorm(t *testing.T) {
	seconds := "2"
	if os.Getenv(stormVariable) != "" {
		seconds = "60"
	}
	ways := bySignal(t)
	ways["patch over trap"] = overTrap(t, everyday)
	ways["patch over trap, others' results"] = overTrap(t, known)
	for how, flags := range ways {
		t.Run(how, func(t *testing.T) {
			p := program{argv: []string{victim(t, "sigstorm.c", "glibc"), "64", seconds}, flags: flags, timeout: 3 * time.Minute}
			o := p.run(t, underReflect(p.flags, p.argv...))
			if o.stdout != "wrong 0 unhandled 0 failed 0, SIGSYS 1, did 1\n" || o.status != 0 {
				t.Errorf("%s\n%s%.2000s", describe(o.status), o.stdout, o.stderr)
			}
			t.Logf("%s", o.stderr)
		})
	}
}

// TestSignalDropped: the kernel drops a trap's SIGSYS where another is pending, and the
// call is made all the same.
func TestSignalDropped(t *testing.T) {
	ways := bySignal(t)
	ways["one"] = writePolicy(t, "version: 1\nrules:\n  - {calls: [getppid], mechanism: trap, do: passthrough}\n")
	for how, flags := range ways {
		t.Run(how, func(t *testing.T) {
			program{argv: []string{victim(t, "sigdrop.c", "glibc")}, flags: flags}.works(t, "wrong 0, caught some 1")
		})
	}
}

// TestResent: what comes while a handler that blocks it runs, comes again once the handler's frame
// is gone.
func TestResent(t *testing.T) {
	for how, flags := range bySignal(t) {
		t.Run(how, func(t *testing.T) {
			program{argv: []string{victim(t, "resent.c", "glibc")}, flags: flags}.works(t, "another signal: 20000 handled, 0 elsewhere")
		})
	}
}

// known are calls whose numbers are no results of every day: of read and write nobody can know
// whether they were dropped, see docs/mechanisms.md.
const (
	known    = "getppid, openat, close, lseek"
	everyday = "getppid, read, write, openat"
)

// overTrap returns the flags for a policy whose sites are patched, and trapped until they are.
func overTrap(t *testing.T, passed string) []string {
	return writePolicy(t, "version: 1\nrules:\n"+
		"  - {calls: [getrandom], mechanism: patch, base: trap, do: shim}\n"+
		"  - {calls: [getuid], mechanism: patch, base: trap, do: {return: 77}}\n"+
		"  - {calls: ["+passed+"], mechanism: patch, base: trap, do: passthrough}\n")
}

// TestPatchOverTrap: sites are patched that nobody was notified of.
func TestPatchOverTrap(t *testing.T) {
	p := program{argv: []string{victim(t, "sigdrop.c", "glibc")}, flags: overTrap(t, known)}
	c, o := p.count(t)
	if !strings.HasPrefix(o.stdout, "wrong 0,") || o.status != 0 {
		t.Fatalf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	trapped, _ := c.of("getppid", "trap")
	patched, _ := c.of("getppid", "patch")
	notified, _ := c.of("getppid", "notify")
	if trapped == 0 || trapped > 100 || notified != 0 || patched < 99000 {
		t.Errorf("%d trapped, %d patched, %d notified", trapped, patched, notified)
	}
}

// TestSitesOverTrap: each trapped call is counted for its site, once.
func TestSitesOverTrap(t *testing.T) {
	p := program{argv: []string{"sh", "-c", victim(t, "sigdrop.c", "glibc") + "; for i in 1 2 3; do id -u; done"}, flags: append(overTrap(t, everyday), "--sites")}
	c, o := p.count(t)
	if o.status != 0 {
		t.Fatalf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	var trapped, patched, byTrap, byPatch uint64
	for _, s := range c.Sites {
		trapped += s.Trapped
		patched += s.Patched
	}
	for _, call := range []string{"getrandom", "getuid", "getppid", "read", "write", "openat"} {
		n, _ := c.of(call, "trap")
		byTrap += n
		n, _ = c.of(call, "patch")
		byPatch += n
	}
	if trapped != byTrap || patched != byPatch || byTrap == 0 {
		t.Errorf("%d trapped and %d patched at sites, %d and %d in all", trapped, patched, byTrap, byPatch)
	}
}

// TestNoDispatch: where the kernel has no Syscall User Dispatch, sud says so, and trap works.
func TestNoDispatch(t *testing.T) {
	filter := victim(t, "filter.c", "glibc-static")
	argv := func(m string) []string {
		return []string{filter, "nodispatch", reflectBinary, "run", "-m", m, "--", "/bin/echo", "ran"}
	}
	p := program{}
	o := p.run(t, argv("sud"))
	if describe(o.status) != "status 125" || strings.Contains(o.stdout, "\nran") || !strings.Contains(o.stderr, "needs Syscall User Dispatch, which Linux has from 5.11 on") {
		t.Errorf("sud: %s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	if o = p.run(t, argv("trap")); o.status != 0 || !strings.HasSuffix(o.stdout, "ran\n") {
		t.Errorf("trap: %s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	doctor := p.run(t, []string{filter, "nodispatch", reflectBinary, "doctor", "--quick"})
	if !regexp.MustCompile(`(?m)^sud +no .* sud: `).MatchString(doctor.stdout) {
		t.Errorf("doctor does not say why: %s", doctor.stdout)
	}
}

// TestSignalMechanisms runs by SIGSYS what other tests run by the default mechanism, as
// TestTracer does by a tracer. Left out are those that look at the dispositions in
// /proc, and those of images that can't have a handler: see docs/mechanisms.md, trap.
func TestSignalMechanisms(t *testing.T) {
	for _, m := range []string{"trap", "sud"} {
		t.Run(m, func(t *testing.T) {
			under(t, m,
				TestSpawning, TestFailedExecs, TestPathSearch, TestExecFromMemory, TestChroot, TestNamespaces,
				TestInheritedLimits, TestSession, TestFewDescriptors,
				TestDeath, TestCoreDump, TestSignalsToReflect, TestStop, TestOrphans,
				TestInterrupt, TestStopAndContinue, TestStopWithoutFirstThread, TestShellOnTerminal, TestBackgroundRead, TestHangup,
				TestBackgroundContinued, TestDaemonOfAStoppedJob, TestKillStoppedJob, TestStopsItsGroup,
				TestKilledAtStart, TestGuardianKilled, TestNothingLeft, TestForeignCalls, TestSandboxes,
				TestUrgentStorm, TestThousandProcesses, TestTenThousandExecs, TestInterpreters,
				TestTracedInside, TestGit, TestCompiler, TestTar, TestRedis, TestNginx,
			)
		})
	}
}
