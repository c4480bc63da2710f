// Kubernetes objects as helm and kustomize render them, and what is asked of each: its JSON schema, its fields, and the
// rules of Pod Security at the level restricted.
// Must not know what the objects are for.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { HELM, KUBECTL, ROOT, run, TOOLS } from './tools.ts';

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Any object, its parts not yet looked at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly [section: string]: unknown;
}

/** What `kubectl apply --kustomize` would apply. */
export function kustomize(directory: string): readonly Manifest[] {
  return parseManifests(run(KUBECTL, 'kustomize', directory));
}

/** What `helm install` would apply. */
export function helmTemplate(name: string, ...options: readonly string[]): readonly Manifest[] {
  return parseManifests(run(HELM, 'template', name, 'deploy/chart', ...options));
}

function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

const PACKAGE_OF_GROUP: Readonly<Record<string, string>> = {
  'cert-manager.io': '@kubernetes-models/cert-manager',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
};

/** The module that describes a kind. */
function modelOf({ apiVersion, kind }: Manifest): string {
  const [group = ''] = apiVersion.split('/');
  return `${PACKAGE_OF_GROUP[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`;
}

/** What the JSON schema of its kind finds wrong with an object: types, required fields, enumerations, formats. */
export async function schemaFaults(manifest: Manifest): Promise<readonly string[]> {
  const file = join(TOOLS, 'node_modules', `${modelOf(manifest)}.js`);
  const model = (await import(pathToFileURL(file).href))[manifest.kind];
  try {
    new model(manifest).validate();
    return [];
  } catch (error) {
    return [`${manifest.kind} ${manifest.metadata.name}: ${(error as Error).message}`];
  }
}

/** Fields that no kind knows: Kubernetes' schemas let them pass, its types do not. Slow, so all objects at once. */
export function unknownFields(manifests: readonly Manifest[]): readonly string[] {
  const directory = mkdtempSync(join(tmpdir(), 's3-kms-gateway-manifests-'));
  try {
    const lines = manifests.map((manifest, i) => {
      const type = `import('${modelOf(manifest)}').I${manifest.kind}`;
      return `export const m${i}: ${type} = ${JSON.stringify(manifest)};`;
    });
    symlinkSync(join(TOOLS, 'node_modules'), join(directory, 'node_modules'));
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(directory, 'manifests.ts'), lines.join('\n'));
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--pretty', 'false'];
    const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
    const { stdout } = spawnSync(tsc, [...options, '--types', '', 'manifests.ts'], {
      cwd: directory,
      encoding: 'utf8',
    });
    return stdout.split('\n').filter((line) => line.includes('error'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export interface Container {
  readonly name: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly restartPolicy?: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string | number };
}

interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  readonly seccompProfile?: { readonly type: string };
}

export interface PodSpec {
  readonly securityContext?: SecurityContext;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly dnsPolicy?: string;
  readonly serviceAccountName?: string;
  readonly topologySpreadConstraints?: readonly { readonly labelSelector: Selector }[];
}

export interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

const RESTRICTED_VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
];

/**
 * What Pod Security, level restricted, would refuse a pod for.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
 */
export function restrictedFaults(pod: PodSpec): readonly string[] {
  const faults: string[] = [];
  if (pod.hostNetwork || pod.hostPID || pod.hostIPC) faults.push('a namespace of the host');
  for (const { name, ...volume } of pod.volumes ?? []) {
    const allowed = [...RESTRICTED_VOLUMES, 'projected', 'secret'];
    if (!Object.keys(volume).every((kind) => allowed.includes(kind))) faults.push(`volume ${name}`);
  }
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    const own = { ...pod.securityContext, ...container.securityContext };
    const fault = (what: string) => faults.push(`container ${container.name}: ${what}`);
    if (own.privileged) fault('privileged');
    if (own.allowPrivilegeEscalation !== false) fault('allowPrivilegeEscalation');
    if (!own.capabilities?.drop?.includes('ALL')) fault('capabilities');
    if ((own.capabilities?.add ?? []).some((added) => added !== 'NET_BIND_SERVICE'))
      fault('capabilities.add');
    if (own.runAsNonRoot !== true || own.runAsUser === 0) fault('root');
    if (!['RuntimeDefault', 'Localhost'].includes(own.seccompProfile?.type ?? '')) fault('seccompProfile');
  }
  return faults;
}

/** The pod template of the only Deployment. */
export function podOf(manifests: readonly Manifest[]): { labels: Record<string, string>; spec: PodSpec } {
  const spec = only(manifests, 'Deployment')['spec'] as {
    readonly template: { readonly metadata: { labels: Record<string, string> }; readonly spec: PodSpec };
  };
  return { labels: spec.template.metadata.labels, spec: spec.template.spec };
}

/** The gateway's container, wherever in the pod it stands. */
export function gatewayOf({ spec }: { readonly spec: PodSpec }): Container {
  const found = [...(spec.initContainers ?? []), ...spec.containers].find(({ name }) => name === 'gateway');
  if (found === undefined) throw new Error('no container gateway');
  return found;
}

/** The only object of a kind. */
export function only(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter((m) => m.kind === kind && (name === undefined || m.metadata.name === name));
  const [manifest] = found;
  if (manifest === undefined || found.length > 1) throw new Error(`${found.length} of kind ${kind}`);
  return manifest;
}

/** Writes a file and the directories above it. */
export function put(file: string, text: string): void {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
}
