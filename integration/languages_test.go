package integration

import "testing"

// TestLibraries runs one C program with each C library, linked both ways: all the
// calls that the default policy reflects, good and bad.
func TestLibraries(t *testing.T) {
	for _, how := range []string{"glibc", "glibc-static", "glibc-no-pie", "musl", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{victim(t, "calls.c", how), "one", "two words", ""}, user: who}
				native := p.same(t)
				if describe(native.status) != "status 42" {
					t.Errorf("natively: %s", describe(native.status))
				}
				c, o := p.count(t)
				p.differs(t, native, o)
				c.reachedAll(t)
				if n := c.calls("getrandom"); n < 30 {
					t.Errorf("getrandom was reflected %d times", n)
				}
				p.flags = []string{"-m", "notify"}
				c, o = p.count(t)
				p.differs(t, native, o)
				if n, errors := c.of("getrandom", "notify"); n < 30 || errors < 8 {
					t.Errorf("getrandom was notified %d times with %d errors", n, errors)
				}
			})
		})
	}
}

// TestPolicies runs the same program under other mechanisms: nothing may differ
// either.
func TestPolicies(t *testing.T) {
	for _, flags := range [][]string{
		{"-m", "vdso"}, {"-m", "notify"}, {"-m", "auto"}, {"-p", "stub"}, {"-p", "none"}, {"-p", "time"}, {"-p", "random"},
	} {
		t.Run(flags[1], func(t *testing.T) {
			for _, how := range []string{"glibc", "musl-static"} {
				program{argv: []string{victim(t, "calls.c", how)}, flags: flags}.same(t)
			}
			p := program{argv: []string{victim(t, "gorandom", "go"), "200"}, flags: flags}
			p.same(t)
		})
	}
}

// TestGo proves that a static Go program's crypto/rand arrives in the shim through
// the vDSO that it was given, and not by a system call.
func TestGo(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{victim(t, "gorandom", "go"), "4000"}, user: who}
		native := p.same(t)
		if describe(native.status) != "status 5" {
			t.Errorf("natively: %s\n%s", describe(native.status), native.stdout)
		}
		c, o := p.count(t)
		p.differs(t, native, o)
		c.reachedAll(t)
		// 4000 reads and the second process's 16.
		if n, errors := c.of("getrandom", "vdso"); n < 4016 || errors > 0 {
			t.Errorf("getrandom through the vDSO: %d times, %d errors", n, errors)
		}
		if n, _ := c.of("clock_gettime", "vdso"); n == 0 {
			t.Error("clock_gettime never came through the vDSO")
		}
		if c.Programs != 3 || c.Execs != 3+1 && c.Execs != 3 {
			t.Errorf("%d programs, %d execs", c.Programs, c.Execs)
		}
	})
}

func TestCgo(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{victim(t, "cgo", "cgo")}, user: who}
		native := p.same(t)
		if describe(native.status) != "status 6" {
			t.Errorf("natively: %s\n%s", describe(native.status), native.stderr)
		}
		c, _ := p.count(t)
		if n, _ := c.of("getrandom", "vdso"); n < 200 {
			t.Errorf("getrandom through the vDSO: %d times", n)
		}
		if n := c.calls("getrandom"); n < 400 {
			t.Errorf("getrandom by system call: %d times", n)
		}
		// Each thread's first two calls are notified.
		if n, _ := c.of("getrandom", "patch"); n < 200 {
			t.Errorf("getrandom from a patched site: %d times", n)
		}
	})
}

func TestRust(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{victim(t, "rust.rs", "rust")}, user: who}
		if native := p.same(t); describe(native.status) != "status 8" {
			t.Errorf("natively: %s\n%s", describe(native.status), native.stderr)
		}
		c, _ := p.count(t)
		c.reachedAll(t)
		if n, _ := c.of("getrandom", "notify"); n == 0 {
			t.Error("no getrandom")
		}
	})
}

