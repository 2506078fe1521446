#!/usr/bin/env bash
# Installs what the tests need, with apt, when run by root; otherwise names what
# is missing. Only what is missing is installed, and services that come with a
# package are not started. A test whose tool is missing says so.
set -euo pipefail

# what a test looks for (a command, or a path with a slash), and the package that has it
needs='
gcc                                 gcc
g++                                 g++
ld                                  binutils
/usr/include/stdio.h                libc6-dev
musl-gcc                            musl-tools
/usr/include/seccomp.h              libseccomp-dev
pkg-config                          pkg-config
gdb                                 gdb
strace                              strace
bwrap                               bubblewrap
redis-server                        redis-server
redis-benchmark                     redis-tools
nginx                               nginx
sqlite3                             sqlite3
busybox                             busybox-static
node                                nodejs
/usr/bin/python3                    python3
rustc                               rustc
perl                                perl
tar                                 tar
git                                 git
make                                make
openssl                             openssl
ps                                  procps
setpriv                             util-linux
unshare                             util-linux
sudo                                sudo
setcap                              libcap2-bin
script                              bsdutils
hyperfine                           hyperfine
criu                                criu
perf                                linux-perf
/usr/src/linux-source-6.12.tar.xz   linux-source-6.12
'

PATH=$PATH:/usr/sbin:/sbin
packages=() missing=()
while read -r what package; do
	[ -n "$what" ] || continue
	case $what in
	/*) compgen -G "$what" >/dev/null && continue ;;
	*) command -v "$what" >/dev/null && continue ;;
	esac
	missing+=("${what##*/}")
	packages+=("$package")
done <<<"$needs"

[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "deps: missing: ${missing[*]}" >&2
	echo "deps: tests that need them will say so; on Debian or Ubuntu: apt-get install ${packages[*]}" >&2
	exit 0
fi

echo "deps: installing ${packages[*]}"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
cleanup() {
	rm -f "$log"
	[ -z "${made_policy-}" ] || rm -f "$policy"
}
trap cleanup EXIT
# invoke-rc.d(8): 101 forbids a package to start its service.
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	made_policy=1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >"$log" 2>&1 || { cat "$log" >&2; echo "deps: apt-get update failed; trying what is known" >&2; }
install() { apt-get -qq -y --no-install-recommends install "$@" >"$log" 2>&1; }
# One by one only where together fails: one package without a candidate must not
# cost the others.
if ! install "${packages[@]}"; then
	for package in "${packages[@]}"; do
		install "$package" || { tail -n 3 "$log" >&2; echo "deps: could not install $package" >&2; }
	done
fi
