import { type HttpRoute, parseObject } from '@ambit/mesh/kinds';
import { parsePort, parseServiceKey, type Service, type Workload } from '@ambit/mesh/model';
import { MeshError } from '@ambit/mesh/runtime';
import { parseSvid, parseTrustBundle, type Svid } from '@ambit/mesh/tls';
import { parseServiceJson, parseWorkloadJson } from '@ambit/mesh/wire';
import { parseListenAddress } from '../config.ts';
import type { PlainPort } from '../worker/worker-protocol.ts';

/**
 * The file named by AMBIT_LOCAL_CONFIG cannot be used; `data.path` names the place in it. What was expected there is in
 * `data.expected`, or in `data.reason` what whoever read it said.
 */
export class LocalConfigError extends MeshError<'invalid-local-config'> {
  override readonly name = 'LocalConfigError';

  constructor(path: string, fault: string, options: ErrorOptions = {}) {
    const data = options.cause === undefined ? { path, expected: fault } : { path, reason: fault };
    super('invalid-local-config', 'the local configuration cannot be used', { ...options, data });
  }
}

/** A whole mesh as one waypoint needs it. */
export interface LocalConfig {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly routes: readonly HttpRoute[];
  readonly svid: Svid;
  readonly listeners: readonly PlainPort[];
}

type JsonRecord = Readonly<Record<string, unknown>>;

const KEYS: readonly string[] = ['workloads', 'services', 'routes', 'certificate', 'listeners'];
const CERTIFICATE_KEYS: readonly string[] = ['privateKey', 'chain', 'roots'];
const LISTENER_KEYS: readonly string[] = ['address', 'service', 'port'];

/**
 * Reads the file's text. Workloads and services are in the protobuf JSON form of the workload API, routes are HTTPRoutes of
 * Gateway API; the certificate names PEM files, which `readFile` reads. @throws LocalConfigError.
 */
export function parseLocalConfig(text: string, readFile: (path: string) => string): LocalConfig {
  const root = recordOf(
    '$',
    wrap('$', () => JSON.parse(text) as unknown),
  );
  onlyKeys('$', root, KEYS);
  return {
    workloads: listOf(root, 'workloads', (path, item) => wrap(path, () => parseWorkloadJson(item))),
    services: listOf(root, 'services', (path, item) => wrap(path, () => parseServiceJson(item))),
    routes: listOf(root, 'routes', parseRoute),
    svid: parseCertificate(recordOf('$.certificate', root['certificate']), readFile),
    listeners: listOf(root, 'listeners', parseListener),
  };
}

function parseRoute(path: string, item: unknown): HttpRoute {
  const object = wrap(path, () => parseObject(item));
  if (object?.kind !== 'HTTPRoute') throw new LocalConfigError(path, 'an HTTPRoute');
  return object;
}

function parseListener(path: string, item: unknown): PlainPort {
  const record = recordOf(path, item);
  onlyKeys(path, record, LISTENER_KEYS);
  const { ip, port } = wrap(`${path}.address`, () => parseListenAddress(textOf(path, record, 'address')));
  return {
    host: ip,
    port,
    service: wrap(`${path}.service`, () => parseServiceKey(textOf(path, record, 'service'))),
    servicePort: wrap(`${path}.port`, () => parsePort(Number(record['port']))),
  };
}

function parseCertificate(record: JsonRecord, readFile: (path: string) => string): Svid {
  const path = '$.certificate';
  onlyKeys(path, record, CERTIFICATE_KEYS);
  const file = (key: string): string => {
    const name = textOf(path, record, key);
    return wrap(`${path}.${key}`, () => readFile(name));
  };
  return wrap(path, () =>
    parseSvid({
      privateKeyPem: file('privateKey'),
      chainPem: file('chain'),
      trustBundle: parseTrustBundle([file('roots')]),
    }),
  );
}

function onlyKeys(path: string, record: JsonRecord, keys: readonly string[]): void {
  for (const key of Object.keys(record)) {
    if (!keys.includes(key)) throw new LocalConfigError(`${path}.${key}`, `one of ${keys.join(', ')}`);
  }
}

function listOf<T>(root: JsonRecord, key: string, parse: (path: string, item: unknown) => T): readonly T[] {
  const list = root[key] ?? [];
  if (!Array.isArray(list)) throw new LocalConfigError(`$.${key}`, 'a list');
  return list.map((item: unknown, index) => parse(`$.${key}[${index}]`, item));
}

function recordOf(path: string, value: unknown): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new LocalConfigError(path, 'an object');
  return Object.fromEntries(Object.entries(value));
}

function textOf(path: string, record: JsonRecord, key: string): string {
  const value = record[key];
  if (typeof value !== 'string' || value === '') throw new LocalConfigError(`${path}.${key}`, 'a text');
  return value;
}

function wrap<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof LocalConfigError) throw cause;
    throw new LocalConfigError(path, cause instanceof Error ? cause.message : 'something else', { cause });
  }
}
