import type { MeshView, NormalPath, Service } from '@ambit/mesh/model';
import {
  type CompiledRule,
  decideRequest,
  decideTimeouts,
  type Forwarding,
  type HeaderEdits,
  type RouteBackend,
  type ServiceBackend,
} from '@ambit/mesh/routes';
import { failureAnswer, straightTo } from '../http/decisions.ts';
import { compileEdits, type CompiledEdits } from '../http/header-edits.ts';
import type { Authorizer } from '@ambit/mesh/policies';
import { admit, type SentAs } from '../authorize/guarded-pipeline.ts';
import type { Answer, Decision, Delivery, Forward, RequestPipeline, RequestView } from '../http/pipeline.ts';
import type { CompiledGroup } from './route-tables.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { RequestSession, RuleSessions } from './rule-sessions.ts';

/** How a rule has a request sent on. */
type RoutedAs = Pick<Forwarding, 'rewritten' | 'requestEdits'>;

export interface ServiceRouterOptions {
  readonly view: MeshView;
  readonly service: Service;
  readonly port: number;
  /** Null: no route is attached. */
  readonly group: CompiledGroup | null;
  /** The routes are those of a caller's namespace, not of the service's. */
  readonly isConsumer: boolean;
  readonly clusterOf: (service: Service, port: number, version: string | null) => Cluster;
  /** Who may reach a service that a route leads to. */
  readonly accessOf: (service: Service, port: number) => Authorizer;
  readonly random: () => number;
  readonly sessions: RuleSessions;
}

/** A service that a rule leads to. */
interface Target {
  readonly cluster: Cluster;
  readonly hostname: string;
  /** Who may reach it. */
  readonly authorizer: Authorizer;
}

const NO_ROUTE = failureAnswer('no-route');
const FAULTY_ROUTE = failureAnswer('faulty-route');
const NO_DELIVERY: Delivery = { retry: null, attemptTimeoutMs: null, mirrors: [], session: null };

/** Routes the requests to one port of a service. Made anew when routes or services change. */
export class ServiceRouter implements RequestPipeline {
  readonly #options: ServiceRouterOptions;
  readonly #straight: Forward;
  /** By rule, whose delivery is always the same. */
  readonly #deliveries = new Map<CompiledRule<RouteBackend>, Delivery | null>();
  /** By the host that a rule sets, null for none. */
  readonly #edits = new Map<string | null, WeakMap<HeaderEdits, CompiledEdits>>();
  readonly #targets = new Map<ServiceBackend, Target>();
  /** What each rule has said last. */
  readonly #forwards = new Map<CompiledRule<RouteBackend>, Forward>();

  constructor(options: ServiceRouterOptions) {
    this.#options = options;
    this.#straight = straightTo(options.clusterOf(options.service, options.port, null));
  }

  decide(request: RequestView): Decision {
    const { group, port, random } = this.#options;
    if (group === null) return this.#straight;
    // Its connections are told apart when they begin, and this one began before the route.
    if (group.kind === 'connections') return FAULTY_ROUTE;
    const { table } = group;
    const decision = decideRequest(table, new FactsOfPort(request, port), random, this.#readSession);
    const route = decision.rule?.routeKey ?? '';
    if (decision.kind === 'answer') {
      const { reason, status, headers } = decision;
      if (reason === 'no-route') return NO_ROUTE;
      if (reason !== 'redirect' && reason !== 'cors-preflight') return FAULTY_ROUTE;
      return {
        kind: 'answer',
        route,
        reason: null,
        status,
        headers: compileEdits({ dropped: new Set(), appended: headers }),
      };
    }
    const target = this.#targetOf(decision.backend);
    if (target === null) return FAULTY_ROUTE;
    const { rewritten, rule } = decision;
    const refused = this.#refusedBy(decision.backend, target, request, decision);
    if (refused !== null) return refused;
    const { cluster } = target;
    const responseEdits = this.#compiled(decision.responseEdits, null);
    const delivery = this.#withMirrors(this.#deliveryOf(rule), decision, request);
    return this.#forwardOf(
      rule,
      cluster,
      this.#compiled(decision.requestEdits, rewritten.host),
      responseEdits,
      decideTimeouts(rule.timeouts, request.header('grpc-timeout')).requestMs,
      rewritten.path === request.path ? null : rewritten.path,
      this.#withSession(delivery, decision, cluster, responseEdits),
    );
  }

  /** Made once: a function for each request would be garbage of nearly all. */
  readonly #readSession = (rule: CompiledRule<RouteBackend>, request: RequestView): RequestSession | null =>
    this.#options.sessions.read(rule, request, (backend) => this.#targetOf(backend)?.cluster);

