import type { ChildProcesses } from '../host/child-processes.ts';
import type { PodPair } from '../host/topology.ts';
import type { BenchCertificates } from '../l4/certificates.ts';
import type { L7PeerName } from './plan.ts';

/** Generator and server share a core; the proxy has the other one alone. */
export const LOAD_CORE = 0;
export const PROXY_CORE = 1;

export const HBONE_PORT = 15_008;
/** Of the proxy, for plaintext requests. */
export const PLAIN_PORT = 8081;
/** Of the server behind it. */
export const SERVER_PORT = 8080;
/** Of the proxy, for whatever it tells of itself. */
export const ADMIN_PORT = 15_000;

/** Whose VIP the tunnels ask for; the second is where the route sends requests with `x-route: b`. */
export const SERVICE_A = { name: 'a', hostname: 'a.bench', address: '10.9.0.1', port: 80 } as const;
export const SERVICE_B = { name: 'b', hostname: 'b.bench', address: '10.9.0.2', port: 80 } as const;

/** The one request of every load. */
export const REQUEST_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ['Host', SERVICE_A.hostname],
  ['User-Agent', 'ambit-bench/1.0 (HTTP/1.1; Linux x86_64)'],
  ['Accept', '*/*'],
  ['X-Route', 'b'],
];
export const REQUEST_PATH = '/index.html?page=1';
export const GRPC_PATH = '/bench.Echo/Say';
export const GRPC_STREAM_PATH = '/bench.Echo/stream';
/** A length follows. */
export const BODY_PATH = '/bytes/';
/** What access policies let through; nothing else is asked for. */
export const ALLOWED = { methods: ['GET', 'POST'], file: '/index.html', below: ['/bench.Echo', '/bytes'] } as const;

/** What a proxy gets to run in: it runs in the server pod, the generator and the server in the client pod. */
export interface L7Site {
  readonly pair: PodPair;
  readonly certificates: BenchCertificates;
  readonly directory: string;
  readonly children: ChildProcesses;
}

export interface RunningL7Peer {
  readonly pids: readonly number[];
  /** One line per request: a peer whose log stays short did less than the others. */
  readonly accessLog: string;
  assertAlive(): void;
}

export interface L7Peer {
  readonly name: L7PeerName;
  readonly version: string;
  readonly features: readonly string[];
  start(site: L7Site): Promise<RunningL7Peer>;
}
