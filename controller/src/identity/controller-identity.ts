import { GrpcError, type GrpcPeer, type GrpcServerTls, type GrpcServices } from '@ambit/mesh/grpc';
import type { TrustDomain } from '@ambit/mesh/model';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import { openPrivateDirectory, type TrustBundle } from '@ambit/mesh/tls';
import { type Caller, identifyCaller } from './caller.ts';
import { type CertificateAuthority, openCertificateAuthority } from './certificate-authority.ts';
import { createCertificateService } from './issue-certificate.ts';
import { WORKLOAD_VALIDITY_MS } from './limits.ts';
import { createIdentityMetrics } from './metrics.ts';
import type { WorkloadsByNode } from './node-authorization.ts';
import { createNodeService } from './node-certificates.ts';
import { NodeRegister } from './node-register.ts';

export interface IdentityOptions {
  /** Created with mode 0700; refused when others may look into it. */
  readonly stateDirectory: string;
  readonly trustDomain: TrustDomain;
  readonly workloadsByNode: WorkloadsByNode;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Host names and addresses for the server certificate, besides localhost and the name every controller has. */
  readonly serverNames?: readonly string[];
  /** Shorter lives, for tests and for the careful. */
  readonly validity?: {
    readonly workloadMs?: number;
    readonly nodeMs?: number;
    readonly serverMs?: number;
    readonly intermediateMs?: number;
  };
}

/** Everything the controller knows about identity. Disposing it stops renewal; what was issued stays valid. */
export interface ControllerIdentity extends Disposable {
  /** What workloads verify each other against. */
  readonly trustBundle: TrustBundle;
  /** The server certificate to begin with. */
  readonly serverTls: GrpcServerTls;
  readonly certificates: NonNullable<GrpcServices['certificates']>;
  readonly nodes: NonNullable<GrpcServices['nodes']>;
  /** The node that calls. @throws GrpcError `unauthenticated`; the reason is in our log. */
  authenticateNode(peer: GrpcPeer): Promise<{ readonly node: string }>;
  /** Hears of each node whose certificates were revoked, within `REVOCATION_POLL_MS`. */
  onRevoked(listener: (node: string) => void): void;
  /** Hears of each new server certificate. */
  onServerTls(listener: (tls: GrpcServerTls) => void): void;
}

/** How often the list that `controller revoke` writes is looked at; a call is refused at once. */
export const REVOCATION_POLL_MS = 1000;
/** How often the lives of our own certificates are looked at. */
const RENEWAL_POLL_MS = 60_000;

/**
 * Opens the state directory, making the authorities on first use.
 * @throws TlsError `insecure-state`, IdentityError `state-damaged`.
 */
export async function openIdentity(options: IdentityOptions): Promise<ControllerIdentity> {
  const { trustDomain, workloadsByNode: workloads, clock, logger, serverNames = [], validity = {} } = options;
  const state = openPrivateDirectory(options.stateDirectory);
  const authority = openCertificateAuthority({ state, clock, validity });
  const register = new NodeRegister(state);
  const metrics = createIdentityMetrics(options.metrics);
  const identify = (peer: GrpcPeer): Caller =>
    identifyCaller(peer.certificate, clock.now(), (node, serial) => register.isRevoked(node, serial));
  const server = new ServerCertificate(authority, serverNames, clock, logger);
  const revocations = new RevocationWatch(register, clock, logger);
  return {
    trustBundle: authority.trustBundle,
    serverTls: server.current,
    certificates: createCertificateService({
      authority,
      trustDomain,
      workloads,
      validityMsMax: validity.workloadMs ?? WORKLOAD_VALIDITY_MS,
      identifyCaller: identify,
      clock,
      logger,
      metrics,
    }),
    nodes: createNodeService({ state, authority, register, identifyCaller: identify, clock, logger, metrics }),
    async authenticateNode(peer) {
      const caller = identify(peer);
      if (caller.kind === 'node') return { node: caller.node };
      logger.warn('caller refused', { reason: caller.reason, node: caller.node, 'peer.address': peer.address });
      throw new GrpcError('unauthenticated');
    },
    onRevoked: (listener) => revocations.listeners.push(listener),
    onServerTls: (listener) => server.listeners.push(listener),
    [Symbol.dispose]() {
      server[Symbol.dispose]();
      revocations[Symbol.dispose]();
    },
  };
}

/** The listener's certificate, replaced at half of its life or with the intermediate that signed it. */
class ServerCertificate implements Disposable {
  readonly listeners: ((tls: GrpcServerTls) => void)[] = [];
  current: GrpcServerTls;
  readonly #authority: CertificateAuthority;
  readonly #names: readonly string[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  #refreshAtMs: number;
  #timer: Disposable;

  constructor(authority: CertificateAuthority, names: readonly string[], clock: Clock, logger: Logger) {
    this.#authority = authority;
    this.#names = names;
    this.#clock = clock;
    this.#logger = logger;
    const first = authority.issueServer(names);
    this.current = first.tls;
    this.#refreshAtMs = first.refreshAtMs;
    this.#timer = this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #schedule(): Disposable {
    const dueInMs = Math.max(0, this.#refreshAtMs - this.#clock.now());
    return this.#clock.setTimer(Math.min(RENEWAL_POLL_MS, dueInMs), () => {
      try {
        this.#renewWhenDue();
      } catch (error) {
        this.#logger.error('server certificate not renewed', { error });
        this.#refreshAtMs = this.#clock.now() + RENEWAL_POLL_MS;
      }
      this.#timer = this.#schedule();
    });
  }

  #renewWhenDue(): void {
    const isNewIntermediate = this.#authority.renewIntermediate();
    if (!isNewIntermediate && this.#clock.now() < this.#refreshAtMs) return;
    const next = this.#authority.issueServer(this.#names);
    this.current = next.tls;
    this.#refreshAtMs = next.refreshAtMs;
    for (const listener of this.listeners) listener(next.tls);
    this.#logger.info('server certificate renewed', { 'refresh.at': new Date(next.refreshAtMs) });
  }
}

/** Notices what `controller revoke` writes beside us. */
class RevocationWatch implements Disposable {
  readonly listeners: ((node: string) => void)[] = [];
  readonly #register: NodeRegister;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #known: ReadonlyMap<string, number>;
  #timer: Disposable;

  constructor(register: NodeRegister, clock: Clock, logger: Logger) {
    this.#register = register;
    this.#clock = clock;
    this.#logger = logger;
    this.#known = register.revokedNodes();
    this.#timer = this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #schedule(): Disposable {
    return this.#clock.setTimer(REVOCATION_POLL_MS, () => {
      try {
        this.#look();
      } catch (error) {
        this.#logger.error('list of revoked certificates cannot be read', { error });
      }
      this.#timer = this.#schedule();
    });
  }

  #look(): void {
    const now = this.#register.revokedNodes();
    for (const [node, atMs] of now) {
      if (this.#known.get(node) === atMs) continue;
      this.#logger.info('node revoked', { node });
      for (const listener of this.listeners) listener(node);
    }
    this.#known = now;
  }
}
