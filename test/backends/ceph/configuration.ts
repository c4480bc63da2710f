// The ceph.conf of a one-node Ceph for tests: everything on 127.0.0.1, objects in memory, no authentication between daemons.
// Knows the settings and why each is there; must not know how daemons are started.

/** Names of the KMS keys that the S3 server knows. */
export const keyIds = ['testkey-1', 'testkey-2', 'testkey-3'] as const;

/** Where one instance lives. */
export interface Instance {
  readonly directory: string;
  readonly clusterId: string;
  readonly ports: Ports;
  /** Host name of its S3 server: before it stands the bucket in virtual-hosted style. */
  readonly hostname: string;
  /** `debug rgw`: 1 logs a line a request, 20 also every header that came in. */
  readonly debugLevel: number;
}

/** TCP ports of one instance, all on 127.0.0.1. */
export interface Ports {
  readonly monitor: number;
  readonly http: number;
  readonly https: number;
  /** The object store takes up to eight ports from here to `storeLast`. */
  readonly storeFirst: number;
  readonly storeLast: number;
}

/** The 32 bytes of a KMS key, base64. Told apart by name, and of no worth outside the test. */
function keyMaterial(keyId: string): string {
  return Buffer.alloc(32, keyId).toString('base64');
}

/** The text of ceph.conf. */
export function cephConfiguration({ directory, clusterId, ports, hostname, debugLevel }: Instance): string {
  return `
[global]
fsid = ${clusterId}
mon host = v2:127.0.0.1:${ports.monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
ms bind port min = ${ports.storeFirst}
ms bind port max = ${ports.storeLast}
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${directory}
crash dir = ${directory}
admin socket = ${directory}/$name.asok
log file = ${directory}/$name.log
log to stderr = false
# One disk, one copy, one placement group a pool: what makes the start a matter of one second.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true

[mon]
mon data = ${directory}/mon
mon initial members = a
mon max pg per osd = 1000
# The host's disk may be fuller than Ceph likes; nothing is stored there.
mon data avail warn = 2
mon data avail crit = 1
mon cluster log to file = false
paxos propose interval = 0.02
paxos min wait = 0.01

[osd]
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd max object name len = 1024
osd max object namespace len = 256
osd class update on start = false
osd crush update on start = false

[client.rgw]
rgw data = ${directory}/rgw
rgw frontends = beast endpoint=127.0.0.1:${ports.http} ssl_endpoint=127.0.0.1:${ports.https} ssl_certificate=${directory}/tls.crt ssl_private_key=${directory}/tls.key
rgw dns name = ${hostname}
debug rgw = ${debugLevel}
rgw crypt require ssl = true
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${keyIds.map((keyId) => `${keyId}=${keyMaterial(keyId)}`).join(' ')}
rgw override bucket index max shards = 1
rgw dynamic resharding = false
# Deleted data is otherwise kept for two hours, and memory is small.
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
# radosgw alone insists on cephx and encrypted sessions with the monitor, and hangs without.
auth client required = none
ms mon client mode = crc
`;
}
