package workload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// compile has gcc, and what that executes, translate a file of many functions.
func compile(_ context.Context, dir string, find func(string) string) ([]string, error) {
	var text strings.Builder
	text.WriteString("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/socket.h>\n")
	for i := range 60 {
		fmt.Fprintf(&text, "static int f%[1]d(const char *s, int n)\n{\n\tint h = %[1]d;\n\tfor (int i = 0; i < n; i++)\n"+
			"\t\th = h * 31 + (s[i] ^ (h >> %[2]d));\n\tif (h %% 7 == %[3]d)\n\t\tprintf(\"%%s %%d\\n\", s, h);\n\treturn h;\n}\n", i, i%13, i%7)
	}
	text.WriteString("int main(int argc, char **argv)\n{\n\tint h = argc, n = strlen(argv[0]);\n")
	for i := range 60 {
		fmt.Fprintf(&text, "\th += f%d(argv[0], n);\n", i)
	}
	text.WriteString("\treturn h & 1;\n}\n")
	if err := os.WriteFile(filepath.Join(dir, "file.c"), []byte(text.String()), 0o644); err != nil {
		return nil, err
	}
	return []string{find("gcc"), "-O2", "-c", "-o", "file.o", "file.c"}, nil
}

// tree makes files of text in directories.
func tree(dir string, directories, files int) error {
	for d := range directories {
		sub := filepath.Join(dir, fmt.Sprintf("d%02d", d%10), fmt.Sprintf("e%03d", d))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		for f := range files {
			text := strings.Repeat(fmt.Sprintf("line of file %d in directory %d\n", f, d), 5+(7*f+d)%40)
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file%02d.txt", f)), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// repository makes one with some history.
func repository(ctx context.Context, dir, git string) error {
	if err := prepareBy(ctx, dir, git, "init", "-q", "-b", "main"); err != nil {
		return err
	}
	for commit := range 12 {
		if err := tree(dir, 8+4*commit, 12); err != nil {
			return err
		}
		change := filepath.Join(dir, "changes.txt")
		if err := os.WriteFile(change, []byte(strings.Repeat(fmt.Sprintf("commit %d\n", commit), 100+commit)), 0o644); err != nil {
			return err
		}
		for _, argv := range [][]string{{"add", "-A"}, {"-c", "user.name=n", "-c", "user.email=e@localhost", "-c", "commit.gpgsign=false",
			"-c", "gc.auto=0", "commit", "-q", "-m", fmt.Sprint("commit ", commit)}} {
			if err := prepareBy(ctx, dir, append([]string{git}, argv...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func gitStatus(ctx context.Context, dir string, find func(string) string) ([]string, error) {
	return []string{find("git"), "status", "--short"}, repository(ctx, dir, find("git"))
}

func gitLog(ctx context.Context, dir string, find func(string) string) ([]string, error) {
	return []string{find("git"), "log", "-p"}, repository(ctx, dir, find("git"))
}

// walk looks at every file of a tree, which takes a call or two for each.
func walk(_ context.Context, dir string, find func(string) string) ([]string, error) {
	return []string{find("find"), ".", "-size", "+1000k"}, tree(dir, 200, 25)
}

// sqlite fills a table in several transactions, each of which must reach the disk,
// and asks it.
func sqlite(_ context.Context, dir string, find func(string) string) ([]string, error) {
	var sql strings.Builder
	sql.WriteString("create table t(a integer, b text);\n")
	for i := range 10 {
		fmt.Fprintf(&sql, "begin; with recursive n(i) as (select 1 union all select i+1 from n where i < 1000)\n"+
			"insert into t select i, hex(i * %d) from n; commit;\n", 7919+i)
	}
	sql.WriteString("create index u on t(b); select count(*) from t where b > '8';\n")
	if err := os.WriteFile(filepath.Join(dir, "script.sql"), []byte(sql.String()), 0o644); err != nil {
		return nil, err
	}
	return []string{find("sqlite3"), "-batch", "-init", "/dev/null", "database", ".read script.sql"}, nil
}

func python(_ context.Context, _ string, find func(string) string) ([]string, error) {
	return []string{find("python3"), "-I", "-c", "import json, hashlib, tempfile, http.client, argparse"}, nil
}
