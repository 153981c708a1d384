#!/usr/bin/env bash
# Runs every fuzz target: fuzz.sh <duration of each>. Prints a tally, and fails if a target did. A run that is stopped continues with
# the targets that are left; one that ran all begins anew. Environment variables:
# JOBS is how many targets run at the same time, each with one worker (0: one after the other, with all processors); ONLY is a pattern
# of file or target (all); FUZZ_TALLY is the file that keeps what was run (bin/fuzz.tsv).
set -euo pipefail
each=$1 tally=${FUZZ_TALLY:-bin/fuzz.tsv}
mkdir -p "$(dirname "$tally")"
touch "$tally"

targets() {
  for dir in $(go list -m -f '{{.Dir}}'); do
    grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' "$dir" | sed -E "s#^$PWD/##; s#/[^/]*:[0-9]+:func #\t#"
  done | sort | grep -E "${ONLY:-.}"
}

# one runs a target and adds a line to the tally: folder, target, result, seconds, executions, inputs of new coverage.
one() {
  local folder=$1 target=$2 began=$SECONDS result=ok log
  log=$(mktemp)
  go -C "$folder" test -run '^$' -fuzz "^$target\$" -fuzztime "$each" -fuzzminimizetime 3s ${workers:+-parallel "$workers"} . >"$log" 2>&1 || result=FAILED
  printf '%s\t%s\t%s\t%s\t%s\n' "$folder" "$target" "$result" "$((SECONDS - began))" \
    "$(grep -oE 'execs: [0-9]+.*new interesting: [0-9]+' "$log" | tail -1 | sed -E 's/execs: ([0-9]+).*interesting: ([0-9]+)/\1\t\2/')" >>"$tally"
  echo "== $result $target ($folder)"
  [ "$result" = ok ] || tail -40 "$log"
  rm -f "$log"
}

left() { targets | grep -vxFf <(awk -F'\t' '$3 == "ok" { print $1 "\t" $2 }' "$tally") || true; }
if [ -s "$tally" ] && [ -z "$(left)" ]; then : >"$tally"; fi
workers=
[ "${JOBS:-0}" = 0 ] || workers=1
while IFS=$'\t' read -r folder target; do
  while [ "$(jobs -rp | wc -l)" -ge "$((${JOBS:-0} > 1 ? JOBS : 1))" ]; do wait -n || true; done
  one "$folder" "$target" &
done < <(left)
wait

echo
awk -F'\t' 'BEGIN { printf "%-44s %-20s %-7s %8s %12s %8s\n", "", "", "result", "seconds", "executions", "new" }
  { printf "%-44s %-20s %-7s %8d %12d %8d\n", $1, $2, $3, $4, $5, $6; n++; s += $4; e += $5; if ($3 != "ok") bad++ }
  END { printf "%d targets, %d seconds, %d executions, %d failed\n", n, s, e, bad; exit bad > 0 }' "$tally"
