#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: Redis (7 or newer) and Chromium.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}; install them (or set CHROMIUM to a browser) and run this again" >&2
    exit 1
  fi
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# The tests start servers of their own; the one the package may have started is not needed.
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" -eq 0 ]; then
  service redis-server stop >/dev/null 2>&1 || true
fi

for tool in cargo node npm redis-server; do
  command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; exit 1; }
done
version=$(redis-server --version | sed -E 's/.*v=([0-9]+).*/\1/')
[ "$version" -ge 7 ] || { echo "redis-server is version $version; Hubbub needs 7 or newer" >&2; exit 1; }
