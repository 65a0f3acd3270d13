import { type Socket } from 'node:net';
import { type CarrierResult, HboneError, type OpenedTunnel, type PoolTarget, type TunnelEnd } from '@ambit/mesh/hbone';
import { dialInNetns, readOriginalDestination } from '@ambit/mesh/linux';
import type { IpAddress, OriginalDestination, SocketAddress, SpiffeId, Workload } from '@ambit/mesh/model';
import { type Backoff, createBackoff } from '@ambit/mesh/runtime';
import { secureContextOf, type Svid, type TunnelPeer } from '@ambit/mesh/tls';
import { ConnectionRecord, type ConnectionSubject, recordRefusal } from './connection-record.ts';
import type { ConnectionTrace } from './connection-tracer.ts';
import { dialPlain } from './dial.ts';
import { FAILURES, type FailureReason, failureOfTunnel } from './failures.ts';
import { decideOutboundCounting } from '../requests/decide-request-counting.ts';
import { RequestTap } from '../requests/request-tap.ts';
import { keepsFirstWords } from './first-words.ts';
import { KEEPALIVE_MS } from './keepalive.ts';
import { type FarTunnel, openFarTunnel } from './double-hbone.ts';
import type { RouteToWorkload, TunnelRoute } from './next-hop.ts';
import { OutboundDecider, type SettledRoute as Settled } from './outbound-decider.ts';
import { type OutboundRoute, type ResolveRoute, routeToResolved } from './outbound-route.ts';
import { ownSource, type PodContext, refuseSocket, svidLater, svidNow, workloadOf } from './pod-context.ts';
import type { Party } from './party.ts';
import { PlainSplice, type SpliceResult } from './plain-splice.ts';
import { remoteAddressOf } from './socket-addresses.ts';
import { detailOf, isNotListening } from './tunnel-failure.ts';
import { outboundHeaders } from './tunnel-headers.ts';
import { isSameWay, tunnelKey } from './tunnel-key.ts';

type Tunnelled = Exclude<RouteToWorkload, { readonly kind: 'direct-tcp' }>;

type OpenedStream = Pick<OpenedTunnel<TunnelPeer, TunnelEnd>, 'stream' | 'peer'> &
  Partial<Pick<FarTunnel, 'party' | 'release'>>;

/** One captured connection while it has not been handed to a carrier. */
interface Captured {
  readonly socket: Socket;
  readonly source: SocketAddress;
  readonly destination: OriginalDestination;
  readonly startedMs: number;
  readonly trace: ConnectionTrace | null;
  /** Of attempts at a peer that did not listen. */
  backoff?: Backoff;
  /** Set once what the application says first may be read. */
  tap?: RequestTap | null;
}

const NOT_LISTENING_BACKOFF = { initialMs: 20, maxMs: 320, factor: 2, jitter: 0.2 } as const;

interface KnownTarget {
  readonly bind: IpAddress | null;
  readonly svid: Svid;
  readonly route: TunnelRoute;
  readonly target: PoolTarget<TunnelPeer>;
}

/** Port 15001 of one pod: captured outbound connections go where `decideOutbound` sends them, or are refused. */
export class OutboundProxy {
  readonly #context: PodContext;
  readonly #decider: OutboundDecider;
  /** The last way to each workload: connections repeat. */
  readonly #targets = new WeakMap<Workload, KnownTarget>();

  constructor(context: PodContext) {
    this.#context = context;
    this.#decider = new OutboundDecider(context);
  }

  /** Takes over an accepted, paused socket. */
  accept(socket: Socket): void {
    const source = remoteAddressOf(socket);
    if (source === null) {
      socket.destroy();
      return;
    }
    let destination: OriginalDestination;
    try {
      destination = readOriginalDestination(socket);
    } catch {
      refuseSocket(socket);
      return;
    }
    const { clock, sinks } = this.#context;
    const trace = sinks.tracer === null ? null : sinks.tracer.begin();
    const captured: Captured = { socket, source, destination, startedMs: clock.monotonic(), trace };
    try {
      const route = this.#decider.decide(destination, false);
      if (route.kind !== 'wait') this.#follow(captured, route);
      else this.#wait(captured, route).catch((error: unknown) => this.#fail(captured, error));
    } catch (error) {
      this.#fail(captured, error);
    }
  }

  /** Whether a connection past the tunnels would be let out of the mesh now. */
  mayLeave(destination: OriginalDestination): boolean {
    return this.#decider.mayLeave(destination);
  }

