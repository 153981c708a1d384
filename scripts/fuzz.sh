#!/usr/bin/env bash
# Runs every fuzz target in turn: fuzz.sh <duration of each>.
set -euo pipefail
for dir in $(go list -m -f '{{.Dir}}'); do
  while IFS=: read -r file target; do
    echo "== $target ($file)"
    go -C "$(dirname "$file")" test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 3s .
  done < <(grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' "$dir" | sed -E 's/:[0-9]+:func /:/')
done
