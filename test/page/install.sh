#!/bin/bash
# Installs the browser that the page is tested in, and a font for it to write with, on Debian.
set -euo pipefail
cd "$(dirname "$0")"
../install-debian.sh chromium fonts-dejavu-core
