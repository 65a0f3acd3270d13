/**
 * One long stream between two pods, with its server: `node pulse-main.ts CLIENT-NETNS SERVER-NETNS ADDRESS PORT`. A small message goes out
 * every two milliseconds and comes back. Says `ready` once one has; every line of input is answered with the longest time, in
 * milliseconds, that one took since the line before. Ends with its input.
 */
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { dialInNetns, listenInNetns, NetnsHandle } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';

const INTERVAL_MS = 2;
const MESSAGE = Buffer.alloc(64, 1);

const [clientNetns = '', serverNetns = '', destination = ''] = process.argv.slice(2);
const address = parseSocketAddress(destination);

const fd = listenInNetns(NetnsHandle.open(serverNetns), { address: 'wildcard', port: address.port });
const server = net.createServer((socket) => void socket.on('error', fail).setNoDelay().pipe(socket));
server.on('error', fail).listen({ fd });
await once(server, 'listening');

const socket = dialInNetns(NetnsHandle.open(clientNetns), { destination: address }).on('error', fail).on('end', fail);
await once(socket, 'connect');
socket.setNoDelay();

/** When each message that has not come back was sent. */
const sentMs: number[] = [];
let worstMs = 0;
let backBytes = 0;
socket.on('data', (chunk: Buffer) => {
  backBytes += chunk.length;
  for (; backBytes >= MESSAGE.length; backBytes -= MESSAGE.length) {
    worstMs = Math.max(worstMs, performance.now() - (sentMs.shift() ?? 0));
  }
});
const beat = setInterval(() => {
  sentMs.push(performance.now());
  socket.write(MESSAGE);
}, INTERVAL_MS);
await once(socket, 'data');
process.stdout.write('ready\n');
for await (const _ of createInterface(process.stdin)) {
  const waitingMs = sentMs[0] === undefined ? 0 : performance.now() - sentMs[0];
  process.stdout.write(`${Math.max(worstMs, waitingMs).toFixed(3)}\n`);
  worstMs = 0;
}
clearInterval(beat);
process.exit(0);

function fail(error?: Error): void {
  process.stderr.write(`the stream ended: ${error?.message ?? 'without an error'}\n`);
  process.exit(1);
}
