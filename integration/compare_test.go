package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A program is what is run natively and under reflect.
type program struct {
	argv  []string
	env   []string // nil: plainEnv
	stdin string
	user  account
	// prepare fills the working directory before each run.
	prepare func(t *testing.T, dir string)
	// alter changes the command before it is started.
	alter func(cmd *exec.Cmd)
	// flags are options of `reflect run`.
	flags []string
	// clean takes out of an output or a file name what differs from run to run.
	clean func(string) string
	// skipFile says which files, by path in the working directory, need not be
	// the same in both runs.
	skipFile func(path string) bool
	timeout  time.Duration // 0: a minute
}

// An outcome is everything that is compared.
type outcome struct {
	stdout, stderr string
	status         syscall.WaitStatus
	files          []string // path, mode, size and content or target
	took           time.Duration
}

// An account is who runs a program.
type account struct {
	name string
	cred *syscall.Credential // nil: who runs the tests
}

// accounts are who the central tests are run as.
func accounts() []account {
	if os.Getuid() != 0 {
		return []account{{name: "unprivileged"}}
	}
	return []account{{name: "root"}, nobody}
}

var nobody = account{"unprivileged", &syscall.Credential{Uid: 65534, Gid: 65534}}

// asEach runs a test once for each account.
func asEach(t *testing.T, f func(t *testing.T, who account)) {
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) { f(t, who) })
	}
}

// needRoot skips a test that another user can't do.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// plainEnv is the environment of a program unless a test wants another: small,
// and the same on each machine. A reflect that is built with the race detector takes its
// settings from it, without which each one sleeps for a second at its end.
func plainEnv(dir string) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + dir, "LANG=C", "TMPDIR=" + dir, "SHELL=/bin/sh",
	}
	if race, ok := os.LookupEnv("GORACE"); ok {
		env = append(env, "GORACE="+race)
	}
	return env
}

// workDir returns the working directory of a test's programs: empty, and theirs.
// Its path is the same each time that it is asked for by one test, so that a
// program which prints it prints the same.
func workDir(t *testing.T, who account) string {
	t.Helper()
	top := filepath.Join(scratch, fmt.Sprintf("%x", sha256.Sum256([]byte(t.Name())))[:12])
	dir := filepath.Join(top, "work")
	must(t, os.RemoveAll(top))
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.Chmod(dir, 0o755))
	if who.cred != nil {
		must(t, os.Chown(dir, int(who.cred.Uid), int(who.cred.Gid)))
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// underReflect is the command line that runs argv under reflect.
func underReflect(flags []string, argv ...string) []string {
	line := append(reflectRun(), flags...)
	return append(append(line, "--"), argv...)
}

// reflectRun is how a command line begins that runs something under reflect, by the
// mechanism that is tested, if one is.
func reflectRun() []string {
	if mechanism == "" {
		return []string{reflectBinary, "run"}
	}
	return []string{reflectBinary, "run", "-m", mechanism}
}

// mechanism is what programs run by unless their flags say otherwise; "" for the
// default.
var mechanism string

// under runs tests with another mechanism.
func under(t *testing.T, m string, tests ...func(t *testing.T)) {
	t.Helper()
	mechanism = m
	defer func() { mechanism = "" }()
	for _, test := range tests {
		name := filepath.Ext(runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name())
		if !strings.HasPrefix(name, ".Test") { // a function without a name
			test(t)
			continue
		}
		t.Run(strings.TrimPrefix(name, ".Test"), test)
	}
}

// traced reports whether the mechanism makes reflect the tracer of all that runs.
func traced() bool { return strings.HasPrefix(mechanism, "ptrace") }

// bySIGSYS reports whether the mechanism is a handler of SIGSYS.
func bySIGSYS() bool { return mechanism == "trap" || mechanism == "sud" }

// tracerLine is what /proc says of it.
var tracerLine = regexp.MustCompile(`(?m)^ *TracerPid:.*\n`)

// command makes a command of argv as p wants it.
func (p *program) command(ctx context.Context, dir string, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if p.env != nil {
		cmd.Env = p.env
	} else {
		cmd.Env = plainEnv(dir)
	}
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(p.stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user.cred}
	if p.alter != nil {
		p.alter(cmd)
	}
	return cmd
}

// run runs argv, which is p's own or that under reflect.
func (p *program) run(t *testing.T, argv []string) outcome {
	t.Helper()
	dir := workDir(t, p.user)
	if p.prepare != nil {
		p.prepare(t, dir)
	}
	limit := p.timeout
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := p.command(ctx, dir, argv)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v\nstdout: %s\nstderr: %s", argv, err, &stdout, &stderr)
	}
	if ctx.Err() != nil {
		t.Fatalf("%q: not finished after %v\nstdout: %s\nstderr: %s", argv, limit, &stdout, &stderr)
	}
	o := outcome{stdout.String(), stderr.String(), cmd.ProcessState.Sys().(syscall.WaitStatus), p.leftBehind(t, dir), took}
	if traced() {
		o.stdout = tracerLine.ReplaceAllString(o.stdout, "")
	}
	if p.clean != nil {
		o.stdout, o.stderr = p.clean(o.stdout), p.clean(o.stderr)
	}
	return o
}

