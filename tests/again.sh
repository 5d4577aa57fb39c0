#!/usr/bin/env bash
# Runs a command that needs the network, and runs it again when it fails: five times at most.
set -uo pipefail

for pause in 2 5 15 30; do
  "$@" && exit
  echo "failed: $*; trying again in $pause s" >&2
  sleep "$pause"
done
exec "$@"
