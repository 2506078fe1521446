package integration

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// placesCalls is how many calls a program makes at each site.
const placesCalls = "500"

// mostly fails the test where a call was notified more often than it takes to patch
// its sites, or came by patched ones less than least times.
func (c *counters) mostly(t *testing.T, call string, least uint64) {
	t.Helper()
	if patched, notified := count(*c, call); patched < least || notified > 80 {
		t.Errorf("%s: %d calls by patched sites, at least %d are wanted; %d notified", call, patched, least, notified)
	}
}

// TestPatchShared: one memory in two processes, code that is sealed or mapped shared,
// threads that are cancelled at any instruction.
func TestPatchShared(t *testing.T) {
	for _, s := range []struct {
		mode     string
		patched  uint64 // calls at least
		notified uint64 // at most
	}{
		{"plain", 490, 80}, {"clone", 900, 80}, {"sealed", 490, 80}, {"mapped", 490, math.MaxUint64}, {"asynchronous", 2000, math.MaxUint64},
	} {
		t.Run(s.mode, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{victim(t, "shared.c", "glibc"), s.mode, placesCalls}, user: who, flags: patchPolicy(t, "getppid")}
				p.flags[1] = sameIDs(t, who)
				p.clean = func(text string) string { return numbers.ReplaceAllString(text, "N") }
				p.works(t, "N wrong")
				c, o := p.count(t)
				if describe(o.status) != "status 0" {
					t.Errorf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
				}
				for _, call := range []string{"getrandom", "getuid", "getppid"} {
					if patched, notified := count(c, call); patched < s.patched || notified > s.notified {
						t.Errorf("%s: %d calls by patched sites, %d notified", call, patched, notified)
					}
				}
			})
		})
	}
}

// TestPatchServedByItself: a program's file is served by a process of the run, whose own
// calls are to be patched while it is asked for that file.
func TestPatchServedByItself(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("a file system of its own needs FUSE: %v", err)
	}
	p := program{
		argv: []string{victim(t, "fuse.c", "glibc"), "mnt", placesCalls}, flags: patchPolicy(t),
		prepare: func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "mnt"), 0o755)) },
	}
	p.works(t, "0 wrong")
	c, o := p.count(t)
	if describe(o.status) != "status 0" {
		t.Fatalf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	// Calls that wait give up soon, and those of the program are patched all the same.
	if patched, _ := count(c, "getuid"); patched < 990 || o.took > 5*time.Second {
		t.Errorf("%d calls by patched sites, in %v", patched, o.took)
	}
}

// TestServedByItself: the same, where the sites of calls are followed, where threads of the
// process execute something else meanwhile, and where the command ends meanwhile.
func TestServedByItself(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("a file system of its own needs FUSE: %v", err)
	}
	notified := writePolicy(t, "version: 1\nrules:\n  - {calls: [getuid], mechanism: notify, do: {return: 77}}\n")
	argv := []string{victim(t, "fuse.c", "glibc"), "mnt", placesCalls}
	for name, p := range map[string]program{
		"followed":          {argv: argv, flags: append(patchPolicy(t), "--sites")},
		"execs":             {argv: append(argv, "3"), flags: patchPolicy(t)},
		"execs, notify":     {argv: append(argv, "3"), flags: notified},
		"execs, one CPU":    {argv: append(argv, "3"), flags: patchPolicy(t), alter: func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "GOMAXPROCS=1") }},
		"left behind":       {argv: []string{"sh", "-c", strings.Join(argv, " ") + " 1 & sleep 0.5"}, flags: []string{"-p", sameIDs(t, account{})}},
		"left behind, late": {argv: []string{"sh", "-c", strings.Join(argv, " ") + " 1 & sleep 1"}, flags: []string{"-p", sameIDs(t, account{})}},
	} {
		t.Run(name, func(t *testing.T) {
			p.timeout = 20 * time.Second
			p.prepare = func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "mnt"), 0o755)) }
			if name != "followed" {
				p.works(t, "0 wrong")
				return
			}
			c, o := p.count(t)
			if patched, _ := count(c, "getuid"); describe(o.status) != "status 0" || o.stdout != "0 wrong\n" || patched < 900 || o.took > 5*time.Second {
				t.Errorf("%s, %d calls by patched sites, in %v\n%s%s", describe(o.status), patched, o.took, o.stdout, o.stderr)
			}
		})
	}
}