// leftBehind lists the files in a directory, with what is in them.
func (p *program) leftBehind(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if p.skipFile != nil && p.skipFile(name) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := name + " " + info.Mode().String()
		if p.clean != nil {
			line = p.clean(line)
		}
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %.8x", len(content), sha256.Sum256(content))
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		files = append(files, line)
		return nil
	}))
	return files
}

// same runs p natively and under reflect and fails for each difference. It
// returns the native outcome.
func (p program) same(t *testing.T) outcome {
	t.Helper()
	native := p.run(t, p.argv)
	p.differs(t, native, p.run(t, underReflect(p.flags, p.argv...)))
	return native
}

func (p *program) differs(t *testing.T, native, reflected outcome) {
	t.Helper()
	if d := difference(native.stdout, reflected.stdout); d != "" {
		t.Errorf("standard output of %q differs (- native, + reflected):\n%s", p.argv, d)
	}
	if d := difference(native.stderr, reflected.stderr); d != "" {
		t.Errorf("standard error of %q differs (- native, + reflected):\n%s", p.argv, d)
	}
	if d := difference(strings.Join(native.files, "\n"), strings.Join(reflected.files, "\n")); d != "" {
		t.Errorf("files that %q left differ (- native, + reflected):\n%s", p.argv, d)
	}
	if n, r := describe(native.status), describe(reflected.status); n != r {
		t.Errorf("%q ended with %s natively and with %s reflected", p.argv, n, r)
	}
}

// sameAnd is same for a program whose native output must contain want, so that a
// test can't pass because its program did nothing.
func (p program) sameAnd(t *testing.T, want ...string) outcome {
	t.Helper()
	native := p.same(t)
	for _, w := range want {
		if !strings.Contains(native.stdout, w) {
			t.Errorf("%q natively, %s: output lacks %q:\n%s%s", p.argv, describe(native.status), w, native.stdout, native.stderr)
		}
	}
	return native
}

// works is sameAnd for a program that must succeed.
func (p program) works(t *testing.T, want ...string) {
	t.Helper()
	if native := p.sameAnd(t, want...); native.status != 0 {
		t.Errorf("%q natively: %s\n%s%s", p.argv, describe(native.status), native.stdout, native.stderr)
	}
}

// describe says how a program ended. Whether a core was dumped is left out: it
// shows in the files.
func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return "signal " + s.Signal().String()
	}
	return fmt.Sprintf("status %d", s.ExitStatus())
}

// difference compares line by line, as sets where lines only moved; "" means the
// texts are equal.
func difference(a, b string) string {
	if a == b {
		return ""
	}
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	count := map[string]int{}
	for _, l := range as {
		count[l]++
	}
	var out []string
	var extra []string
	for _, l := range bs {
		if count[l] > 0 {
			count[l]--
		} else {
			extra = append(extra, "+ "+l)
		}
	}
	for _, l := range as {
		if count[l] > 0 {
			count[l]--
			out = append(out, "- "+l)
		}
	}
	out = append(out, extra...)
	if len(out) == 0 {
		return "the same lines in another order:\n- " + strings.Join(as, "\n- ") + "\n+ " + strings.Join(bs, "\n+ ")
	}
	if len(out) > 60 {
		out = append(out[:60], fmt.Sprintf("... %d more", len(out)-60))
	}
	return strings.Join(out, "\n")
}
