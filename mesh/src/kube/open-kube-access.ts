import type { Clock } from '../runtime/clock.ts';
import { type Environment, EnvironmentReader } from '../runtime/environment.ts';
import type { KubeAccess } from './kube-access.ts';
import { openServiceAccountAccess, SERVICE_ACCOUNT_DIRECTORY } from './service-account-access.ts';

export interface OpenKubeAccessOptions {
  /** KUBECONFIG, or what the kubelet sets: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
  readonly environment: Environment;
  readonly clock: Clock;
  readonly serviceAccountDirectory?: string;
}

/**
 * Finds the API server: KUBECONFIG when it is set, as for every Kubernetes tool, else the service account of the pod.
 * @throws EnvironmentError when there is neither, or they cannot be used.
 */
export async function openKubeAccess(options: OpenKubeAccessOptions): Promise<KubeAccess> {
  const reader = new EnvironmentReader(options.environment);
  const kubeconfig = reader.optional('KUBECONFIG');
  if (kubeconfig !== undefined) {
    // Only people use it, and the library behind it is larger than the rest of the process.
    const { openKubeconfigAccess } = await import('./kubeconfig-access.ts');
    return openKubeconfigAccess(kubeconfig);
  }
  return openServiceAccountAccess({
    host: reader.parsed('KUBERNETES_SERVICE_HOST', 'an address, as in a pod; outside of one set KUBECONFIG', parseHost),
    port: String(reader.integer('KUBERNETES_SERVICE_PORT', { min: 1, max: 65_535 }, 443)),
    directory: options.serviceAccountDirectory ?? SERVICE_ACCOUNT_DIRECTORY,
    clock: options.clock,
  });
}

function parseHost(text: string): string {
  if (!/^[0-9A-Za-z.:-]{1,253}$/.test(text)) throw new RangeError('not a host');
  return text;
}
