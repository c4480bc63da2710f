#!/bin/bash
# Installs what `npm run bench` needs on Debian: nginx as backend and as baseline, and the load generator wrk.
exec "$(dirname "$0")/../test/install-debian.sh" nginx-light wrk
