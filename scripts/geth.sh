#!/usr/bin/env bash
# geth.sh TOOLS: prints the path of the geth of the version that blindseq is built with, which it builds once.
set -euo pipefail
version=$(go list -m -f '{{.Version}}' github.com/ethereum/go-ethereum)
geth=$1/geth-$version/geth
if [ ! -x "$geth" ]; then
  echo "building geth $version, which takes minutes" >&2
  GOFLAGS='' GOWORK=off GOBIN=$(dirname "$geth") go install "github.com/ethereum/go-ethereum/cmd/geth@$version"
fi
echo "$geth"
