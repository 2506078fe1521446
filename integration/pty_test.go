package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is a pseudo-terminal with an interactive shell on it, and what was
// written to it so far.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	out    bytes.Buffer
	read   int // how much of out was expected already
}

// prompt is what no program prints by chance; it is not echoed as it is typed.
const prompt = "READY-FOR-MORE> "

// openTerminal starts bash on a terminal of its own.
func openTerminal(t *testing.T, who account) *terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(t, err)
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	must(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 250}))
	name := fmt.Sprintf("/dev/pts/%d", n)
	slave, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer slave.Close()
	// A key's signal would drop what was written and not yet read, and what a fast shell writes
	// after the signal, too (isig in n_tty.c).
	settings, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	must(t, err)
	settings.Lflag |= unix.NOFLSH
	must(t, unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, settings))
	if who.cred != nil {
		must(t, os.Chown(name, int(who.cred.Uid), int(who.cred.Gid)))
	}
	dir := workDir(t, who)
	term := &terminal{t: t, master: os.NewFile(uintptr(fd), "ptmx")}
	term.cmd = exec.Command("/bin/bash", "--norc", "--noprofile", "--noediting", "-i")
	term.cmd.Dir = dir
	term.cmd.Env = append(plainEnv(dir), "PS1="+prompt, "TERM=dumb", "HISTFILE=")
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, slave
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: who.cred}
	must(t, term.cmd.Start())
	t.Cleanup(func() {
		term.master.Close() // a hangup for everything on the terminal
		term.cmd.Process.Kill()
		term.cmd.Wait()
	})
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := term.master.Read(b)
			term.mu.Lock()
			term.out.Write(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	term.expect(prompt)
	return term
}

// send types.
func (term *terminal) send(keys string) {
	term.t.Helper()
	_, err := term.master.WriteString(keys)
	must(term.t, err)
}

// expect waits for text beyond what was expected before, and returns what came up
// to it.
func (term *terminal) expect(text string) string {
	term.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		term.mu.Lock()
		rest := term.out.String()[term.read:]
		if i := strings.Index(rest, text); i >= 0 {
			term.read += i + len(text)
			term.mu.Unlock()
			return rest[:i]
		}
		term.mu.Unlock()
		if time.Now().After(deadline) {
			who, _ := exec.Command("ps", "-o", "pid,ppid,pgid,tpgid,stat,wchan:20,args", "--sid", strconv.Itoa(term.cmd.Process.Pid)).Output()
			term.t.Fatalf("the terminal never showed %q; since the last: %q\n%s", text, rest, who)
		}
	}
}

// command types a command and returns what it printed.
func (term *terminal) command(line string) string {
	term.t.Helper()
	term.send(line + "\n")
	term.expect("\n") // the echo
	return term.expect(prompt)
}

// await waits until a program runs in the session, in a state of proc(5): "RS" unless it is stopped.
func (term *terminal) await(program, states string) {
	term.t.Helper()
	session := strconv.Itoa(term.cmd.Process.Pid)
	comm := filepath.Base(program)
	comm = comm[:min(len(comm), 15)] // TASK_COMM_LEN
	eventually(term.t, 15*time.Second, program+" in a state of "+states, func() bool {
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		return slices.ContainsFunc(stats, func(stat string) bool {
			b, _ := os.ReadFile(stat)
			name, rest, _ := strings.Cut(string(b), ") ")
			_, name, _ = strings.Cut(name, "(")
			f := strings.Fields(rest)
			return len(f) > 3 && name == comm && f[3] == session && strings.Contains(states, f[0])
		})
	})
}

// foreground waits until the shell has given the terminal to a job.
func (term *terminal) foreground() {
	term.t.Helper()
	eventually(term.t, 15*time.Second, "a job in the foreground", func() bool {
		group := 0
		conn, err := term.master.SyscallConn()
		must(term.t, err)
		conn.Control(func(fd uintptr) { group, err = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) })
		return err == nil && group != term.cmd.Process.Pid
	})
}

// untilStopped is what a shell runs until it has seen a job stop.
const untilStopped = `until [ -n "$(jobs -s)" ]; do sleep 0.05; done`

