package integration

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// seeded runs p with a seed and returns what it printed. The one warning must be
// there, and nothing else of reflect's.
func (p program) seeded(t *testing.T, seed string, flags ...string) string {
	t.Helper()
	o := p.run(t, underReflect(append([]string{"--seed", seed}, flags...), p.argv...))
	if describe(o.status) != "status 0" {
		t.Fatalf("%q: %s\n%s%s", p.argv, describe(o.status), o.stdout, o.stderr)
	}
	warning := "reflect: warning: random bytes are deterministic, from the seed " + seed + ", and no secret: for tests only; programs run on one CPU\n"
	rest, ok := strings.CutPrefix(o.stderr, warning)
	if !ok || strings.Contains(rest, "reflect: warning") {
		t.Errorf("%q says on standard error:\n%s", p.argv, o.stderr)
	}
	return o.stdout + strings.Join(o.files, "\n")
}

// reproducible wants p to print the same each time and by each mechanism, and
// something else with another seed and without one.
func (p program) reproducible(t *testing.T) string {
	t.Helper()
	first := p.seeded(t, "42")
	for _, flags := range [][]string{nil, {"-m", "notify"}, {"-m", "vdso"}, {"-m", "patch"}, {"-p", "random"}, {"--stats-file", os.DevNull}} {
		if again := p.seeded(t, "42", flags...); again != first {
			t.Errorf("%q with %q prints something else:\n%s", p.argv, flags, difference(first, again))
		}
	}
	if other := p.seeded(t, "43"); other == first {
		t.Errorf("%q prints the same with another seed:\n%s", p.argv, first)
	}
	if o := p.run(t, underReflect(nil, p.argv...)); o.stdout+strings.Join(o.files, "\n") == first {
		t.Errorf("%q prints the same without a seed:\n%s", p.argv, first)
	}
	return first
}

// lines returns what a victim printed, label and bytes.
func lines(t *testing.T, text string) [][2]string {
	t.Helper()
	var out [][2]string
	for line := range strings.Lines(text) {
		i := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if i < 0 {
			t.Fatalf("unexpected line %q", line)
		}
		out = append(out, [2]string{line[:i], strings.TrimSpace(line[i:])})
	}
	return out
}

// distinct wants all bytes of a victim's output to differ.
func distinct(t *testing.T, text string) {
	t.Helper()
	seen := map[string]bool{}
	for _, l := range lines(t, text) {
		if seen[l[1]] {
			t.Errorf("%s twice:\n%s", l[1], text)
		}
		seen[l[1]] = true
	}
}

// prefix is the beginning of a stream, in hexadecimal.
func prefix(k reflect.StreamKey, pos uint64, n int) string {
	b := make([]byte, n)
	s := k.Stream()
	s.Fill(b, pos)
	return hex.EncodeToString(b)
}

// TestSeedGives compares what programs get with the streams that are documented.
func TestSeedGives(t *testing.T) {
	exe := victim(t, "draws.c", "musl-static") // draws nothing before main
	args := func(argv ...string) []byte {
		return []byte(strings.Join(append([]string{exe}, argv...), "\x00") + "\x00")
	}
	root := reflect.RootKey("42")
	rand := root.AtRandom()
	self := func(from reflect.StreamKey, n uint64, argv ...string) reflect.StreamKey {
		return from.Exec([]byte("/proc/self/exe"), args(argv...), n)
	}
	fork := func(from reflect.StreamKey, n uint64) reflect.StreamKey { return from.Fork(n) }
	child := self(root, 0, "bytes", "5")
	childRand := child.AtRandom()
	second := self(root, 1, "bytes", "5")
	secondRand := second.AtRandom()
	for _, tc := range []struct {
		argv []string
		want [][2]string
	}{
		{[]string{"bytes", "4", "300", "1000000"}, [][2]string{
			{"AT_RANDOM", hex.EncodeToString(rand[:])},
			{"begins", prefix(root, 0, 4)}, {"ends", prefix(root, 0, 4)},
			{"begins", prefix(root, 4, 16)}, {"ends", prefix(root, 288, 16)},
			{"begins", prefix(root, 304, 16)}, {"ends", prefix(root, 1000288, 16)},
		}},
		{[]string{"fork", "2"}, [][2]string{
			{"before", prefix(root, 0, 8)},
			{"child", prefix(fork(root, 0), 0, 8)}, {"child again", prefix(fork(root, 0), 8, 8)},
			{"child", prefix(fork(root, 1), 0, 8)}, {"child again", prefix(fork(root, 1), 8, 8)},
			{"after", prefix(root, 8, 8)},
		}},
		{[]string{"vfork"}, [][2]string{
			{"before", prefix(root, 0, 8)}, {"child", prefix(fork(root, 0), 0, 8)}, {"after", prefix(root, 8, 8)},
		}},
		{[]string{"exec", "fork", "1"}, [][2]string{
			{"before", prefix(root, 0, 8)},
			{"before", prefix(self(root, 0, "fork", "1"), 0, 8)},
			{"child", prefix(fork(self(root, 0, "fork", "1"), 0), 0, 8)}, {"child again", prefix(fork(self(root, 0, "fork", "1"), 0), 8, 8)},
			{"after", prefix(self(root, 0, "fork", "1"), 8, 8)},
		}},
		{[]string{"spawn", "2", "bytes", "5"}, [][2]string{
			{"AT_RANDOM", hex.EncodeToString(childRand[:])}, {"begins", prefix(child, 0, 5)}, {"ends", prefix(child, 0, 5)},
			{"AT_RANDOM", hex.EncodeToString(secondRand[:])}, {"begins", prefix(second, 0, 5)}, {"ends", prefix(second, 0, 5)},
		}},
		{[]string{"stack", "200000"}, [][2]string{{"first", prefix(root, 0, 8)}, {"last", prefix(root, 199992, 8)}}},
		{[]string{"fault"}, [][2]string{{"border", prefix(root, 0, 8)}, {"after", prefix(root, 32, 8)}}},
	} {
		t.Run(tc.argv[0], func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: append([]string{exe}, tc.argv...), user: who, skipFile: func(string) bool { return true }}
				got := lines(t, p.seeded(t, "42"))
				if !slices.Equal(got, tc.want) {
					t.Errorf("got\n%q\nwant\n%q", got, tc.want)
				}
			})
		})
	}
}

