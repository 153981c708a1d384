#!/usr/bin/env bash
# Generates code and the OpenAPI document from the contracts: proto.sh <folder of the contracts> <folder of the tools>. buf makes OpenAPI
# 2.0; blindseq-openapi converts it to 3.0, which alone is kept.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tools=$(cd "$2" && pwd)
cd "$1"
PATH="$tools:$PATH" buf generate
old=$PWD/openapi/blindseq.swagger.json new=$PWD/openapi/blindseq.openapi.json
(cd "$root" && go run ./e2e/cmd/blindseq-openapi) <"$old" >"$new"
rm "$old"
