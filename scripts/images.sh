#!/usr/bin/env bash
# Packs the static programs into images without the network: images.sh <folder of the programs> <version> <revision>.
# Each is tagged with the version and with `dev`, and refused when it is larger than its limit or its program is not static.
# The image of Redis, for development clusters, is this machine's redis-server, or the official image where there is none.
set -euo pipefail
bin=$1 version=$2 revision=$3
redis_official=redis:7.4.2-alpine # also in docs/operations.md
MiB=$((1024 * 1024))

missing() { # <command> <what for>
  command -v "$1" >/dev/null && return
  echo "images: $1 is missing: it $2" >&2
  return 1
}
missing docker "packs the images (any Docker client and engine)"
missing ldd "says which libraries a program needs (Debian: libc-bin)"
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || {
  echo "images: no Docker engine answers: $(docker version 2>&1 >/dev/null | tail -1)" >&2
  exit 1
}

# A program that grows past its limit has taken in something large. producer-svc has go-ethereum's node in it; dsn-node is sequencer,
# keyholder and bundler in one.
limit() {
  case $1 in
    producer-svc) echo 60 ;;
    dsn-node) echo 32 ;;
    *) echo 30 ;;
  esac
}

build() { # <name> <folder> <Dockerfile>
  local said
  said=$(docker build -q -f "$3" --build-arg SERVICE="$1" --build-arg VERSION="$version" --build-arg REVISION="$revision" \
    -t "blindseq/$1:$version" -t "blindseq/$1:dev" "$2" 2>&1) || { echo "$said" >&2; return 1; }
}

say() { printf '%-36s %5.1f MiB\n' "blindseq/$1:$version" "$(awk -v b="$2" -v m=$MiB 'BEGIN { print b/m }')"; }

program() {
  local dir=$bin/images/$1 size
  if ldd "$bin/$1" >/dev/null 2>&1; then
    echo "images: $1 is not a static program" >&2
    return 1
  fi
  mkdir -p "$dir/data"
  cp "$bin/$1" "$dir/program"
  "$bin/$1" --sbom >"$dir/sbom.json"
  build "$1" "$dir" images/Dockerfile
  size=$(docker image inspect -f '{{.Size}}' "blindseq/$1:$version")
  say "$1" "$size"
  if [ "$size" -gt $(($(limit "$1") * MiB)) ]; then
    echo "images: $1 has $size bytes, more than $(limit "$1") MiB" >&2
    return 1
  fi
}

redis() {
  local dir=$bin/images/redis path lib
  if ! command -v redis-server >/dev/null; then
    docker pull -q "$redis_official" >/dev/null
    docker tag "$redis_official" "blindseq/redis:$version"
    docker tag "$redis_official" blindseq/redis:dev
    return
  fi
  rm -rf "$dir" && mkdir -p "$dir/root/usr/local/bin"
  for path in redis-server redis-cli cp; do # cp for the component redis-sentinel
    missing "$path" "goes into the image of Redis (Debian: redis-tools has redis-cli)"
    path=$(command -v "$path")
    cp -L "$path" "$dir/root/usr/local/bin/"
    # Copy every library, and the loader, to the path at which the program looks for it.
    { ldd "$path" || true; } | grep -oE '/[^ ]+' | while read -r lib; do
      mkdir -p "$dir/root$(dirname "$lib")" && cp -L "$lib" "$dir/root$lib"
    done
  done
  ln "$dir/root/usr/local/bin/redis-server" "$dir/root/usr/local/bin/redis-sentinel" # one program; its name says what it does
  printf 'FROM scratch\nLABEL org.opencontainers.image.title=redis\nCOPY root /\nENV PATH=/usr/local/bin\nUSER 65532:65532\nCMD ["redis-server"]\n' >"$dir/Dockerfile"
  build redis "$dir" "$dir/Dockerfile"
  say redis "$(docker image inspect -f '{{.Size}}' "blindseq/redis:$version")"
}

for name in producer-svc proposer-svc monitor-svc api-gw dsn-node; do program "$name"; done
redis
