import type { ChildProcesses } from '../host/child-processes.ts';
import type { PodPair, Topology } from '../host/topology.ts';
import type { BenchCertificates } from './certificates.ts';

/** `ambit-http` is Ambit with its passive HTTP metrics turned on. */
export type PeerName = 'direct' | 'nginx' | 'envoy' | 'ambit' | 'ambit-http';

/** In the order in which they run and are told of. */
export const PEER_NAMES: readonly PeerName[] = ['direct', 'nginx', 'envoy', 'ambit', 'ambit-http'];

/** The ports of the two applications in every server pod: small requests, and bulk. */
export const REQUEST_PORT = 8080;
export const BULK_PORT = 5201;

/** Client node is core 0, server node core 1: load generator and application share their node's core with the proxy. */
export const CLIENT_CORE = 0;
export const SERVER_CORE = 1;

/** What a peer gets to run in. Everything it creates lies in the namespaces, in `directory`, or in `children`. */
export interface Site {
  readonly topology: Topology;
  readonly pair: PodPair;
  readonly certificates: BenchCertificates;
  /** Empty, reserved for this peer, removed with the bench. */
  readonly directory: string;
  readonly children: ChildProcesses;
  readonly signal: AbortSignal;
}

/** A started peer: traffic of the client pod to the server pod's address goes through it. */
export interface RunningPeer {
  readonly clientPids: readonly number[];
  readonly serverPids: readonly number[];
  /** Port of the server pod where the tunnel ends; absent when there is none. */
  readonly tunnelPort?: number;
  /** Access logs of both sides, one line per connection: a peer whose logs stay short was not on the path. */
  readonly accessLogs: readonly string[];
  /** Throws when one of its processes has died. */
  assertAlive(): void;
  stop(): Promise<void>;
}

/** One way to carry the traffic. */
export interface Peer {
  readonly name: PeerName;
  /** Version of the program and what is turned on, for the record beside the figures. */
  readonly about: PeerDescription;
  start(site: Site): Promise<RunningPeer>;
}

export interface PeerDescription {
  readonly version: string;
  readonly features: readonly string[];
}
