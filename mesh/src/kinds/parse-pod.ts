import { parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import type { ContainerPort, OwnerReference, Pod, PortProtocol } from './objects.ts';
import { parseCaptureRisks } from './parse-capture-risks.ts';
import { parseProbes } from './parse-probes.ts';
import { checkMode, isObjectName, parseMeta, parseNameOrNothing } from './parse-meta.ts';

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const satisfies readonly PortProtocol[];
const PHASES = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const satisfies readonly Pod['phase'][];
const DEFAULT_SERVICE_ACCOUNT = 'default';
const SPEC_READ = [
  'nodeName',
  'serviceAccountName',
  'hostNetwork',
  'securityContext',
  'containers',
  'initContainers',
  'ephemeralContainers',
] as const;
const STATUS_READ = ['podIP', 'podIPs', 'phase', 'conditions'] as const;

/** v1 Pod. @throws KindError. */
export function parsePod(object: FieldReader): Pod {
  checkMode(object);
  const metadata = object.object('metadata');
  const spec = object.object('spec');
  const status = object.object('status');
  // One that is passed over could take the pod out of the mesh, or give it another identity.
  spec?.refuseOtherCase(SPEC_READ);
  status?.refuseOtherCase(STATUS_READ);
  const podIps = status === null ? [] : parsePodIps(status);
  // A manifest written by hand may name an address and nothing else.
  const phase = status?.oneOf('phase', PHASES, podIps.length > 0 ? 'Running' : 'Pending') ?? 'Pending';
  return {
    kind: 'Pod',
    meta: {
      ...parseMeta(object, 'namespaced'),
      ownerReferences: metadata?.objects('ownerReferences', parseOwner) ?? [],
      generateName: metadata?.text('generateName', '') ?? '',
      deleting: metadata?.has('deletionTimestamp') ?? false,
    },
    nodeName: parseNameOrNothing(spec, 'nodeName'),
    // The API server fills this in; a manifest written by hand may leave it out.
    serviceAccountName: parseAccountName(spec),
    hostNetwork: spec?.bool('hostNetwork', false) ?? false,
    containerPorts: spec === null ? [] : parseContainerPorts(spec),
    podIps,
    phase,
    ready: status !== null && isReady(status, phase),
    probes: spec === null ? [] : parseProbes(spec, podIps),
    captureRisks: spec === null ? [] : parseCaptureRisks(spec),
  };
}

function parseAccountName(spec: FieldReader | null): string {
  const name = spec?.text('serviceAccountName', '') || DEFAULT_SERVICE_ACCOUNT;
  return isObjectName(name) ? name : (spec?.fail('serviceAccountName', 'the name of a service account') ?? name);
}

function parseOwner(reader: FieldReader): OwnerReference {
  return {
    apiVersion: reader.text('apiVersion', ''),
    kind: reader.text('kind'),
    name: parseNameOrNothing(reader, 'name'),
    controller: reader.bool('controller', false),
  };
}

function parseContainerPorts(spec: FieldReader): readonly ContainerPort[] {
  const port = (reader: FieldReader): ContainerPort => ({
    name: reader.text('name', ''),
    port: reader.integer('containerPort', 1, 65_535),
    protocol: reader.oneOf('protocol', PROTOCOLS, 'TCP'),
  });
  const ports = (container: FieldReader): readonly ContainerPort[] => container.objects('ports', port);
  // Restartable init containers (sidecars) serve ports too.
  return [...spec.objects('containers', ports), ...spec.objects('initContainers', ports)].flat();
}

function parsePodIps(status: FieldReader): Pod['podIps'] {
  const ipOf = (reader: FieldReader): string => reader.text('ip');
  const listed = status.objects('podIPs', (reader) => {
    try {
      return parseIpAddress(ipOf(reader));
    } catch (cause) {
      return reader.fail('ip', 'an IPv4 or IPv6 address', { cause });
    }
  });
  if (listed.length > 0 || status.text('podIP', '') === '') return listed;
  try {
    return [parseIpAddress(status.text('podIP'))];
  } catch (cause) {
    return status.fail('podIP', 'an IPv4 or IPv6 address', { cause });
  }
}

/** Condition Ready; a pod without that condition, which only a manifest written by hand has, is ready when it runs. */
function isReady(status: FieldReader, phase: Pod['phase']): boolean {
  const conditions = status.objects('conditions', (reader) => ({
    type: reader.text('type', ''),
    status: reader.text('status', ''),
  }));
  const ready = conditions.find((condition) => condition.type === 'Ready');
  return ready === undefined ? phase === 'Running' : ready.status === 'True';
}
