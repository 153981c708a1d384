#!/usr/bin/env bash
# Measures sealing and opening, the engine alone, the blueprint log, the whole pipeline and sealed transfers, and prints
# everything in one run. Environment variables:
# PROFILE=0 leaves out the CPU profile of each service, BENCH_IDLE is the time to idle (60s; 0 leaves it out), BENCH_ARGS has
# more arguments for blindseq-bench (see its --help).
set -euo pipefail
bin=${BLINDSEQ_E2E_BIN:-bin}

./scripts/bench-seal.sh
echo
echo "Engine alone, in one process (\`known\`: with the transactions in the pool, as on the producer that proposed them):"
results=$(go test -run '^$' -bench '^BenchmarkEngine$' -benchtime 30000x ./producer-svc/internal/chain)
rates() { awk '/^Benchmark/ { for (i = 2; i <= NF; i++) if ($i == "transfers/s") print $1, $(i-1) }' <<<"$results"; }
rates | while read -r name rate; do printf '  %-36s %s transfers/s\n' "$name" "$rate"; done
engine=$(rates | awk '$1 ~ /^BenchmarkEngine\/unknown/ { print $2 }')
[ -n "$engine" ] || { echo "$results" >&2; echo "bench: the engine's benchmark printed no transfers/s" >&2; exit 1; }

args=(-bin "$bin" -engine "$engine" -idle "${BENCH_IDLE:-60s}")
[ "${PROFILE:-1}" = 1 ] && args+=(-profile)
exec "$bin/blindseq-bench" "${args[@]}" ${BENCH_ARGS:-}
