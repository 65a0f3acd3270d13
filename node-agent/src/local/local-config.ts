import type { AccessPolicy, Service, Workload } from '@ambit/mesh/model';
import { MeshError } from '@ambit/mesh/runtime';
import { parseSvid, parseTrustBundle, type Svid } from '@ambit/mesh/tls';
import { parseAuthorizationJson, parseServiceJson, parseWorkloadJson, type PodNames } from '@ambit/mesh/wire';

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

export interface LocalPod {
  readonly uid: string;
  readonly names: PodNames;
  /** A network namespace as the kernel shows it: `/run/netns/NAME` or `/proc/PID/ns/net`. */
  readonly netnsPath: string;
}

/** A whole mesh as one node agent needs it. */
export interface LocalConfig {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly AccessPolicy[];
  readonly svids: readonly Svid[];
  readonly pods: readonly LocalPod[];
}

/**
 * Reads the file's text. Workloads, services and policies are in the protobuf JSON form of the workload API;
 * certificates name PEM files, which `readFile` reads. @throws LocalConfigError.
 */
export function parseLocalConfig(text: string, readFile: (path: string) => string): LocalConfig {
  const root = recordOf('$', parseJson(text));
  for (const key of Object.keys(root)) {
    if (!KEYS.includes(key)) throw new LocalConfigError(`$.${key}`, `one of ${KEYS.join(', ')}`);
  }
  return {
    workloads: listOf(root, 'workloads', (path, item) => wrap(path, () => parseWorkloadJson(item))),
    services: listOf(root, 'services', (path, item) => wrap(path, () => parseServiceJson(item))),
    policies: listOf(root, 'policies', (path, item) => wrap(path, () => parseAuthorizationJson(item))),
    svids: listOf(root, 'certificates', (path, item) => parseCertificate(path, item, readFile)),
    pods: listOf(root, 'pods', parsePod),
  };
}

const KEYS: readonly string[] = ['workloads', 'services', 'policies', 'certificates', 'pods'];

type JsonRecord = Readonly<Record<string, unknown>>;

function parseCertificate(path: string, item: unknown, readFile: (path: string) => string): Svid {
  const record = recordOf(path, item);
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

function parsePod(path: string, item: unknown): LocalPod {
  const record = recordOf(path, item);
  return {
    uid: textOf(path, record, 'uid'),
    names: {
      name: textOf(path, record, 'name'),
      namespace: textOf(path, record, 'namespace'),
      serviceAccount: textOf(path, record, 'serviceAccount'),
    },
    netnsPath: textOf(path, record, 'netns'),
  };
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

function parseJson(text: string): unknown {
  return wrap('$', () => JSON.parse(text) as unknown);
}

function wrap<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof LocalConfigError) throw cause;
    throw new LocalConfigError(path, cause instanceof Error ? cause.message : 'something else', { cause });
  }
}
