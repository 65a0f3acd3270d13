import { type AccessPolicyObject, parseObject } from '@ambit/mesh/kinds';
import type { PolicySet } from '@ambit/mesh/policies';
import { parseListenAddress, parsePort, parseServiceKey, type Service, type Workload } from '@ambit/mesh/model';
import { deriveSessionKey, type ServiceRoutes } from '@ambit/mesh/routes';
import { LocalConfigError, LocalRecord, within } from '@ambit/mesh/runtime';
import { parseSvid, parseTrustBundle, type Svid } from '@ambit/mesh/tls';
import { parseServiceJson, parseWorkloadJson } from '@ambit/mesh/wire';
import type { PlainPort } from '../worker/worker-protocol.ts';
import { checkLocalPolicy, policySetsOf } from './local-policies.ts';
import { type LocalRoute, missingBackends, translateLocalRoutes } from './translate-local-routes.ts';
import { unservedSettings } from './unserved-settings.ts';

/** A whole mesh as one waypoint needs it. */
export interface LocalConfig {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly routes: readonly ServiceRoutes[];
  readonly policySets: readonly PolicySet[];
  readonly svid: Svid;
  /** What sessions are sealed with: theirs end when the certificate gets another private key, and with no restart. */
  readonly sessionKeys: readonly Uint8Array[];
  readonly listeners: readonly PlainPort[];
}

const KEYS: readonly string[] = ['workloads', 'services', 'routes', 'policies', 'certificate', 'listeners'];
const CERTIFICATE_KEYS: readonly string[] = ['privateKey', 'chain', 'roots'];
const LISTENER_KEYS: readonly string[] = ['address', 'service', 'port'];

/**
 * Reads the file's text. Workloads and services are in the protobuf JSON form of the workload API, routes are HTTPRoutes and
 * GRPCRoutes of Gateway API, policies are AccessPolicies; the certificate names PEM files, which `readFile` reads.
 * @throws LocalConfigError.
 */
export function parseLocalConfig(text: string, readFile: (path: string) => string): LocalConfig {
  const root = LocalRecord.ofText(text, KEYS);
  const services = root.list('services', parseServiceJson);
  const workloads = root.list('workloads', parseWorkloadJson);
  const policies = root.list('policies', (item, path) => parsePolicy(item, path, services));
  return {
    workloads,
    services,
    routes: translateLocalRoutes(
      root.list('routes', (item, path) => parseRoute(item, path, services)),
      services,
    ),
    policySets: policySetsOf(policies, { services, workloads }),
    ...parseCertificate(root.get('certificate'), readFile),
    listeners: root.list('listeners', (item, path) => parseListener(item, path, services)),
  };
}

function parseRoute(item: unknown, path: string, services: readonly Service[]): LocalRoute {
  const object = parseObject(item);
  if (object?.kind !== 'HTTPRoute' && object?.kind !== 'GRPCRoute') {
    throw new LocalConfigError(path, 'an HTTPRoute or a GRPCRoute');
  }
  const [unserved] = [...unservedSettings(object), ...missingBackends(object, services)];
  if (unserved !== undefined) throw new LocalConfigError(`${path}.${unserved.field}`, unserved.expected);
  return object;
}

function parsePolicy(item: unknown, path: string, services: readonly Service[]): AccessPolicyObject {
  const object = parseObject(item);
  if (object?.kind !== 'AccessPolicy') throw new LocalConfigError(path, 'an AccessPolicy');
  checkLocalPolicy(object, path, services);
  return object;
}

function parseListener(item: unknown, path: string, services: readonly Service[]): PlainPort {
  const record = new LocalRecord(path, item, LISTENER_KEYS);
  const { ip, port } = record.parsed('address', parseListenAddress);
  const key = record.parsed('service', parseServiceKey);
  const servicePort = within(`${path}.port`, () => parsePort(Number(record.get('port'))));
  const service = services.find((one) => one.key === key);
  if (service === undefined) throw new LocalConfigError(`${path}.service`, 'one of $.services');
  if (!service.ports.some((one) => one.servicePort === servicePort)) {
    throw new LocalConfigError(`${path}.port`, 'a port of that service');
  }
  return { host: ip, port, service: key, servicePort };
}

function parseCertificate(
  item: unknown,
  readFile: (path: string) => string,
): Pick<LocalConfig, 'svid' | 'sessionKeys'> {
  const path = '$.certificate';
  const record = new LocalRecord(path, item, CERTIFICATE_KEYS);
  const svid = within(path, () =>
    parseSvid({
      privateKeyPem: record.pemFile('privateKey', readFile),
      chainPem: record.pemFile('chain', readFile),
      trustBundle: parseTrustBundle([record.pemFile('roots', readFile)]),
    }),
  );
  return { svid, sessionKeys: [deriveSessionKey(Buffer.from(svid.privateKeyPem), 'local')] };
}
