#!/bin/bash
# Installs what the tests against real backends and real clients need on Debian: Ceph (Pacific on bookworm),
# the S3 clients, and a tree with the newer Ceph (Tentacle). Quick where everything is there already.
set -euo pipefail
cd "$(dirname "$0")"

packages=(
  radosgw ceph-mon ceph-osd ceph-common                      # the backend; ceph-mgr is not needed
  awscli python3-boto python3-boto3 s3fs s3cmd rclone restic # the clients
  ca-certificates curl debootstrap fuse openssl
)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

../../install-debian.sh "${packages[@]}"
radosgw --version

# Debian's testing suite moves, so the tree may fail for reasons that are not ours: said aloud, and the tests skip it.
as_root env "S3_KMS_GATEWAY_CACHE=${S3_KMS_GATEWAY_CACHE:-}" ./tree.sh ||
  echo "WARNING: Ceph Tentacle could not be installed; the tests against it will be skipped." >&2
