import type { AccessPolicy, Service, Workload } from '@ambit/mesh/model';
import { LocalRecord, within } from '@ambit/mesh/runtime';
import { parseSvid, parseTrustBundle, type Svid } from '@ambit/mesh/tls';
import { parseAuthorizationJson, parseServiceJson, parseWorkloadJson, type PodNames } from '@ambit/mesh/wire';

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

const KEYS: readonly string[] = ['workloads', 'services', 'policies', 'certificates', 'pods'];
const CERTIFICATE_KEYS: readonly string[] = ['privateKey', 'chain', 'roots'];
const POD_KEYS: readonly string[] = ['uid', 'name', 'namespace', 'serviceAccount', 'netns'];

/**
 * Reads the file's text. Workloads, services and policies are in the protobuf JSON form of the workload API;
 * certificates name PEM files, which `readFile` reads. @throws LocalConfigError.
 */
export function parseLocalConfig(text: string, readFile: (path: string) => string): LocalConfig {
  const root = LocalRecord.ofText(text, KEYS);
  return {
    workloads: root.list('workloads', parseWorkloadJson),
    services: root.list('services', parseServiceJson),
    policies: root.list('policies', parseAuthorizationJson),
    svids: root.list('certificates', (item, path) => parseCertificate(item, path, readFile)),
    pods: root.list('pods', parsePod),
  };
}

function parseCertificate(item: unknown, path: string, readFile: (path: string) => string): Svid {
  const record = new LocalRecord(path, item, CERTIFICATE_KEYS);
  return within(path, () =>
    parseSvid({
      privateKeyPem: record.pemFile('privateKey', readFile),
      chainPem: record.pemFile('chain', readFile),
      trustBundle: parseTrustBundle([record.pemFile('roots', readFile)]),
    }),
  );
}

function parsePod(item: unknown, path: string): LocalPod {
  const record = new LocalRecord(path, item, POD_KEYS);
  return {
    uid: record.text('uid'),
    names: {
      name: record.text('name'),
      namespace: record.text('namespace'),
      serviceAccount: record.text('serviceAccount'),
    },
    netnsPath: record.text('netns'),
  };
}
