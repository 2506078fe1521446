package experiment

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// whole runs programs from start to end, each in several ways, in turn. Those
// that are not installed are left out.
func (b *Bench) whole(ctx context.Context, rounds int, programs []program, ways []way) ([]*Table, error) {
	var tables []*Table
	for _, p := range programs {
		path, err := exec.LookPath(p.argv[0])
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		t := &Table{Key: p.key, Title: p.title, Unit: Milliseconds,
			How: "launched by vfork and exec until waited for; a shuffled round each; not pinned"}
		var argvs [][]string
		for _, w := range ways {
			t.row(w.key, w.name)
			argvs = append(argvs, append(append(w.prefix[:len(w.prefix):len(w.prefix)], path), p.argv[1:]...))
		}
		runs, err := b.launch(ctx, nil, rounds, argvs...)
		if err != nil {
			return nil, err
		}
		for i, s := range t.Rows {
			var cpu []float64
			for _, r := range runs[i] {
				s.add(r.wall)
				cpu = append(cpu, r.cpu)
			}
			s.CPU = median(cpu)
		}
		t.Base, t.Again = t.series("native"), t.series("native-again")
		tables = append(tables, t)
	}
	return tables, nil
}

type program struct {
	key, title string
	argv       []string
}

// Million compares programs that ask for random bytes a million times.
func (b *Bench) Million(ctx context.Context) ([]*Table, error) {
	million := 1000000
	if b.Quick {
		million /= 10
	}
	windows, calls := "10", strconv.Itoa(million/10)
	n := strconv.Itoa(million)
	tables, err := b.whole(ctx, max(5, b.rounds(9)), []program{
		{"MillionC", n + " times getrandom(16): C, glibc", []string{b.path("random"), windows, calls}},
		{"MillionGoRaw", n + " times getrandom(16): Go, syscall.Syscall", []string{b.path("raw"), n}},
		{"MillionGoRand", n + " times getrandom(16): Go, crypto/rand", []string{b.path("random-go"), windows, calls}},
		{"MillionPython", n + " times getrandom(16): Python, os.urandom", []string{pythons[0], "-I", b.path("floor/random.py"), windows, calls}},
	}, []way{
		{"native", "natively", nil},
		{"reflect", "reflect run", []string{b.reflect, "run", "--"}},
		{"native-again", "natively, again", nil},
	})
	for _, t := range tables {
		t.Claims = []Claim{{Text: "faster than natively", Of: t.Rows[1], Against: t.Base, Limit: 0}}
	}
	return tables, err
}

// AllCalls compares programs whose every call takes the way of a reflected one.
func (b *Bench) AllCalls(ctx context.Context) ([]*Table, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src")
	repository, err := b.repository(ctx, filepath.Join(source, "net"))
	if err != nil {
		return nil, err
	}
	const sql = `create table t(a, b); with recursive n(i) as (select 1 union all select i+1 from n where i < 20000)
		insert into t select i, hex(randomblob(20)) from n; create index u on t(b); select count(*) from t where b > '8';`
	tables, err := b.whole(ctx, max(5, b.rounds(11)), []program{
		{"AllCompile", "gcc -O2 of a file in C", []string{"gcc", "-O2", "-c", "-o", b.path("object"), b.path("floor/generator.c")}},
		{"AllGitStatus", "git status", []string{"git", "-C", repository, "status", "--short"}},
		{"AllGitLog", "git log -p", []string{"git", "-C", repository, "log", "-p"}},
		{"AllFind", "find in a tree of sources, by size", []string{"find", source, "-size", "+1000k"}},
		{"AllSqlite", "sqlite3: a table in a file, filled and indexed", []string{"sh", "-c",
			fmt.Sprintf("rm -f %[1]s && sqlite3 %[1]s \"%s\" >/dev/null", b.path("database"), sql)}},
		{"AllPython", "python3: modules imported", []string{pythons[0], "-I", "-c", "import json, hashlib, tempfile, http.client, argparse"}},
	}, []way{
		{"native", "natively", nil},
		{"none", "reflect run -p none", []string{b.reflect, "run", "-p", "none", "--"}},
		{"default", "reflect run", []string{b.reflect, "run", "--"}},
		{"all", "reflect run -p all-calls", []string{b.reflect, "run", "-p", "all-calls", "--"}},
		{"all-notified", "reflect run -p all-calls -m notify", []string{b.reflect, "run", "-p", "all-calls", "-m", "notify", "--"}},
		{"native-again", "natively, again", nil},
	})
	return tables, err
}
