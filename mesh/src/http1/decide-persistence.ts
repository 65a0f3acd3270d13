import type { OutgoingFraming } from './decide-framing.ts';
import type { Framing } from './head.ts';

/** What both decisions need to know of the peer's last head. */
interface PeerWish {
  readonly versionMinor: 0 | 1;
  readonly close: boolean;
  readonly keepAlive: boolean;
}

/** An exchange as the client's connection has seen it. */
export interface ClientExchange extends PeerWish {
  readonly method: string;
  /** The request has been read to its end. */
  readonly requestComplete: boolean;
  /** Of the response as we send it. */
  readonly framing: OutgoingFraming;
  readonly draining: boolean;
}

/** An exchange as the server's connection has seen it: the head is the response's. */
export interface ServerExchange extends PeerWish {
  /** The request has been sent to its end. */
  readonly requestComplete: boolean;
  /** The response has been read to its end. */
  readonly responseComplete: boolean;
  readonly framing: Framing;
  /** The connection is to be used no more, whatever the server thinks. */
  readonly retired: boolean;
}

/** `keep`: the connection takes another request. Otherwise why it does not. */
export type Persistence =
  | 'keep'
  | 'tunnel'
  | 'peer-asked'
  | 'http-1.0'
  | 'body-ends-with-connection'
  | 'request-incomplete'
  | 'response-incomplete'
  | 'connect-refused'
  | 'draining'
  | 'retired';

/** Whether a client may send its next request on the same connection; asked when the response's head is written. */
export function decideClientPersistence(exchange: ClientExchange): Persistence {
  if (exchange.framing === 'tunnel') return 'tunnel';
  // The client may have sent what the tunnel should carry, and that must not be read as requests.
  if (exchange.method === 'CONNECT') return 'connect-refused';
  if (exchange.framing === 'until-close') return 'body-ends-with-connection';
  const wish = peerWish(exchange);
  if (wish !== 'keep') return wish;
  // What is left of the body would have to be read for nothing, and of a client that waits for 100 it is unknown whether it comes.
  if (!exchange.requestComplete) return 'request-incomplete';
  return exchange.draining ? 'draining' : 'keep';
}

/** Whether a connection to a server can be used for another request; asked when the response has ended. */
export function decideServerPersistence(exchange: ServerExchange): Persistence {
  if (exchange.framing === 'tunnel') return 'tunnel';
  if (exchange.framing === 'until-close') return 'body-ends-with-connection';
  if (!exchange.responseComplete) return 'response-incomplete';
  if (!exchange.requestComplete) return 'request-incomplete';
  const wish = peerWish(exchange);
  if (wish !== 'keep') return wish;
  return exchange.retired ? 'retired' : 'keep';
}

/** RFC 9112 9.3. */
function peerWish({ versionMinor, close, keepAlive }: PeerWish): 'keep' | 'peer-asked' | 'http-1.0' {
  if (close) return 'peer-asked';
  return versionMinor === 0 && !keepAlive ? 'http-1.0' : 'keep';
}

/**
 * The value of Connection that tells a peer of this version what will be; undefined when it need not be told. An upgrade that
 * is passed on is told by whoever does so.
 */
export function connectionOption(persistence: Persistence, versionMinor: 0 | 1): 'close' | 'keep-alive' | undefined {
  if (persistence === 'tunnel') return undefined;
  if (persistence !== 'keep') return 'close';
  return versionMinor === 0 ? 'keep-alive' : undefined;
}
