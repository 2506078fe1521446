#!/usr/bin/env bash
# Regenerates everything in a copy of the tree, so that the tree itself stays as
# it is, and fails where the result differs from what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$copy"
(cd "$copy" && "${GO:-go}" generate ./...)
if ! diff=$(diff -rq --exclude=.git --exclude=dist . "$copy"); then
	echo "generated files are not up to date; run make generate:" >&2
	echo "$diff" >&2
	exit 1
fi
