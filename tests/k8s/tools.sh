#!/usr/bin/env bash
# Installs what the manifests' tests need and this machine lacks: kustomize (5 or newer), and the schemas.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=target/k8s-test
mkdir -p "$to"

has_kustomize() { "$@" 2>/dev/null | grep -q 'v5\.\|v[6-9]\.'; }
if has_kustomize kubectl version --client; then echo "kubectl kustomize" >"$to/kustomize"
elif has_kustomize kustomize version; then echo "kustomize build" >"$to/kustomize"
elif command -v go >/dev/null; then
  GOBIN=$PWD/$to GOFLAGS=-mod=mod tests/again.sh go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
  mv "$to/kustomize" "$to/kustomize-bin"
  echo "$PWD/$to/kustomize-bin build" >"$to/kustomize"
else
  echo "missing: kubectl (1.27 or newer) or kustomize (5 or newer); install one and run this again" >&2
  exit 1
fi

# The schemas of every Kubernetes version, as a package of PyPI.
schemas=kubernetes-validate==1.37.0
if ! [ "$(cat "$to/schemas" 2>/dev/null)" = "$schemas" ]; then
  python3 -m venv "$to/venv" || { echo "missing: python3 with venv (Debian: python3-venv)" >&2; exit 1; }
  tests/again.sh "$to/venv/bin/pip" install --quiet --disable-pip-version-check "$schemas"
  echo "$schemas" >"$to/schemas"
fi

tests/again.sh npm ci --prefix tests/k8s --no-audit --no-fund --silent
