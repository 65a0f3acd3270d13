/** Bounds and patterns of Gateway API v1.6, as its schemas have them. */

type RouteLimit =
  | 'parents'
  | 'hostnames'
  | 'serverNames'
  | 'rules'
  | 'matchesOfRule'
  | 'matches'
  | 'filters'
  | 'backends'
  | 'namedMatches'
  | 'headerEdits'
  | 'pathLength'
  | 'headerNameLength'
  | 'headerValueLength'
  | 'queryValueLength'
  | 'methodLength'
  | 'weight'
  | 'corsMethods'
  | 'corsNames'
  | 'sessionNameLength'
  | 'grantEntries'
  | 'policyTargets'
  | 'caRefs'
  | 'altNames'
  | 'options'
  | 'retryAttempts';

export const ROUTE_LIMITS: Readonly<Record<RouteLimit, number>> = {
  parents: 32,
  hostnames: 16,
  serverNames: 1024,
  rules: 16,
  matchesOfRule: 64,
  /** Of all rules of a route. */
  matches: 128,
  filters: 16,
  backends: 16,
  /** Headers, or query parameters, of one match. */
  namedMatches: 16,
  /** Of one list of a header modifier. */
  headerEdits: 16,
  pathLength: 1024,
  headerNameLength: 256,
  headerValueLength: 4096,
  queryValueLength: 1024,
  /** Of a gRPC service or method. */
  methodLength: 1024,
  weight: 1_000_000,
  corsMethods: 9,
  corsNames: 64,
  sessionNameLength: 128,
  grantEntries: 16,
  policyTargets: 16,
  caRefs: 8,
  altNames: 5,
  options: 16,
  /** Ours: Gateway API has no bound. */
  retryAttempts: 25,
};

const LABELS = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*';
export const HOSTNAME_LENGTH_MAX = 253;
export const HOSTNAME: RegExp = new RegExp(`^(?:\\*\\.)?${LABELS}$`);
export const PRECISE_HOSTNAME: RegExp = new RegExp(`^${LABELS}$`);
/** Also of a section. */
export const SUBDOMAIN: RegExp = PRECISE_HOSTNAME;
/** A URI name of a certificate, as BackendTLSPolicy may ask for it. */
export const CERTIFICATE_URI: RegExp = /^[^:/?#\s]+:\/\/[^/?#\s]*[^?#\s]*(?:\?[^#\s]*)?(?:#\S*)?$/;
export const CERTIFICATE_URI_LENGTH_MAX = 253;
export const KIND_NAME: RegExp = /^[a-zA-Z](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/;
export const HEADER_NAME: RegExp = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
/** Visible characters, with spaces and tabs inside: nothing that could end a line. */
export const HEADER_VALUE: RegExp = /^[!-~](?:[\t -~]*[!-~])?$/;
export const ROUTE_PATH: RegExp = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/;
/** What replaces a path: no query, no fragment, nothing that could end a request line. */
export const REPLACEMENT_PATH: RegExp = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@[\]]|%[0-9a-fA-F]{2})*$/;
export const CORS_ORIGIN: RegExp = /^https?:\/\/(?:(?:\*\.)?(?:[a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(?::[0-9]{1,5})?$/;
export const GRPC_SERVICE: RegExp = /^\.?[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*$/;
export const GRPC_METHOD: RegExp = /^[A-Za-z_][A-Za-z_0-9]*$/;
export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

export const REDIRECT_STATUSES: readonly number[] = [301, 302, 303, 307, 308];
/** What a field of type int32 can hold. */
export const INT32_MAX = 2_147_483_647;

/** Fields that say where a message ends or what a connection is for: a route that touches them would break both. */
export const FRAMING_HEADERS: readonly string[] = [
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** What a version may be called: as the value of a label may, but never empty. */
export const SERVICE_VERSION: RegExp = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
