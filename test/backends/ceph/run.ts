// A Ceph to try things against by hand, until Ctrl-C: node test/backends/ceph/run.ts [pacific|tentacle]
import { cephVersions, startCeph } from '../ceph.ts';

const version = cephVersions.find((name) => name === (process.argv[2] ?? 'pacific'));
if (version === undefined)
  throw new Error(`There is no Ceph ${process.argv[2]} here: ${cephVersions.join(' or ')}.`);

const ceph = await startCeph(version);
console.log(`Ceph ${version} is up; its KMS keys are ${ceph.keyIds.join(' and ')}.

export AWS_ACCESS_KEY_ID=${ceph.accessKeyId}
export AWS_SECRET_ACCESS_KEY=${ceph.secretAccessKey}
export AWS_DEFAULT_REGION=${ceph.region}
export AWS_CA_BUNDLE=${ceph.caFile}
aws --endpoint-url ${ceph.httpsEndpoint} s3 ls

Ctrl-C ends it and forgets all that was stored.`);

const stayUp = setInterval(() => {}, 1 << 30);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    clearInterval(stayUp);
    await ceph.stop();
  });
}