  #fail(captured: Captured, error: unknown): void {
    this.#context.logger.error('outbound connection failed unexpectedly', { error }, { limitBy: String(error) });
    refuseSocket(captured.socket);
  }

  #follow(captured: Captured, route: Settled): void {
    if (this.#abandoned(captured)) return;
    if (route.kind === 'refused')
      this.#refuse(captured, route.reason, { ...(route.service === undefined ? {} : { service: route.service }) });
    else if (route.kind === 'resolve')
      this.#resolve(captured, route).catch((error: unknown) => this.#fail(captured, error));
    else if (route.kind === 'direct-tcp' || route.kind === 'passthrough') this.#plain(captured, route);
    else this.#tunnel(captured, route).catch((error: unknown) => this.#fail(captured, error));
  }

  async #wait(captured: Captured, first: OutboundRoute & { readonly kind: 'wait' }): Promise<void> {
    const deadlineMs = captured.startedMs + this.#context.settings.patienceMs;
    const route = await this.#decider.wait(first, captured.destination, deadlineMs);
    if (route === 'too-many') this.#refuse(captured, 'too-many-waiting');
    else this.#follow(captured, route);
  }

  #abandoned(captured: Captured): boolean {
    if (this.#context.isClosed()) refuseSocket(captured.socket);
    return captured.socket.destroyed;
  }

  async #resolve(captured: Captured, route: ResolveRoute): Promise<void> {
    const { names, random } = this.#context;
    const { hostname } = route.hop.workload;
    const found = routeToResolved(route, await names.resolve(hostname, this.#context), random);
    if (this.#abandoned(captured)) return;
    if (found.kind === 'refused')
      this.#refuse(captured, found.reason, { ...found, workload: route.hop.workload }, hostname);
    else this.#follow(captured, found);
  }

  /** Balancing sees it from now on, and no more once it is over. */
  async #tunnel(captured: Captured, route: Tunnelled): Promise<void> {
    this.#count(route, 'add');
    let isCarried = false;
    try {
      isCarried = await this.#openTunnel(captured, route);
    } finally {
      if (!isCarried) this.#count(route, 'remove');
    }
  }

  #count(route: RouteToWorkload, by: 'add' | 'remove'): void {
    const { openConnections } = this.#context;
    openConnections[by](route.workload.uid);
    if (route.kind === 'double-hbone') openConnections[by](route.far.uid);
  }

  /** False when it will not be carried by what was opened here. */
  async #openTunnel(captured: Captured, route: Tunnelled): Promise<boolean> {
    const context = this.#context;
    const use = svidNow(context) ?? (await svidLater(context));
    if (this.#abandoned(captured)) return false;
    const source = workloadOf(context);
    if (use.kind === 'none' || source === undefined) {
      this.#refuse(captured, use.kind === 'none' ? use.reason : 'unknown-source', route);
      return false;
    }
    const tap = this.#tapOf(captured, route);
    let opened: OpenedStream;
    try {
      opened = await this.#openStream(captured, route, source, use.svid, tap);
    } catch (error) {
      if (!(error instanceof HboneError)) throw error;
      if (!(isNotListening(error) || error.isUnheard) || !(await this.#again(captured))) {
        this.#refuse(captured, failureOfTunnel(error), route, detailOf(error), error.data['isLocal'] === true);
      }
      return false;
    }
    if (this.#abandoned(captured)) {
      opened.stream.reset();
      opened.release?.();
      return false;
    }
    const { stream, peer, party, release } = opened;
    if (context.peers.isRevoked(peer)) {
      // A list came while the tunnel was being opened; its connection was nobody's to cut then.
      stream.reset();
      release?.();
      context.peers.rejections.source += context.pool.cut((other) => other === peer, FAILURES['peer-revoked'].message);
      this.#refuse(captured, 'peer-revoked', route);
      return false;
    }
    const subject = this.#subject(captured, route, peer.id, { party, isLocal: stream.isLocal });
    const record = new ConnectionRecord(context.sinks, subject, stream, {
      sendsRequest: true,
      admitted: null,
      peer,
      tap,
    });
    context.live.add(record);
    const done = (result: CarrierResult): void => {
      context.live.delete(record);
      this.#count(route, 'remove');
      record.end(result.error === undefined ? null : failureOfTunnel(result.error));
      release?.();
    };
    stream.splice(captured.socket, done, tap, context.sendRate);
    return true;
  }

  async #openStream(
    captured: Captured,
    route: Tunnelled,
    source: Workload,
    svid: Svid,
    tap: RequestTap | null,
  ): Promise<OpenedStream> {
    const context = this.#context;
    const { authority } = route;
    const headers = outboundHeaders(source, captured.source, captured.trace, route.service);
    const target = this.#target(captured, route, source, svid);
    if (route.kind !== 'double-hbone') {
      const opening = { authority, headers, source: captured.socket, tap };
      const shortcut = context.shortcuts?.open({
        destination: route.workload.uid,
        pool: context.pool,
        target,
        opening,
      });
      return (shortcut && (await shortcut)) ?? context.pool.openTunnel(target, opening);
    }
    const outer = await context.pool.openTunnel(target, { authority, headers });
    return openFarTunnel(context, outer, route, { source, client: captured.source, trace: captured.trace, svid });
  }

  /**
   * A pod may be known here a moment before its own agent listens for it, or between two agents, and a waypoint's replica a moment
   * after it has stopped; two tunnels in a row may die before their answer. Nothing was heard by anybody yet: a little later it is decided anew, for a while. False when that while is over.
   */
  async #again(captured: Captured): Promise<boolean> {
    const { clock, settings } = this.#context;
    captured.backoff ??= createBackoff(NOT_LISTENING_BACKOFF, this.#context.random);
    const delayMs = captured.backoff.nextMs();
    if (clock.monotonic() + delayMs > captured.startedMs + settings.notListeningMs) return false;
    await clock.sleep(delayMs);
    if (this.#abandoned(captured)) return true;
    const route = this.#decider.decide(captured.destination, true);
    if (route.kind === 'wait' || !keepsFirstWords(captured.socket, route)) return false;
    this.#follow(captured, route);
    return true;
  }

  #target(captured: Captured, route: TunnelRoute, source: Workload, svid: Svid): PoolTarget<TunnelPeer> {
    const bind = ownSource(source, captured.source.ip, route.hboneAddress.ip);
    const known = this.#targets.get(route.workload);
    if (known !== undefined && known.bind === bind && known.svid === svid && isSameWay(known.route, route)) {
      return known.target;
    }
    const target = this.#createTarget(route, bind, svid);
    this.#targets.set(route.workload, { bind, svid, route, target });
    return target;
  }

  #createTarget(route: TunnelRoute, bind: IpAddress | null, svid: Svid): PoolTarget<TunnelPeer> {
    const { netns, peers, settings, sinks } = this.#context;
    const { hboneAddress, expectedIdentities } = route;
    return {
      key: tunnelKey(bind, svid.id, route),
      openSocket: () => {
        sinks.account.handshake();
        return dialInNetns(netns, {
          destination: hboneAddress,
          mark: settings.packetMark,
          ...(bind === null ? {} : { source: { ip: bind } }),
        });
      },
      secureContext: () => secureContextOf(svid),
      verifyPeer: peers.serverVerifier(expectedIdentities),
    };
  }

  #plain(captured: Captured, route: Settled & { readonly kind: 'direct-tcp' | 'passthrough' }): void {
    const context = this.#context;
    const source = workloadOf(context);
    const bind = source === undefined ? null : ownSource(source, captured.source.ip, route.address.ip);
    const count = (by: 'add' | 'remove'): void => {
      if (route.kind === 'direct-tcp') this.#count(route, by);
    };
    count('add');
    dialPlain(
      context.netns,
      {
        destination: route.address,
        mark: context.settings.packetMark,
        clock: context.clock,
        timeoutMs: context.settings.connectTimeoutMs,
        ...(bind === null ? {} : { source: { ip: bind } }),
      },
      (destination) => {
        destination.on('error', () => {}).setKeepAlive(true, KEEPALIVE_MS);
        if (this.#abandoned(captured)) {
          count('remove');
          destination.destroy();
          return;
        }
        // What is allowed may have changed while it was connected to, when nothing was there to be cut.
        if (workloadOf(context)?.egress !== undefined && !this.mayLeave(captured.destination)) {
          count('remove');
          destination.destroy();
          this.#refuse(captured, 'egress-locked', route);
          return;
        }
        const tap = this.#tapOf(captured, route);
        const done = ({ error }: SpliceResult): void => {
          context.live.delete(record);
          count('remove');
          record.end(error === null ? null : 'copy');
        };
        const splice = new PlainSplice(captured.socket, destination, done, tap, { source: context.sendRate });
        const record = new ConnectionRecord(context.sinks, this.#subject(captured, route, null), splice, {
          sendsRequest: true,
          admitted: null,
          tap,
          calledPlain: captured.destination,
        });
        context.live.add(record);
      },
      ({ reason, detail }) => {
        count('remove');
        this.#refuse(captured, reason, route, detail);
      },
    );
  }

  /** The same for all attempts: what the application says first is read once. */
  #tapOf(captured: Captured, route: Settled): RequestTap | null {
    const { sinks, state } = this.#context;
    if (sinks.requests === null || !decideOutboundCounting(state.view, route)) return null;
    captured.tap ??= RequestTap.create(sinks, { direction: 'outbound', sendsRequest: true });
    return captured.tap;
  }

  #refuse(
    captured: Captured,
    reason: FailureReason,
    route: Partial<TunnelRoute> & { readonly address?: SocketAddress } = {},
    detail?: string,
    isLocal = false,
  ): void {
    const durationMs = this.#context.clock.monotonic() - captured.startedMs;
    recordRefusal(this.#context.sinks, this.#subject(captured, route, null, { isLocal }), reason, durationMs, detail);
    refuseSocket(captured.socket);
  }

  #subject(
    captured: Captured,
    route: Partial<TunnelRoute> & { readonly address?: SocketAddress },
    peer: SpiffeId | null,
    { party, isLocal = false }: { readonly party?: Party | undefined; readonly isLocal?: boolean } = {},
  ): ConnectionSubject {
    const { parties, pod } = this.#context;
    return {
      direction: 'outbound',
      sourceAddress: captured.source,
      source: parties.ofWorkload(workloadOf(this.#context)),
      sourceIdentity: pod.identity,
      destinationAddress: route.hboneAddress ?? route.address ?? captured.destination,
      hboneAddress: route.authority,
      destination: party ?? parties.ofWorkload(route.workload),
      destinationIdentity: peer,
      service: route.service,
      encrypted: route.hboneAddress !== undefined,
      trace: captured.trace,
      isLocal,
    };
  }
}
