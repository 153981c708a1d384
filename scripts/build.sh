#!/usr/bin/env bash
# Builds every cmd/ of every module, or only those named, as a static program: build.sh <output folder> <linker flags> [program...].
# With a C compiler for the target, the secp256k1 library in C is linked in statically; without one, its Go counterpart.
# GOOS and GOARCH choose the target.
set -euo pipefail
out=$1 ldflags=$2
shift 2
tags=netgo,osusergo,static_build,grpcnotrace
if [ "$(go env GOARCH)" != "$(go env GOHOSTARCH)" ] && [ "$(go env GOOS)" = linux ]; then
  case $(go env GOARCH) in amd64) cross=x86_64-linux-gnu-gcc ;; arm64) cross=aarch64-linux-gnu-gcc ;; *) cross=none ;; esac
  ! command -v $cross >/dev/null || export CGO_ENABLED=1 CC=$cross
fi
if [ "$(go env CGO_ENABLED)" = 1 ] && [ "$(go env GOOS)" = linux ]; then
  ldflags="$ldflags -linkmode external -extldflags '-static'"
else
  export CGO_ENABLED=0
fi
mkdir -p "$out"
mapfile -t mains < <(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' $(go list -m -f '{{.Dir}}/...'))
if [ $# -gt 0 ]; then
  names=$(printf '/%s$|' "$@")
  mapfile -t mains < <(printf '%s\n' "${mains[@]}" | grep -E "${names%|}")
fi
go build -trimpath -tags "$tags" -ldflags "$ldflags" -o "$out/" "${mains[@]}"
for m in "${mains[@]}"; do echo "bin/$(basename "$m")"; done
