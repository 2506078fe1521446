#!/bin/sh
# Builds the meters. The output depends on the compiler and on nothing else: no
# debug information, no build identifier, no path.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# Symbols stay in the first: they say where functions begin, which patching asks.
flags="-O2 -ffreestanding -fno-stack-protector -fno-stack-clash-protection -fcf-protection=none
	-fno-tree-loop-distribute-patterns -fasynchronous-unwind-tables -fno-builtin -std=gnu11
	-Wall -Wextra -Werror -Wno-unused-parameter -Wno-psabi -g0 -nostdlib
	-Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096"
gcc=${CC:-gcc}
$gcc $flags -static -no-pie -fno-pic -Wl,-z,noseparate-code -o "$out/meter.elf" src/meter.c
$gcc $flags -Wno-unused-parameter -shared -fpic -Wl,-soname,libc.so.6 -o "$tmp/libc.so.6" src/libc.c
$gcc $flags -DLIBC -pie -fpie -Wl,-z,now -Wl,--hash-style=gnu -Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2 \
	-s -o "$out/meter-libc.elf" src/meter.c "$tmp/libc.so.6"
