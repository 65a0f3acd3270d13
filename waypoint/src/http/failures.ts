/** Why a request did not get the answer of its server. */
export type FailureReason =
  | 'bad-request'
  | 'path-refused'
  | 'method-refused'
  | 'upgrade-refused'
  | 'request-timeout'
  | 'access-denied'
  | 'policy-missing'
  | 'no-route'
  | 'faulty-route'
  | 'no-endpoint'
  | 'overload'
  | 'no-memory'
  | 'busy'
  | 'connect'
  | 'upstream-gone'
  | 'upstream-protocol'
  | 'upstream-truncated'
  | 'timeout'
  | 'idle'
  | 'client-gone';

export interface Failure {
  /** What the client is told, unless the answer has begun. */
  readonly status: number;
  /** Envoy's response flag, which dashboards know; the label `response_flags` and a field of the access log. */
  readonly flag: string;
  /** The body of our answer. Says nothing that is the client's or the server's secret. */
  readonly text: string;
}

/** The reference page's table is compared with this. */
export const FAILURES: Readonly<Record<FailureReason, Failure>> = {
  'bad-request': { status: 400, flag: 'DPE', text: 'the request is not valid HTTP' },
  'path-refused': { status: 400, flag: 'DPE', text: 'servers may read the path in several ways' },
  'method-refused': { status: 405, flag: 'DPE', text: 'CONNECT is not served here' },
  'upgrade-refused': { status: 501, flag: 'DPE', text: 'no such upgrade is passed on in HTTP/2' },
  'request-timeout': { status: 408, flag: 'SI', text: 'the request took too long to arrive' },
  'access-denied': { status: 403, flag: 'RBAC', text: 'RBAC: access denied' },
  // To the client the same: what is known of policies is nobody's business.
  'policy-missing': { status: 403, flag: 'RBAC', text: 'RBAC: access denied' },
  'no-route': { status: 404, flag: 'NR', text: 'no route matches' },
  'faulty-route': { status: 500, flag: 'NC', text: 'the route cannot be followed' },
  'no-endpoint': { status: 503, flag: 'UH', text: 'no healthy endpoint' },
  overload: { status: 503, flag: 'UO', text: 'too many requests wait for this service' },
  'no-memory': { status: 503, flag: 'OM', text: 'the proxy is short of memory' },
  busy: { status: 503, flag: 'OM', text: 'the proxy has too much to do' },
  connect: { status: 503, flag: 'UF', text: 'the server could not be reached' },
  'upstream-gone': { status: 503, flag: 'UC', text: 'the server closed the connection before its answer' },
  'upstream-protocol': { status: 502, flag: 'UPE', text: 'the answer of the server is not valid HTTP' },
  'upstream-truncated': { status: 502, flag: 'UC', text: 'the answer of the server ended in its middle' },
  timeout: { status: 504, flag: 'UT', text: 'the server took too long to answer' },
  idle: { status: 504, flag: 'SI', text: 'nothing was said for too long' },
  'client-gone': { status: 0, flag: 'DC', text: 'the client went away' },
};
