import { BlockingSocket } from '@ambit/mesh/linux';
import { formatSocketAddress, type SocketAddress } from '@ambit/mesh/model';
import { BenchError } from '../errors.ts';
import { REQUEST_BODY_BYTES, REQUEST_CONTENT_TYPE } from './wrk.ts';

/** An answer that takes longer is lost, and the connection with it. */
const ANSWER_TIMEOUT_MS = 5_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const OK_START = Buffer.from('HTTP/1.1 200');
const HEAD_END = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: *(?<bytes>\d+)\r\n/i;

/**
 * One kept connection with wrk's requests on it, one at a time, whose calls hold up the thread. Answers to it of status 200 must be of the
 * same length. Belongs to whoever opened it.
 */
export class KeptConnection implements Disposable {
  readonly #socket: BlockingSocket;
  readonly #request: Buffer;
  readonly #timeoutMs: number;
  readonly #answer = Buffer.allocUnsafeSlow(ANSWER_BYTES_MAX);
  #askedMs = 0;
  /** Of the answer that is being read, from its beginning. */
  #receivedBytes = 0;
  /** Of an answer of status 200 with its head; 0 until there was one. */
  #okBytes = 0;

  private constructor(socket: BlockingSocket, request: Buffer, timeoutMs: number) {
    this.#socket = socket;
    this.#request = request;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws SyscallError when there is no connection. */
  static open(address: SocketAddress, timeoutMs: number = ANSWER_TIMEOUT_MS): KeptConnection {
    return new KeptConnection(BlockingSocket.connect(address, { timeoutMs }), requestTo(address), timeoutMs);
  }

  /**
   * Sends a request and waits for the whole answer: whether that was of status 200. `nowMs` is that of `performance.now()`. After a failure the
   * connection is of no more use. @throws SyscallError when nothing comes in time, BenchError `peer-failed` when the connection ends or the answer
   * takes too long, `unreadable-output` when it is none.
   */
  ask(nowMs: number): boolean {
    this.#askedMs = nowMs;
    this.#receivedBytes = 0;
    this.#socket.send(this.#request);
    this.#receiveUpTo(OK_START.length);
    const isOk = this.#startsOk();
    // Only the first one is parsed, and those that are errors: they have lengths of their own.
    const bytes = isOk && this.#okBytes > 0 ? this.#okBytes : this.#parseLength();
    if (isOk) this.#okBytes = bytes;
    this.#receiveUpTo(bytes);
    if (this.#receivedBytes > bytes) throw this.#unreadable('an answer is longer than it should be');
    return isOk;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #receiveUpTo(bytes: number): void {
    while (this.#receivedBytes < bytes) this.#receiveMore();
  }

  #receiveMore(): void {
    if (this.#receivedBytes === ANSWER_BYTES_MAX) throw this.#unreadable('an answer is too long');
    // The socket's own limit is that of a single piece.
    if (this.#receivedBytes > 0 && performance.now() - this.#askedMs > this.#timeoutMs) {
      throw new BenchError('peer-failed', 'an answer took too long', { data: { limitMs: this.#timeoutMs } });
    }
    const received = this.#socket.recv(this.#answer, this.#receivedBytes);
    if (received === 0) throw new BenchError('peer-failed', 'a kept connection was closed');
    this.#receivedBytes += received;
  }

  #startsOk(): boolean {
    for (let at = 0; at < OK_START.length; at++) if (this.#answer[at] !== OK_START[at]) return false;
    return true;
  }

  /** Length of the answer with its head, of which it waits for the end. */
  #parseLength(): number {
    for (;;) {
      const text = this.#answer.toString('latin1', 0, this.#receivedBytes);
      const headBytes = text.indexOf(HEAD_END) + HEAD_END.length;
      if (headBytes < HEAD_END.length) {
        this.#receiveMore();
        continue;
      }
      const body = CONTENT_LENGTH.exec(text.slice(0, headBytes))?.groups?.['bytes'];
      if (body === undefined) throw this.#unreadable('an answer does not say its length');
      return headBytes + Number(body);
    }
  }

  #unreadable(message: string): BenchError {
    const [start = ''] = this.#answer.toString('latin1', 0, this.#receivedBytes).split('\r\n', 1);
    return new BenchError('unreadable-output', message, { data: { start: start.slice(0, 100) } });
  }
}

function requestTo(address: SocketAddress): Buffer {
  const head =
    `POST / HTTP/1.1\r\nHost: ${formatSocketAddress(address)}\r\n` +
    `Content-Type: ${REQUEST_CONTENT_TYPE}\r\nContent-Length: ${REQUEST_BODY_BYTES}\r\n\r\n`;
  return Buffer.from(head + 'x'.repeat(REQUEST_BODY_BYTES), 'latin1');
}
