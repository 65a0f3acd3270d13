import { SERVICE_VERSION } from './route-limits.ts';

/**
 * Kind of group `ambit.dev` that a route's backendRef may name in place of Service: those of a Service's endpoints that have one
 * version. It has no objects, the name says it all.
 */
export const SERVICE_VERSION_KIND = 'ServiceVersion';

/** Which endpoints: those of the Service whose label `app.kubernetes.io/version`, or else `version`, is the version. */
export interface ServiceVersion {
  readonly service: string;
  readonly version: string;
}

/** `SERVICE.VERSION`: the name of a Service has no dot, that of a version may. Null for anything else. */
export function parseServiceVersion(name: string): ServiceVersion | null {
  const dot = name.indexOf('.');
  const [service, version] = [name.slice(0, Math.max(dot, 0)), name.slice(dot + 1)];
  return SERVICE_NAME.test(service) && SERVICE_VERSION.test(version) ? { service, version } : null;
}

const SERVICE_NAME = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
