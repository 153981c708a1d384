#!/usr/bin/env bash
# Generates from the contracts into a copy and compares: proto-check.sh <folder of the tools>.
set -euo pipefail
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r proto "$copy/"
./scripts/proto.sh "$copy/proto" "$1"
if ! diff -r proto "$copy/proto"; then
  echo "proto-check: generated code differs from what is committed; run 'make proto'" >&2
  exit 1
fi
echo "proto-check: ok"
