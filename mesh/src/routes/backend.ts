import type { ServiceKey } from '../model/service.ts';

/** What a reference to a backend came to. */
export type RouteBackend =
  | {
      readonly kind: 'service';
      readonly service: ServiceKey;
      readonly port: number;
      /** Of its endpoints only those whose canonical revision is this; null: all of them. */
      readonly version: string | null;
    }
  /** Its share of requests is answered with 500. */
  | { readonly kind: 'invalid'; readonly reason: BackendFault };

/** One that requests can be sent to. */
export type ServiceBackend = Extract<RouteBackend, { readonly kind: 'service' }>;

/** Reasons of condition ResolvedRefs. */
export type BackendFault = 'InvalidKind' | 'BackendNotFound' | 'RefNotPermitted' | 'UnsupportedProtocol';
