import { isDeepStrictEqual } from 'node:util';
import type { Exclusions } from '@ambit/mesh/kinds';
import { type NetnsHandle, type NetnsIdentity, sameNetns } from '@ambit/mesh/linux';
import type { Cidr, IpAddress, LockedEgress } from '@ambit/mesh/model';
import { type Clock, createBackoff, type Logger, MeshError } from '@ambit/mesh/runtime';
import type { CniInstruments } from '../metrics.ts';
import type { Applied, Netfilter } from '../redirect/netfilter.ts';
import type { RedirectOptions } from '../redirect/ruleset.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import { decideNextStep, type EnrolmentState, type NextStep } from './decide-next-step.ts';
import type { DesiredPod } from './desired-pods.ts';
import type { EnrolmentRecord, EnrolmentRecords } from './enrolment-records.ts';
import type { NetnsFinder, PodIdentity } from './netns-finder.ts';
import type { ZdsServer } from './zds-server.ts';

/** What is not the same for all pods, and may change while they run. */
type OwnRules = Pick<RedirectOptions, 'exclusions' | 'egress' | 'dnsCapture'>;

/** What enrolling takes; shared by all pods. */
export interface EnrolmentTools {
  readonly netfilter: Netfilter;
  readonly finder: NetnsFinder;
  readonly agents: Pick<ZdsServer, 'announce' | 'withdraw'>;
  /** Where the node calls a pod from. */
  readonly nodeAddresses: (addresses: readonly IpAddress[]) => Promise<readonly IpAddress[]>;
  readonly records: EnrolmentRecords;
  /** `dnsCapture` as far as pods want it and somebody serves it. */
  readonly redirect: Omit<RedirectOptions, 'predating' | 'exclusions' | 'egress'>;
  /** Whether DNS is answered in a namespace; null: nobody knows. */
  readonly isDnsServed: (netns: NetnsHandle) => boolean | null;
  /** What pods of a namespace may call outside the mesh; null: everything. */
  readonly egressOf: (namespace: string) => LockedEgress | null;
  readonly meshRanges: readonly Cidr[];
  /** How long connections that were open before enrolment may go on. */
  readonly graceMs: number;
  /** Redirections that are changed at a time. */
  readonly limit: ConcurrencyLimit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CniInstruments;
  /** A pod was enrolled, or released, or lost its namespace. */
  readonly onChange: () => void;
  /** A step failed and is tried again; said once per problem. */
  readonly onProblem: (pod: PodIdentity, step: NextStep, error: unknown) => void;
}

/**
 * How often the namespace of an enrolled pod is compared with the one at its path, since a pod may be made anew under its name, and
 * its rules with those that were put there, since programs in the pod may have the right to change them.
 */
export const NETNS_CHECK_MS = 2000;
const RETRY = { initialMs: 50, maxMs: 5000, factor: 2, jitter: 0.2 } as const;

type State =
  | { readonly kind: 'absent' }
  | { readonly kind: 'recorded'; readonly netns: NetnsIdentity }
  | {
      readonly kind: 'enrolled';
      readonly netns: NetnsIdentity;
      readonly handle: NetnsHandle;
      /** Of the rules of the namespace, once ours were in. */
      readonly generation: number;
      /** What the rules say of this pod. */
      readonly rules: OwnRules;
      /** As announced. That of a manifest may change; in Kubernetes it never does. */
      readonly serviceAccount: string;
      readonly spared: Spared | null;
    };

/** Connections that were open before enrolment and may go on for a while. */
interface Spared {
  readonly untilMs: number;
  readonly connections: ReadonlySet<string>;
}

/**
 * One pod on its way in or out of the mesh:
 *
 *   absent --enrol--> enrolled --release--> absent (forgotten when not desired)
 *      ^                 |
 *      +-----leave-------+    recorded (by an earlier run) is absent with rules: --enrol--> or --release-->
 *
 * Everything that fails is tried again, without end and with growing pauses: a namespace that is not there yet, rules the
 * kernel refuses for now. Meanwhile the pod is either not captured yet or captured with nobody behind the rules, so refused.
 */
