import { isDeepStrictEqual } from 'node:util';
import type { ServiceKey } from '@ambit/mesh/model';
import { type BackendSecurity, type ClosedBackend, type PortSecurity, securityOf } from '@ambit/mesh/routes';

/** Backends that come or go; what is put replaces what there was. Plain data, it crosses a thread boundary. */
export interface BackendChanges {
  readonly put: readonly (BackendSecurity | ClosedBackend)[];
  readonly removed: readonly ServiceKey[];
}

/** How connections to each service are secured. */
export class BackendTable {
  readonly #backends = new Map<ServiceKey, BackendSecurity | ClosedBackend>();

  /** Takes effect for whoever asks next, as a whole. Answers the services of which something is different now. */
  apply({ put, removed }: BackendChanges): ReadonlySet<ServiceKey> {
    const changed = new Set<ServiceKey>();
    for (const service of removed) if (this.#backends.delete(service)) changed.add(service);
    for (const backend of put) {
      // Who holds the settings knows by the object that they are the same.
      if (isDeepStrictEqual(this.#backends.get(backend.service), backend)) continue;
      this.#backends.set(backend.service, backend);
      changed.add(backend.service);
    }
    return changed;
  }

  /** Null: nothing asks for TLS. The same object as long as nothing of the service's changes. */
  of(service: ServiceKey, port: number): PortSecurity | null {
    return securityOf(this.#backends.get(service), port);
  }
}