  /** What a rule says mostly is what it has said before. */
  #forwardOf(
    rule: CompiledRule<RouteBackend>,
    cluster: Cluster,
    requestEdits: CompiledEdits,
    responseEdits: CompiledEdits,
    timeoutMs: number | null,
    path: NormalPath | null,
    delivery: Delivery | null,
  ): Forward {
    const last = this.#forwards.get(rule);
    if (
      last !== undefined &&
      last.cluster === cluster &&
      last.requestEdits === requestEdits &&
      last.responseEdits === responseEdits &&
      last.timeoutMs === timeoutMs &&
      last.path === path &&
      last.delivery === delivery
    ) {
      return last;
    }
    const { routeKey: route } = rule;
    const forward: Forward = {
      kind: 'forward',
      cluster,
      route,
      requestEdits,
      responseEdits,
      timeoutMs,
      path,
      delivery,
    };
    this.#forwards.set(rule, forward);
    return forward;
  }

  /**
   * The policies of the service that was asked for have been asked. A route that leads to another one leads past none of that
   * one's, which are asked about what it is sent; and a consumer's route, which is not the service's own, makes no request to the
   * service itself that its policies would have refused.
   */
  #refusedBy(backend: ServiceBackend, target: Target, request: RequestView, as: RoutedAs): Answer | null {
    const { service, isConsumer } = this.#options;
    const { rewritten, requestEdits } = as;
    const isAsItCame = rewritten.path === request.path && rewritten.host === null && isEmpty(requestEdits);
    if (backend.service === service.key && (isAsItCame || !isConsumer)) return null;
    const sent: SentAs | null = isAsItCame ? null : { ...rewritten, edits: requestEdits };
    return admit(target.authorizer, target.hostname, request, sent);
  }

  #withSession(
    delivery: Delivery | null,
    { session, rule, backend, responseEdits }: Forwarding<RequestSession>,
    cluster: Cluster,
    compiled: CompiledEdits,
  ): Delivery | null {
    if (session === null) return delivery;
    const { sessions } = this.#options;
    const delivered = sessions.deliver(session, { rule, backend, cluster }, responseEdits, compiled);
    return { ...(delivery ?? NO_DELIVERY), session: delivered };
  }

  /** Where a copy is sent to must be as open to the caller as where the request is; it is not told when it is not. */
  #withMirrors(delivery: Delivery | null, decision: Forwarding, request: RequestView): Delivery | null {
    const { mirrors } = decision;
    if (mirrors.length === 0) return delivery;
    const clusters = mirrors
      .filter((mirror) => !this.#isRefusedBy(mirror, request, decision))
      .flatMap((mirror) => this.#targetOf(mirror)?.cluster ?? []);
    return { ...(delivery ?? NO_DELIVERY), mirrors: clusters };
  }

  #isRefusedBy(backend: ServiceBackend, request: RequestView, as: RoutedAs): boolean {
    const { access } = request;
    const target = this.#targetOf(backend);
    const refused = target !== null && this.#refusedBy(backend, target, request, as) !== null;
    // What is recorded of the request is what was said of the request.
    request.access = access;
    return refused;
  }

  /** Without mirrors. */
  #deliveryOf(rule: CompiledRule<RouteBackend>): Delivery | null {
    const known = this.#deliveries.get(rule);
    if (known !== undefined) return known;
    const { retry } = rule;
    const { attemptMs } = decideTimeouts({ ...rule.timeouts, requestMs: null }, null);
    const delivery =
      retry === null && attemptMs === null ? null : { ...NO_DELIVERY, retry, attemptTimeoutMs: attemptMs };
    this.#deliveries.set(rule, delivery);
    return delivery;
  }

  /** Null: there is no such service. Backends are objects of the table, which is this router's for life; so are policies. */
  #targetOf(backend: ServiceBackend): Target | null {
    const known = this.#targets.get(backend);
    if (known !== undefined) return known;
    const { view, clusterOf, accessOf } = this.#options;
    const service = view.service(backend.service);
    if (service === undefined) return null;
    const target: Target = {
      cluster: clusterOf(service, backend.port, backend.version),
      hostname: service.hostname,
      authorizer: accessOf(service, backend.port),
    };
    this.#targets.set(backend, target);
    return target;
  }

  /** Edits of a rule are the same object every time, and so is its host; those of CORS are not, and are few. */
  #compiled(edits: HeaderEdits, host: string | null): CompiledEdits {
    let ofHost = this.#edits.get(host);
    if (ofHost === undefined) {
      ofHost = new WeakMap();
      this.#edits.set(host, ofHost);
    }
    const known = ofHost.get(edits);
    if (known !== undefined) return known;
    const compiled = compileEdits(host === null ? edits : withHost(edits, host));
    ofHost.set(edits, compiled);
    return compiled;
  }
}

function withHost({ dropped, appended }: HeaderEdits, host: string): HeaderEdits {
  return { dropped: new Set([...dropped, 'host']), appended: [...appended, { name: 'host', value: host }] };
}

function isEmpty({ dropped, appended }: HeaderEdits): boolean {
  return dropped.size === 0 && appended.length === 0;
}

/** What routes see. */
class FactsOfPort {
  readonly request: RequestView;
  readonly scheme = 'http';
  readonly listenerPort: number;

  constructor(request: RequestView, listenerPort: number) {
    this.request = request;
    this.listenerPort = listenerPort;
  }

  /** As the client named it, without a port. Hardly any route asks. */
  get authorityHost(): string {
    const { request } = this;
    return (request.header('host') ?? '').slice(0, request.host.length);
  }
}
