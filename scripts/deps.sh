#!/usr/bin/env bash
# Installs what the tests need beyond Go: a C compiler for the race detector, a real Redis, Node.js for the wallet
# libraries, promtool for the alerts. On Debian as root it installs what is missing; elsewhere it names the packages to install.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need gcc gcc
need redis-server redis-server
need node nodejs
need npm npm
need promtool prometheus
if [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ]; then # without a browser, its tests are skipped
  command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "deps: installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" libc6-dev >/dev/null
  exit 0
fi
echo "deps: the tests need these packages, please install them: ${missing[*]}" >&2
exit 1
