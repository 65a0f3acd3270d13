import type { OriginalDestination } from '@ambit/mesh/model';
import { decideOutbound, type OutboundOptions, type OutboundRoute } from './outbound-route.ts';
import { type PodContext, workloadOf } from './pod-context.ts';

export type SettledRoute = Exclude<OutboundRoute, { readonly kind: 'wait' }>;
type WaitingRoute = Extract<OutboundRoute, { readonly kind: 'wait' }>;

/** `decideOutbound` for one pod by what is known now; has what is not known asked for, and waits. */
export class OutboundDecider {
  readonly #context: PodContext;
  readonly #options: OutboundOptions;
  /** Of a decision that waits no more. */
  readonly #lastOptions: OutboundOptions;

  constructor(context: PodContext) {
    this.#context = context;
    const { settings, random, openConnections } = context;
    const { meshRanges } = settings;
    this.#options = { meshRanges, random, openConnections: (uid) => openConnections.count(uid), waited: false };
    this.#lastOptions = { ...this.#options, waited: true };
  }

  /** `waited`: there is no time left, so that what is not known by now is refused. */
  decide(destination: OriginalDestination, waited: boolean): OutboundRoute {
    const options = waited ? this.#lastOptions : this.#options;
    const { demand, state, pod } = this.#context;
    const source = workloadOf(this.#context);
    if (demand === null) return decideOutbound(state.view, source, destination, options);
    const { decision, missing } = demand.look(pod.namespace, (view) =>
      decideOutbound(view, source, destination, options),
    );
    if (missing.length === 0) return decision;
    return waited ? { kind: 'refused', reason: 'not-answered' } : { kind: 'wait', for: 'names', names: missing };
  }

  /** Whether a connection past the tunnels would be let out of the mesh now, by what is known. */
  mayLeave(destination: OriginalDestination): boolean {
    const route = decideOutbound(this.#context.state.view, workloadOf(this.#context), destination, this.#lastOptions);
    return route.kind !== 'refused' || route.reason !== 'egress-locked';
  }

  /** Asks again after every update, or answer, until there is a decision or `deadlineMs` of the monotonic clock is over. */
  async wait(
    first: WaitingRoute,
    destination: OriginalDestination,
    deadlineMs: number,
  ): Promise<SettledRoute | 'too-many'> {
    const { state, demand } = this.#context;
    let wait = first;
    for (;;) {
      const outcome =
        wait.for === 'names' && demand !== null
          ? await demand.wait(wait.names, deadlineMs, this.#context)
          : await state.nextChange(deadlineMs, this.#context);
      if (outcome === 'too-many') return outcome;
      const route = this.decide(destination, outcome === 'timeout');
      if (route.kind !== 'wait') return route;
      wait = route;
    }
  }
}
