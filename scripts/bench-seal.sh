#!/usr/bin/env bash
# Measures sealed transactions on one core and prints a table. The floor of each row is what the group library's primitives take
# for the same work, measured in the same run: see seal/bench_test.go.
set -euo pipefail

results=$(GOMAXPROCS=1 go test -run '^$' -bench 'Seal|Check|Share|Combine|Reseal' -benchtime 1x ./seal)
echo "Sealed transactions on one core, in µs a transaction, and as a ratio to the primitives of the library:"
awk '
function value(unit,   i) {
  for (i = 2; i < NF; i++) if ($(i+1) == unit) return $i
  return ""
}
function words(name,   part) {
  sub(/^Benchmark/, "", name)
  split(name, part, "/")
  sub(/-[0-9]+$/, "", part[2])
  gsub(/[A-Z]/, " &", part[1])
  return sprintf("%-24s batch of %s", tolower(part[1]), part[2])
}
/^Benchmark/ && value("of-floor") != "" {
  if (!printed++) printf "  %-44s %10s %10s\n", "", "µs/tx", "ratio"
  ratio = value("of-floor")
  printf "  %-44s %10.0f %10.2f\n", words($1), value("µs/tx"), ratio
  if ($1 !~ /Garbage/ && ratio + 0 > worst) worst = ratio + 0 # garbage is found by halves, which the floor does not count
}
END {
  if (!printed) { print "bench: the benchmarks of seal printed nothing" > "/dev/stderr"; exit 1 }
  printf "  The highest ratio: %.2f (wanted: 1.3 or less)\n", worst
}' <<<"$results"
