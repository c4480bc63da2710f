// Where a version of Ceph is on this machine, and how one of its programs is run there.
// Knows the host's own Ceph and the tree that tree.sh makes; must not know clusters, buckets or objects.
import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `pacific` is Debian bookworm's own (16.2), strict and old; `tentacle` (20.2) is the one that knows today's S3. */
export type CephVersion = 'pacific' | 'tentacle';

/** A program and its arguments, as spawn wants them. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

const projectRoot = join(import.meta.dirname, '..', '..', '..');
const installer = 'test/backends/ceph/install.sh';
const programs = ['radosgw', 'radosgw-admin', 'ceph', 'ceph-mon', 'ceph-osd', 'monmaptool'];

/** The directory that is `/` to a version's programs. */
function rootOf(version: CephVersion): string {
  if (version === 'pacific') return '/';
  return join(process.env['S3_KMS_GATEWAY_CACHE'] || join(projectRoot, '.cache'), 'forky');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What keeps a version from running on this machine; undefined when nothing does. */
export function whatIsMissing(version: CephVersion): string | undefined {
  const missing = programs.find((program) => !isExecutable(join(rootOf(version), 'usr/bin', program)));
  if (missing !== undefined) return `Ceph ${version} is not installed (no ${missing}): run ${installer}`;
  if (version === 'tentacle' && process.getuid?.() !== 0)
    return 'Ceph tentacle runs in a chroot: run as root';
  return undefined;
}

// Mounts live in a namespace of their own and vanish with the program. The temporary directory is shared, so that
// paths in it mean the same on both sides. Each step execs the next: the pid that was spawned is the program's own.
const enterTree = `
root=$1 shared=$2; shift 2
mkdir -p "$root$shared"
mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind "$shared" "$root$shared" || exit 1
exec chroot "$root" "$@"`;

/** The command that runs a version's program; it is killed when this process dies, however it dies. */
export function commandOf(version: CephVersion, program: string, args: readonly string[]): Command {
  const diesWithUs = ['--pdeathsig', 'KILL', '--'];
  const path = `/usr/bin/${program}`;
  if (version === 'pacific') return { program: 'setpriv', args: [...diesWithUs, path, ...args] };
  const namespace = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', enterTree, 'sh'];
  return {
    program: 'setpriv',
    args: [...diesWithUs, ...namespace, rootOf(version), tmpdir(), path, ...args],
  };
}
