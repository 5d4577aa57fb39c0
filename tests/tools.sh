#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: Redis (7 or newer) and Chromium.
set -euo pipefail

again=$(dirname "$0")/again.sh
here() { command -v "$1" >/dev/null; }
fail() { echo "$*" >&2; exit 1; }

missing=()
here redis-server || missing+=(redis-server)
# By these names the tests look for it, too (tests/clients/harness/chromium.mjs).
here chromium || here chromium-browser || here google-chrome || [ -n "${CHROMIUM:-}" ] || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
  here apt-get || fail "missing: ${missing[*]}; install them (or set CHROMIUM to a browser) and run this again"
  as_root=(env)
  if [ "$(id -u)" -ne 0 ]; then
    here sudo || fail "missing: ${missing[*]}; install them as root and run this again"
    as_root=(sudo env)
  fi
  # A new machine may be busy with updates of its own, which hold apt's lock.
  apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
  # Without this, lists that could not be fetched are no failure. What is needed may be there all the same.
  "$again" "${apt[@]}" -o APT::Update::Error-Mode=any update || true
  "$again" "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
  # The tests start servers of their own; the one the package may have started is not needed.
  if here service && [[ " ${missing[*]} " == *" redis-server "* ]]; then
    "${as_root[@]}" service redis-server stop >/dev/null 2>&1 || true
  fi
fi

for tool in cargo node npm redis-server; do
  here "$tool" || fail "missing: $tool; the README says what is needed"
done
version=$(redis-server --version | sed -E 's/.*v=([0-9]+).*/\1/')
[ "$version" -ge 7 ] || fail "redis-server is version $version; Hubbub needs 7 or newer"
major=$(node --version | sed -E "s/v([0-9]+).*/\1/")
[ "$major" -ge 20 ] || fail "node is version $major; the tests need 20 or newer"
