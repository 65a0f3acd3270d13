import { delimiter } from 'node:path';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { EnvironmentError } from '../runtime/environment.ts';
import { KubeApiError } from './errors.ts';
import type { KubeAccess, KubeCredentials } from './kube-access.ts';

/**
 * Access as the current context of kubeconfig files says, separated as in a PATH; the first that defines something wins.
 * Programs and providers that they name for credentials are asked. @throws EnvironmentError.
 */
export function openKubeconfigAccess(files: string): KubeAccess {
  const config = load(files);
  const cluster = config.getCurrentCluster();
  const context = config.getContextObject(config.getCurrentContext());
  if (cluster === null || context === null) refuse(files, 'a current context with a cluster');
  const server = URL.canParse(cluster.server) ? new URL(cluster.server) : null;
  if (server?.protocol !== 'https:') refuse(files, 'an https: address of the API server');
  // Whoever answers would be believed, and would get our credentials.
  if (cluster.skipTLSVerify === true) refuse(files, 'no insecure-skip-tls-verify');
  if (cluster.proxyUrl !== undefined) refuse(files, 'no proxy-url');
  return {
    server,
    namespace: context.namespace ?? 'default',
    credentials: () => credentialsOf(config, cluster.tlsServerName),
  };
}

function load(files: string): KubeConfig {
  const [first, ...rest] = files.split(delimiter).filter((file) => file !== '');
  const read = (file: string): KubeConfig => {
    const config = new KubeConfig();
    config.loadFromFile(file);
    return config;
  };
  try {
    if (first === undefined) throw new RangeError('no file');
    const config = read(first);
    for (const file of rest) config.mergeConfig(read(file), true);
    return config;
  } catch (cause) {
    throw unusable(files, 'the paths of kubeconfig files', cause);
  }
}

async function credentialsOf(config: KubeConfig, serverName: string | undefined): Promise<KubeCredentials> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch {
    // What it threw may quote the output of a credential program.
    throw new KubeApiError('unauthenticated', { data: { reason: 'kubeconfig-credentials' } });
  }
  const rootsPem = pemOf(options.ca);
  const certificatePem = pemOf(options.cert);
  const privateKeyPem = pemOf(options.key);
  const bearerToken = tokenOf(options.headers);
  return {
    ...(rootsPem === undefined ? {} : { rootsPem }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(certificatePem === undefined || privateKeyPem === undefined
      ? {}
      : { client: { certificatePem, privateKeyPem } }),
    ...(bearerToken === undefined ? {} : { bearerToken }),
  };
}

function pemOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined;
}

function tokenOf(headers: RequestOptions['headers']): string | undefined {
  const value = Object.entries(headers ?? {}).find(([name]) => name === 'Authorization')?.[1];
  return typeof value === 'string' && value.startsWith('Bearer ') ? value.slice('Bearer '.length) : undefined;
}

function refuse(files: string, expected: string): never {
  throw unusable(files, expected);
}

function unusable(value: string, expected: string, cause?: unknown): EnvironmentError {
  return new EnvironmentError('environment-invalid', { variable: 'KUBECONFIG', value, expected }, { cause });
}
