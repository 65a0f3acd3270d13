import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { BenchError } from '../errors.ts';
import {
  END_HEADERS,
  END_STREAM,
  Frame,
  frameOf,
  FrameScanner,
  openSettings,
  PREFACE,
  SETTINGS_ACK,
  windowUpdate,
} from './frames.ts';

const CREDIT_STEP_BYTES = 1 << 20;

/** Asks a server the same again and again, a batch of streams at a time, and only counts the ends of the responses. */
export class RawClient implements Disposable {
  private readonly socket: Socket;
  private readonly blocks: readonly Buffer[];
  private readonly body: Buffer;
  private nextId = 1;
  private waiting = 0;
  private owed = 0;
  private done: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(socket: Socket, blocks: readonly Buffer[], body: Buffer) {
    this.socket = socket;
    this.blocks = blocks;
    this.body = body;
    const scanner = new FrameScanner((type, flags, _id, payloadBytes) => this.onFrame(type, flags, payloadBytes));
    socket.on('data', (chunk: Buffer) => scanner.take(chunk));
    socket.on('error', (cause) => this.done.reject(cause));
    socket.on('close', () => this.done.reject(new BenchError('command-failed', 'a server closed the connection')));
    this.done.promise.catch(() => {});
  }

  /** `blocks`: of the first heads, the last one of all further. */
  static async connect(port: number, blocks: readonly Buffer[], body: Buffer): Promise<RawClient> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const client = new RawClient(socket, blocks, body);
    socket.write(Buffer.concat([PREFACE, openSettings(), windowUpdate(0, 2 ** 30)]));
    for (let i = 1; i < blocks.length; i += 1) await client.ask(1);
    return client;
  }

  /** Makes `count` requests at once and waits for all responses. */
  async ask(count: number): Promise<void> {
    const frames: Buffer[] = [];
    for (let i = 0; i < count; i += 1) {
      const id = this.nextId;
      this.nextId += 2;
      const block = this.blocks[Math.min((id - 1) / 2, this.blocks.length - 1)] ?? Buffer.alloc(0);
      const end = this.body.length === 0 ? END_STREAM : 0;
      frames.push(frameOf(Frame.headers, END_HEADERS | end, id, block));
      if (end === 0) frames.push(frameOf(Frame.data, END_STREAM, id, this.body));
    }
    this.waiting = count;
    this.done = Promise.withResolvers();
    this.socket.write(Buffer.concat(frames));
    await this.done.promise;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  private onFrame(type: number, flags: number, payloadBytes: number): void {
    if (type === Frame.data) this.giveCredit(payloadBytes);
    if (type === Frame.settings && flags === 0) this.socket.write(SETTINGS_ACK);
    if ((type !== Frame.data && type !== Frame.headers) || (flags & END_STREAM) === 0) return;
    this.waiting -= 1;
    if (this.waiting === 0) this.done.resolve();
  }

  private giveCredit(bytes: number): void {
    this.owed += bytes;
    if (this.owed < CREDIT_STEP_BYTES) return;
    this.socket.write(windowUpdate(0, this.owed));
    this.owed = 0;
  }
}
