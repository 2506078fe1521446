#!/bin/sh
# Builds the library. The output depends on the compiler and on nothing else: no
# debug information, no build identifier, no path, and names of the C library without
# versions.
set -eu
cd "$(dirname "$0")"
exec "${CC:-gcc}" -O2 -shared -fpic -nostdlib -fvisibility=hidden -fno-stack-protector -fno-stack-clash-protection \
	-fcf-protection=none -fno-builtin -std=gnu11 -Wall -Wextra -Werror -g0 -Wl,--build-id=none -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code -Wl,-soname,reflect-preload.so -s -o "${1:-preload.elf}" src/preload.c
