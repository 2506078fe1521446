package integration

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestBackgroundContinued: a stopped job that is continued in the background, and reads,
// stops again with all of its processes, and goes on in the foreground.
func TestBackgroundContinued(t *testing.T) {
	// It reads a while after it was continued: at once, its SIGTTIN may come before the SIGCONT of
	// others in its group, which don't stop then, natively either. And it forks nothing meanwhile: a
	// child whose fork is under way has the group's SIGTSTP, but not the SIGCONT that follows
	// (prepare_signal drops what is ignored by default before __send_signal_locked sees forks).
	const job = `/bin/bash -c 'perl -e "while(<STDIN>) { syswrite STDOUT, qq(cat\n); select undef, undef, undef, 0.2 } ` +
		`syswrite STDOUT, qq(it is gone\n)"; exit 7'`
	onTerminal(t, func(term *terminal, run string) string {
		var said string
		term.send(run + job + "\n")
		term.expect("exit 7'\r\n")
		for range 4 {
			term.send("line\n")
			term.expect("cat\r\n")
			term.send(ctrlZ)
			said += term.expect(prompt)
			term.await("perl", "Tt") // the shell only waits for bash, and perl could still read what is typed next
			term.send("kill -CONT %1\n")
			term.expect(prompt)
			term.command(untilStopped) // where the shell may tell that it has
			said += term.command("jobs")
			term.send("fg\n")
			said += term.expect("exit 7'\r\n")
		}
		term.send("line\n")
		term.expect("cat\r\n")
		term.send(ctrlD)
		term.expect("it is gone\r\n")
		return said + term.expect(prompt) + term.command("echo $?")
	})
}

// TestDaemonOfAStoppedJob: what a job has left in a session of its own goes on while the job is
// stopped, with execs, which are notified; and the shell continues the job all the same.
func TestDaemonOfAStoppedJob(t *testing.T) {
	const daemon = "setsid bash -c 'while [ -e job ]; do /bin/true; echo -n x >>beats; sleep 0.01; done'"
	onTerminal(t, func(term *terminal, run string) string {
		beats := filepath.Join(term.cmd.Dir, "beats")
		advances := func() {
			size := func() int64 {
				i, err := os.Stat(beats)
				if err != nil {
					return 0
				}
				return i.Size()
			}
			begin := size()
			eventually(t, 15*time.Second, "the daemon goes on", func() bool { return size() > begin+20 })
		}
		must(t, os.WriteFile(filepath.Join(term.cmd.Dir, "job"), []byte(daemon+" & sed -u s/line/cat/; rm -f job; exit 7"), 0o644))
		term.send(run + "/bin/bash job\n")
		term.expect("bash job\r\n")
		advances()
		for range 4 {
			term.send("line\n")
			term.expect("cat\r\n")
			term.send(ctrlZ)
			term.expect("Stopped")
			term.expect(prompt)
			term.await("sed", "Tt")
			advances()
			term.send("fg\n")
			term.expect("bash job\r\n")
		}
		term.send(ctrlD)
		term.expect(prompt)
		return term.command("echo $?")
	})
}

// TestKillStoppedJob: a shell ends a stopped job, whose daemon keeps reflect awake, so that the shell takes
// the job for a running one and doesn't continue it.
func TestKillStoppedJob(t *testing.T) {
	const daemon = "setsid bash -c 'while [ -e $0 ]; do /bin/true; echo -n x >>$0.beats; done; echo >$0.gone' $0"
	onTerminal(t, func(term *terminal, run string) string {
		for _, job := range []string{"job1", "job2", "job3"} {
			file := filepath.Join(term.cmd.Dir, job)
			must(t, os.WriteFile(file, []byte(daemon+" & trap 'echo >$0.ended; exit 3' TERM; echo ready; read line; echo woken"), 0o644))
			appears := func(name string) {
				t.Helper()
				eventually(t, 15*time.Second, run+name+" appears", func() bool { _, err := os.Stat(name); return err == nil })
			}
			term.send(run + "/bin/bash " + job + "\n")
			term.expect("ready\r\n")
			appears(file + ".beats") // in its own session by then
			term.send(ctrlZ)
			term.expect("Stopped")
			term.expect(prompt)
			must(t, os.Remove(file+".beats"))
			appears(file + ".beats")
			term.send("kill %1\n")
			appears(file + ".ended")
			term.expect(prompt)
			term.command("while kill -0 %1 2>/dev/null; do sleep 0.05; done")
			must(t, os.Remove(file))
			appears(file + ".gone") // the directory is the next session's
		}
		return ""
	})
}

// TestJobsByNotify: the same where all that the program asks for is notified.
func TestJobsByNotify(t *testing.T) {
	under(t, "notify", TestBackgroundContinued, TestDaemonOfAStoppedJob, TestKillStoppedJob)
}

