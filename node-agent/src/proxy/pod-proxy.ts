import { createHbonePool, type HboneEnvironment, type HbonePool } from '@ambit/mesh/hbone';
import type { NetnsHandle } from '@ambit/mesh/linux';
import type { MeshViewStep, Workload } from '@ambit/mesh/model';
import type { TunnelPeer } from '@ambit/mesh/tls';
import { DnsProxy } from '../dns/dns-proxy.ts';
import { chooseCuts } from '../accounting/choose-cuts.ts';
import type { PodAccount } from '../accounting/pod-account.ts';
import type { ConnectionRecord } from './connection-record.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import { OUTBOUND_PORT } from './illegal-ports.ts';
import { InboundPlaintextProxy } from './inbound-plaintext.ts';
import { reauthorize } from './inbound-admission.ts';
import { InboundProxy } from './inbound.ts';
import { OutboundProxy } from './outbound.ts';
import { type PodContext, type PodSpec, type ProxyDependencies, workloadOf } from './pod-context.ts';
import { SendRate } from './send-rate.ts';
import { leadsToOneOf } from './tunnel-key.ts';
import { PodListeners, type SharedListener } from './pod-listeners.ts';

/** Live connections that are asked about again in one turn of the event loop after a policy change. */
const RECHECK_BATCH = 500;

/**
 * The proxy of one captured pod in one data worker: three listeners inside the pod's network namespace, the tunnels it
 * opened and the connections it carries.
 *
 *   open() -> serving --drain()--> listeners closed, live connections go on --> close()
 *             |  ^    \--close()--> everything ends at once
 *   handOver()|  |resume()
 *             v  |
 *         another agent accepts, live connections go on --drain(), close()--> as above
 */
export class PodProxy {
  readonly pod: PodSpec;
  readonly live: Set<ConnectionRecord> = new Set();
  readonly #dependencies: ProxyDependencies;
  readonly #netns: NetnsHandle;
  readonly #pool: HbonePool<TunnelPeer>;
  readonly #context: PodContext;
  readonly #inbound: InboundProxy;
  readonly #outbound: OutboundProxy;
  readonly #plaintext: InboundPlaintextProxy;
  readonly #listeners: PodListeners;
  readonly #dns: DnsProxy | null;
  readonly #account: PodAccount;
  readonly #sendRate: SendRate | null;
  #lastWorkload: Workload | undefined;
  #wasHealthy: boolean;
  #closed = false;

