import { isIPv6 } from 'node:net';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.ts';
import { CredentialsFile } from './credentials-file.ts';
import type { KubeAccess } from './kube-access.ts';

/** Where the kubelet puts what a pod's service account needs. */
export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

const TOKEN = /^[\x21-\x7e]+$/;
const PEM_BEGIN = '-----BEGIN CERTIFICATE-----';

export interface ServiceAccountAccessOptions {
  /** Address and port as the kubelet's variables give them. */
  readonly host: string;
  readonly port: string;
  /** Holds `token`, `ca.crt` and `namespace`. */
  readonly directory: string;
  readonly clock: Clock;
}

/** Access as the service account of the pod we are in. */
export async function openServiceAccountAccess(options: ServiceAccountAccessOptions): Promise<KubeAccess> {
  const { host, port, directory, clock } = options;
  const file = (name: string, accept: (text: string) => boolean): CredentialsFile =>
    new CredentialsFile({ path: join(directory, name), clock, accept });
  const token = file('token', (text) => TOKEN.test(text));
  const roots = file('ca.crt', (text) => text.includes(PEM_BEGIN));
  return {
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    namespace: await readNamespace(join(directory, 'namespace')),
    credentials: async (refused) => ({ rootsPem: await roots.read(refused), bearerToken: await token.read(refused) }),
  };
}

/** Optional: only the pod's own volume has it. */
async function readNamespace(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim() || 'default';
  } catch {
    return 'default';
  }
}
