#!/bin/bash
# Makes a small tree of Debian's testing suite (forky) holding Ceph Tentacle, to run beside the machine's own Ceph.
# Nothing outside the cache directory changes; the mounts it needs vanish with the command that made them.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
cache=${S3_KMS_GATEWAY_CACHE:-$root/.cache}
suite=forky
tree=$cache/$suite

mkdir -p "$cache"
exec 9>"$cache/$suite.lock"
flock 9

if [ -x "$tree/usr/bin/radosgw" ]; then
  chroot "$tree" radosgw --version
  exit 0
fi

# A release knows only the suites of its day; the script for sid serves all that came after.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
# The archive this machine is set up to use.
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep --invert-match security | sort --unique | head --lines 1)

partial=$tree.partial   # so that an interrupted run never passes for a whole tree
rm -rf "$partial"
debootstrap --variant=minbase --include=ca-certificates "$suite" "$partial" "$mirror" "$script"

# Package scripts must not start daemons.
printf '#!/bin/sh\nexit 101\n' > "$partial/usr/sbin/policy-rc.d"
chmod +x "$partial/usr/sbin/policy-rc.d"

unshare --mount --propagation private bash -euc '
  mount --rbind /proc "$0/proc"
  mount --rbind /dev "$0/dev"
  DEBIAN_FRONTEND=noninteractive exec chroot "$0" \
    apt-get install -y -qq --no-install-recommends radosgw ceph-mon ceph-osd ceph-common' "$partial" </dev/null

rm -rf "$partial"/var/cache/apt/archives/*.deb "$partial"/var/lib/apt/lists/*
mv "$partial" "$tree"
chroot "$tree" radosgw --version