func TestSeedPython(t *testing.T) {
	python := need(t, "/usr/bin/python3", "python3")
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who, argv: []string{python, "-c", `
import os, random, secrets, subprocess, tempfile, uuid, multiprocessing
print(os.urandom(8).hex(), random.random(), secrets.token_hex(8), uuid.uuid4())
print({"a", "b", "c", "d", "e"}, hash("x"), random.SystemRandom().random())
print(id(object()), [object() for _ in range(3)])
print(tempfile.mktemp(), random.sample(range(1000), 5))
for i in range(3):
    pid = os.fork()
    if pid == 0:
        print(i, os.urandom(4).hex(), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
print(subprocess.run(["` + python + `", "-c", "import uuid; print(uuid.uuid4())"], capture_output=True).stdout)
with multiprocessing.get_context("fork").Pool(1) as p: print(p.map(os.urandom, [4, 5]))
`}}
		p.reproducible(t)
	})
}

// TestSeedShell has names that differ within a run and are the same in the next,
// in pipelines, subshells and what is left in the background.
func TestSeedShell(t *testing.T) {
	bash := need(t, "bash", "bash")
	openssl := need(t, "openssl", "openssl")
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who, argv: []string{bash, "-c", `
for i in 1 2 3; do mktemp -u; done
mktemp -u | cat; (mktemp -u; mktemp -u) | sort; echo $(mktemp -u) $(` + openssl + ` rand -hex 8)
(mktemp -u; exec mktemp -u) & wait $!
(sleep 0.1; mktemp -u >late; ` + openssl + ` rand -hex 8 >>late) & pid=$!
wait $pid; cat late; head -c 8 late | ` + openssl + ` enc -aes-128-cbc -pass pass:x -pbkdf2 | od -An -tx1
`}}
		out := p.reproducible(t)
		names := map[string]bool{}
		for word := range strings.FieldsSeq(out) {
			if i := strings.Index(word, "tmp."); i >= 0 {
				names[word[i:]] = true
			}
		}
		if len(names) != 10 {
			t.Errorf("%d different names, want 10:\n%s", len(names), out)
		}
	})
}

// TestSeedMake builds with many jobs at once, whose commands differ: what each gets
// doesn't depend on when it runs.
func TestSeedMake(t *testing.T) {
	mk := need(t, "make", "make")
	openssl := need(t, "openssl", "openssl")
	p := program{argv: []string{mk, "-s", "-j8"}, prepare: func(t *testing.T, dir string) {
		rules := "all:"
		for i := range 12 {
			rules += fmt.Sprintf(" t%d", i)
		}
		rules += "\nt%:\n\t@sleep 0.0$$(($$$$ % 7)); " + openssl + " rand -hex 8 -out $@; mktemp -u | sed s/^/$@/ >>$@\n"
		must(t, os.WriteFile(filepath.Join(dir, "Makefile"), []byte(rules), 0o644))
	}}
	p.reproducible(t)
}

