/**
 * Modest requests of one pod to a server of its own in another namespace: `node modest-main.ts SERVER-NETNS ADDRESS`. Sends a small
 * message every few milliseconds whether others are answered or not, in turn on one of some kept connections and on a new one, and takes
 * the time until it has come back; connecting is part of it. Says `ready` after the first answer; every line of input is answered with the
 * times since the line before, in microseconds. Ends with its input, and when a connection fails.
 */
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { listenInNetns, NetnsHandle } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';

const INTERVAL_MS = 3;
const KEPT = 4;
const MESSAGE = Buffer.alloc(64, 1);

const [serverNetns = '', destination = ''] = process.argv.slice(2);
const { ip: host, port } = parseSocketAddress(destination);

const fd = listenInNetns(NetnsHandle.open(serverNetns), { address: 'wildcard', port });
const server = net.createServer({ noDelay: true }, (socket) => void socket.on('error', fail).pipe(socket));
server.on('error', fail).listen({ fd });
await once(server, 'listening');

/** What was sent between two lines of input. */
class Times {
  readonly kept: number[] = [];
  readonly fresh: number[] = [];
  open = 0;

  /** To be called when the answer has come. */
  sent(how: 'kept' | 'fresh'): () => void {
    const sentMs = performance.now();
    this.open++;
    return () => {
      this.open--;
      this[how].push(Math.round((performance.now() - sentMs) * 1000));
    };
  }
}

let times = new Times();

class KeptConnection {
  /** Of messages that have not come back. */
  readonly #answered: (() => void)[] = [];
  readonly #socket = net.connect({ host, port, noDelay: true }).on('error', fail).on('close', fail);
  #backBytes = 0;

  async open(): Promise<void> {
    await once(this.#socket, 'connect');
    this.#socket.on('data', (chunk: Buffer) => {
      this.#backBytes += chunk.length;
      for (; this.#backBytes >= MESSAGE.length; this.#backBytes -= MESSAGE.length) this.#answered.shift()?.();
    });
  }

  send(): void {
    this.#answered.push(times.sent('kept'));
    this.#socket.write(MESSAGE);
  }
}

function ask(): void {
  const answered = times.sent('fresh');
  const socket = net
    .connect({ host, port, noDelay: true }, () => socket.write(MESSAGE))
    .on('error', fail)
    .once('data', () => {
      answered();
      socket.end();
    });
}

const connections = Array.from({ length: KEPT }, () => new KeptConnection());
for (const connection of connections) await connection.open();

let count = 0;
const beat = setInterval(() => {
  if (count % 2 === 0) connections[(count / 2) % KEPT]?.send();
  else ask();
  count++;
}, INTERVAL_MS);
const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
while (times.fresh.length === 0) await moment();
process.stdout.write('ready\n');
for await (const _ of createInterface(process.stdin)) {
  const { kept, fresh } = await ended();
  process.stdout.write(`${JSON.stringify({ kept, fresh })}\n`);
}
clearInterval(beat);
process.exit(0);

/** Those of up to now, once all of them are answered. */
async function ended(): Promise<Times> {
  const over = times;
  times = new Times();
  while (over.open > 0) await moment();
  return over;
}

function fail(error?: unknown): void {
  process.stderr.write(`a connection failed: ${error instanceof Error ? error.message : 'it was closed'}\n`);
  process.exit(1);
}