// sameIDs is a policy file in which getuid is what it is natively.
func sameIDs(t *testing.T, who account) string {
	t.Helper()
	uid := strconv.Itoa(os.Getuid())
	if who.cred != nil {
		uid = strconv.Itoa(int(who.cred.Uid))
	}
	return writePolicy(t, "version: 1\nrules:\n  - {calls: [getrandom], mechanism: patch, do: shim}\n"+
		"  - {calls: [getuid], mechanism: patch, do: {return: "+uid+"}}\n"+
		"  - {calls: [getppid], mechanism: patch, do: passthrough}\n")[1]
}

// TestPatchPlaces: programs whose files are found elsewhere than their mappings say, and
// such as may not be read or have another's rights.
func TestPatchPlaces(t *testing.T) {
	dynamic, static := victim(t, "shared.c", "glibc"), victim(t, "shared.c", "glibc-static")
	prepare := func(t *testing.T, dir string) {
		for _, f := range []string{"l", "u", "root", "bin"} {
			must(t, os.Mkdir(filepath.Join(dir, f), 0o755))
		}
		for to, mode := range map[string]os.FileMode{"root/static": 0o755, "l/dynamic": 0o755, "bin/unreadable": 0o111, "bin/setuid": 0o4755, "bin/dynamic": 0o755} {
			from := dynamic
			if to == "root/static" {
				from = static
			}
			b, err := os.ReadFile(from)
			must(t, err)
			path := filepath.Join(dir, to)
			must(t, os.WriteFile(path, b, 0o755))
			if mode&0o4000 != 0 {
				must(t, os.Chown(path, int(nobody.cred.Uid), int(nobody.cred.Gid)))
			}
			must(t, exec.Command("chmod", map[os.FileMode]string{0o755: "755", 0o111: "111", 0o4755: "4755"}[mode], path).Run())
		}
	}
	const overlay = "mount -t tmpfs none u && mkdir u/u u/w u/m && mount -t overlay overlay -o lowerdir=l,upperdir=u/u,workdir=u/w u/m && "
	for _, s := range []struct {
		name, script string
		flags        []string
		root         bool
	}{
		{"namespaces", "unshare -Urmpf --mount-proc bin/dynamic plain 500", nil, false},
		{"chroot", "chroot root /static plain 500", nil, true},
		{"chroot in a namespace", "unshare -Urmpf chroot root /static plain 500", nil, false},
		{"overlay", "unshare -m sh -c '" + overlay + "u/m/dynamic plain 500'", nil, true},
		{"overlay, copied up", "unshare -m sh -c '" + overlay + "cp l/dynamic u/m/other && u/m/other plain 500'", nil, true},
		{"overlay of a namespace", "unshare -Urm sh -c '" + overlay + "u/m/dynamic plain 500'", nil, false},
		{"bind mount", "unshare -m sh -c 'mount --bind l/dynamic bin/dynamic && bin/dynamic plain 500'", nil, true},
		{"unmounted", "unshare -m sh -c 'mount -t tmpfs none u && cp bin/dynamic u/program && u/program plain 500 && umount u'", nil, true},
		{"unreadable", "bin/unreadable plain 500", nil, true},
		{"set-user-ID, without it", "bin/setuid plain 500", nil, false},
		{"set-user-ID", "bin/setuid plain 500", []string{"--setuid"}, true},
		{"removed", "cp l/dynamic gone && ./gone removed 500", nil, true},
	} {
		t.Run(s.name, func(t *testing.T) {
			needRoot(t)
			need(t, "unshare", "util-linux")
			asEach(t, func(t *testing.T, who account) {
				if s.root && who.cred != nil {
					return
				}
				p := program{
					argv: []string{"/bin/sh", "-c", s.script}, user: who, prepare: prepare,
					flags: append(s.flags, "-p", filepath.Join("/", writePolicy(t, "version: 1\nrules:\n  - {calls: [getrandom], mechanism: patch, do: shim}\n"+
						"  - {calls: [getppid], mechanism: patch, do: passthrough}\n")[1])),
					skipFile: func(path string) bool { return strings.HasPrefix(path, "u/") },
				}
				p.works(t, "0 wrong")
				c, o := p.count(t)
				if describe(o.status) != "status 0" {
					t.Errorf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
				}
				c.mostly(t, "getrandom", 480)
				c.mostly(t, "getppid", 480)
			})
		})
	}
}
