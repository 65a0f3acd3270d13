import { MeshError, type MeshErrorOptions } from '../runtime/errors.ts';

/**
 * `connect` TCP connection failed; `timeout` connecting, handshake or answer took too long (data.phase); `tls` handshake
 * failed or no `h2` was agreed; `identity` the peer's certificate was refused; `refused-status` the peer answered other
 * than 200 (data.status); `reset` the stream was reset (data.http2Code); `goaway` the peer is shutting down and did not
 * take the stream; `closed` the connection ended under the stream; `protocol` the peer broke HTTP/2 (data.http2Code, data.rule);
 * `flood` the peer abused HTTP/2 (data.rule); `keepalive` the peer stopped answering PING; `pool-full` too many waiters
 * for one session; `draining` we are shutting down; `aborted` the caller gave up; `cut` the caller cut a live tunnel
 * (data.reason); `socket` the plaintext socket failed.
 */
export type HboneErrorCode =
  | 'connect'
  | 'timeout'
  | 'tls'
  | 'identity'
  | 'refused-status'
  | 'reset'
  | 'goaway'
  | 'closed'
  | 'protocol'
  | 'flood'
  | 'keepalive'
  | 'pool-full'
  | 'draining'
  | 'aborted'
  | 'cut'
  | 'socket';

const MESSAGES: Readonly<Record<HboneErrorCode, string>> = {
  connect: 'tunnel connection could not be opened',
  timeout: 'tunnel timed out, maybe a NetworkPolicy blocks port 15008',
  tls: 'tunnel handshake failed',
  identity: 'tunnel peer identity was refused',
  'refused-status': 'tunnel request was refused',
  reset: 'tunnel stream was reset',
  goaway: 'tunnel peer is shutting down',
  closed: 'tunnel connection closed',
  protocol: 'tunnel peer violated HTTP/2',
  flood: 'tunnel peer flooded the connection',
  keepalive: 'tunnel peer stopped answering',
  'pool-full': 'too many callers wait for one tunnel connection',
  draining: 'tunnel is shutting down',
  aborted: 'tunnel request was given up',
  cut: 'tunnel was cut',
  socket: 'plaintext socket failed',
};

const RETRYABLE: ReadonlySet<HboneErrorCode> = new Set(['connect', 'timeout', 'goaway', 'closed', 'keepalive']);

/** Any failure of a tunnel or of the connection that carries it. */
export class HboneError extends MeshError<HboneErrorCode> {
  override readonly name = 'HboneError';

  constructor(code: HboneErrorCode, options: Omit<MeshErrorOptions, 'retryable'> = {}) {
    super(code, MESSAGES[code], { ...options, retryable: RETRYABLE.has(code) });
  }

  /** The same, and known to whoever asked: no application has heard anything of the request, which may be made again. */
  asUnheard(): HboneError {
    return new HboneError(this.code, { cause: this.cause ?? this, data: { ...this.data, unheard: true } });
  }

  get isUnheard(): boolean {
    return this.data['unheard'] === true;
  }
}
