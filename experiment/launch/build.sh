#!/bin/sh
# Builds the launcher. The output depends on the compiler and on nothing else:
# no debug information, no build identifier, no path.
set -eu
cd "$(dirname "$0")"
exec "${CC:-gcc}" -Os -static -nostdlib -ffreestanding -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -mgeneral-regs-only -no-pie -fno-pic -Wall -Wextra -Werror -g0 \
	-Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,max-page-size=4096 -s -o "${1:-launch.elf}" src/launch.c
