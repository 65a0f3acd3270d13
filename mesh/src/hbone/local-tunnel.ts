import { bug } from '../runtime/errors.ts';
import { HboneError } from './errors.ts';
import { type LocalEnd, openLocalPair } from './local-pair.ts';
import type { HboneConnection, HeaderList, OpenedTunnel, TunnelEnd, TunnelOpening, TunnelRequest } from './tunnel.ts';

/** A tunnel request that reaches the server's side by a call instead of a CONNECT. */
export type LocalTunnelRequest<Peer> = TunnelRequest<Peer, TunnelEnd>;

export interface LocalTunnelOptions<Peer> {
  /** The client's end of the connection that a CONNECT would travel on: the tunnel lives no longer than this. */
  readonly session: Pick<HboneConnection<Peer>, 'peer' | 'hold'>;
  /** The other end of the same connection, or who stands for it here. */
  readonly connection: HboneConnection<Peer>;
  /** Its `source` must not have been read from. */
  readonly opening: Pick<TunnelOpening, 'authority' | 'headers'>;
  /** As of `AcceptOptions`. Called before this returns. */
  readonly onTunnel: (request: LocalTunnelRequest<Peer>) => void;
  /** As of `HboneEnvironment`. */
  readonly publicApiOnly?: boolean;
}

/**
 * Opens a tunnel within this thread, for a client and a server whose connection stands: requests, answers, half-close, resets
 * and counts are those of a CONNECT, bytes go from socket to socket. The session is held as by a stream; when it fails, the tunnel does.
 * What is not as of a CONNECT: `opening.source` says nothing before the answer, and no window bounds what waits: at most one read.
 * @throws HboneError `refused-status` (with data.isLocal), or what the session failed with.
 */
export function openLocalTunnel<Peer>(options: LocalTunnelOptions<Peer>): Promise<OpenedTunnel<Peer, TunnelEnd>> {
  return new Promise((resolve, reject) => {
    options.onTunnel(new LocalRequest(options, resolve, reject));
  });
}

class LocalRequest<Peer> implements LocalTunnelRequest<Peer> {
  readonly connection: HboneConnection<Peer>;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly isLocal: boolean = true;
  aborted = false;
  answered = false;
  private readonly peer: Peer;
  private readonly publicApiOnly: boolean;
  private readonly hold: Disposable;
  private readonly resolve: (tunnel: OpenedTunnel<Peer, TunnelEnd>) => void;
  private readonly fail: (error: HboneError) => void;
  private abortCallback: (() => void) | undefined;
  private end: LocalEnd | undefined;

  constructor(
    { session, connection, opening, publicApiOnly }: LocalTunnelOptions<Peer>,
    resolve: (tunnel: OpenedTunnel<Peer, TunnelEnd>) => void,
    fail: (error: HboneError) => void,
  ) {
    this.connection = connection;
    this.authority = opening.authority;
    this.headers = opening.headers;
    this.peer = session.peer;
    this.publicApiOnly = publicApiOnly === true;
    this.resolve = resolve;
    this.fail = fail;
    this.hold = session.hold((error) => this.onLost(error));
  }

  header(name: string): string | undefined {
    return this.headers.find((field) => field[0] === name)?.[1];
  }

  onAborted(callback: () => void): void {
    this.abortCallback = callback;
  }

  accept(headers: HeaderList = []): TunnelEnd {
    this.markAnswered();
    const { client, server } = openLocalPair(() => this.hold[Symbol.dispose](), this.publicApiOnly);
    this.end = client;
    if (this.aborted) client.lose(new HboneError('closed'));
    else this.resolve({ stream: client, peer: this.peer, headers });
    return server;
  }

  reject(status: number): void {
    this.markAnswered();
    this.hold[Symbol.dispose]();
    this.fail(new HboneError('refused-status', { data: { status, isLocal: true } }));
  }

  private markAnswered(): void {
    if (this.answered) bug('a tunnel request was answered twice');
    this.answered = true;
    this.abortCallback = undefined;
  }

  private onLost(error: HboneError): void {
    if (this.end !== undefined) {
      this.end.lose(error);
      return;
    }
    this.aborted = true;
    this.fail(error);
    this.abortCallback?.();
  }
}