const (
	ctrlC         = "\x03"
	ctrlZ         = "\x1a"
	ctrlD         = "\x04"
	ctrlBackslash = "\x1c"
)

// onTerminal runs a session natively and reflected, and compares what it returns.
// The session gets what stands before a program's command line.
func onTerminal(t *testing.T, session func(term *terminal, run string) string) {
	t.Helper()
	asEach(t, func(t *testing.T, who account) {
		native := session(openTerminal(t, who), "")
		line := strings.Join(reflectRun(), " ")
		reflected := session(openTerminal(t, who), line+" -- ")
		// Sessions may have replaced numbers, the path's own among them.
		shown := numbers.ReplaceAllString(line, "PID")
		for _, line := range []string{line, shown} {
			reflected = strings.ReplaceAll(reflected, line+" -- ", "")
		}
		if d := difference(native, reflected); d != "" {
			t.Errorf("the session differs (- native, + reflected):\n%s\nnative: %q\nreflected: %q", d, native, reflected)
		}
	})
}

// withoutIDs replaces numbers that are likely process ids.
func withoutIDs(said string) string {
	return numbers.ReplaceAllStringFunc(said, func(n string) string {
		if len(n) > 3 {
			return "PID"
		}
		return n
	})
}

// TestInterrupt types Ctrl-C and Ctrl-\ : the program gets each once, and the shell
// sees how it ended.
func TestInterrupt(t *testing.T) {
	signals := victim(t, "signals.c", "glibc")
	onTerminal(t, func(term *terminal, run string) string {
		var said string
		term.send(run + signals + " count 20\n")
		term.expect("ready")
		term.expect("\n")
		for range 3 {
			term.send(ctrlC)
			said += term.expect("^C") + "^C" // the next key would drop an echo that nobody has read (isig)
			time.Sleep(150 * time.Millisecond)
		}
		term.send(ctrlBackslash)
		said += term.expect(prompt)
		said += term.command("echo $?")
		// One that dies of it, directly, in a pipeline, and in a loop, which bash
		// leaves only if the program died of SIGINT.
		term.send(run + "/bin/sleep 20\n")
		term.await("sleep", "S")
		term.send(ctrlC)
		said += term.expect(prompt) + term.command("echo $?")
		term.send("while true; do " + run + "/bin/sleep 20; done\n")
		term.await("sleep", "S")
		term.send(ctrlC)
		said += term.expect(prompt) + term.command("echo $?")
		term.send(run + "/bin/sh -c 'trap \"echo trapped\" INT; sleep 20; echo after' | (trap '' INT; cat)\n")
		term.await("cat", "S")
		term.await("sleep", "S")
		term.send(ctrlC)
		said += term.expect(prompt) + term.command("echo $?")
		term.send("ulimit -c 0; " + run + "/bin/sleep 20\n")
		term.await("sleep", "S")
		term.send(ctrlBackslash)
		said += term.expect(prompt) + term.command("echo $?")
		// The terminal echoes a key after it has sent the signal (n_tty_receive_signal_char), so
		// what the program then says may come first.
		for _, echo := range []string{"^C", "^\\"} {
			said += fmt.Sprintf(" %d %s", strings.Count(said, echo), echo[1:])
			said = strings.ReplaceAll(said, echo, "")
		}
		return withoutIDs(said)
	})
}