  /** Takes over `netns`. Nothing listens before `open`. */
  constructor(instance: number, pod: PodSpec, netns: NetnsHandle, dependencies: ProxyDependencies) {
    this.pod = pod;
    this.#netns = netns;
    this.#dependencies = dependencies;
    const { clock, logger, settings } = dependencies;
    const limits = { connectTimeoutMs: settings.connectTimeoutMs };
    const environment: HboneEnvironment = { clock, logger, limits };
    this.#pool = createHbonePool<TunnelPeer>(environment);
    const starts = dependencies.fairStarts.forPod({
      isServed: () => this.live.size > 0,
      openingCount: () => this.#outbound.openingCount,
    });
    const bytesPerSecond = settings.bytesPerSecondMax;
    this.#sendRate = bytesPerSecond === 0 ? null : new SendRate({ clock, bytesPerSecond });
    this.#account = dependencies.accounts.open(pod, (openCount) => dependencies.bufferGuard.note(openCount));
    const context: PodContext = {
      ...dependencies,
      sinks: { ...dependencies.sinks, account: this.#account },
      pod,
      instance,
      found: { epoch: -1, workload: undefined },
      netns,
      pool: this.#pool,
      tunnels: environment,
      starts,
      sendRate: this.#sendRate,
      live: this.live,
      isClosed: () => this.#closed,
    };
    this.#inbound = new InboundProxy(context, environment);
    this.#outbound = new OutboundProxy(context);
    this.#plaintext = new InboundPlaintextProxy(context);
    this.#context = context;
    this.#wasHealthy = workloadOf(context)?.status === 'healthy';
    const workload = (): Workload | undefined => workloadOf(context);
    this.#dns =
      dependencies.dns === null
        ? null
        : new DnsProxy(dependencies.dns, { netns, namespace: pod.namespace, workload, logger });
    this.#listeners = new PodListeners({
      netns,
      logger,
      packetMark: settings.packetMark,
      connectionsMax: settings.connectionsPerPodMax,
      accept: {
        15008: (socket) => starts.tunnels.begin(() => this.#inbound.accept(socket)),
        15006: (socket) => starts.plaintext.begin(() => this.#plaintext.accept(socket)),
        15001: (socket) => starts.outbound.begin(() => this.#outbound.accept(socket)),
      },
      onDrop: (port) => countDrop(context, port),
    });
  }

  get netnsIdentity(): NetnsHandle['identity'] {
    return this.#netns.identity;
  }

  /** Listens, on sockets of another agent where it gave some, which are taken over in any case. Rejects, with nothing left open, when it cannot. */
  async open(given: readonly SharedListener[] = []): Promise<void> {
    this.#currentOrLast();
    try {
      await this.#listeners.open(given);
      await this.#dns?.open();
      this.#context.shortcuts?.addPod(this.#context.instance, this.#inbound.served);
    } catch (error) {
      this.close('pod-removed');
      throw error;
    }
  }

  /** Second descriptors of the listeners, for another agent; they belong to the caller. */
  shareListeners(): readonly SharedListener[] {
    return this.#listeners.share();
  }

  /** Another agent accepts from now on. What is open goes on as before; peers are asked to open no more tunnels to this one. */
  handOver(): void {
    this.#listeners.close();
    this.#dns?.retire();
    this.#inbound.drain();
    this.#pool.retire(() => true);
  }

  /** The other agent is gone: accepts again, on the sockets it had. */
  async resume(given: readonly SharedListener[]): Promise<void> {
    this.#inbound.resume();
    await this.#listeners.open(given);
    await this.#dns?.open();
  }

  /** Brings its account up to now. Returns the payload that waits in its connections. */
  countCarried(): number {
    let waitingBytes = 0;
    for (const record of this.live) {
      record.countBytes();
      waitingBytes += record.waitingBytes;
    }
    const workload = workloadOf(this.#context);
    if (workload !== undefined) this.#account.workload = workload.workloadName;
    this.#account.waitingBytes = waitingBytes;
    this.#account.openingCount = this.#outbound.openingCount;
    this.#account.waitingCount = this.#context.starts.waitingCount;
    return waitingBytes;
  }

  get openCount(): number {
    return this.live.size;
  }

  /** Ends connections, those that hold most first, until not more than `maxBytes` wait in them. Returns how many. */
  limitWaiting(maxBytes: number): number {
    const cuts = chooseCuts(this.live, maxBytes);
    for (const record of cuts) record.cut('buffer-limit');
    if (cuts.length > 0) {
      const data = { connections: cuts.length, 'bytes.max': maxBytes };
      this.#dependencies.logger.warn('connections of slow readers were cut: too many bytes wait in the pod', data);
    }
    return cuts.length;
  }

  /** Accepts nothing new; tunnels end in order. Resolves when nothing is carried any more or the deadline passed. */
  async drain(deadlineMs: number): Promise<void> {
    this.#listeners.close();
    this.#context.starts.hurry();
    this.#dns?.retire();
    this.#inbound.drain();
    const pool = this.#pool.drain();
    if (!this.#isIdle()) await this.#idle(deadlineMs);
    if (this.live.size === 0) await Promise.race([pool, this.#dependencies.clock.sleep(0)]);
  }

  /** Ends everything at once; live connections are recorded as cut for `reason`. Idempotent. */
  close(reason: FailureReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sendRate?.[Symbol.dispose]();
    this.#context.shortcuts?.removePod(this.#context.instance);
    this.#listeners.close();
    for (const record of [...this.live]) {
      record.cut(reason);
      // Not when its sockets have closed: after a drain this thread ends before that.
      record.end(reason);
    }
    this.#inbound.close();
    this.#plaintext.close();
    // Refused, as the pod is closed. After tunnels have ended, so that no application is dialled for requests that nobody waits for.
    this.#context.starts.flush();
    this.#dns?.[Symbol.dispose]();
    void this.#pool[Symbol.asyncDispose]();
    this.#dependencies.accounts.close(this.#account);
    this.#netns[Symbol.dispose]();
  }

  /**
   * What a change of workloads means for tunnels. A pod that is no longer healthy is about to end, or is better left alone: peers are asked to
   * open no more streams on what they have here, before its network goes and nobody can tell them. What led to a workload that is gone
   * is used no more, since another one may have its address.
   */
  followWorkloads({ gone, touchesWorkload }: MeshViewStep): void {
    if (gone.size > 0) this.#pool.retire((key) => leadsToOneOf(key, gone));
    if (!touchesWorkload(this.pod.workload)) return;
    const isHealthy = workloadOf(this.#context)?.status === 'healthy';
    if (this.#wasHealthy && !isHealthy) this.#inbound.askToLeave();
    this.#wasHealthy = isHealthy;
  }

  /** A new SVID arrived: tunnels opened from now on use it. */
  renewIdentity(): void {
    this.#pool.retire(() => true);
  }

  /**
   * Asks policy again about every live inbound connection where it may have changed, and about those out of the mesh, and cuts what
   * it denies. A pod that
   * has left the mesh view and still ends its connections is judged as what it last was.
   */
  async recheck(change: MeshViewStep): Promise<number> {
    const workload = this.#currentOrLast();
    if (workload === undefined) return 0;
    let cut = this.#recheckEgress(workload, change);
    if (!change.policiesMayDifferAt(workload)) return cut;
    let checked = 0;
    for (const record of [...this.live]) {
      const admitted = record.admitted;
      if (admitted === null) continue;
      if (++checked % RECHECK_BATCH === 0) await new Promise((resolve) => setImmediate(resolve));
      const now = this.#currentOrLast() ?? workload;
      const decision = reauthorize(this.#dependencies.state.view, now, admitted.connection, admitted.policyTarget);
      if (decision.verdict === 'allow') continue;
      record.cut('policy-changed');
      cut++;
    }
    return cut;
  }

  /** Ends every tunnel connection, opened or accepted, whose peer is revoked now. Returns how many connections of applications they carried. */
  cutRevoked(): number {
    const { peers } = this.#dependencies;
    const isRevoked = (peer: TunnelPeer): boolean => peers.isRevoked(peer);
    let cut = 0;
    for (const record of [...this.live]) {
      if (record.peer === null || !isRevoked(record.peer)) continue;
      record.cut('peer-revoked');
      cut++;
    }
    peers.rejections.source += this.#pool.cut(isRevoked, FAILURES['peer-revoked'].message);
    peers.rejections.destination += this.#inbound.cut(isRevoked);
    return cut;
  }

  /** Cuts what would not be let out of the mesh any more. All in one turn: there is nothing to it but look-ups. */
  #recheckEgress(workload: Workload, change: MeshViewStep): number {
    const mayDiffer = change.touchesWorkload(workload.uid) || change.touchesServices;
    if (workload.egress === undefined || !mayDiffer) return 0;
    let cut = 0;
    for (const record of [...this.live]) {
      if (record.calledPlain === null || this.#outbound.mayLeave(record.calledPlain)) continue;
      record.cut('policy-changed');
      cut++;
    }
    return cut;
  }

  #currentOrLast(): Workload | undefined {
    this.#lastWorkload = workloadOf(this.#context) ?? this.#lastWorkload;
    return this.#lastWorkload;
  }

  #isIdle(): boolean {
    const carried = this.live.size + this.#inbound.connectionCount + this.#plaintext.probeCount;
    return carried === 0 && !this.#listeners.hasLeftovers;
  }

  #idle(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        deadline[Symbol.dispose]();
        clearInterval(poll);
        resolve();
      };
      const deadline = this.#dependencies.clock.setTimer(deadlineMs, done);
      const poll = setInterval(() => {
        if (this.#isIdle()) done();
      }, 20).unref();
    });
  }
}

/** A connection beyond the limit is closed before anything is known of it: it has a count, and no line in the log. */
function countDrop({ sinks }: PodContext, port: number): void {
  sinks.account.refuse();
  const counts = sinks.refusals[port === OUTBOUND_PORT ? 'outbound' : 'inbound'];
  counts.set('too-many-connections', (counts.get('too-many-connections') ?? 0) + 1);
}