// TestStoppedFirst: the first process is stopped, and another of the tree continues it,
// which has to be served until then.
func TestStoppedFirst(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		for _, sig := range []string{"STOP", "TSTP"} {
			p := program{user: who, argv: []string{"/bin/bash", "-c",
				`(for i in 1 2 3; do sleep 0.1; /bin/true; done; kill -CONT $$; echo continued) & kill -` + sig + ` $$; wait; echo end`}}
			for _, flags := range [][]string{nil, {"-m", "notify"}, {"-m", "trap"}} {
				p.flags = flags
				p.works(t, "continued", "end")
			}
		}
	})
}

// TestStoppedInExec: the first process is stopped while another executes what it takes seconds to
// read, longer than that keeps reflect from stopping too.
func TestStoppedInExec(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("a file system of its own needs FUSE: %v", err)
	}
	exe := victim(t, "fuse.c", "glibc")
	p := program{
		argv:    []string{"/bin/bash", "-c", `(` + exe + ` mnt 100 0 500; echo $?; kill -CONT $$) & sleep 0.3; kill -STOP $$; wait; echo end`},
		prepare: func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "mnt"), 0o755)) },
		timeout: 30 * time.Second,
	}
	p.works(t, "0 wrong", "0\n", "end")
}

// TestStoppedEither: who is stopped takes the other along, and so does who is continued.
func TestStoppedEither(t *testing.T) {
	exe := victim(t, "signals.c", "glibc")
	for _, m := range []string{"patch", "notify", "trap"} {
		l := program{}.start(t, underReflect([]string{"-m", m}, exe, "busy"))
		reflect := l.cmd.Process.Pid
		for i := range 20 {
			must(t, syscall.Kill(l.pid, syscall.SIGSTOP))
			eventually(t, 5*time.Second, m+": stopped", func() bool { return isStopped(l.pid) && isStopped(reflect) })
			must(t, syscall.Kill([]int{l.pid, reflect}[i%2], syscall.SIGCONT))
			eventually(t, 5*time.Second, m+": continued", func() bool { return !isStopped(l.pid) && !isStopped(reflect) })
		}
		must(t, syscall.Kill(l.pid, syscall.SIGTERM))
		l.end(t)
	}
}

// TestStoppedThenKilled: a program that is killed while it is stopped ends for reflect, too,
// which is stopped with it: natively its parent is told at once.
func TestStoppedThenKilled(t *testing.T) {
	exe := victim(t, "signals.c", "glibc")
	for _, m := range []string{"patch", "notify", "trap", "ptrace", "ptrace-all"} {
		under(t, m, func(t *testing.T) {
			l := program{}.start(t, underReflect(nil, exe, "busy"))
			must(t, syscall.Kill(l.pid, syscall.SIGSTOP))
			eventually(t, 5*time.Second, m+": stopped", func() bool { return isStopped(l.pid) && inState(l.cmd.Process.Pid, "T") })
			must(t, syscall.Kill(l.pid, syscall.SIGKILL))
			killed := time.Now() // reflect would be killed, too, if it took too long
			if o := l.end(t); describe(o.status) != "signal killed" || o.stderr != "" || time.Since(killed) > 15*time.Second {
				t.Errorf("%s: %s %q after %v", m, describe(o.status), o.stderr, time.Since(killed))
			}
		})
	}
}

// TestContinuedAwake: the first process is stopped, and reflect is continued, which
// has just been woken for a call of another.
func TestContinuedAwake(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		l := program{user: who}.start(t, underReflect(nil, "/bin/bash", "-c",
			`while kill -0 $$; do /bin/true; done >/dev/null 2>&1 & echo ready $$; while :; do sleep 0.02; done`))
		us := l.cmd.Process.Pid
		for range 5 {
			time.Sleep(150 * time.Millisecond) // a SIGCONT just before would be taken for the same
			must(t, syscall.Kill(l.pid, syscall.SIGSTOP))
			eventually(t, 2*time.Second, "reflect stopped", func() bool { return isStopped(us) })
			eventually(t, 2*time.Second, "reflect woken", func() bool { return !isStopped(us) })
			if !isStopped(l.pid) {
				t.Fatal("the program was continued")
			}
			time.Sleep(20 * time.Millisecond) // two SIGCONTs at once are one
			must(t, syscall.Kill(us, syscall.SIGCONT))
			eventually(t, 2*time.Second, "continued", func() bool { return !isStopped(l.pid) })
		}
		must(t, syscall.Kill(l.pid, syscall.SIGKILL))
		l.end(t)
	})
}

// TestStopsItsGroup: a program stops all of its group, as editors do, again as soon as it
// was continued; and it ends as soon as it was.
func TestStopsItsGroup(t *testing.T) {
	onTerminal(t, func(term *terminal, run string) string {
		var said string
		for range 6 {
			term.send(run + "/bin/bash -c 'kill -TSTP 0; echo back; kill -TSTP 0; exit 6'\n")
			term.expect("'\r\n")
			said += term.expect(prompt)
			term.send("fg\n")
			term.expect("back\r\n")
			said += term.expect(prompt)
			time.Sleep(100 * time.Millisecond)
			term.send("fg\n")
			term.expect("'\r\n")
			said += term.expect(prompt) + term.command("echo $?")
		}
		return said
	})
}
