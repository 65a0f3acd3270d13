import type { Socket } from 'node:net';
import {
  type BareSocket,
  type CarrierResult,
  HboneError,
  type HeaderList,
  type OpenedTunnel,
  type PoolTarget,
  type TunnelEnd,
} from '@ambit/mesh/hbone';
import type { OriginalDestination, SocketAddress, SpiffeId, Workload } from '@ambit/mesh/model';
import { createBackoff } from '@ambit/mesh/runtime';
import type { Svid, TunnelPeer } from '@ambit/mesh/tls';
import { asNodeSocket, type Captured } from './captured.ts';
import { ConnectionRecord, type ConnectionSubject, recordRefusal } from './connection-record.ts';
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
import { originalDestinationOf, remoteAddressOf } from './socket-addresses.ts';
import { detailOf, isNotListening } from './tunnel-failure.ts';
import { outboundHeaders } from './tunnel-headers.ts';
import { TunnelTargets } from './tunnel-targets.ts';

type Tunnelled = Exclude<RouteToWorkload, { readonly kind: 'direct-tcp' }>;

type OpenedStream = Pick<OpenedTunnel<TunnelPeer, TunnelEnd>, 'stream' | 'peer'> &
  Partial<Pick<FarTunnel, 'party' | 'release'>>;

const NOT_LISTENING_BACKOFF = { initialMs: 20, maxMs: 320, factor: 2, jitter: 0.2 } as const;

interface FarOpening {
  readonly target: PoolTarget<TunnelPeer>;
  readonly headers: HeaderList;
  readonly source: Workload;
  readonly svid: Svid;
}

/** Port 15001 of one pod: captured outbound connections go where `decideOutbound` sends them, or are refused. */
export class OutboundProxy {
  readonly #context: PodContext;
  readonly #decider: OutboundDecider;
  #openingCount = 0;
  readonly #targets: TunnelTargets;

  constructor(context: PodContext) {
    this.#context = context;
    this.#decider = new OutboundDecider(context);
    this.#targets = new TunnelTargets(context);
  }

  /** Takes over an accepted, paused socket. */
  accept(socket: Socket | BareSocket): void {
    // It waited for its turn until the pod was gone: no decision is needed, nor one to be waited for.
    if (this.#context.isClosed()) {
      refuseSocket(socket);
      return;
    }
    const source = remoteAddressOf(socket);
    if (source === null) {
      socket.destroy();
      return;
    }
    let destination: OriginalDestination;
    try {
      destination = originalDestinationOf(socket);
    } catch {
      refuseSocket(socket);
      return;
    }
    const { clock, sinks } = this.#context;
    const trace = sinks.tracer === null ? null : sinks.tracer.begin();
    const captured: Captured = { socket, source, destination, startedMs: clock.monotonic(), trace, isOpening: true };
    this.#openingCount++;
    try {
      const route = this.#decider.decide(destination, false);
      if (route.kind !== 'wait') this.#follow(captured, route);
      else this.#wait(captured, route).catch((error: unknown) => this.#fail(captured, error));
    } catch (error) {
      this.#fail(captured, error);
    }
  }

  /** Connections that are neither there yet nor over. */
  get openingCount(): number {
    return this.#openingCount;
  }

  /** Whether a connection past the tunnels would be let out of the mesh now. */
  mayLeave(destination: OriginalDestination): boolean {
    return this.#decider.mayLeave(destination);
  }

  #settle(captured: Captured): void {
    if (!captured.isOpening) return;
    captured.isOpening = false;
    this.#openingCount--;
  }

  #fail(captured: Captured, error: unknown): void {
    this.#settle(captured);
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
    else void this.#tunnel(captured, route);
  }

  async #wait(captured: Captured, first: OutboundRoute & { readonly kind: 'wait' }): Promise<void> {
    const deadlineMs = captured.startedMs + this.#context.settings.patienceMs;
    const route = await this.#decider.wait(first, captured.destination, deadlineMs);
    if (route === 'too-many') this.#refuse(captured, 'too-many-waiting');
    else this.#follow(captured, route);
  }

  #abandoned(captured: Captured): boolean {
    if (this.#context.isClosed()) refuseSocket(captured.socket);
    const { destroyed } = captured.socket;
    if (destroyed) this.#settle(captured);
    return destroyed;
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

  /**
   * Never rejects. One function and not several, as each that waits costs every connection. Balancing sees the connection from the beginning, and no
   * more once it is over.
   */
  async #tunnel(captured: Captured, route: Tunnelled): Promise<void> {
    const context = this.#context;
    this.#count(route, 'add');
    let isCarried = false;
    try {
      const use = svidNow(context) ?? (await svidLater(context));
      if (this.#abandoned(captured)) return;
      const source = workloadOf(context);
      if (use.kind === 'none' || source === undefined) {
        this.#refuse(captured, use.kind === 'none' ? use.reason : 'unknown-source', route);
        return;
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
        return;
      }
      isCarried = this.#carry(captured, route, opened, tap);
    } catch (error) {
      this.#fail(captured, error);
    } finally {
      if (!isCarried) this.#count(route, 'remove');
    }
  }

  #count(route: RouteToWorkload, by: 'add' | 'remove'): void {
    const { openConnections } = this.#context;
    openConnections[by](route.workload.uid);
    if (route.kind === 'double-hbone') openConnections[by](route.far.uid);
  }

  /** False when it is over already. */
  #carry(captured: Captured, route: Tunnelled, opened: OpenedStream, tap: RequestTap | null): boolean {
    const context = this.#context;
    const { stream, peer, party, release } = opened;
    if (this.#abandoned(captured)) {
      stream.reset();
      release?.();
      return false;
    }
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
    this.#settle(captured);
    const done = (result: CarrierResult): void => {
      context.live.delete(record);
      this.#count(route, 'remove');
      record.end(result.error === undefined ? null : failureOfTunnel(result.error));
      release?.();
    };
    stream.splice(captured.socket, done, tap, context.sendRate);
    return true;
  }

  #openStream(
    captured: Captured,
    route: Tunnelled,
    source: Workload,
    svid: Svid,
    tap: RequestTap | null,
  ): Promise<OpenedStream> {
    const { pool, shortcuts } = this.#context;
    const headers = outboundHeaders(source, captured.source, captured.trace, route.service);
    const target = this.#targets.of(captured.source.ip, route, source, svid);
    if (route.kind === 'double-hbone') return this.#openFar(captured, route, { target, headers, source, svid });
    const opening = { authority: route.authority, headers, source: captured.socket, tap };
    const shortcut = shortcuts?.open({ destination: route.workload.uid, pool, target, opening }) ?? null;
    if (shortcut === null) return pool.openTunnel(target, opening);
    return shortcut.then((opened): OpenedStream | Promise<OpenedStream> => opened ?? pool.openTunnel(target, opening));
  }

  async #openFar(
    captured: Captured,
    route: Tunnelled & { readonly kind: 'double-hbone' },
    { target, headers, source, svid }: FarOpening,
  ): Promise<OpenedStream> {
    const context = this.#context;
    // The inner tunnel goes through no socket of its own.
    asNodeSocket(captured);
    const outer = await context.pool.openTunnel(target, { authority: route.authority, headers });
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
        this.#settle(captured);
        const tap = this.#tapOf(captured, route);
        const done = ({ error }: SpliceResult): void => {
          context.live.delete(record);
          count('remove');
          record.end(error === null ? null : 'copy');
        };
        const splice = new PlainSplice(asNodeSocket(captured), destination, done, tap, { source: context.sendRate });
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
    this.#settle(captured);
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
