#!/usr/bin/env bash
# bench-reads.sh BIN TOOLS: compares reads through the gateway with those of the geth that blindseq is built with, asked directly.
set -euo pipefail
bin=$1 tools=$2

if ! command -v wrk >/dev/null; then
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || { echo "bench-reads: please install wrk" >&2; exit 1; }
  apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk >/dev/null
fi
geth=$("$(dirname "$0")/geth.sh" "$tools")
exec "$bin/blindseq-bench" -bin "$bin" -geth "$geth" -transfers 800 -sealed 0 -rounds 0 -garbage 0 -idle 0 -singles 1
