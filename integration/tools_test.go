package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shellScript runs commands of a shell that stops at the first failure.
func shellScript(lines string) []string { return []string{"/bin/sh", "-ec", lines} }

func TestGit(t *testing.T) {
	need(t, "git", "git")
	asEach(t, func(t *testing.T, who account) {
		program{
			user: who,
			argv: shellScript(`
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE=2001-02-03T04:05:06Z GIT_COMMITTER_DATE=2001-02-03T04:05:06Z GIT_CONFIG_NOSYSTEM=1
git init -q -b main one; cd one
for i in 1 2 3; do seq $i 500 > file$i; git add .; git commit -qm "commit $i"; done
git checkout -qb side HEAD~1; echo x > x; git add x; git commit -qm side; git merge -q main -m merge
git log --graph --format='%H %s'; git gc -q; git fsck --strict; cd ..
git clone -q --no-local one two; cd two; git rev-parse HEAD origin/main; git diff --stat HEAD~1 | cat
git archive HEAD | tar -tf - ; git stash list; git bisect start -q HEAD HEAD~2 2>&1 | head -1; git submodule status`),
			// What has times, inode numbers and packs of several threads in it.
			skipFile: func(path string) bool {
				return strings.HasSuffix(path, ".git/index") || strings.Contains(path, ".git/objects") || strings.Contains(path, ".git/logs")
			},
		}.works(t, "merge")
	})
}

func TestCompiler(t *testing.T) {
	need(t, "gcc", "gcc")
	asEach(t, func(t *testing.T, who account) {
		program{
			user: who,
			argv: shellScript(`
cat > a.c <<END
#include <stdio.h>
int twice(int);
int main(void) { printf("%d\n", twice(21)); return twice(3); }
END
echo 'int twice(int x) { return 2 * x; }' > b.c
echo 'int broken(' > c.c
gcc -O2 -g -c a.c -o a.o; gcc -pipe -O2 -g -c b.c -o b.o
gcc -flto -O2 a.c b.c -o lto -Wl,--build-id=none; ./lto || echo $?
gcc a.o b.o -o whole; ./whole || echo $?
ar rcD lib.a b.o; gcc a.o lib.a -o archive; ./archive || echo $?
gcc c.c || echo failed $?
printf 'all: x y\nx:\n\techo x\ny: x\n\techo y; false\n' > Makefile; make -j4 all || echo $?`),
		}.works(t, "42")
	})
}

func TestTar(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		program{
			user: who,
			argv: shellScript(`
mkdir -p a/b; seq 1 20000 > a/numbers; ln -s numbers a/link; ln a/numbers a/hard; mkfifo a/fifo; chmod 640 a/numbers
tar --sort=name --mtime=@1000000 --numeric-owner -czf a.tar.gz a; tar -cJf a.tar.xz a; tar -tzf a.tar.gz
mkdir out; tar -xJf a.tar.xz -C out; cmp a/numbers out/a/numbers; ls -i out/a/numbers out/a/hard | awk '{print $1}' | uniq | wc -l
tar -xf /no/such.tar || echo $?; tar -cf - a | (cd out && tar -xf -); find out | sort; gzip -dc a.tar.gz | md5sum
printf 'a\nb\n' | xargs -P4 -n1 sh -c 'echo "$0"' | sort; find a -type f -exec sha256sum {} +`),
			skipFile: func(path string) bool { return strings.HasSuffix(path, ".xz") }, // its times
		}.works(t, "a/link")
	})
}

