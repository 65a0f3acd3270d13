import {
  type CompiledRule,
  createAesSeal,
  createRememberingSeal,
  decideSessionAnswer,
  decideSessionBackend,
  type HeaderEdits,
  readSession,
  type RouteBackend,
  type RuleSession,
  type ServiceBackend,
  type Session,
  sessionBackendName,
  sessionHeader,
  type SessionPlace,
  type SessionPolicy,
  type SessionSeal,
} from '@ambit/mesh/routes';
import type { Clock } from '@ambit/mesh/runtime';
import { type CompiledEdits, compileEdits } from '../http/header-edits.ts';
import type { DeliverySession, RequestView } from '../http/pipeline.ts';
import { type Cluster, type Endpoint, endpointName } from '../upstream/cluster.ts';

/** Tokens that are remembered as opened, of clients that ask now; some hundred bytes each. */
const TOKENS_REMEMBERED_MAX = 4096;

/** A request at a rule with sessions. */
export interface RequestSession extends RuleSession {
  readonly policy: SessionPolicy;
  readonly session: Session;
  /** The client came by TLS of its own, before it came to the mesh. */
  readonly secure: boolean;
}

/** The sessions of all rules of one worker: whom each request belongs to, and what its client is told. */
export class RuleSessions {
  readonly #clock: Pick<Clock, 'now'>;
  #seal: SessionSeal | null = null;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** From now on the first one seals, and each opens; with none sessions neither begin nor go on. @throws RangeError. */
  use(keys: readonly Uint8Array[]): void {
    this.#seal = keys.length === 0 ? null : createRememberingSeal(createAesSeal(keys), TOKENS_REMEMBERED_MAX);
  }

  /** Null: the rule has none, or there is no key. `clusterOf` gives the endpoints of a backend; undefined where there is no such Service. */
  read(
    rule: CompiledRule<RouteBackend>,
    request: RequestView,
    clusterOf: (backend: ServiceBackend) => Cluster | undefined,
  ): RequestSession | null {
    const { session: policy } = rule;
    const seal = this.#seal;
    if (policy === null || seal === null) return null;
    const value = request.header(sessionHeader(policy, rule));
    const session = readSession(policy, rule, value, seal, this.#clock.now());
    const placeOf = (backend: ServiceBackend, endpoint: string): SessionPlace => {
      const cluster = clusterOf(backend);
      if (cluster?.find(endpoint) !== undefined) return 'endpoint';
      return cluster === undefined || cluster.endpoints.length === 0 ? 'none' : 'others';
    };
    const secure = request.header('x-forwarded-proto') === 'https';
    return { policy, session, secure, backend: decideSessionBackend(rule, session, placeOf) };
  }

  /** `edits` are what the rule makes of answers; `compiled` are the same. */
  deliver(
    { policy, session, secure }: RequestSession,
    to: { readonly rule: CompiledRule<RouteBackend>; readonly backend: ServiceBackend; readonly cluster: Cluster },
    edits: HeaderEdits,
    compiled: CompiledEdits,
  ): DeliverySession {
    const { rule, cluster } = to;
    const backend = sessionBackendName(to.backend);
    const isHere = session.kind === 'bound' && session.target.backend === backend;
    return {
      endpoint: isHere ? cluster.find(session.target.endpoint) : undefined,
      editsFrom: (endpoint: Endpoint) => {
        const target = { backend, endpoint: endpointName(endpoint) };
        const answer = { policy, rule, session, target, secure, nowMs: this.#clock.now() };
        const seal = this.#seal;
        const said = seal === null ? null : decideSessionAnswer(answer, seal);
        if (said === null) return compiled;
        const dropped = policy.kind === 'header' ? new Set([...edits.dropped, said.name]) : edits.dropped;
        return compileEdits({ dropped, appended: [...edits.appended, said] });
      },
    };
  }
}
