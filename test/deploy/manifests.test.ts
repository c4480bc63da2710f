// The chart and the kustomizations of deploy/, rendered: every object is one that Kubernetes takes, what refers to something
// finds it, and the configuration in it is one that the gateway starts on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { parseConfiguration } from '../../src/config/load.ts';
import { createAuthority } from '../../src/demo/authority.ts';
import {
  type Container,
  gatewayOf,
  helmTemplate,
  kustomize,
  type Manifest,
  only,
  type PodSpec,
  podOf,
  put,
  restrictedFaults,
  type Selector,
  schemaFaults,
  unknownFields,
} from './manifests.ts';
import { HELM, KUBECTL, ROOT, run, skipWithout } from './tools.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const withConfig = (name: string): string[] => [
  ...['--values', `deploy/${name}/values.yaml`],
  ...['--set-file', `config=deploy/${name}/gateway.yaml`],
];
const inNamespace = (namespace: string): string[] => ['--namespace', namespace];

/** Everything that there is to render. */
const RENDERED: Readonly<Record<string, () => readonly Manifest[]>> = {
  'kustomize egress': () => kustomize('deploy/egress'),
  'kustomize enforcement': () => kustomize('deploy/enforcement'),
  'kustomize sidecar': () => kustomize('deploy/sidecar'),
  'helm egress': () => helmTemplate('s3-kms-gateway', ...inNamespace('s3-gateway'), ...withConfig('egress')),
  'helm enforcement': () =>
    helmTemplate('s3-kms-gateway', ...inNamespace('s3-gateway'), ...withConfig('enforcement')),
  'helm sidecar': () => helmTemplate('billing', ...inNamespace('billing'), ...withConfig('sidecar')),
  'helm with little': () =>
    helmTemplate(
      'small',
      ...['--set-file', 'config=deploy/enforcement/gateway.yaml', '--set', 'autoscaling.enabled=false'],
      ...['--set', 'networkPolicy.enabled=false', '--set', 'serviceAccount.create=false'],
    ),
  'helm with much': () =>
    helmTemplate(
      'large',
      ...withConfig('enforcement'),
      ...['--set-json', 'tolerations=[{"key":"a","operator":"Exists"}]', '--set', 'nodeSelector.pool=s3'],
      ...['--set-json', 'env=[{"name":"A","value":"b"}]', '--set', 'priorityClassName=high'],
      ...['--set', `image.digest=sha256:${'0'.repeat(64)}`, '--set-json', 'imagePullSecrets=[{"name":"p"}]'],
      ...['--set-json', 'podAnnotations={"a":"b"}', '--set-json', 'service.annotations={"a":"b"}'],
      ...['--set-json', 'podMonitor.labels={"release":"p"}', '--set', 'certificate.dnsNames[0]=s3.example'],
      ...['--set-json', 'networkPolicy.onlyWayOutOf=["a","b"]'],
    ),
};

