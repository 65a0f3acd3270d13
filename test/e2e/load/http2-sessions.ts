import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';

export interface SessionObserver {
  onOpened(session: ClientHttp2Session): void;
  onClosed(session: ClientHttp2Session): void;
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

  /** For one request or stream; its owner calls `done` when that is over. */
  take(isNew: boolean): { readonly session: ClientHttp2Session; readonly done: () => void } {
    if (isNew) {
      const session = this.#connect();
      this.#own.add(session);
      const done = (): void => {
        this.#own.delete(session);
        session.close();
      };
      return { session, done };
    }
    const at = this.#next++ % this.#shared.length;
    const known = this.#shared[at];
    const session = known === undefined || known.closed || known.destroyed ? this.#connect() : known;
    this.#shared[at] = session;
    return { session, done: () => {} };
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
