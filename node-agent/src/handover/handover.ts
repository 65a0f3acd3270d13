import { isListenedOn, listenForDescriptorChannels, type NetnsHandle } from '@ambit/mesh/linux';
import type { AgentServers } from '../admin/agent-servers.ts';
import type { AgentParts } from '../app.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { OUTBOUND_PORT } from '../proxy/illegal-ports.ts';
import { agentMetrics } from '../telemetry/agent-metrics.ts';
import { HandoverServer } from './handover-server.ts';
import { prepareHandoverSocket } from './handover-socket.ts';
import { PodLender } from './pod-lender.ts';
import { Predecessor } from './predecessor.ts';

/** Both sides of the hand-over in one agent: it takes over from the one before, and later gives to the one after. */
export class Handover implements Disposable {
  /** Null when none runs, it knows nothing of hand-overs, or they are switched off. */
  readonly predecessor: Predecessor | null;
  readonly #parts: Omit<AgentParts, 'handover'>;
  readonly #path: string | null;
  readonly #stop = new AbortController();
  #server: HandoverServer | null = null;
  #lender: PodLender | null = null;

  private constructor(parts: Omit<AgentParts, 'handover'>, path: string | null, predecessor: Predecessor | null) {
    this.#parts = parts;
    this.#path = path;
    this.predecessor = predecessor;
  }

  /** Looks for the agent before. Never rejects: without a hand-over both listen side by side. */
  static async open(parts: Omit<AgentParts, 'handover'>): Promise<Handover> {
    const { config, logger } = parts;
    const directory = config.handoverDirectory;
    if (directory === null) return new Handover(parts, null, null);
    try {
      const path = prepareHandoverSocket(directory, config.slot);
      const predecessor = await Predecessor.connect(path, logger.child({ scope: 'handover' }));
      return new Handover(parts, path, predecessor);
    } catch (error) {
      logger.error('no hand-overs: the socket for them cannot be used', { directory, error });
      return new Handover(parts, null, null);
    }
  }

  /** Another agent accepts for pods of this one, or this one stops. */
  get isOver(): boolean {
    return this.#stop.signal.aborted || this.#server?.isSucceeded === true;
  }

  /** Gives to the agent after this one, as soon as this one has all it shall take itself. */
  serve(supervisor: PodSupervisor, servers: AgentServers): void {
    const { clock, metrics, workers, readiness } = this.#parts;
    const logger = this.#parts.logger.child({ scope: 'handover' });
    const lender = new PodLender({ logger, workers, supervisor });
    this.#lender = lender;
    metrics.collect(agentMetrics.takenOver, () => [{ labels: [], value: supervisor.takenOver.count }]);
    metrics.collect(agentMetrics.handedOver, () => [{ labels: [], value: lender.handedOver.count }]);
    metrics.collect(agentMetrics.lent, () => [{ labels: [], value: lender.lentCount }]);
    const path = this.#path;
    if (path === null) return;
    const server = new HandoverServer({
      clock,
      logger,
      lender,
      listenAt: listenForDescriptorChannels,
      releaseServers: () => servers.release(),
      reopenServers: () => servers.reopen(),
    });
    this.#server = server;
    const { predecessor } = this;
    const first = predecessor === null ? Promise.resolve() : predecessor.gone;
    Promise.race([first, readiness.whenReady(this.#stop.signal)]).then(
      () => server.listen(path),
      (error: unknown) => {
        if (!this.#stop.signal.aborted) logger.error('no more hand-overs: the socket failed', { error });
      },
    );
  }

  /** This agent stops: whoever has taken over is on its own. */
  [Symbol.dispose](): void {
    this.#stop.abort(new DOMException('the agent stops', 'AbortError'));
    // First the sockets that are kept: no agent thinks any more that they will be served here.
    this.#server?.[Symbol.dispose]();
    this.#lender?.[Symbol.dispose]();
    this.predecessor?.[Symbol.dispose]();
  }

  /**
   * How long live connections may go on, now that this agent accepts no more: long where another one accepts in every pod, whichever it is, and
   * else no longer than their pods can be without one.
   */
  drainMs(supervisor: PodSupervisor): number {
    const { config, logger } = this.#parts;
    const isServed = (netns: NetnsHandle): boolean => isListenedOn(netns, OUTBOUND_PORT);
    let isSucceeded = false;
    try {
      isSucceeded = supervisor.isEverywhereListenedOn(isServed);
    } catch (error) {
      logger.warn('it cannot be found out whether another agent listens', { error });
    }
    const { terminationDeadlineMs, aloneTerminationDeadlineMs } = config;
    const drainMs = isSucceeded ? terminationDeadlineMs : Math.min(terminationDeadlineMs, aloneTerminationDeadlineMs);
    logger.info('no more connections are accepted', { anotherAgentAccepts: isSucceeded, deadlineMs: drainMs });
    return drainMs;
  }
}