// TestSeedLeftBehind: a process that outlives the command is served by a successor,
// which goes on where its predecessor ended.
func TestSeedLeftBehind(t *testing.T) {
	exe, python := victim(t, "draws.c", "musl-static"), need(t, "/usr/bin/python3", "python3")
	script := `
import os, sys, time
print(os.urandom(8).hex())
if os.fork():
    sys.exit(0)
with open("drawn", "w") as f:
    f.write(os.urandom(8).hex())
    if os.environ["WAIT"]: time.sleep(0.5) # the command has ended by now
    f.write(" " + os.urandom(8).hex())
    if not os.fork():
        f.write(" forked " + os.urandom(8).hex()); f.flush(); os._exit(0)
    os.wait()
f = os.popen("` + exe + ` bytes 8")
open("spawned", "w").write(f.read())
open("done", "w").close()
`
	read := func(flags []string, wait string) string {
		dir := workDir(t, account{})
		p := program{argv: []string{python, "-c", script}, env: append(plainEnv(dir), "WAIT="+wait)}
		cmd := p.command(t.Context(), dir, underReflect(append(flags, "--seed", "9"), p.argv...))
		out, err := cmd.Output()
		must(t, err)
		eventually(t, 10*time.Second, "the process in the background to end", func() bool {
			_, err := os.Stat(filepath.Join(dir, "done"))
			return err == nil
		})
		for _, name := range []string{"drawn", "spawned"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			out = append(out, b...)
		}
		return string(out)
	}
	counted := read([]string{"--stats"}, "") // waits, and serves itself
	if left := read(nil, "1"); left != counted {
		t.Errorf("served by a successor:\n%s\nby the command itself:\n%s", left, counted)
	}
}

func TestSeedThreads(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{victim(t, "draws.c", "glibc"), "threads", "16"}, user: who}
		distinct(t, p.reproducible(t))
	})
}

// TestSeedFilter: a program with a filter of its own gets no shim, and its random
// bytes all the same.
func TestSeedFilter(t *testing.T) {
	filter, exe := victim(t, "filter.c", "glibc-static"), victim(t, "draws.c", "musl-static")
	p := program{argv: []string{filter, "twice", exe, "bytes", "8"}, skipFile: func(string) bool { return true }}
	out := p.reproducible(t)
	root := reflect.RootKey("42")
	k := root.Exec([]byte(exe), []byte(exe+"\x00bytes\x008\x00"), 0)
	rand := k.AtRandom()
	for _, want := range []string{"AT_RANDOM " + hex.EncodeToString(rand[:]), "begins " + prefix(k, 0, 8)} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestSeedReusedID: a process with the id of one that has ended has a stream of its
// own.
func TestSeedReusedID(t *testing.T) {
	needRoot(t) // choosing an id needs CAP_CHECKPOINT_RESTORE
	p := program{argv: []string{victim(t, "draws.c", "musl-static"), "reuse"}, skipFile: func(string) bool { return true }}
	root := reflect.RootKey("42")
	got := lines(t, p.seeded(t, "42"))
	want := [][2]string{{"first", prefix(root.Fork(0), 0, 8)}, {"second", prefix(root.Fork(1), 0, 8)}}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSeedExample runs the example of a reproducible test.
func TestSeedExample(t *testing.T) {
	example, err := filepath.Abs("../examples/reproducible.yaml")
	must(t, err)
	python := need(t, "/usr/bin/python3", "python3")
	p := program{argv: []string{python, "-c", "import random; print(random.sample(range(100), 5))"}}
	run := func(flags ...string) string {
		o := p.run(t, underReflect(append([]string{"-p", example}, flags...), p.argv...))
		if o.status != 0 || !strings.Contains(o.stderr, "for tests only") {
			t.Errorf("%s: %s", describe(o.status), o.stderr)
		}
		return o.stdout
	}
	if a, b := run(), run(); a != b || a == "" {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := run(), run("--seed", "1"); a == b {
		t.Errorf("%q with either seed", a)
	}
}

// TestBlockFunctions has a Go program draw by each of the shim's block functions
// that this processor has; one that it lacks is an error and nothing runs.
func TestBlockFunctions(t *testing.T) {
	exe := victim(t, "gorandom", "go")
	for _, b := range vdsoshim.Blocks() {
		t.Run(b.String(), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "block.yaml")
			must(t, os.WriteFile(file, []byte("version: 1\nrng: {block: "+b.String()+"}\n"), 0o644))
			p := program{argv: []string{exe, "4000"}, flags: []string{"-p", "default", "-p", file}}
			if err := b.Usable(); err != nil {
				o := p.run(t, underReflect(p.flags, p.argv...))
				if describe(o.status) != "status 125" || o.stdout != "" || !strings.Contains(o.stderr, b.String()) {
					t.Errorf("%v, and then %s: %s%s", err, describe(o.status), o.stdout, o.stderr)
				}
				return
			}
			p.sameAnd(t, "different: true big one filled: true")
		})
	}
}
