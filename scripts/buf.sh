#!/usr/bin/env bash
# Installs buf at its pinned version: buf.sh <folder of the tools>. npm delivers a built buf on most platforms. Elsewhere it
# is built, which takes longer than everything else that is built here.
set -euo pipefail
mkdir -p "$1"
tools=$(cd "$1" && pwd)
cd "$(dirname "$0")/../tools/buf"
export GOWORK=off
version=$(go list -m -f '{{.Version}}' github.com/bufbuild/buf)
if ! command -v npm >/dev/null || ! npm ci --no-audit --no-fund --loglevel=error >/dev/null ||
  ! cp node_modules/@bufbuild/buf-*/bin/buf "$tools/buf" 2>/dev/null; then
  echo "buf: npm has no build for this platform, building it" >&2
  GOBIN=$tools go install tool
fi
rm -rf node_modules
if [ "v$("$tools/buf" --version)" != "$version" ]; then
  echo "buf: have $("$tools/buf" --version), tools/buf/go.mod has $version: correct tools/buf/package.json" >&2
  rm "$tools/buf"
  exit 1
fi
