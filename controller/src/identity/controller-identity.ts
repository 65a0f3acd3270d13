import { GrpcError, type GrpcPeer, type GrpcServerTls, type GrpcServices } from '@ambit/mesh/grpc';
import type { TrustDomain } from '@ambit/mesh/model';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import { openPrivateDirectory, type TrustBundle } from '@ambit/mesh/tls';
import type { SubscribingCaller } from '../push/decide-subscriber.ts';
import { identifyCaller, type NodeCaller, refusalKey, type RefusedCaller } from './caller.ts';
import { openCertificateAuthority } from './certificate-authority.ts';
import { createCertificateService } from './issue-certificate.ts';
import { WORKLOAD_VALIDITY_MS } from './limits.ts';
import { createIdentityMetrics } from './metrics.ts';
import type { WorkloadsByNode } from './node-authorization.ts';
import { createNodeService } from './node-certificates.ts';
import { NodeRegister } from './node-register.ts';
import { ServerCertificate } from './server-certificate.ts';

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

/** The node, and on Kubernetes the pod, of whoever reads from us. */
export type CallerPlace = Pick<SubscribingCaller, 'node' | 'pod'>;

/** Revocation lists that the controller distributes. */
export interface RevocationLists {
  /** PEM; empty where there are none, null while they cannot be used. */
  readonly revocationLists: string | null;
  /** Hears of others. */
  onRevocations(listener: () => void): void;
}

/** Everything the controller knows about identity. Disposing it stops renewal; what was issued stays valid. */
export interface ControllerIdentity extends Disposable {
  /** What workloads verify each other against. */
  readonly trustBundle: TrustBundle;
  /** Revocation lists kept beside the authority; absent where whoever revokes hands them out. */
  readonly revocations?: RevocationLists;
  /** The server certificate to use now. */
  readonly serverTls: GrpcServerTls;
  readonly certificates: NonNullable<GrpcServices['certificates']>;
  /** Absent where nodes do not join. */
  readonly nodes?: NonNullable<GrpcServices['nodes']>;
  /** Who calls. @throws GrpcError `unauthenticated`; the reason is in our log. */
  authenticate(peer: GrpcPeer): Promise<SubscribingCaller>;
  /** Hears, soon after, whose streams must end: nodes that were revoked, pods that are gone. */
  onUnwanted(listener: (isUnwanted: (subscriber: CallerPlace) => boolean) => void): void;
  /** Hears of each new server certificate. */
  onServerTls(listener: (tls: GrpcServerTls) => void): void;
}

/** How often the list that `controller revoke` writes is looked at; a call is refused at once. */
export const REVOCATION_POLL_MS = 1000;

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
  const identify = (peer: GrpcPeer): NodeCaller | RefusedCaller =>
    identifyCaller(peer.certificate, clock.now(), (node, serial) => register.isRevoked(node, serial));
  const server = new ServerCertificate(authority, serverNames, clock, logger);
  const revocations = new RevocationWatch(register, clock, logger);
  return {
    trustBundle: authority.trustBundle,
    get serverTls() {
      return server.current;
    },
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
    async authenticate(peer) {
      const caller = identify(peer);
      if (caller.kind === 'node') return { node: caller.node, speaksForNode: true };
      const { reason, node } = caller;
      logger.warn(
        'caller refused',
        { reason, node, 'peer.address': peer.address },
        { limitBy: refusalKey(reason, peer) },
      );
      throw new GrpcError('unauthenticated');
    },
    onUnwanted: (listener) => revocations.listeners.push((revoked) => listener(({ node }) => node === revoked)),
    onServerTls: (listener) => server.listeners.push(listener),
    [Symbol.dispose]() {
      server[Symbol.dispose]();
      revocations[Symbol.dispose]();
    },
  };
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