// TestStopAndContinue types Ctrl-Z, and continues by fg, bg and kill.
func TestStopAndContinue(t *testing.T) {
	signals := victim(t, "signals.c", "glibc")
	onTerminal(t, func(term *terminal, run string) string {
		var said string
		term.send(run + signals + " count 30\n")
		term.expect("ready")
		term.expect("\n")
		for range 3 {
			term.await(signals, "RS")
			term.send(ctrlZ)
			said += term.expect(prompt) + term.command("echo $?; jobs")
			term.send("fg\n")
			said += term.expect("count 30\r\n")
		}
		term.await(signals, "RS")
		term.send(ctrlC)
		time.Sleep(150 * time.Millisecond)
		term.send(ctrlZ)
		said += term.expect(prompt) + term.command("bg")
		term.await(signals, "RS")
		said += term.command("sleep 0.1; jobs -r")
		said += term.command("kill -STOP %1; " + untilStopped)
		said += term.command("jobs -s")
		said += term.command("kill -CONT %1")
		term.await(signals, "RS")
		said += term.command("sleep 0.3; jobs -r") // it goes on
		term.send("fg\n")
		said += term.expect("count 30\r\n")
		term.await(signals, "RS")
		term.send(ctrlBackslash)
		said += term.expect(prompt) + term.command("echo $?; jobs")
		// SIGCONT comes from the shell, as often as it likes.
		return strings.ReplaceAll(signalLine.ReplaceAllString(said, ""), "\r", "")
	})
}

// TestStopWithoutFirstThread types Ctrl-Z to a program whose first thread has ended.
func TestStopWithoutFirstThread(t *testing.T) {
	gone := victim(t, "firstgone.c", "glibc")
	onTerminal(t, func(term *terminal, run string) string {
		term.send(run + gone + "\n")
		term.expect("ready\r\n")
		term.send(ctrlZ)
		said := term.expect(prompt) + term.command("jobs")
		term.send("fg\n")
		term.expect(gone + "\r\n")
		term.send("line\n")
		return said + term.expect(prompt) + term.command("echo $?")
	})
}

// TestShellOnTerminal runs an interactive shell inside, with jobs of its own: the
// terminal's foreground group is its business.
func TestShellOnTerminal(t *testing.T) {
	onTerminal(t, func(term *terminal, run string) string {
		var said string
		term.send(run + "/bin/bash --norc --noprofile --noediting -i\n")
		term.expect(prompt)
		said += term.command("tty | tr -d 0-9; stty size; echo $-")
		term.send("sleep 20\n")
		term.await("sleep", "S")
		term.send(ctrlZ)
		said += term.expect(prompt) + term.command("jobs")
		term.send("fg\n")
		term.expect("sleep 20\r\n")
		term.await("sleep", "S")
		term.send(ctrlC)
		said += term.expect(prompt) + term.command("echo $?")
		term.send("sleep 20\n")
		term.await("sleep", "S")
		term.send(ctrlC)
		said += term.expect(prompt) + term.command("echo $?")
		term.send("cat\n")
		term.expect("\n")
		term.send("line\n")
		said += term.expect("line\r\nline\r\n")
		term.send(ctrlD)
		said += term.expect(prompt)
		term.send("exit 9\n")
		said += term.expect(prompt) + term.command("echo $?")
		return withoutIDs(said)
	})
}

// TestBackgroundRead: a program in the background that reads from the terminal is
// stopped by SIGTTIN, and the shell learns of it.
func TestBackgroundRead(t *testing.T) {
	onTerminal(t, func(term *terminal, run string) string {
		said := term.command(run+"/bin/cat &") + term.command(untilStopped)
		said += term.command("jobs")
		term.send("fg\n")
		term.expect("cat\r\n")
		term.await("cat", "S")
		term.send("typed\n")
		said += term.expect("typed\r\ntyped\r\n")
		term.send(ctrlD)
		said += term.expect(prompt) + term.command("echo $?")
		return numbers.ReplaceAllStringFunc(said, func(n string) string {
			if len(n) > 2 {
				return "PID"
			}
			return n
		})
	})
}

// TestHangup closes the terminal: everything on it ends.
func TestHangup(t *testing.T) {
	signals := victim(t, "signals.c", "glibc")
	asEach(t, func(t *testing.T, who account) {
		term := openTerminal(t, who)
		term.send(strings.Join(reflectRun(), " ") + " -- " + signals + " busy\n")
		term.expect("ready")
		all := descendants(term.cmd.Process.Pid)
		if len(all) < 2 {
			t.Errorf("only %d processes", len(all))
		}
		term.master.Close()
		eventually(t, 3*time.Second, "all processes of the terminal gone", func() bool {
			for _, pid := range all {
				if alive(pid) {
					return false
				}
			}
			return true
		})
	})
}
