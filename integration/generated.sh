#!/usr/bin/env bash
# Regenerates everything in a copy of the tree, so that the tree itself stays as
# it is, and fails where the result differs from what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$copy"
(cd "$copy" && "${GO:-go}" generate ./...)
exclude=(--exclude=.git --exclude=dist)
# The images are gcc 12's (Debian 12), bit for bit; another compiler gives others,
# which the tests that rebuild them skip too.
case $(gcc -dumpversion) in
12 | 12.*) ;;
*)
	echo "generated: gcc $(gcc -dumpversion) and not 12: images are not compared" >&2
	exclude+=(--exclude='*.elf' --exclude=layout_amd64.go --exclude=layout.h --exclude=code_amd64.s)
	;;
esac
if ! diff=$(diff -rq "${exclude[@]}" . "$copy"); then
	echo "generated files are not up to date; run make generate:" >&2
	echo "$diff" >&2
	exit 1
fi
