#!/usr/bin/env bash
# Builds every cmd/ of every module as a static program: build.sh <output folder> <linker flags>.
# With a C compiler, the secp256k1 library in C is linked in statically; without one, its Go counterpart.
set -euo pipefail
out=$1 ldflags=$2
tags=netgo,osusergo,static_build,grpcnotrace
if [ "$(go env CGO_ENABLED)" = 1 ] && [ "$(go env GOOS)" = linux ]; then
  ldflags="$ldflags -linkmode external -extldflags '-static'"
else
  export CGO_ENABLED=0
fi
mkdir -p "$out"
mapfile -t mains < <(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' $(go list -m -f '{{.Dir}}/...'))
go build -trimpath -tags "$tags" -ldflags "$ldflags" -o "$out/" "${mains[@]}"
for m in "${mains[@]}"; do echo "bin/$(basename "$m")"; done
