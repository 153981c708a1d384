#!/usr/bin/env bash
# Measures sealed transactions on one core, in processor time, and prints a table. The floor of each row is what the group library's
# primitives take for the same work, measured before and after it: see seal/bench_test.go. Each column is the least of RUNS (3) runs,
# and the ratio is of these two, so that work beside it disturbs little.
set -euo pipefail

results=$(GOMAXPROCS=1 go test -run '^$' -bench 'Seal|Check|Share|Combine|Reseal' -benchtime 10x -count "${RUNS:-3}" ./seal)
echo "Sealed transactions on one core, in µs of processor time for each, and as a ratio to the primitives of the library:"
awk '
function value(unit,   i) {
  for (i = 2; i < NF; i++) if ($(i+1) == unit) return $i + 0
  return 0
}
function words(name,   part) {
  sub(/^Benchmark/, "", name)
  split(name, part, "/")
  sub(/-[0-9]+$/, "", part[2])
  gsub(/[A-Z]/, " &", part[1])
  return sprintf("%-24s batch of %s", tolower(part[1]), part[2])
}
/^Benchmark/ && value("floor-µs/tx") {
  if (!($1 in took)) { order[++rows] = $1; took[$1] = value("µs/tx"); floor[$1] = value("floor-µs/tx") }
  if (value("µs/tx") < took[$1]) took[$1] = value("µs/tx")
  if (value("floor-µs/tx") < floor[$1]) floor[$1] = value("floor-µs/tx")
}
END {
  if (!rows) { print "bench: the benchmarks of seal printed nothing" > "/dev/stderr"; exit 1 }
  printf "  %-44s %10s %10s %10s\n", "", "µs/tx", "floor", "ratio"
  for (i = 1; i <= rows; i++) {
    name = order[i]
    ratio = took[name] / floor[name]
    printf "  %-44s %10.0f %10.0f %10.2f\n", words(name), took[name], floor[name], ratio
    if (name !~ /Garbage/ && ratio > worst) worst = ratio # garbage is found by halves, which the floor does not count
  }
  printf "  The highest ratio: %.2f (wanted: 1.3 or less)\n", worst
}' <<<"$results"
