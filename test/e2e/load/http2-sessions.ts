import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp } from 'node:net';

export interface SessionObserver {
  onOpened(session: ClientHttp2Session): void;
  onClosed(session: ClientHttp2Session): void;
}

/** A request that was made of a connection. */
export interface AskedStream {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  /**
   * node:http2 writes what was asked for before the turn of the event loop ends. A GOAWAY that it reads before that makes it refuse the
   * request by itself: nobody has seen it, so whoever asks again makes no second attempt.
   */
  readonly isHeldBack: boolean;
  /** It may be with the server by now. */
  readonly hasLeft: boolean;
}

/** HTTP/2 connections with prior knowledge that are used in turn. One that the server says goodbye on is replaced by a new one. */
export class Http2Sessions {
  readonly #authority: string;
  readonly #host: string;
  readonly #port: number;
  readonly #observer: SessionObserver;
  readonly #shared: (ClientHttp2Session | undefined)[];
  readonly #own = new Set<ClientHttp2Session>();
  #next = 0;

  constructor(to: { readonly host: string; readonly port: number }, count: number, observer: SessionObserver) {
    this.#host = to.host;
    this.#port = to.port;
    this.#authority = `http://${to.host.includes(':') ? `[${to.host}]` : to.host}:${to.port}`;
    this.#observer = observer;
    this.#shared = Array.from({ length: count });
  }

  ask(isNew: boolean, headers: OutgoingHttpHeaders, options: { readonly endStream: boolean }): AskedStream {
    const session = isNew ? this.#connect() : this.#takeShared();
    const stream = session.request(headers, options);
    if (isNew) {
      this.#own.add(session);
      stream.once('close', () => {
        this.#own.delete(session);
        session.close();
      });
    }
    let hasLeft = false;
    setImmediate(() => {
      hasLeft = true;
    });
    return {
      session,
      stream,
      get isHeldBack() {
        return !hasLeft && stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      },
      get hasLeft() {
        return hasLeft;
      },
    };
  }

  #takeShared(): ClientHttp2Session {
    const at = this.#next++ % this.#shared.length;
    const known = this.#shared[at];
    const session = known === undefined || known.closed || known.destroyed ? this.#connect() : known;
    this.#shared[at] = session;
    return session;
  }

  close(): void {
    for (const session of [...this.#shared, ...this.#own]) session?.destroy();
  }

  #connect(): ClientHttp2Session {
    const session = connect(this.#authority, {
      createConnection: () =>
        connectTcp({ host: this.#host, port: this.#port, noDelay: true, autoSelectFamily: false }),
    });
    // Its requests fail with the same error, and are counted there.
    session.on('error', () => {});
    session.once('connect', () => {
      session.once('close', () => this.#observer.onClosed(session));
      this.#observer.onOpened(session);
    });
    return session;
  }
}
