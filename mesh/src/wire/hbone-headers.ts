import { formatSocketAddress, type SocketAddress } from '../model/address.ts';
import type { Workload } from '../model/workload.ts';
import { LIMITS } from './limits.ts';

export const BAGGAGE_HEADER = 'baggage';
export const FORWARDED_HEADER = 'forwarded';
export const TRACEPARENT_HEADER = 'traceparent';
/** Network id of the sender, on the inner CONNECT of two networks alone. */
export const FORWARDED_NETWORK_HEADER = 'x-forwarded-network';

/**
 * What the sender of a CONNECT says of itself. It labels metrics when the peer is not known by its address;
 * it is never a ground for admitting anything.
 */
export interface Baggage {
  readonly clusterId?: string;
  readonly namespace?: string;
  readonly workloadType?: Workload['workloadType'];
  readonly workloadName?: string;
  readonly canonicalName?: string;
  readonly canonicalRevision?: string;
  readonly region?: string;
  readonly zone?: string;
}

/** What a workload says of itself; empty facts are left out. */
export function baggageOf(workload: Workload): Baggage {
  const { locality } = workload;
  return {
    ...(workload.clusterId === '' ? {} : { clusterId: workload.clusterId }),
    ...(workload.namespace === '' ? {} : { namespace: workload.namespace }),
    ...(workload.workloadName === ''
      ? {}
      : { workloadType: workload.workloadType, workloadName: workload.workloadName }),
    ...(workload.canonicalName === '' ? {} : { canonicalName: workload.canonicalName }),
    ...(workload.canonicalRevision === '' ? {} : { canonicalRevision: workload.canonicalRevision }),
    ...(locality.region === '' ? {} : { region: locality.region }),
    ...(locality.zone === '' ? {} : { zone: locality.zone }),
  };
}

/** Members in the order of protocol.md 1.4, absent ones left out; empty text when all are. */
export function formatBaggage(baggage: Baggage): string {
  const members: string[] = [];
  const add = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') members.push(`${key}=${escapeValue(value)}`);
  };
  add('k8s.cluster.name', baggage.clusterId);
  add('k8s.namespace.name', baggage.namespace);
  add(`k8s.${baggage.workloadType ?? 'pod'}.name`, baggage.workloadName);
  add('service.name', baggage.canonicalName);
  add('service.version', baggage.canonicalRevision);
  add('cloud.region', baggage.region);
  add('cloud.availability_zone', baggage.zone);
  return members.join(',');
}

/** Never fails: members that are unknown or malformed are skipped, the first of a key counts. */
export function parseBaggage(header: string): Baggage {
  if (header.length > LIMITS.labelHeaderLength) return {};
  const found: { -readonly [K in keyof Baggage]: Baggage[K] } = {};
  for (const member of header.split(',')) {
    // Properties of a member follow a semicolon; they say nothing Ambit reads.
    const [pair = ''] = member.split(';');
    const equals = pair.indexOf('=');
    const value = equals === -1 ? '' : unescapeValue(pair.slice(equals + 1).trim());
    if (value === '') continue;
    const key = pair.slice(0, equals).trim();
    const workloadType = WORKLOAD_TYPE_BY_KEY.get(key);
    if (workloadType !== undefined) {
      if (found.workloadName !== undefined) continue;
      found.workloadType = workloadType;
      found.workloadName = value;
      continue;
    }
    const fact = FACT_BY_KEY.get(key);
    if (fact !== undefined) found[fact] ??= value;
  }
  return found;
}

const WORKLOAD_TYPE_BY_KEY: ReadonlyMap<string, Workload['workloadType']> = new Map([
  ['k8s.deployment.name', 'deployment'],
  ['k8s.cronjob.name', 'cronjob'],
  ['k8s.pod.name', 'pod'],
  ['k8s.job.name', 'job'],
]);

const FACT_BY_KEY: ReadonlyMap<string, Exclude<keyof Baggage, 'workloadType' | 'workloadName'>> = new Map([
  ['k8s.cluster.name', 'clusterId'],
  ['k8s.namespace.name', 'namespace'],
  ['service.name', 'canonicalName'],
  ['service.version', 'canonicalRevision'],
  ['cloud.region', 'region'],
  ['cloud.availability_zone', 'zone'],
]);

/** Only characters that W3C baggage allows in a value; Kubernetes names need no escape. */
function escapeValue(value: string): string {
  return value.toWellFormed().replace(/[^!#$&'()*+\-./0-9:<=>?@A-Z[\]^_`a-z{|}~]/gu, encodeURIComponent);
}

function unescapeValue(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** Who called, and which service was asked for when one was (protocol.md 1.4). */
export interface Forwarded {
  readonly client: SocketAddress;
  readonly serviceHostname?: string;
}

export function formatForwarded({ client, serviceHostname }: Forwarded): string {
  const host = serviceHostname === undefined ? '' : `;host=${serviceHostname}`;
  return `for="${formatSocketAddress(client)}"${host}`;
}

/**
 * The service a sender says it was asked for: it labels metrics. Undefined when it says none, or nothing legible.
 * What the header says of the client is deliberately not read: the TCP peer is the client.
 */
export function parseForwardedHost(header: string): string | undefined {
  if (header.length > LIMITS.labelHeaderLength) return undefined;
  const [nearest = ''] = header.split(',');
  for (const pair of nearest.split(';')) {
    const match = /^\s*host="?([A-Za-z0-9._*-]{1,253})"?\s*$/i.exec(pair);
    if (match !== null) return match[1]?.toLowerCase();
  }
  return undefined;
}