// TestRedis runs the server and its benchmark, by loopback and by a unix socket.
func TestRedis(t *testing.T) {
	need(t, "redis-server", "redis-server")
	need(t, "redis-benchmark", "redis-tools")
	asEach(t, func(t *testing.T, who account) {
		port, requests := freePort(t), 3000
		if traced() {
			requests = 600 // each of a server's calls takes its time
		}
		program{
			user: who,
			argv: shellScript(fmt.Sprintf(`
redis-server --port %d --bind 127.0.0.1 --unixsocket "$HOME/socket" --save '' --daemonize no --logfile log --io-threads 2 &
until redis-cli -s socket ping 2>/dev/null; do sleep 0.05; done
redis-benchmark -s socket -t set,get,lpush -n %d -c 20 --csv | cut -d, -f1
redis-benchmark -h 127.0.0.1 -p %d -t set,get -n %d -c 20 --threads 2 -q | tr '\r' '\n' | grep -o '^[A-Z]*: .*requests per second' | sed 's/[0-9.]*//g'
redis-cli -p %d set k v; redis-cli -p %d get k; redis-cli -s socket debug sleep 0; redis-cli -s socket dbsize
redis-cli -s socket eval 'return redis.sha1hex("x")' 0; redis-cli -s socket bgsave; while [ ! -e dump.rdb ]; do sleep 0.02; done
redis-cli -s socket shutdown nosave || true; wait; echo $?`, port, requests, port, requests, port, port)),
			skipFile: func(path string) bool { return path == "log" || path == "dump.rdb" },
		}.works(t, "PONG", "GET")
	})
}

var digits = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestNginx serves files by loopback, reloads, and ends by SIGQUIT.
func TestNginx(t *testing.T) {
	nginx, err := exec.LookPath("/usr/sbin/nginx")
	if err != nil {
		nginx = need(t, "nginx", "nginx")
	}
	asEach(t, func(t *testing.T, who account) {
		native := nginxSession(t, who, func(args ...string) []string { return append([]string{nginx}, args...) })
		reflected := nginxSession(t, who, func(args ...string) []string {
			return underReflect(nil, append([]string{nginx}, args...)...)
		})
		if d := difference(native, reflected); d != "" {
			t.Errorf("nginx differs (- native, + reflected):\n%s", d)
		}
		if !strings.Contains(native, "hello from nginx") {
			t.Errorf("nginx natively: %s", native)
		}
	})
}

func nginxSession(t *testing.T, who account, line func(args ...string) []string) string {
	dir := workDir(t, who)
	port := freePort(t)
	user := ""
	if os.Getuid() == 0 && who.cred == nil {
		user = "user nobody nogroup;" // the workers drop to it
	}
	must(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello from nginx\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "big"), []byte(strings.Repeat("0123456789abcdef", 1<<16)), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, `
%s
worker_processes 2; daemon off; pid %[2]s/pid; error_log stderr warn;
events { worker_connections 64; }
http {
	access_log off; client_body_temp_path %[2]s/t1; proxy_temp_path %[2]s/t2; fastcgi_temp_path %[2]s/t3; uwsgi_temp_path %[2]s/t4; scgi_temp_path %[2]s/t5;
	server { listen 127.0.0.1:%[3]d; root %[2]s; add_header X-Id $request_id; sendfile on; gzip on; gzip_types *; }
}`, user, dir, port), 0o644))
	if who.cred != nil {
		exec.Command("chown", "-R", "65534:65534", dir).Run()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	argv := line("-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	p := program{user: who}
	cmd := p.command(ctx, dir, argv)
	var log strings.Builder
	cmd.Stderr = &log
	cmd.WaitDelay = 5 * time.Second
	must(t, cmd.Start())
	var out strings.Builder
	get := func(path string, client *http.Client) {
		for range 200 {
			r, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
			if err != nil {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			fmt.Fprintln(&out, path, r.Status, len(body), err, len(r.Header.Get("X-Id")))
			if len(body) < 100 {
				out.Write(body)
			}
			return
		}
		fmt.Fprintln(&out, path, "no answer")
	}
	get("/", http.DefaultClient)
	get("/big", http.DefaultClient)
	get("/none", http.DefaultClient)
	for range 50 {
		get("/", &http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
	}
	check := p.command(ctx, dir, line("-e", "stderr", "-t", "-q", "-p", dir, "-c", filepath.Join(dir, "nginx.conf")))
	text, err := check.CombinedOutput()
	fmt.Fprintf(&out, "test: %s %v\n", text, err)
	cmd.Process.Signal(syscall.SIGHUP) // new workers
	time.Sleep(200 * time.Millisecond)
	get("/", http.DefaultClient)
	http.DefaultClient.CloseIdleConnections()
	cmd.Process.Signal(syscall.SIGQUIT)
	err = cmd.Wait()
	fmt.Fprintln(&out, "end:", err, ctx.Err())
	return out.String() + digits.ReplaceAllString(log.String(), "N")
}
