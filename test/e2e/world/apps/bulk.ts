import { createServer, type Server, type Socket } from 'node:net';
import type { AppEvent } from './app-protocol.ts';
import { addressOf, listening } from './app-servers.ts';

/** Not a power of two, so that blocks fall differently into every buffer, record and frame on the way. */
const BLOCK_BYTES = 65_521;
const LENGTH_BYTES = 8;

type Sender = 'client' | 'server';

/**
 * A stream without end in which no two blocks are the same and each direction has its own bytes: a block lost, doubled,
 * moved or sent back shows at once.
 */
export class Pattern {
  readonly #block: Buffer;
  #index = -1n;
  #at = BLOCK_BYTES;

  constructor(sender: Sender) {
    this.#block = Buffer.alloc(BLOCK_BYTES);
    let state = sender === 'client' ? 0x9e3779b9 : 0x7f4a7c15;
    for (let i = 0; i < BLOCK_BYTES; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      this.#block[i] = state >>> 24;
    }
  }

  /** The next bytes, at most `bytesMax`, as a view that holds until the next call. */
  next(bytesMax: number): Buffer {
    if (this.#at === BLOCK_BYTES) {
      this.#index++;
      this.#block.writeBigUInt64BE(this.#index, 0);
      this.#at = 0;
    }
    const end = Math.min(BLOCK_BYTES, this.#at + bytesMax);
    const bytes = this.#block.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}

/** Compares what arrives with the pattern. */
export class PatternChecker {
  readonly #pattern: Pattern;
  receivedBytes = 0;
  /** Offset of the piece in which the first byte is another than it must be. */
  brokenAt: number | null = null;

  constructor(sender: Sender) {
    this.#pattern = new Pattern(sender);
  }

  add(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.brokenAt === null; ) {
      const expected = this.#pattern.next(chunk.length - at);
      if (chunk.compare(expected, 0, expected.length, at, at + expected.length) !== 0)
        this.brokenAt = this.receivedBytes;
      else this.receivedBytes += expected.length;
      at += expected.length;
    }
  }
}

/** Tells the server how much it shall send, and sends and checks as much; the checker says how it went once the socket closed. */
export function exchangeAsClient(socket: Socket, bytes: number): PatternChecker {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64BE(BigInt(bytes));
  socket.write(length);
  const checker = new PatternChecker('server');
  socket.on('data', (chunk: Buffer) => checker.add(chunk));
  send(socket, new Pattern('client'), bytes);
  return checker;
}

/** Sends as much as the client asks for while it checks what the client sends, and reports that when the client is done. */
export function startBulkApp(port: number, report: (event: AppEvent) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const source = addressOf(socket.remoteAddress, socket.remotePort);
    const checker = new PatternChecker('client');
    let head: Buffer | null = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      if (head === null) return checker.add(chunk);
      head = Buffer.concat([head, chunk]);
      if (head.length < LENGTH_BYTES) return;
      send(socket, new Pattern('server'), Number(head.readBigUInt64BE()));
      checker.add(head.subarray(LENGTH_BYTES));
      head = null;
    });
    socket.on('end', () => {
      const what = checker.brokenAt === null ? `${checker.receivedBytes} intact` : `broken at ${checker.brokenAt}`;
      report({ event: 'served', kind: 'bulk', source, what });
    });
  });
  return listening(server, port);
}

/** Sends the first `bytes` of a pattern as fast as the socket takes them, and ends its direction. */
function send(socket: Socket, pattern: Pattern, bytes: number): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      const piece = Buffer.from(pattern.next(left));
      left -= piece.length;
      if (!socket.write(piece)) {
        socket.once('drain', more);
        return;
      }
    }
    socket.end();
  };
  more();
}
