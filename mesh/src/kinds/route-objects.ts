import type { IpAddress } from '../model/address.ts';
import type { SubjectAltName } from '../routes/backend-security.ts';
import type { GrpcMatch, HttpMatch, RouteRule, WeightedBackend } from '../routes/rule.ts';
import type { ObjectMeta } from './objects.ts';

// Routes of Gateway API and what they need beside them, as written. Whether what they name exists and may be named is
// decided elsewhere.

/** What a route is attached to. */
export interface ParentRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Listener of a Gateway, port of a Service; null: all. */
  readonly sectionName: string | null;
  readonly port: number | null;
}

/** Where requests go, or copies of them. */
export interface BackendRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** A Service needs one. */
  readonly port: number | null;
}

interface Route {
  readonly meta: ObjectMeta;
  readonly parents: readonly ParentRef[];
}

export interface HttpRoute extends Route {
  readonly kind: 'HTTPRoute';
  /** Empty: all. `*.` at the beginning stands for one label or more. */
  readonly hostnames: readonly string[];
  readonly rules: readonly RouteRule<HttpMatch, BackendRef>[];
}

export interface GrpcRoute extends Route {
  readonly kind: 'GRPCRoute';
  readonly hostnames: readonly string[];
  /** Without matches a rule matches every call. */
  readonly rules: readonly RouteRule<GrpcMatch, BackendRef>[];
}

/** The one rule of a route that sees connections rather than requests. */
export interface StreamRule {
  readonly name: string | null;
  readonly backends: readonly WeightedBackend<BackendRef>[];
}

export interface TcpRoute extends Route {
  readonly kind: 'TCPRoute';
  readonly rule: StreamRule;
}

export interface TlsRoute extends Route {
  readonly kind: 'TLSRoute';
  /** Server names; never empty. */
  readonly hostnames: readonly string[];
  readonly rule: StreamRule;
}

/** Who may refer into a namespace, to what. */
export interface ReferenceGrant {
  readonly kind: 'ReferenceGrant';
  readonly meta: ObjectMeta;
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  /** `name` null: every object of the kind. */
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string | null }[];
}

export interface BackendTlsPolicy {
  readonly kind: 'BackendTLSPolicy';
  readonly meta: ObjectMeta;
  /** Of its namespace; `sectionName` is a port of a Service, null all. */
  readonly targets: readonly {
    readonly group: string;
    readonly kind: string;
    readonly name: string;
    readonly sectionName: string | null;
  }[];
  /** `fault`: it asks for something that this version does not know, and nothing may be sent without it. */
  readonly validation: BackendValidation | { readonly kind: 'fault'; readonly message: string };
}

/** What is asked of backends, and what is believed. */
export interface BackendValidation {
  readonly kind: 'known';
  /** Roots of the backends' certificates. */
  readonly roots:
    | { readonly kind: 'system' }
    | {
        readonly kind: 'refs';
        readonly refs: readonly { readonly group: string; readonly kind: string; readonly name: string }[];
      };
  /** Server name that is asked for, and whose certificate it must be unless `subjectAltNames` says otherwise. */
  readonly hostname: string;
  readonly subjectAltNames: readonly SubjectAltName[];
}

/** A Service of other clusters (multicluster.x-k8s.io). */
export interface ServiceImport {
  readonly kind: 'ServiceImport';
  readonly meta: ObjectMeta;
  readonly headless: boolean;
  /** Where the Service of the whole set of clusters is reached from this one; empty while nobody has given it any. */
  readonly ips: readonly IpAddress[];
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: string;
    readonly appProtocol: string;
  }[];
}
