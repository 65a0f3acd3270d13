import { createKubeClient, type KubeAccess, type KubeClient, type KubeResource } from '@ambit/mesh/kube';
import { Metrics, systemClock } from '@ambit/mesh/runtime';
import type { TestApiServer, TestKubeAccess } from './api-server.ts';

/** Longest that one call of a test takes on a busy machine. */
const CALL_MS = 60_000;

/** A kind of the core group. */
export function coreKind(plural: string, kind: string, scope: KubeResource['scope'] = 'namespaced'): KubeResource {
  return { group: '', version: 'v1', plural, kind, scope };
}

/** A client as Ambit's parts have it; the caller disposes of it. Default: the administrator's. */
export function testClient(
  api: TestApiServer,
  options: { readonly access?: TestKubeAccess; readonly metrics?: Metrics } = {},
): KubeClient & Disposable {
  const access = kubeAccess(options.access ?? api.admin);
  const metrics = options.metrics ?? new Metrics();
  return createKubeClient({ access, metrics, clock: systemClock, userAgent: 'ambit-test' });
}

function kubeAccess({ server, caPem, token }: TestKubeAccess): KubeAccess {
  const credentials = { rootsPem: caPem, bearerToken: token };
  return { server: new URL(server), namespace: 'default', credentials: async () => credentials };
}

/** Creates or changes an object as the administrator, like `kubectl apply`. */
export async function applyObject(client: KubeClient, resource: KubeResource, object: NamedObject): Promise<unknown> {
  const { name, namespace = '' } = object.metadata;
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  const apply = { object: { apiVersion, kind: resource.kind, ...object }, fieldManager: 'test', force: true };
  return client.apply(resource, { namespace, name }, apply, AbortSignal.timeout(CALL_MS));
}

interface NamedObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** A projected token, as the kubelet gets it for a pod. */
export async function requestToken(
  client: KubeClient,
  wish: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly audiences?: readonly string[];
    readonly pod?: { readonly name: string; readonly uid: string };
  },
): Promise<string> {
  const { namespace, serviceAccount, audiences, pod } = wish;
  const boundObjectRef = pod === undefined ? undefined : { apiVersion: 'v1', kind: 'Pod', ...pod };
  const object = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences, boundObjectRef } };
  const of = { name: serviceAccount, subresource: 'token' } as const;
  const accounts = coreKind('serviceaccounts', 'ServiceAccount');
  const answer = await client.create(accounts, namespace, object, AbortSignal.timeout(CALL_MS), of);
  return (answer as { readonly status: { readonly token: string } }).status.token;
}