export class PodEnrolment {
  readonly pod: PodIdentity;
  readonly #tools: EnrolmentTools;
  readonly #firstAttempt: PromiseWithResolvers<void> = Promise.withResolvers();
  #state: State;
  #desired: DesiredPod | null = null;
  #wake: (() => void) | null = null;
  #lastProblem = '';
  /** A node agent served the pod in its present namespace, now or before. */
  #wasTaken = false;

  constructor(pod: PodIdentity, record: EnrolmentRecord | null, tools: EnrolmentTools) {
    this.pod = pod;
    this.#tools = tools;
    this.#state = record === null ? { kind: 'absent' } : { kind: 'recorded', netns: record.netns };
  }

  /** Resolves when the first step was taken, or failed. */
  get firstAttempt(): Promise<void> {
    return this.#firstAttempt.promise;
  }

  /** The last problem, empty once a step went well. */
  get problem(): string {
    return this.#lastProblem;
  }

  get desired(): DesiredPod | null {
    return this.#desired;
  }

  /** The namespace the rules are in, once they are and the pod is announced. */
  get enrolledIn(): NetnsHandle | null {
    return this.#state.kind === 'enrolled' ? this.#state.handle : null;
  }

  /** Null: the pod has to be released, and `run` ends after that. */
  setDesired(desired: DesiredPod | null): void {
    this.#desired = desired;
    this.#wake?.();
  }

  /** Whether a node agent serves the pod in its present namespace. */
  setTaken(isTaken: boolean): void {
    if (isTaken) this.#wasTaken = true;
    this.#wake?.();
  }

  /** Works until the pod is released, or until `signal` aborts: then everything stays as it is, rules included. */
  async run(signal: AbortSignal): Promise<void> {
    const { finder, limit, logger, records } = this.#tools;
    const backoff = createBackoff(RETRY);
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        const step = decideNextStep(
          this.#desired !== null,
          this.#identifiedState(),
          finder.identify(this.pod),
          sameNetns,
        );
        if (step === 'forget') {
          records.delete(this.pod.uid);
          return;
        }
        let pauseMs = 0;
        try {
          if (step === 'none') pauseMs = await this.#keep(signal);
          else await limit.run(() => this.#perform(step, signal));
          backoff.reset();
          this.#lastProblem = '';
          if (step !== 'none') this.#tools.onChange();
        } catch (error) {
          if (signal.aborted) return;
          pauseMs = backoff.nextMs();
          this.#report(step, error, logger);
          this.#tools.onChange();
        }
        this.#firstAttempt.resolve();
        if (pauseMs > 0) await this.#pause(pauseMs, signal);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#firstAttempt.resolve();
      if (this.#state.kind === 'enrolled') this.#state.handle[Symbol.dispose]();
    }
  }

  async #perform(step: Exclude<NextStep, 'none' | 'forget'>, signal: AbortSignal): Promise<void> {
    switch (step) {
      case 'enrol':
        return this.#enrol(signal);
      case 'leave':
        return this.#leave();
      case 'release':
        return this.#release(signal);
    }
  }

  async #enrol(signal: AbortSignal): Promise<void> {
    const { finder, graceMs, logger, netfilter, records, redirect } = this.#tools;
    const desired = this.#desired;
    if (desired === null) return;
    const { serviceAccount } = desired;
    const handle = finder.open(this.pod, desired.addresses);
    try {
      // Before the rules: should this process die between the two, the next one knows where to look.
      records.put({ ...this.pod, netns: handle.identity });
      // An earlier run has put rules there: the grace it gave is over.
      const spares = graceMs > 0 && this.#state.kind === 'absent' && desired.starting !== true;
      const predating = spares ? 'spare' : 'reset';
      const rules = this.#rulesOf(desired, handle, false);
      const change = await this.#apply(handle, { ...redirect, predating, ...rules }, signal);
      const generation = netfilter.generation(handle);
      const isOpen = change === 'added' && desired.starting !== true;
      const spared = isOpen ? await this.#cut(handle, spares, rules.exclusions, signal) : null;
      await this.#announce(desired, handle);
      this.#state = { kind: 'enrolled', netns: handle.identity, handle, generation, rules, serviceAccount, spared };
      logger.info('pod redirected', { ...this.#fields(), change });
    } catch (error) {
      handle[Symbol.dispose]();
      throw error;
    }
  }

  async #announce(desired: DesiredPod, netns: NetnsHandle): Promise<void> {
    const { uid, namespace, name, serviceAccount } = desired;
    const nodeAddresses = await this.#tools.nodeAddresses(desired.addresses);
    this.#tools.agents.announce({ uid, names: { namespace, name, serviceAccount, nodeAddresses }, netns });
  }

