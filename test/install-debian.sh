#!/bin/bash
# Installs the Debian packages that it is given, where they are not there already. Quick where they are.
set -euo pipefail

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

command -v apt-get >/dev/null || { echo "install-debian.sh: needs Debian's apt-get; install by hand: $*" >&2; exit 1; }

missing=()
for package in "$@"; do
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing ${missing[*]}"
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
