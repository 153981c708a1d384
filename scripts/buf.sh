#!/usr/bin/env bash
# Installs buf at its pinned version: buf.sh <folder of the tools>. Where npm can deliver it, it is not built: that takes
# longer than all else that is built here.
set -euo pipefail
mkdir -p "$1"
tools=$(cd "$1" && pwd)
cd "$(dirname "$0")/../tools/buf"
export GOWORK=off
version=$(go list -m -f '{{.Version}}' github.com/bufbuild/buf)
if ! command -v npm >/dev/null || ! npm ci --no-audit --no-fund --loglevel=error >/dev/null ||
  ! cp node_modules/@bufbuild/buf-*/bin/buf "$tools/buf" 2>/dev/null; then
  echo "buf: npm does not deliver it, building it" >&2
  GOBIN=$tools go install tool
fi
rm -rf node_modules
if [ "v$("$tools/buf" --version)" != "$version" ]; then
  echo "buf: have $("$tools/buf" --version), tools/buf/go.mod has $version: mend tools/buf/package.json" >&2
  rm "$tools/buf"
  exit 1
fi
