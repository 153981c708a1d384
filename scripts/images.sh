#!/usr/bin/env bash
# Builds the static programs for Linux and packs them into images: images.sh <output folder> <version> <revision> <linker flags>. It needs Go
# alone. Environment variables:
#   ARCHS      architectures (that of this machine; with PUSH amd64 and arm64)
#   PUSH       registry and path to push to, for example registry.internal/blindseq
#   TOOL       path of a built blindseq-images. By default it is built
# The archives of this machine's architecture are in the output folder. A Docker engine that answers gets them, tagged with the version and `dev`. The
# image of Redis, for development clusters, is this machine's redis-server, or the official image where Docker is and redis-server is not.
set -euo pipefail
out=$1 version=$2 revision=$3 ldflags=$4
redis_official=redis:7.4.2-alpine # also in docs/operations.md
services=(producer-svc proposer-svc monitor-svc api-gw dsn-node)
host=$(go env GOHOSTARCH)
archs=${ARCHS:-${PUSH:+amd64 arm64}}
archs=${archs:-$host}

engine() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

mkdir -p "$out"
programs=()
for arch in $archs; do
  # The revision is the linker's flag: what git says of the tree would make the programs of two equal trees differ.
  GOOS=linux GOARCH=$arch GOFLAGS="${GOFLAGS:-} -buildvcs=false" "$(dirname "$0")/build.sh" "$out/linux-$arch" "$ldflags" "${services[@]}" >/dev/null
  programs+=(--programs "$arch=$out/linux-$arch")
done

tool=${TOOL:-$out/blindseq-images}
[ -n "${TOOL:-}" ] || go build -o "$tool" ./images/cmd/blindseq-images
redis=(--redis)
if ! command -v redis-server >/dev/null; then
  redis=()
  echo "images: no redis-server here (Debian: redis-server), so blindseq/redis is not packed" >&2
fi
rm -f "$out"/*.tar
"$tool" --version "$version" --revision "$revision" --created "$(git log -1 --format=%ct "$revision" 2>/dev/null || echo 0)" \
  "${programs[@]}" --archives "$out" ${PUSH:+--push "$PUSH"} "${redis[@]}"

if ! engine; then
  echo "images: no Docker engine answers; the archives are in $out (docker load, kind load image-archive, ctr -n k8s.io images import)" >&2
  exit
fi
for archive in "$out"/*.tar; do docker load --quiet --input "$archive" >/dev/null; done
if [ ${#redis[@]} -eq 0 ]; then
  docker pull -q "$redis_official" >/dev/null
  docker tag "$redis_official" "blindseq/redis:$version"
  docker tag "$redis_official" blindseq/redis:dev
fi
