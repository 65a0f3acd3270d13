export type Json = Readonly<Record<string, unknown>>;

/** A route of Gateway API as it is written. */
export function routeManifest(kind: string, spec: Json): Json {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name: 'r', namespace: 'shop' }, spec };
}

/** A backendRef of one version of a Service. */
export function versionRef(name: string, more: Json = {}): Json {
  return { group: 'ambit.dev', kind: 'ServiceVersion', name, port: 80, ...more };
}
