#!/bin/bash
# Installs what `npm run bench` needs on Debian: nginx as backend and as baseline, and the load generator wrk.
set -euo pipefail

packages=(nginx-light wrk)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

command -v apt-get >/dev/null || { echo "install.sh: needs Debian's apt-get; install by hand: ${packages[*]}" >&2; exit 1; }

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  echo "Installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
fi
