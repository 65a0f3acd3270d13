import { GrpcError, type GrpcPeer } from '@ambit/mesh/grpc';
import type { Pod } from '@ambit/mesh/kinds';
import type { KubeClient } from '@ambit/mesh/kube';
import type { TrustDomain } from '@ambit/mesh/model';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import { admitTokenCaller } from './admit-token-caller.ts';
import { type PodCaller, refusalKey, type RefusedCaller } from './caller.ts';
import type { SubscribedPod } from '../push/scope.ts';
import type { CallerPlace, ControllerIdentity, RevocationLists } from './controller-identity.ts';
import type { TokenClaims } from './decide-token-shape.ts';
import { createCertificateService } from './issue-certificate.ts';
import { WORKLOAD_VALIDITY_MS } from './limits.ts';
import { LivePods } from './live-pods.ts';
import { createIdentityMetrics } from './metrics.ts';
import type { WorkloadsByNode } from './node-authorization.ts';
import { ServerCertificate } from './server-certificate.ts';
import type { SigningAuthority } from './signing-authority.ts';
import { TokenReviewer } from './token-reviewer.ts';

export interface KubernetesIdentityOptions {
  readonly client: KubeClient;
  readonly authority: SigningAuthority & RevocationLists;
  readonly trustDomain: TrustDomain;
  /** A caller's token must be for one of them. */
  readonly audiences: readonly string[];
  /** `namespace/name` of the service accounts that may ask on behalf of their node's workloads, and read the mesh. */
  readonly nodeAgentAccounts: readonly string[];
  readonly serverNames: readonly string[];
  readonly workloadsByNode: WorkloadsByNode;
  /** The pod of that name in our copy of the cluster. */
  readonly podByName: (namespace: string, name: string) => Pod | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** How often it is looked whether the pods behind open streams are still there. */
const GONE_POLL_MS = 5000;
/** Pods remembered as having been there. */
const DEPARTURES_MAX = 50_000;

/**
 * Identity on Kubernetes: callers are pods, which show tokens of their service accounts; nodes do not join. Who a caller is
 * and what it may have is decided anew for each call; a refusal tells it nothing.
 */
export function createKubernetesIdentity(options: KubernetesIdentityOptions): ControllerIdentity {
  const { client, authority, clock, logger, podByName } = options;
  const metrics = createIdentityMetrics(options.metrics);
  const isPod = ({ namespace, podName, podUid }: TokenClaims): boolean =>
    podByName(namespace, podName)?.meta.uid === podUid;
  const reviewer = new TokenReviewer({ ...options, client, isPod });
  const pods = new LivePods({ client, known: podByName, clock, logger });
  const agents: ReadonlySet<string> = new Set(options.nodeAgentAccounts);
  const server = new ServerCertificate(authority, options.serverNames, clock, logger);
  const listeners: ((isUnwanted: (subscriber: CallerPlace) => boolean) => void)[] = [];
  const departures = new Departures(podByName);
  const identify = async (peer: GrpcPeer): Promise<PodCaller | RefusedCaller> => {
    const verdict = await reviewer.review(peer.bearerToken, peer.address);
    if (verdict.kind === 'refused') return verdict;
    return admitTokenCaller(verdict, await pods.find(verdict), agents);
  };
  let timer = schedule();
  function schedule(): Disposable {
    return clock.setTimer(GONE_POLL_MS, () => {
      for (const listener of listeners) listener(({ pod }) => pod !== undefined && departures.isGone(pod));
      timer = schedule();
    });
  }
  return {
    get trustBundle() {
      return authority.trustBundle;
    },
    revocations: authority,
    get serverTls() {
      return server.current;
    },
    certificates: createCertificateService({
      authority,
      trustDomain: options.trustDomain,
      workloads: options.workloadsByNode,
      validityMsMax: WORKLOAD_VALIDITY_MS,
      identifyCaller: identify,
      lookAgain: (...workload) => pods.runsServiceAccount(...workload),
      clock,
      logger,
      metrics,
    }),
    async authenticate(peer) {
      const caller = await identify(peer);
      if (caller.kind === 'pod') {
        const { node, namespace, podName: name, podUid: uid, isNodeAgent: speaksForNode } = caller;
        return { node, pod: { namespace, name, uid }, speaksForNode };
      }
      const { reason } = caller;
      logger.warn(
        'caller refused',
        { reason, node: caller.node, 'peer.address': peer.address },
        { limitBy: refusalKey(reason, peer) },
      );
      throw new GrpcError('unauthenticated');
    },
    onUnwanted: (listener) => listeners.push(listener),
    onServerTls: (listener) => server.listeners.push(listener),
    [Symbol.dispose]() {
      server[Symbol.dispose]();
      timer[Symbol.dispose]();
    },
  };
}

/** Tells pods that are gone from those our copy of the cluster does not have yet: gone is what was there before. */
class Departures {
  readonly #podByName: KubernetesIdentityOptions['podByName'];
  readonly #seen = new Set<string>();

  constructor(podByName: KubernetesIdentityOptions['podByName']) {
    this.#podByName = podByName;
  }

  /** Must be asked about a pod again and again. */
  isGone({ namespace, name, uid }: SubscribedPod): boolean {
    if (this.#podByName(namespace, name)?.meta.uid !== uid) return this.#seen.has(uid);
    this.#seen.add(uid);
    if (this.#seen.size > DEPARTURES_MAX) {
      const [oldest] = this.#seen;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return false;
  }
}
