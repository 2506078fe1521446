package integration

import (
	"strings"
	"testing"
)

// TestLeads: a program that leads a group, where natively it is the job's: keys, the shell's
// signals, and the terminal are its, and its children's.
func TestLeads(t *testing.T) {
	onTerminal(t, func(term *terminal, run string) string {
		var said string
		begin := func(program, line string) {
			term.send(run + line + "\n")
			term.expect("\n")
			term.await(program, "S")
		}
		begin("sleep", "/usr/bin/timeout 60 /bin/sleep 60")
		term.send(ctrlC)
		term.expect(prompt)
		said += term.command("echo $?")
		begin("sleep", "/usr/bin/timeout 60 /bin/sleep 60 | cat")
		term.send(ctrlC)
		term.expect(prompt)
		said += term.command("echo ${PIPESTATUS[*]}")

		begin("cat", "/usr/bin/timeout 60 /bin/cat")
		term.send("typed\n")
		said += term.expect("typed\r\ntyped\r\n")
		stop := func() { // the shell only waits for timeout, and cat could still read what is typed next
			term.send(ctrlZ)
			term.expect(prompt)
			term.await("cat", "Tt") // t where a tracer has it
		}
		stop()
		said += term.command("jobs")
		for range 3 {
			term.send("fg\n")
			term.expect("cat\r\n")
			term.await("cat", "S")
			stop()
			said += term.command("jobs")
		}
		term.send("fg\n")
		term.expect("cat\r\n")
		term.await("cat", "S")
		term.send("again\n")
		said += term.expect("again\r\nagain\r\n")
		term.send(ctrlD)
		said += term.expect(prompt) + term.command("echo $?")

		// In the background, where it is stopped for reading, of which the shell hears nothing, and by
		// kill.
		term.command(run + "/usr/bin/timeout 60 /bin/cat &")
		term.await("cat", "Tt")
		term.send("fg\n")
		term.expect("cat\r\n")
		term.foreground()
		stop()
		term.send("fg\n")
		term.expect("cat\r\n")
		term.await("cat", "S")
		term.send("typed\n")
		said += term.expect("typed\r\ntyped\r\n")
		term.send(ctrlC)
		term.expect(prompt)
		said += term.command("echo $?")
		term.command(run + "/usr/bin/timeout 60 /bin/sleep 60 &")
		term.await("sleep", "S")
		said += term.command("kill -TSTP %1; " + untilStopped)
		said += term.command("jobs; bg")
		term.await("sleep", "S")
		said += term.command("kill %1; sleep 0.5; wait; jobs")

		// A job that others have the terminal in.
		term.send(run + "/usr/bin/timeout 60 /bin/sh -c '/bin/true; sleep 0.1; echo said' | sh -c 'read line; echo press; read key </dev/tty; echo $line $key'\n")
		term.expect("\r\npress\r\n")
		term.send("pressed\n")
		said += term.expect("said pressed") + term.expect(prompt)
		return withoutIDs(said)
	})
}

// TestLeadsWithoutShell: where reflect doesn't lead the job either, a program that asks to
// lead does leave it, natively too: it can't read from the terminal.
func TestLeadsWithoutShell(t *testing.T) {
	onTerminal(t, func(term *terminal, run string) string {
		said := term.command("/bin/bash -c '" + run + "/usr/bin/timeout 0.5 /bin/cat; echo $?'")
		return said + term.command("/bin/bash -c '"+run+"/usr/bin/timeout --foreground 0.5 /bin/cat; echo $?'")
	})
}

// TestSuspend: an interactive shell inside, which has a group of its own, suspends itself.
func TestSuspend(t *testing.T) {
	onTerminal(t, func(term *terminal, run string) string {
		var said string
		term.send(run + "/bin/bash --norc --noprofile --noediting -i\n")
		term.expect(prompt)
		for range 3 {
			term.send("suspend\n")
			said += term.expect(prompt) + term.command("jobs")
			term.send("fg\n")
			term.expect("-i\r\n")
			term.expect(prompt)
			said += term.command("echo inner")
		}
		term.send("exit 9\n")
		said += term.expect(prompt) + term.command("echo $?")
		return strings.ReplaceAll(said, "\r", "")
	})
}

// TestLeadsByOthers: the same by other mechanisms.
func TestLeadsByOthers(t *testing.T) {
	for _, m := range []string{"notify", "trap", "ptrace"} {
		under(t, m, TestLeads, TestSuspend)
	}
}