  /**
   * Only while somebody answers: a question that is redirected to nobody is lost, and with it what the application wanted to do, also past the
   * mesh. Without capture the pod's own name server answers.
   */
  #capturesDns(desired: DesiredPod, handle: NetnsHandle, before: boolean): boolean {
    const { isDnsServed, redirect } = this.#tools;
    if (!redirect.dnsCapture || !desired.dnsCapture) return false;
    // One that starts waits for the node agent anyway: before it asks its first question somebody will be there.
    const isExpected = desired.starting === true && !this.#wasTaken;
    return isExpected || (isDnsServed(handle) ?? before);
  }

  #rulesOf(desired: DesiredPod, handle: NetnsHandle, capturedDns: boolean): OwnRules {
    const { egressOf, meshRanges } = this.#tools;
    const locked = egressOf(desired.namespace);
    return {
      exclusions: desired.exclusions,
      dnsCapture: this.#capturesDns(desired, handle, capturedDns),
      egress: locked === null ? null : { locked, meshRanges },
    };
  }

  async #apply(handle: NetnsHandle, options: RedirectOptions, signal: AbortSignal): Promise<Applied['change']> {
    const { logger, netfilter } = this.#tools;
    const { change, lacks } = await this.#counted('apply', () => netfilter.apply(handle, options, signal));
    const without = lacks.join('; ');
    // It is the kernel's, not the pod's: of all pods of a node it says the same.
    if (without !== '')
      logger.warn('the kernel refused a part of the rules', { ...this.#fields(), without }, { limitBy: without });
    return change;
  }

  /** Deals with what was open before the rules. Returns what may go on, and until when. */
  async #cut(
    handle: NetnsHandle,
    spares: boolean,
    exclusions: Exclusions,
    signal: AbortSignal,
  ): Promise<Spared | null> {
    const { clock, graceMs, netfilter } = this.#tools;
    const connections = new Set(await netfilter.openConnections(handle, exclusions, signal));
    if (spares) return { untilMs: clock.monotonic() + graceMs, connections };
    if (connections.size > 0) await netfilter.cutConnections(handle, exclusions, signal);
    this.#countCut(connections.size);
    return null;
  }

  #countCut(count: number): void {
    if (count === 0) return;
    this.#tools.metrics.connectionsCut.add([], count);
    this.#tools.logger.info('connections from before enrolment were cut', { ...this.#fields(), count });
  }

  /** All is as it should be, as far as the namespace goes. Returns when to look again. */
  async #keep(signal: AbortSignal): Promise<number> {
    const { clock, limit, logger, metrics, netfilter, redirect } = this.#tools;
    const state = this.#state;
    if (state.kind !== 'enrolled') return NETNS_CHECK_MS;
    const { handle, spared } = state;
    const leftMs = spared === null ? NETNS_CHECK_MS : spared.untilMs - clock.monotonic();
    const { desired } = this;
    if (desired !== null && desired.serviceAccount !== state.serviceAccount) {
      const { serviceAccount } = desired;
      await this.#announce(desired, handle);
      this.#state = { ...state, serviceAccount };
      logger.info('the service account of a pod changed', { ...this.#fields(), account: serviceAccount });
      return 0;
    }
    const rules = desired === null ? state.rules : this.#rulesOf(desired, handle, state.rules.dnsCapture);
    const isWanted = isDeepStrictEqual(rules, state.rules);
    const isChanged = netfilter.generation(handle) !== state.generation;
    if (leftMs > 0 && !isChanged && isWanted) return Math.min(leftMs, NETNS_CHECK_MS);
    const predating = leftMs > 0 && spared !== null ? 'spare' : 'reset';
    await limit.run(async () => {
      const still =
        predating === 'reset' && spared !== null
          ? await netfilter.openConnections(handle, rules.exclusions, signal)
          : [];
      const change = await this.#apply(handle, { ...redirect, predating, ...rules }, signal);
      this.#state = {
        ...state,
        generation: netfilter.generation(handle),
        rules,
        spared: predating === 'spare' ? spared : null,
      };
      this.#countCut((still ?? []).filter((connection) => spared?.connections.has(connection)).length);
      if (!isWanted)
        logger.info('the rules of a pod changed', {
          ...this.#fields(),
          dns: rules.dnsCapture,
          locked: rules.egress !== null,
        });
      if (change === 'replaced') return;
      // Whatever was opened in between is past the mesh.
      metrics.rulesRestored.add([]);
      logger.warn('the rules of a pod had been taken away and are back', this.#fields());
      await this.#cut(handle, false, rules.exclusions, signal);
    });
    return 0;
  }

  /** The old namespace is gone for everybody else too: its rules go with it. */
  async #leave(): Promise<void> {
    await this.#tools.agents.withdraw(this.pod.uid);
    if (this.#state.kind === 'enrolled') this.#state.handle[Symbol.dispose]();
    this.#state = { kind: 'absent' };
    this.#wasTaken = false;
    this.#tools.logger.info('network namespace of an enrolled pod is gone', this.#fields());
  }

  async #release(signal: AbortSignal): Promise<void> {
    const { agents, finder, logger, netfilter } = this.#tools;
    const state = this.#state;
    // While rules stand and nobody listens behind them connections are refused: better than a moment past the mesh.
    await agents.withdraw(this.pod.uid);
    const handle = state.kind === 'enrolled' ? state.handle : finder.openUnchecked(this.pod);
    if (handle !== null) {
      await this.#counted('remove', () => netfilter.remove(handle, signal));
      handle[Symbol.dispose]();
    }
    this.#state = { kind: 'absent' };
    logger.info('pod released', this.#fields());
  }

  async #counted<T>(change: 'apply' | 'remove', work: () => Promise<T>): Promise<T> {
    const { redirections } = this.#tools.metrics;
    try {
      const result = await work();
      redirections.add([change, 'done']);
      return result;
    } catch (error) {
      redirections.add([change, 'failed']);
      throw error;
    }
  }

  /** The same problem again is worth a line only to who looks closely. */
  #report(step: NextStep, error: unknown, logger: Logger): void {
    const problem = `${step}: ${describeError(error)}`;
    const isNew = problem !== this.#lastProblem;
    this.#lastProblem = problem;
    if (isNew) this.#tools.onProblem(this.pod, step, error);
    logger[isNew ? 'warn' : 'debug']('a step of enrolment failed, it is tried again', {
      ...this.#fields(),
      step,
      error,
    });
  }

  #identifiedState(): EnrolmentState<NetnsIdentity> {
    return this.#state;
  }

  #fields(): Readonly<Record<string, string>> {
    return { 'pod.namespace': this.pod.namespace, 'pod.name': this.pod.name, 'pod.uid': this.pod.uid };
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    const timer = this.#tools.clock.setTimer(delayMs, woken.resolve);
    await woken.promise;
    timer[Symbol.dispose]();
    this.#wake = null;
  }
}

/** For people: message, and what it is about. */
export function describeError(error: unknown): string {
  if (!(error instanceof MeshError)) return error instanceof Error ? error.message : String(error);
  const data = Object.entries(error.data).map(([name, value]) => `${name}=${String(value)}`);
  return [error.message, ...data].join(' ');
}
