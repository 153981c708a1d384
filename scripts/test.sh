#!/usr/bin/env bash
# All checks and tests (make test), in steps. The stages of a step run at the same time; the first shows its output at once,
# each other when it has ended. A failed stage ends the run after its step. The last lines are a summary: tests run, failed
# and skipped with the reasons, and the time and result of every stage.
set -euo pipefail

exec 3>&1
out=$(mktemp -d)
export TEST_JSON=$out # make writes the results of each stage's tests here
# An interrupt from the terminal does not reach what runs in the background.
trap 'for p in $(jobs -p); do pkill -P "$p" || true; done; rm -rf "$out"' EXIT
trap 'exit 130' INT TERM

stage() {
  local name=$1 began=$SECONDS result=ok
  shift
  echo "--- $name"
  "$@" make "$name" 2>&1 || result=FAILED
  [ $result = ok ] || echo "--- $name FAILED" >&3 # at once, before its output
  printf '%6ds  %-6s  %s\n' $((SECONDS - began)) $result "$name" >>"$out/stages"
}

# step <first stage> <stage beside it>...: those beside it get the processor time that the first leaves, so nothing in them
# may depend on real time.
step() {
  local first=$1 name pids=()
  shift
  for name in "$@"; do
    stage "$name" nice -n 19 >"$out/$name.log" &
    pids+=($!)
  done
  stage "$first" env
  [ ${#pids[@]} -eq 0 ] || wait "${pids[@]}"
  for name in "$@"; do cat "$out/$name.log"; done
  ! grep -q FAILED "$out/stages" || summary 1
}

summary() {
  local results=("$out"/*.json)
  echo
  [ ! -e "${results[0]}" ] || bin/tools/gotestsum --raw-command --format none -- cat "${results[@]}" || true
  echo
  cat "$out/stages"
  printf '%6ds  %-6s  make test\n' $SECONDS "$([ "$1" -eq 0 ] && echo ok || echo FAILED)"
  exit "$1"
}

step npm
step test-unit lint proto-check page-check docs-site
step test-docs build
step e2e sim-test
summary 0
