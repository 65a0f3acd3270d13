import net, { type Server, type Socket } from 'node:net';
import { createHbonePool, type HboneEnvironment, type HbonePool } from '@ambit/mesh/hbone';
import { listenInNetns, type NetnsHandle } from '@ambit/mesh/linux';
import type { MeshViewChange, Workload } from '@ambit/mesh/model';
import type { ConnectionRecord } from './connection-record.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import { HBONE_PORT, INBOUND_PLAINTEXT_PORT, OUTBOUND_PORT } from './illegal-ports.ts';
import { InboundPlaintextProxy } from './inbound-plaintext.ts';
import { reauthorize } from './inbound-admission.ts';
import { InboundProxy } from './inbound.ts';
import { OutboundProxy } from './outbound.ts';
import { type PodContext, type PodSpec, type ProxyDependencies, workloadOf } from './pod-context.ts';
import type { TunnelPeer } from './tunnel-peers.ts';

/** Live connections that are asked about again in one turn of the event loop after a policy change. */
const RECHECK_BATCH = 500;

/**
 * The proxy of one captured pod in one data worker: three listeners inside the pod's network namespace, the tunnels it
 * opened and the connections it carries.
 *
 *   open() -> serving --drain()--> listeners closed, live connections go on --> close()
 *                     \--close()--> everything ends at once
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
  readonly #servers: Server[] = [];
  #lastWorkload: Workload | undefined;
  #closed = false;

  /** Takes over `netns`. Nothing listens before `open`. */
  constructor(pod: PodSpec, netns: NetnsHandle, dependencies: ProxyDependencies) {
    this.pod = pod;
    this.#netns = netns;
    this.#dependencies = dependencies;
    const { clock, logger, settings } = dependencies;
    const limits = { connectTimeoutMs: settings.connectTimeoutMs };
    const environment: HboneEnvironment = { clock, logger, limits };
    this.#pool = createHbonePool<TunnelPeer>(environment);
    const context: PodContext = {
      ...dependencies,
      pod,
      netns,
      pool: this.#pool,
      tunnels: environment,
      live: this.live,
      isClosed: () => this.#closed,
    };
    this.#inbound = new InboundProxy(context, environment);
    this.#outbound = new OutboundProxy(context);
    this.#plaintext = new InboundPlaintextProxy(context);
    this.#context = context;
  }

  get netnsIdentity(): NetnsHandle['identity'] {
    return this.#netns.identity;
  }

  /** Opens the listeners. Rejects, with nothing left open, when one cannot be opened. */
  async open(): Promise<void> {
    this.#currentOrLast();
    try {
      await this.#listen(HBONE_PORT, (socket) => this.#inbound.accept(socket));
      await this.#listen(INBOUND_PLAINTEXT_PORT, (socket) => this.#plaintext.accept(socket));
      // Last: what is captured here needs the others when it comes back to this pod.
      await this.#listen(OUTBOUND_PORT, (socket) => this.#outbound.accept(socket));
    } catch (error) {
      this.close('pod-removed');
      throw error;
    }
  }

  /** Accepts nothing new; tunnels end in order. Resolves when nothing is carried any more or the deadline passed. */
  async drain(deadlineMs: number): Promise<void> {
    this.#closeServers();
    this.#inbound.drain();
    const pool = this.#pool.drain();
    if (!this.#isIdle()) await this.#idle(deadlineMs);
    if (this.live.size === 0) await Promise.race([pool, this.#dependencies.clock.sleep(0)]);
  }

  /** Ends everything at once; live connections are recorded as cut for `reason`. Idempotent. */
  close(reason: FailureReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeServers();
    for (const record of [...this.live]) {
      record.cut(reason);
      // Not when its sockets have closed: after a drain this thread ends before that.
      record.end(reason);
    }
    this.#inbound.close();
    this.#plaintext.close();
    void this.#pool[Symbol.asyncDispose]();
    this.#netns[Symbol.dispose]();
  }

  /** A new SVID arrived: tunnels opened from now on use it. */
  renewIdentity(): void {
    this.#pool.retire(() => true);
  }

  /**
   * Asks policy again about every live inbound connection where it may have changed, and cuts what it denies. A pod that
   * has left the mesh view and still ends its connections is judged as what it last was.
   */
  async recheck(change: MeshViewChange): Promise<number> {
    const workload = this.#currentOrLast();
    if (workload === undefined || !change.policiesMayDifferAt(workload)) return 0;
    let cut = 0;
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

  #currentOrLast(): Workload | undefined {
    this.#lastWorkload = workloadOf(this.#context) ?? this.#lastWorkload;
    return this.#lastWorkload;
  }

  #isIdle(): boolean {
    return this.live.size === 0 && this.#inbound.connectionCount === 0 && this.#plaintext.probeCount === 0;
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

  async #listen(port: number, accept: (socket: Socket) => void): Promise<void> {
    const { settings, logger } = this.#dependencies;
    const fd = listenInNetns(this.#netns, {
      address: 'wildcard',
      port,
      mark: settings.packetMark,
      transparent: 'best-effort',
      reusePort: true,
    });
    const options = { allowHalfOpen: true, pauseOnConnect: true };
    const server = net
      .createServer(options, (socket) => {
        socket.on('error', () => {});
        accept(socket);
      })
      .on('error', (error) => logger.error('pod listener failed', { port, error }))
      .on('drop', () => countDrop(this.#dependencies, port));
    server.maxConnections = settings.connectionsPerPodMax;
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  #closeServers(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }
}

/** A connection beyond the limit is closed before anything is known of it: it has a count, and no line in the log. */
function countDrop({ sinks }: ProxyDependencies, port: number): void {
  const counts = sinks.refusals[port === OUTBOUND_PORT ? 'outbound' : 'inbound'];
  counts.set('too-many-connections', (counts.get('too-many-connections') ?? 0) + 1);
}