// scripts are programs that interpreters run. Each prints what is the same each
// time, and starts a child.
var scripts = []struct {
	name, program, pkg string
	args               []string
	want               string
}{
	{"python", "/usr/bin/python3", "python3", []string{"-c", `
import os, random, secrets, subprocess, sys, tempfile, threading, time, uuid, multiprocessing
assert len({secrets.token_bytes(16) for _ in range(1000)}) == 1000
assert len({os.getrandom(16) for _ in range(100)}) == 100
assert uuid.uuid4() != uuid.uuid4()
t = [threading.Thread(target=lambda: os.urandom(1000)) for _ in range(20)]
[x.start() for x in t]; [x.join() for x in t]
a = time.monotonic(); time.sleep(0.002); assert time.monotonic() - a >= 0.002
print(subprocess.run(["sh", "-c", "echo from sh; exit 3"], capture_output=True))
with tempfile.TemporaryDirectory() as d: print(os.path.isdir(d))
pid = os.fork()
if pid == 0: os._exit(9)
print(os.waitpid(pid, 0)[1])
with multiprocessing.get_context("fork").Pool(3) as p: print(p.map(abs, range(-3, 3)))
try: subprocess.run(["/no/such/program"])
except FileNotFoundError as e: print(e)
try: os.getrandom(4, 99)
except OSError as e: print(e)
print(sys.argv, file=sys.stderr)
sys.exit(11)`, "x"}, "from sh"},
	{"node", "node", "nodejs", []string{"-e", `
const c = require("crypto"), cp = require("child_process"), { Worker } = require("worker_threads");
const s = new Set(); for (let i = 0; i < 1000; i++) s.add(c.randomBytes(16).toString("hex"));
console.log(s.size, c.randomUUID().length, c.createHash("sha256").update("x").digest("hex"));
const r = cp.spawnSync("sh", ["-c", "echo from sh; exit 3"]); console.log(String(r.stdout), r.status);
console.log(cp.spawnSync("/no/such/program").error.code);
const a = process.hrtime.bigint();
setTimeout(() => {
  console.log(process.hrtime.bigint() > a); // timers go by whole milliseconds
  new Worker("require('worker_threads').parentPort.postMessage(require('crypto').randomBytes(8).length)", { eval: true })
    .on("message", m => { console.log("worker", m); process.exitCode = 12; });
}, 2);`}, "from sh"},
	{"perl", "perl", "perl", []string{"-e", `
use POSIX; use Time::HiRes qw(time);
my %h = map { $_ => 1 } 1..100; print scalar(keys %h), "\n";
my $t = time; select undef, undef, undef, 0.002; print time - $t >= 0.002 ? "later\n" : "earlier\n";
print ` + "`echo from sh`" + `; system "exit 3"; print $? >> 8, "\n";
my $p = fork; if (!$p) { POSIX::_exit(9) } waitpid $p, 0; print $? >> 8, "\n";
exec "/no/such/program" or print "$!\n"; $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; pause; exit 13`}, "from sh"},
	{"bash", "bash", "bash", []string{"-c", `
set -o pipefail
seq 1 2000 | sort -R | sort -n | awk '{s += $1} END {print s}'
for i in 1 2 3 4 5; do echo $i; done | while read x; do echo "<$x>" | tr '<>' '[]'; done | paste -sd,
cat <(echo one) <(echo two) | tee >(wc -l >count) | rev; wait; sleep 0.1; cat count
false | true; echo "${PIPESTATUS[@]} $?"
coproc cat; echo through >&${COPROC[1]}; read -u ${COPROC[0]} line; echo "$line"; kill $COPROC_PID; wait $COPROC_PID 2>/dev/null
(exit 3) & wait $!; echo $?; trap 'echo bye' EXIT; ulimit -n 64; echo $(( $(ls /proc/self/fd | wc -l) )); umask; exit 14`}, ""},
}

func TestInterpreters(t *testing.T) {
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			path := need(t, s.program, s.pkg)
			asEach(t, func(t *testing.T, who account) {
				program{argv: append([]string{path}, s.args...), user: who}.sameAnd(t, s.want)
			})
		})
	}
}