describe('what is rendered', { skip: skipWithout(HELM, KUBECTL) }, () => {
  const all = new Map<string, readonly Manifest[]>();
  before(() => {
    for (const [name, render] of Object.entries(RENDERED)) all.set(name, render());
  });
  const rendered = (name: string) => all.get(name) ?? assert.fail(name);

  test('has no field that Kubernetes does not know', () => {
    assert.deepEqual(unknownFields([...all.values(), kustomize('deploy/only-way-out')].flat()), []);
  });

  for (const name of Object.keys(RENDERED)) {
    test(`${name}: every object keeps to its schema`, async () => {
      const faults = await Promise.all(rendered(name).map(schemaFaults));
      assert.ok(faults.length > 2);
      assert.deepEqual(faults.flat(), []);
    });

    test(`${name}: its pods pass Pod Security at the level restricted, on a read-only root`, () => {
      const pod = podOf(rendered(name));
      assert.deepEqual(restrictedFaults(pod.spec), []);
      assert.equal(gatewayOf(pod).securityContext?.readOnlyRootFilesystem, true);
    });

    test(`${name}: what refers to something finds it`, () => assert.deepEqual(loose(rendered(name)), []));

    test(`${name}: the gateway starts on its configuration`, (t) => {
      const directory = mkdtempSync(join(tmpdir(), 's3-kms-gateway-mounts-'));
      t.after(() => rmSync(directory, { recursive: true }));
      const { file, text } = mountedConfiguration(rendered(name), directory);
      const result = parseConfiguration(text, file, {});
      assert.deepEqual(result.kind === 'faulty' ? result.faults : [], []);
      assert.deepEqual(result.warnings, []);
    });
  }

  const kms = ['-H', 'x-amz-server-side-encryption: aws:kms'];
  const key = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
  const withKey = [...kms, '-H', `x-amz-server-side-encryption-aws-kms-key-id: ${key}`];
  for (const [name, request, outcome, adds] of [
    ['sidecar', ['PUT', '/billing-eu/a'], 'forwarded', ['algorithm', 'key_id', 'bucket_key', 'context']],
    ['sidecar', ['PUT', '/elsewhere/a'], 'refused', []],
    [
      'egress',
      ['PUT', 'https://billing-eu.s3.eu-central-1.amazonaws.com/a'],
      'forwarded',
      ['algorithm', 'key_id', 'bucket_key', 'context'],
    ],
    ['egress', ['PUT', 'https://elsewhere.s3.eu-central-1.amazonaws.com/a'], 'refused', []],
    [
      'enforcement',
      ['PUT', '/billing-ledger/a', '--client', 'billing', ...withKey],
      'forwarded',
      ['bucket_key', 'context'],
    ],
    ['enforcement', ['PUT', '/billing-ledger/a', '--client', 'billing'], 'refused', []],
    ['enforcement', ['PUT', '/billing-other/a', '--client', 'billing'], 'forwarded', []],
    ['enforcement', ['PUT', '/billing-reports/a', '--client', 'reports'], 'refused', []],
  ] as const)
    test(`${name}: ${request.slice(0, 2).join(' ')} is ${outcome} under its configuration`, (t) => {
      const directory = mkdtempSync(join(tmpdir(), 's3-kms-gateway-mounts-'));
      t.after(() => rmSync(directory, { recursive: true }));
      const { text } = mountedConfiguration(rendered(`kustomize ${name}`), directory);
      put(join(directory, 'gateway.yaml'), text);
      const told = explain('--config', join(directory, 'gateway.yaml'), '--json', ...request);
      assert.deepEqual([told.outcome, told.injected ?? []], [outcome, adds]);
    });

  const everywhere = ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodMonitor', 'PrometheusRule'];
  const central = [
    'Certificate',
    'HorizontalPodAutoscaler',
    'PodDisruptionBudget',
    'Service',
    'ServiceAccount',
  ];
  for (const [name, kinds] of Object.entries({
    'kustomize egress': [...everywhere, ...central, 'Namespace'],
    'kustomize enforcement': [...everywhere, ...central, 'Namespace'],
    'kustomize sidecar': everywhere,
    'helm egress': [...everywhere, ...central],
    'helm enforcement': [...everywhere, ...central],
    'helm sidecar': [...everywhere, 'ServiceAccount'],
    'helm with little': ['ConfigMap', 'Deployment', 'PodDisruptionBudget', 'Service'],
  }))
    test(`${name} has the kinds it should have`, () => {
      const found = new Set(rendered(name).map(({ kind }) => kind));
      assert.deepEqual([...found].sort(), [...kinds].sort());
    });

  for (const name of ['kustomize sidecar', 'helm sidecar'])
    test(`${name}: the gateway is a native sidecar whose role no other container has`, () => {
      const { spec } = podOf(rendered(name));
      const [first] = spec.initContainers ?? [];
      assert.deepEqual([first?.name, first?.restartPolicy], ['gateway', 'Always']);
      const tokens = (spec.volumes ?? []).filter((volume) =>
        JSON.stringify(volume).includes('sts.amazonaws.com'),
      );
      assert.equal(tokens.length, 1);
      const mounts = (container: Container) => container.volumeMounts?.map((mount) => mount.name) ?? [];
      assert.ok(first && mounts(first).includes(String(tokens[0]?.['name'])));
      for (const container of spec.containers)
        assert.ok(!mounts(container).includes(String(tokens[0]?.['name'])));
      for (const account of rendered(name).filter(({ kind }) => kind === 'ServiceAccount'))
        assert.equal(account.metadata.annotations, undefined);
    });

  for (const name of ['kustomize egress', 'helm egress'])
    test(`${name}: the gateway does not ask the DNS that leads AWS's names to it, and has their certificate`, () => {
      assert.equal(podOf(rendered(name)).spec.dnsPolicy, 'Default');
      const { dnsNames } = only(rendered(name), 'Certificate')['spec'] as { dnsNames: string[] };
      for (const host of ['s3.eu-central-1.amazonaws.com', '*.s3.eu-central-1.amazonaws.com'])
        assert.ok(dnsNames.includes(host), host);
    });

  for (const name of ['kustomize egress', 'helm egress', 'kustomize enforcement', 'helm enforcement'])
    test(`${name}: the role is the ServiceAccount's, and the certificate covers the configured domains`, () => {
      const account = only(rendered(name), 'ServiceAccount');
      assert.match(account.metadata.annotations?.['eks.amazonaws.com/role-arn'] ?? '', /^arn:aws:iam::/);
      const { dnsNames } = only(rendered(name), 'Certificate')['spec'] as { dnsNames: string[] };
      const { domains } = parse(configurationText(rendered(name))) as { domains: string[] };
      for (const domain of domains)
        for (const host of [domain, `*.${domain}`]) assert.ok(dnsNames.includes(host), host);
    });

  test('chart and kustomize come to the same pod, network policy and autoscaler', () => {
    for (const name of ['egress', 'enforcement']) {
      const [chart, overlay] = [podOf(rendered(`helm ${name}`)), podOf(rendered(`kustomize ${name}`))];
      assert.deepEqual(withoutPullPolicy(gatewayOf(chart)), gatewayOf(overlay), name);
      const policy = (how: string) =>
        only(rendered(`${how} ${name}`), 'NetworkPolicy', 's3-kms-gateway')['spec'] as Record<
          string,
          unknown
        >;
      const { podSelector: _chart, ...chartPolicy } = policy('helm');
      const { podSelector: _overlay, ...overlayPolicy } = policy('kustomize');
      assert.deepEqual(chartPolicy, overlayPolicy, name);
      const scaler = (how: string) => {
        const spec = only(rendered(`${how} ${name}`), 'HorizontalPodAutoscaler')['spec'];
        return spec as Record<string, unknown>;
      };
      assert.deepEqual(scaler('helm'), scaler('kustomize'), name);
    }
    const [chart, overlay] = [podOf(rendered('helm sidecar')), podOf(rendered('kustomize sidecar'))];
    assert.deepEqual(withoutPullPolicy(gatewayOf(chart)), gatewayOf(overlay), 'sidecar');
    const egress = (how: string) => {
      const spec = only(rendered(`${how} sidecar`), 'NetworkPolicy')['spec'];
      return (spec as Record<string, unknown>)['egress'];
    };
    assert.deepEqual(egress('helm'), egress('kustomize'), 'sidecar');
  });

  test('chart, kustomize and alerts.yaml have the same alerts; the dashboard is the one that there is', () => {
    const alerts = parse(read('deploy/prometheus/alerts.yaml'));
    const dashboard = read('deploy/grafana/dashboard.json');
    for (const [name, manifests] of all) {
      if (name === 'helm with little') continue;
      assert.deepEqual(only(manifests, 'PrometheusRule')['spec'], alerts, name);
      const map = manifests.find(({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1');
      const [text = ''] = Object.values((map?.['data'] ?? {}) as Record<string, string>);
      assert.deepEqual(JSON.parse(text), JSON.parse(dashboard), name);
    }
  });

  test('a network policy leaves a namespace no way out of the cluster', () => {
    const fromChart = only(rendered('helm egress'), 'NetworkPolicy', 's3-kms-gateway-only-way-out');
    assert.equal(fromChart.metadata.namespace, 'billing');
    const [overlay] = kustomize('deploy/only-way-out');
    assert.deepEqual(fromChart['spec'], overlay?.['spec']);
    const { podSelector, egress } = fromChart['spec'] as { podSelector: object; egress: { to?: object[] }[] };
    assert.deepEqual(podSelector, {});
    const destinations = egress.flatMap(({ to }) => to ?? assert.fail('a rule for everywhere'));
    assert.deepEqual(destinations, [{ namespaceSelector: {} }, { ipBlock: { cidr: '169.254.20.10/32' } }]);
  });
});

describe('the chart', { skip: skipWithout(HELM, KUBECTL) }, () => {
  test('is sound to helm, and has the version of the package', () => {
    for (const name of ['egress', 'enforcement', 'sidecar'])
      assert.match(
        run(HELM, 'lint', '--strict', 'deploy/chart', ...withConfig(name)),
        / 0 chart\(s\) failed/,
      );
    const chart = parse(read('deploy/chart/Chart.yaml')) as Record<string, string>;
    const { version } = JSON.parse(read('package.json')) as { version: string };
    assert.deepEqual([chart['version'], chart['appVersion']], [version, version]);
  });

  test('is whole when packed: what it takes from elsewhere is in it', (t) => {
    const directory = mkdtempSync(join(tmpdir(), 's3-kms-gateway-chart-'));
    t.after(() => rmSync(directory, { recursive: true }));
    run(HELM, 'package', 'deploy/chart', '--destination', directory);
    cpSync(join(ROOT, 'deploy/egress'), directory, { recursive: true });
    const packed = join(directory, `s3-kms-gateway-${JSON.parse(read('package.json')).version}.tgz`);
    const options = [
      '--values',
      `${directory}/values.yaml`,
      '--set-file',
      `config=${directory}/gateway.yaml`,
    ];
    const text = run(HELM, 'template', 's3-kms-gateway', packed, ...inNamespace('s3-gateway'), ...options);
    assert.match(text, /S3KmsGatewayEncryptionUnconfirmed/);
    assert.match(text, /"uid": "s3-kms-gateway"/);
  });

  test('renders by every command of deployment.md, the README and its own files', () => {
    const texts = ['docs/deployment.md', 'README.md', ...globSync('deploy/*/*.yaml', { cwd: ROOT })].map(
      read,
    );
    const joined = texts.join('\n').replace(/\\\n[# ]*/g, '');
    const installs = [...joined.matchAll(/helm install (.+)/g)].map(([, options = '']) =>
      options.split(/\s+/),
    );
    const applies = [...joined.matchAll(/kubectl apply --kustomize (\S+)/g)].map(
      ([, directory = '']) => directory,
    );
    assert.ok(installs.length > 6 && applies.length > 6);
    for (const options of installs) assert.match(run(HELM, 'template', ...options), /kind: Deployment/);
    for (const directory of new Set(applies)) assert.ok(kustomize(directory).length > 0, directory);
  });

  const config = '--set-file=config=deploy/enforcement/gateway.yaml';
  for (const [what, options, complaint] of [
    ['no configuration', [], /config.*minLength|minLength.*|config/],
    ['a value that it does not know', [config, '--set', 'replica=3'], /replica/],
    ['a role that is no ARN', [config, '--set', 'serviceAccount.roleArn=admin'], /roleArn/],
    ['a certificate without issuer', [config, '--set', 'certificate.enabled=true'], /issuerRef/],
    ['a sidecar beside nothing', [config, '--set', 'mode=sidecar'], /containers/],
    [
      'an admin listener that probes do not reach',
      [
        '--set-json',
        `config=${JSON.stringify({
          listeners: [{ address: '0.0.0.0:8443' }],
          backends: [],
        })}`,
      ],
      /admin\.address must be 0\.0\.0\.0/,
    ],
  ] as const)
    test(`refuses ${what}`, () => {
      assert.throws(() => run(HELM, 'template', 'x', 'deploy/chart', ...options), complaint);
    });
});

describe('the policies for AWS', () => {
  interface Statement {
    readonly Sid: string;
    readonly Effect: string;
    readonly Principal?: string | Readonly<Record<string, string>>;
    readonly Action: string | readonly string[];
    readonly Resource?: string | readonly string[];
    readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  }
  const policies = globSync('deploy/aws/*.json', { cwd: ROOT });
  const statements = (file: string) => (JSON.parse(read(file)) as { Statement: Statement[] }).Statement;
  const [account, role] = ['111122223333', 'arn:aws:iam::111122223333:role/s3-kms-gateway'];
  const { encryption } = parse(read('deploy/enforcement/gateway.yaml')) as {
    encryption: { keyId: string }[];
  };
  const key = encryption[0]?.keyId ?? '';

  test('name the role, the key and the account of the manifests and no other', () => {
    assert.equal(policies.length, 5);
    for (const file of policies) {
      const arns = new Set(read(file).match(/arn:aws:(?:iam|kms):[^"]+/g));
      for (const arn of arns)
        assert.ok([role, key].includes(arn) || arn.startsWith(`arn:aws:iam::${account}:`), `${file}: ${arn}`);
    }
    assert.match(read('deploy/base/serviceaccount.yaml'), new RegExp(role));
    assert.match(read('deploy/egress/values.yaml'), new RegExp(role));
  });

  test('leave the use of the key to the gateway, through S3 alone', () => {
    const using = [
      'kms:GenerateDataKey',
      'kms:Decrypt',
      'kms:Encrypt',
      'kms:ReEncrypt*',
      'kms:CreateGrant',
      'kms:*',
    ];
    const users = statements('deploy/aws/key-policy.json').filter(({ Action }) =>
      [Action].flat().some((action) => using.includes(action)),
    );
    assert.deepEqual(
      users.map(({ Principal }) => Principal),
      [{ AWS: role }],
    );
    assert.equal(users[0]?.Condition?.['StringEquals']?.['kms:ViaService'], 's3.eu-central-1.amazonaws.com');
  });

  test('let the ServiceAccount of the manifests take the role', () => {
    const { metadata } = only([parse(read('deploy/base/serviceaccount.yaml'))], 'ServiceAccount');
    const { namespace } = parse(read('deploy/enforcement/kustomization.yaml')) as { namespace: string };
    const trusted = Object.entries(
      statements('deploy/aws/trust-irsa.json')[0]?.Condition?.['StringEquals'] ?? {},
    );
    const subject = trusted.find(([name]) => name.endsWith(':sub'))?.[1];
    assert.equal(subject, `system:serviceaccount:${namespace}:${metadata.name}`);
    const tags = statements('deploy/aws/trust-pod-identity.json')[0]?.Condition?.['StringEquals'];
    assert.deepEqual(Object.values(tags ?? {}), [namespace, metadata.name]);
  });
});

describe('the checks themselves', { skip: skipWithout(HELM, KUBECTL) }, () => {
  const deployment = (): Manifest => structuredClone(only(kustomize('deploy/enforcement'), 'Deployment'));
  const changed = (change: (spec: PodSpec & Record<string, unknown>) => void): Manifest => {
    const manifest = deployment();
    change((manifest['spec'] as { template: { spec: PodSpec & Record<string, unknown> } }).template.spec);
    return manifest;
  };

  test('see a field that is unknown, of the wrong type, or missing', async () => {
    const unknown = changed((spec) => Object.assign(spec, { terminationGracePeriod: 30 }));
    assert.match(unknownFields([unknown]).join(), /terminationGracePeriod.* does not exist/);
    const wrong = changed((spec) => Object.assign(spec, { terminationGracePeriodSeconds: '30 s' }));
    assert.match((await schemaFaults(wrong)).join(), /terminationGracePeriodSeconds/);
    const missing = changed((spec) => Object.assign(spec, { containers: [{}] }));
    assert.match((await schemaFaults(missing)).join(), /name/);
  });

  test('see a pod that is not restricted', () => {
    const faultsOf = (change: (spec: PodSpec & Record<string, unknown>) => void) =>
      restrictedFaults(podOf([changed(change)]).spec);
    assert.deepEqual(
      faultsOf((spec) => Object.assign(spec, { hostNetwork: true })),
      ['a namespace of the host'],
    );
    assert.deepEqual(
      faultsOf((spec) => Object.assign(spec, { containers: [{ name: 'x' }], securityContext: {} })),
      ['allowPrivilegeEscalation', 'capabilities', 'root', 'seccompProfile'].map(
        (what) => `container x: ${what}`,
      ),
    );
    assert.deepEqual(
      faultsOf((spec) => Object.assign(spec, { volumes: [{ name: 'v', hostPath: { path: '/' } }] })),
      ['volume v'],
    );
  });

  test('see a reference that leads nowhere', () => {
    const manifests = kustomize('deploy/enforcement').filter(({ kind }) => kind !== 'ServiceAccount');
    assert.deepEqual(loose(manifests), ['no ServiceAccount s3-kms-gateway']);
  });
});

/** What the command says of a request; it exits with 1 where the request would be refused. */
function explain(...args: readonly string[]): { outcome: string; injected?: readonly string[] } {
  const main = join(ROOT, 'src', 'main.ts');
  return JSON.parse(spawnSync(process.execPath, [main, 'explain', ...args], { encoding: 'utf8' }).stdout);
}

function withoutPullPolicy(container: Container): Container {
  const { imagePullPolicy, ...rest } = container as Container & { readonly imagePullPolicy?: string };
  return rest;
}

/** References that lead nowhere: selectors, ports, ServiceAccounts, ConfigMaps, volumes, targets of the autoscaler. */
function loose(manifests: readonly Manifest[]): readonly string[] {
  const faults: string[] = [];
  const pod = podOf(manifests);
  const gateway = gatewayOf(pod);
  const deployment = only(manifests, 'Deployment');
  const has = (kind: string, name: string) =>
    manifests.some((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  const selects = (what: string, labels: Readonly<Record<string, string>> | undefined) => {
    const entries = Object.entries(labels ?? {});
    if (entries.length === 0 || entries.some(([name, value]) => pod.labels[name] !== value))
      faults.push(`${what} does not select the pods`);
  };
  const port = (what: string, name: unknown) => {
    if (!gateway.ports?.some((own) => own.name === name)) faults.push(`${what}: no port ${name}`);
  };
  for (const [name, probe] of Object.entries({
    startup: gateway.startupProbe,
    liveness: gateway.livenessProbe,
    readiness: gateway.readinessProbe,
  }))
    port(name, probe?.httpGet?.port);
  selects('Deployment', (deployment['spec'] as { selector: Selector }).selector.matchLabels);
  for (const constraint of pod.spec.topologySpreadConstraints ?? [])
    selects('topology spread', constraint.labelSelector.matchLabels);
  for (const { kind, metadata, spec } of manifests as readonly (Manifest & { readonly spec: Spec })[]) {
    if (kind === 'Service') selects(kind, spec.selector as unknown as Record<string, string>);
    if (kind === 'Service') port(kind, spec.ports?.[0]?.targetPort);
    if (kind === 'PodDisruptionBudget' || kind === 'PodMonitor') selects(kind, spec.selector.matchLabels);
    if (kind === 'PodMonitor') port(kind, spec.podMetricsEndpoints?.[0]?.port);
    if (kind === 'NetworkPolicy' && !metadata.name.endsWith('only-way-out'))
      selects(kind, spec.podSelector?.matchLabels);
    for (const rule of spec?.ingress ?? []) for (const own of rule.ports) port(kind, own.port);
    if (kind === 'HorizontalPodAutoscaler' && spec.scaleTargetRef?.name !== deployment.metadata.name)
      faults.push(`${kind}: no ${spec.scaleTargetRef?.name}`);
  }
  const account = pod.spec.serviceAccountName;
  if (account !== undefined && account !== 'default' && !has('ServiceAccount', account))
    faults.push(`no ServiceAccount ${account}`);
  const map = configurationMap(pod);
  if (!has('ConfigMap', map)) faults.push(`no ConfigMap ${map}`);
  const volumes = new Set((pod.spec.volumes ?? []).map(({ name }) => name));
  for (const mount of gateway.volumeMounts ?? [])
    if (!volumes.has(mount.name)) faults.push(`no volume ${mount.name}`);
  return faults;
}

interface Spec {
  readonly selector: Selector;
  readonly podSelector?: Selector;
  readonly ports?: readonly { readonly targetPort?: string }[];
  readonly podMetricsEndpoints?: readonly { readonly port: string }[];
  readonly ingress?: readonly { readonly ports: readonly { readonly port: string }[] }[];
  readonly scaleTargetRef?: { readonly name: string };
}

function configurationMap({ spec }: { readonly spec: PodSpec }): string {
  const volume = spec.volumes?.find(({ name }) => name === 'gateway-config');
  return (
    (volume?.['configMap'] as { readonly name: string } | undefined)?.name ?? assert.fail('no ConfigMap')
  );
}

function configurationText(manifests: readonly Manifest[]): string {
  const map = only(manifests, 'ConfigMap', configurationMap(podOf(manifests)));
  return (map['data'] as Record<string, string>)['gateway.yaml'] ?? assert.fail('no gateway.yaml');
}

/**
 * The configuration as the container finds it: every volume that is mounted has its files below `directory`, and only what
 * a mounted volume holds is there.
 */
function mountedConfiguration(
  manifests: readonly Manifest[],
  directory: string,
): { file: string; text: string } {
  const pod = podOf(manifests);
  const gateway = gatewayOf(pod);
  const text = configurationText(manifests);
  const { certificate, key } = createAuthority(new Date()).issue({ dns: ['localhost'], ipv4: [] });
  const secrets = { 'billing.secret': 'secret', 'reports.secret': 'secret' };
  const files: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'gateway-config': { 'gateway.yaml': text },
    'gateway-tls': { 'tls.crt': certificate, 'tls.key': key },
    'gateway-clients': secrets,
  };
  for (const { name, mountPath } of gateway.volumeMounts ?? [])
    for (const [file, content] of Object.entries(files[name] ?? {}))
      put(join(directory, mountPath, file), content);
  const file = join(directory, gateway.args?.at(-1) ?? assert.fail('no configuration file'));
  assert.equal(readFileSync(file, 'utf8'), text);
  return { file, text: text.replaceAll('/etc/s3-kms-gateway/', `${directory}/etc/s3-kms-gateway/`) };
}
