#!/usr/bin/env bash
# Measures threshold encryption on one core and prints a table. The floor of each row is computed in the same run from the
# pairing library's primitives; seal/te/bench_test.go says of which.
set -euo pipefail

results=$(GOMAXPROCS=1 go test -run '^$' -bench 'Encrypt|HashToG2|Verify|MakeShare|Combine' -benchtime 1x ./seal/te)
echo "Threshold encryption on one core, in µs of processor time; from bytes as they come over the wire, and of the floor what the"
echo "library's primitives take (two Miller loops a ciphertext, one hash to G2, subgroup checks, one final exponentiation for all):"
awk '
function value(unit,   i) {
  for (i = 2; i < NF; i++) if ($(i+1) == unit) return $i
  return ""
}
function words(name,   part) {
  sub(/^Benchmark/, "", name)
  gsub(/keyholders=|ciphertexts=|threshold=/, "", name)
  split(name, part, "/")
  if (part[1] == "Encrypt") return "encrypt"
  if (part[1] == "HashToG2") return "hash to G2"
  if (part[1] == "VerifyCiphertext") return "verify a ciphertext"
  if (part[1] == "VerifyCiphertexts") return "  batch of " part[2]
  if (part[1] == "MakeShare") return "make a share (constant time)"
  if (part[1] == "VerifyShare") return "verify a share"
  if (part[1] == "VerifySharesFormat") return "  batch of " part[2] " of one keyholder, as the format has it"
  if (part[1] == "VerifyShares") return "  batch of " part[3] " of each of " part[2] " keyholders"
  if (part[1] == "VerifyOpenings") return "verify " part[2] (part[2] == 1 ? " ciphertext with its opening" : " ciphertexts with their openings")
  if (part[1] == "Combine") return "combine " part[2] " shares"
  return name
}
/^Benchmark/ {
  if (!printed++) printf "  %-52s %10s %10s %10s %6s\n", "", "all", "each", "floor", "ratio"
  name = words($1)
  each = value("µs/ciphertext") value("µs/share") value("µs/opening")
  ratio = value("x-floor")
  printf "  %-52s %10.0f %10s %10.0f %6.2f\n", name, value("µs"), each == "" ? "" : sprintf("%.0f", each), value("floor-µs"), ratio
  if ($1 ~ /Verify(Ciphertexts|Shares|Openings)/ && ratio + 0 > worst) worst = ratio + 0
}
END {
  if (!printed) { print "bench: the benchmarks of te printed nothing" > "/dev/stderr"; exit 1 }
  printf "  The highest ratio of a batch: %.2f (wanted: 1.3 or less)\n", worst
}' <<<"$results"
